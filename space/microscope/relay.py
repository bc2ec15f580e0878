"""SerialEM while Acquire at Items runs: commands go through files to a script that it runs.

SerialEM obeys one script at a time, and nobody outside while items are acquired. After each item it
runs SPACEtomo_after.py, which has nothing to say of its own: it signals in `item.json` that it is
there, and carries out what this side writes into `order.json`, until it is told to end. Each order
has a number and is carried out once; the answer in `answer.json` has the same number. A picture is
in `answer.bin`. The files are there all the time and only change what they hold, since a computer
may remember for seconds that a file of another one is not there.
"""

from __future__ import annotations

import json
import operator
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from space.files import parse_json, read_bytes_bounded, write_text_atomic
from space.microscope.sem import LineLostError

FOLDER = "SPACE_line"
"""Folder of these files, in the session's directory."""

ITEM, ORDER, ANSWER, PICTURE = "item.json", "order.json", "answer.json", "answer.bin"

_TYPES = {"B": np.uint8, "h": np.int16, "H": np.uint16, "f": np.float32}
_LARGEST_TEXT_BYTES = 1_000_000
_LARGEST_PICTURE_BYTES = 1 << 30
_POLL_S = 0.02
_LONGEST_COMMAND_S = 600.0


def prepare(directory: Path) -> Path:
    """Make the folder in a session's directory, with nothing to do; return it."""
    folder = directory / FOLDER
    folder.mkdir(exist_ok=True)
    for name in (ITEM, ORDER, ANSWER):
        _write(folder / name, {"token": "", "number": 0})
    return folder


def signal(folder: Path) -> str:
    """Return the token of the script that waits after an item; "" if none does."""
    token = _read(folder / ITEM).get("token")
    return token if isinstance(token, str) else ""


@contextmanager
def of_item(folder: Path, token: str, module: ModuleType) -> Iterator[ModuleType]:
    """Give commands through the script that waits after an item; it ends when the block does.

    Parameters
    ----------
    folder : Path
    token : str
        Of the script.
    module : ModuleType
        SerialEM's own, for names and exceptions.
    """
    line = _Relay(folder, token, module)
    try:
        yield line
    finally:
        line.end()


class _Relay(ModuleType):
    """A module `serialem` whose commands go through files."""

    def __init__(self, folder: Path, token: str, module: ModuleType) -> None:
        super().__init__("serialem", module.__doc__)
        self._folder, self._token, self._module = folder, token, module
        self._number = 0

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        if not callable(value) or (isinstance(value, type) and issubclass(value, Exception)):
            return value
        return lambda *args: self._call(name, args)

    def end(self) -> None:
        """Let the script end."""
        self._number += 1
        self._order({"end": True})

    def _order(self, values: dict[str, Any]) -> None:
        _write(self._folder / ORDER, {"token": self._token, "number": self._number, **values})

    def _call(self, name: str, args: tuple[Any, ...]) -> Any:
        self._number += 1
        self._order({"call": name, "args": [_plain(one) for one in args]})
        answer = self._answer(name)
        error = answer.get("error")
        if isinstance(error, str):
            kind = getattr(self._module, error, None)
            known = isinstance(kind, type) and issubclass(kind, Exception)
            raise (kind if known and kind is not None else RuntimeError)(str(answer.get("text")))
        if name == "bufferImage":
            return self._picture(answer)
        value = answer.get("value")
        return tuple(value) if isinstance(value, list) else value

    def _answer(self, name: str) -> dict[str, Any]:
        began = time.monotonic()
        while True:
            answer = _read(self._folder / ANSWER)
            if (answer.get("token"), answer.get("number")) == (self._token, self._number):
                return answer
            if time.monotonic() - began > _LONGEST_COMMAND_S:
                raise LineLostError(f"The script after the item does not answer {name}")
            time.sleep(_POLL_S)

    def _picture(self, answer: dict[str, Any]) -> np.ndarray:
        kind, shape = _TYPES.get(str(answer.get("format"))), answer.get("shape")
        data = read_bytes_bounded(self._folder / PICTURE, _LARGEST_PICTURE_BYTES)
        if kind is None or not isinstance(shape, list):
            raise RuntimeError("This is no picture that SerialEM could have sent")
        return np.frombuffer(data, kind).reshape(shape)


def _plain(value: Any) -> str | int | float:
    if isinstance(value, str):
        return value
    try:
        return operator.index(value)
    except TypeError:
        return float(value)


def _read(path: Path) -> dict[str, Any]:
    """Read a file that may be replaced at this moment; empty when it cannot be read now."""
    try:
        values = parse_json(read_bytes_bounded(path, _LARGEST_TEXT_BYTES).decode("utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _write(path: Path, values: dict[str, Any]) -> None:
    write_text_atomic(path, json.dumps(values) + "\n")
