#!/usr/bin/env python
"""Find what is in lamella maps: ``python SPACEtomo_nnUNet.py MAP.png [...] --device cpu``."""

import sys

if sys.version_info < (3, 9):
    sys.exit("SPACEtomo needs Python 3.9 or newer; this is %d.%d." % sys.version_info[:2])
from pathlib import Path

SPACE_DIR = Path(__file__).resolve().parent
sys.path.insert(0, str(SPACE_DIR))

from space.packages import load

if __name__ == "__main__":
    try:
        main = load("space.jobs.worker").main
    except RuntimeError as error:
        sys.exit(str(error))
    sys.exit(main(space_dir=SPACE_DIR))
