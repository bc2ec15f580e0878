#!/usr/bin/env python
"""Watch a folder for lamella maps: ``python SPACEtomo_monitor.py --dir FOLDER --gpu 0,1``."""

import sys

if sys.version_info < (3, 9):
    sys.exit("SPACEtomo needs Python 3.9 or newer; this is %d.%d." % sys.version_info[:2])
from pathlib import Path

SPACE_DIR = Path(__file__).resolve().parent
sys.path.insert(0, str(SPACE_DIR))

from space.packages import load

if __name__ == "__main__":
    try:
        try:
            main = load("space.jobs.monitor_command").main
        except RuntimeError as error:
            sys.exit(str(error))
        sys.exit(main(space_dir=SPACE_DIR))
    except KeyboardInterrupt:  # while it starts, or in --status
        sys.exit(130)
