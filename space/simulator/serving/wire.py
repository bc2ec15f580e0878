"""Messages between the program and a process outside: a table in JSON, and bytes after it."""

from __future__ import annotations

import json
import operator
import socket
import struct
from typing import Any

_LENGTHS = struct.Struct(">II")
MOST_BYTES = 1 << 30


def send(line: socket.socket, table: dict[str, Any], data: bytes = b"") -> None:
    """Send a message.

    Raises
    ------
    OSError
        If the line is broken.
    """
    head = json.dumps(table).encode("utf-8")
    line.sendall(_LENGTHS.pack(len(head), len(data)) + head + data)


def receive(line: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Wait for a message.

    Raises
    ------
    OSError
        If the line is broken, or what comes is no message.
    """
    head, data = _LENGTHS.unpack(_exactly(line, _LENGTHS.size))
    if head + data > MOST_BYTES:
        raise OSError("The message is too long")
    try:
        table = json.loads(_exactly(line, head))
    except ValueError as error:
        raise OSError(f"This is no message: {error}") from error
    if not isinstance(table, dict):
        raise OSError("This is no message")
    return table, _exactly(line, data)


def _exactly(line: socket.socket, count: int) -> bytes:
    parts, left = [], count
    while left:
        part = line.recv(min(left, 1 << 20))
        if not part:
            raise OSError("The line was closed")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def plain(value: Any) -> str | int | float:
    """Return an argument as a text, an integer or a real number of Python."""
    if isinstance(value, str):
        return str(value)
    try:
        return operator.index(value)
    except TypeError:
        return float(value)
