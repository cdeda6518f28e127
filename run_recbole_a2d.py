"""Run recbole_a2d from a checkout: ``python run_recbole_a2d.py --dataset shop``."""

import sys

from recbole_a2d.cli import main

if __name__ == "__main__":
    sys.exit(main())
