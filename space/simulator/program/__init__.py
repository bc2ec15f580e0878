"""SerialEM as a program: its session, Navigator, open files, variables and dialogs."""

from space.simulator.program.files import read_mdoc
from space.simulator.program.policy import PolicyError

__all__ = ["PolicyError", "read_mdoc"]
