"""``python -m recbole_mdcns`` is the command ``recbole-mdcns``."""

import sys

from recbole_mdcns.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
