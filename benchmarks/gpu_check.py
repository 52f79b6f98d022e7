"""Check and time training on one GPU, with one command, in at most six minutes; no network, no Ray, no downloads.

    python benchmarks/gpu_check.py --data_path DIR --out benchmarks/results/gpu.md

It compares captured with plain steps and resumed with uninterrupted trainings, times every way of training, packs
trainings, profiles a step, and trains Beauty to 20 epochs. DIR has the atomic files of amazon-beauty and, if they are
there, of ml-1m; without Beauty a stand-in of its size is made. The page and, beside it, a JSON are written after each
result. Sections have budgets, and cases run in processes of their own that may crash: nothing else is lost by that.
Exit code 1 says that a case failed, had no time left, or found trainings that are not equal; a missed target does not.

--device cpu --quick runs everything but the capture on tiny data in less than a minute. Linux.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    sys.path[:0] = [str(here / "gpu"), str(here / "speed"), str(here.parent)]  # it also runs where nothing is installed
    from checking import main

    main(__doc__, Path(__file__).resolve())
