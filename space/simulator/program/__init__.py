"""SerialEM as a program: its session, Navigator, open files, variables and dialogs."""

from space.simulator.program.drive import Drive
from space.simulator.program.files import read_mdoc

__all__ = ["Drive", "read_mdoc"]
