"""``python -m space.simulator``."""

import sys

from space.simulator.command_line import main

sys.exit(main())
