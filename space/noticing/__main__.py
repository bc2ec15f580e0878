"""``python -m space.noticing SESSION``: look at the series of a session while they are taken."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

from space.noticing.beside import run

if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(5)  # SerialEM comes first
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    sys.exit(run(Path(sys.argv[1]), time.sleep, time.time))
