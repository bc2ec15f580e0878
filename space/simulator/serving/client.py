"""The module `serialem` of a process outside of the simulated program."""

from __future__ import annotations

import os
import socket
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from space.simulator.column.errors import SEMerror, SEMexited, SEMmoduleError
from space.simulator.python.argkeys import CommandRow, check_arguments, command_table
from space.simulator.serving import wire

PORT = 48888
"""Where SerialEM listens for Python from outside."""

_ERRORS = {error.__name__: error for error in (SEMerror, SEMexited, SEMmoduleError, TypeError)}
_OWN = (
    CommandRow("ScriptIsInitialized", ""),
    CommandRow("ReturnAllValuesAsTuples", "i"),
    CommandRow("ReportNumModuleFuncs", ""),
    CommandRow("SetBufferImageTimeout", "D"),
)
_CONNECT_S = 10.0

_MODULE = '''"""SerialEM's module, for the simulated program."""

import sys

from space.simulator.serving import client_module

sys.modules[__name__] = client_module()
'''


class _Line:
    """The line to the program; it is broken for good until the next `connect`."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._asked = False

    def connect(self, port: int, host: str) -> None:
        """Connect anew.

        Raises
        ------
        SEMmoduleError
            If nobody listens there.
        """
        self.close()
        self._asked = True
        try:
            self._socket = socket.create_connection((host, port), _CONNECT_S)
            self._socket.settimeout(None)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise SEMmoduleError(f"No connection to SerialEM at {host}:{port}: {error}") from None

    def close(self) -> None:
        """Close it."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def __del__(self) -> None:
        self.close()

    def ask(self, name: str, args: tuple[object, ...]) -> tuple[dict[str, Any], bytes]:
        """Send a command and wait for the answer.

        Raises
        ------
        SEMmoduleError
            If there is no connection any more: nobody knows whether the command was carried out.
        """
        if not self._asked:
            self.connect(
                int(os.environ.get("PY_SERIALEM_PORT", PORT)),
                os.environ.get("PY_SERIALEM_IP", "127.0.0.1"),
            )
        if self._socket is None:
            raise SEMmoduleError("Not connected to SerialEM")
        try:
            wire.send(self._socket, {"call": name, "args": [wire.plain(one) for one in args]})
            return wire.receive(self._socket)
        except OSError as error:
            self.close()
            raise SEMmoduleError(f"The connection to SerialEM was lost: {error}") from None


def client_module() -> types.ModuleType:
    """Make the module `serialem`; it is not connected yet."""
    line = _Line()
    module = types.ModuleType("serialem", "Simulated SerialEM, at the other end of a line")
    for error in (SEMerror, SEMexited, SEMmoduleError):
        setattr(module, error.__name__, error)
    for row in (*command_table().values(), *_OWN):
        setattr(module, row.name, _command(line, row))

    def connect_to_sem(*args: object) -> None:
        values = check_arguments(CommandRow("ConnectToSEM", "is"), args)
        port, host = [*values, None, None][:2]
        line.connect(int(port or PORT), str(host or "127.0.0.1"))

    def buffer_image(letter: str, /) -> memoryview:
        reply, data = line.ask("bufferImage", (letter,))
        if "error" in reply:
            error = SystemError("bufferImage returned a result with an exception set")
            raise error from SEMmoduleError(reply["text"])
        return np.frombuffer(data, reply["type"]).reshape(reply["shape"]).data

    # Both are called by these names.
    module.ConnectToSEM, module.bufferImage = connect_to_sem, buffer_image  # type: ignore[attr-defined]
    return module


def _command(line: _Line, row: CommandRow) -> Callable[..., object]:
    def call(*args: object) -> object:
        check_arguments(row, args)
        reply, _ = line.ask(row.name, args)
        if "error" in reply:
            raise _ERRORS.get(reply["error"], SEMmoduleError)(reply["text"])
        value = reply.get("value")
        return tuple(value) if isinstance(value, list) else value

    call.__name__ = call.__qualname__ = row.name
    return call


def write_module(folder: Path) -> Path:
    """Write the file `serialem.py` that stands for SerialEM's module; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "serialem.py"
    path.write_text(_MODULE, encoding="utf-8")
    return path
