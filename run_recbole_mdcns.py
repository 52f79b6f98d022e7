"""Train a sequential recommender with MDCNS: ``python run_recbole_mdcns.py --model=SASRec --dataset=ml-100k``."""

import sys

from recbole_mdcns.cli.main import train_main

if __name__ == "__main__":
    sys.exit(train_main())
