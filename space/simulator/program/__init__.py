"""SerialEM as a program: its session, Navigator, open files, variables and dialogs."""

from space.simulator.program.files import read_mdoc

__all__ = ["read_mdoc"]
