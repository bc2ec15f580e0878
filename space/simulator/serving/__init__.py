"""The simulated program listens at a port, for Python on the same or another computer.

As SerialEM does with the property EnableExternalPython: a process imports `serialem`, calls
`ConnectToSEM`, and its first command takes control. What goes over the line is a form of our own;
the module for the other side is `client`, which `write_module` puts where `import serialem` finds
it.
"""

from space.simulator.serving.client import PORT, client_module, write_module
from space.simulator.serving.server import AFTER, BEFORE, Cut, Server

__all__ = ["AFTER", "BEFORE", "PORT", "Cut", "Server", "client_module", "write_module"]
