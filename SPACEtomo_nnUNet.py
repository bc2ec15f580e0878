#!/usr/bin/env python
"""Find what is in lamella maps: python SPACEtomo_nnUNet.py MAP.png [...] --device cpu"""

import sys
from pathlib import Path

SPACE_DIR = Path(__file__).resolve().parent
sys.path.insert(0, str(SPACE_DIR))

from space.jobs.worker import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(space_dir=SPACE_DIR))
