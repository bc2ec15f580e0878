"""The folder in which a session is kept: names, format, and how its files are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FORMAT = 3
SESSION_FOLDER = "simulated_microscope"
SETUP = "setup.json"
HARDWARE = "hardware.json"
CHANGES = "changes.jsonl"
JOURNAL = "journal.jsonl"
SCRIPTS = "scripts.json"
PROGRAM = "program.zip"
RUNNING = "running"
LOCK = "in_use.lock"


class SessionError(ValueError):
    """A session cannot be opened; the text says why and what to do."""


def read_json(path: Path) -> dict[str, Any]:
    """Read a file of the session.

    Raises
    ------
    SessionError
        If it cannot be read.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        raise SessionError(f"{path} cannot be read: {problem}") from problem
    if not isinstance(values, dict):
        raise SessionError(f"{path} is damaged: it holds no table of values")
    return values


def whole_lines(path: Path) -> tuple[list[Any], int]:
    """Read the values in a file's lines, and how many bytes these lines are.

    A last line without an end was being written when the program died; it does not count.

    Raises
    ------
    SessionError
        If another line is damaged.
    """
    data = path.read_bytes() if path.is_file() else b""
    size = data.rfind(b"\n") + 1
    try:
        return [json.loads(line) for line in data[:size].decode("utf-8").splitlines()], size
    except (ValueError, RecursionError) as problem:
        raise SessionError(f"{path} is damaged: {problem}") from problem


def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Append lines to a file; without lines it is left alone."""
    if lines:
        with open(path, "a", encoding="utf-8", newline="\n") as stream:
            stream.write("".join(f"{line}\n" for line in lines))
