#!/usr/bin/env python
"""Watch a folder for lamella maps: python SPACEtomo_monitor.py --dir FOLDER --gpu 0,1"""

import sys
from pathlib import Path

SPACE_DIR = Path(__file__).resolve().parent
sys.path.insert(0, str(SPACE_DIR))

from space.jobs.monitor import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(space_dir=SPACE_DIR))
