"""SerialEM's Python side: the process of a script and the module `serialem`."""

from space.simulator.python.argkeys import command_table

__all__ = ["command_table"]
