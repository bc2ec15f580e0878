"""Argument checks of the `serialem` module, by the table of commands that SerialEM exports."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("commands.tsv")


@dataclass(frozen=True)
class CommandRow:
    """One command: S/s text, D/d real number, I/i integer; upper case required.

    `since` is the version and build of SerialEM with which it came, as far as that is known to
    be later than 4.0. `fewest` is how many values a script in SerialEM's own language has to give,
    which the module does not look at.
    """

    name: str
    keys: str
    since: tuple[int, int] = (0, 0)
    fewest: int = 0


@lru_cache(maxsize=1)
def command_table() -> dict[str, CommandRow]:
    """All commands of the Python module by name."""
    rows = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines()[1:]:
        if line.strip():
            name, keys, fewest, since = (line.split("\t") + [""] * 3)[:4]
            version, build_date = (int(part) for part in (since or "0 0").split())
            rows[name] = CommandRow(name, keys.strip(), (version, build_date), int(fewest or 0))
    return rows


def _convert(name: str, position: int, key: str, value: Any) -> str | float:
    kind = key.upper()
    must, given = f"{name}() argument {position} must be", type(value).__name__
    if kind == "S":
        if not isinstance(value, str):
            raise TypeError(f"{must} str, not {given}")
        return str(value)
    try:
        if kind == "D" and not isinstance(value, (str, bytes, bytearray)):
            return float(value)
        number = operator.index(value)
    except TypeError:
        wanted = "a number" if kind == "D" else "an integer"
        raise TypeError(f"{must} {wanted}, not {given}") from None
    if not -(2**31) <= number < 2**31:
        raise OverflowError("Python int too large to convert to C int")
    return number


def check_arguments(row: CommandRow, args: tuple[object, ...]) -> list[Any]:
    """Arguments as the command sees them, of the types that its row names.

    Optional arguments that are an empty text become None, as SerialEM takes them for not given;
    missing ones at the end are left out.

    Raises
    ------
    TypeError
        If there are too few or too many arguments or one is of the wrong type.
    """
    required = sum(key.isupper() for key in row.keys)
    if not required <= len(args) <= len(row.keys):
        wanted = f"{required}" if required == len(row.keys) else f"{required} to {len(row.keys)}"
        raise TypeError(f"{row.name}() takes {wanted} arguments ({len(args)} given)")
    values: list[Any] = [
        _convert(row.name, position, key, value)
        for position, (key, value) in enumerate(zip(row.keys, args), start=1)
    ]
    for position, key in enumerate(row.keys[: len(values)]):
        if key.islower() and values[position] == "":
            values[position] = None
    while values and values[-1] is None:
        values.pop()
    return values
