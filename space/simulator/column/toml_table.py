"""One table of a TOML file, read key by key and checked.

What is missing, misspelt or of the wrong kind is an `InstrumentError` that names the file, the key
and what to do.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from space.simulator.column.optics import Matrix

REQUIRED: Any = object()
"""Default of a key that must be there."""


class InstrumentError(ValueError):
    """An instrument file that cannot be used: which file, which key, what to do."""


class Table:
    """One table of the file: each key is read once, and no key may be left when it is `done`.

    Parameters
    ----------
    file : str
        Name of the file, for messages.
    name : str
        Name of the table in it, "" for the whole file.
    values : dict
        What TOML gives for it.
    """

    def __init__(self, file: str, name: str, values: dict[str, Any]) -> None:
        self._file = file
        self._name = name
        self._values = values
        self._taken: set[str] = set()

    def error(self, key: str, problem: str, remedy: str) -> InstrumentError:
        """Error about a key."""
        place = f"[{self._name}] {key}" if self._name else key
        return InstrumentError(f"{self._file}: {place}: {problem}. {remedy}.")

    def _take(self, key: str, kind: str, default: Any) -> Any:
        self._taken.add(key)
        if key in self._values:
            return self._values[key]
        if default is REQUIRED:
            raise self.error(key, "is missing", f"Add it: {kind}")
        return default

    def _wrong(self, key: str, value: Any, kind: str) -> InstrumentError:
        return self.error(key, f"{value!r} is not {kind}", f"Give {kind}")

    def text(self, key: str, default: Any = REQUIRED) -> str:
        """String of a key."""
        value = self._take(key, "a string in quotes", default)
        if not isinstance(value, str):
            raise self._wrong(key, value, "a string in quotes")
        return value

    def flag(self, key: str) -> bool:
        """True or false of a key."""
        value = self._take(key, "true or false", REQUIRED)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def number(
        self,
        key: str,
        default: Any = REQUIRED,
        *,
        above: float = -math.inf,
        least: float = -math.inf,
    ) -> float:
        """Number of a key, above one limit or not below another."""
        kind = "a number"
        if above > -math.inf:
            kind = f"a number above {above:g}"
        elif least > -math.inf:
            kind = f"a number of at least {least:g}"
        value = self._take(key, kind, default)
        if not _is_number(value) or value <= above or value < least:
            raise self._wrong(key, value, kind)
        return float(value)

    def integer(self, key: str, choices: Iterable[int]) -> int:
        """Whole number of a key, from the first to the last of `choices`."""
        allowed = list(choices)
        kind = f"a whole number from {allowed[0]} to {allowed[-1]}"
        value = self._take(key, kind, REQUIRED)
        if isinstance(value, bool) or value not in allowed or not isinstance(value, int):
            raise self._wrong(key, value, kind)
        return value

    def numbers(self, key: str, count: int, default: Any = REQUIRED) -> tuple[float, ...]:
        """List of `count` numbers."""
        kind = f"a list of {count} numbers"
        value = self._take(key, kind, default)
        if not _is_list(value, count) or not all(_is_number(part) for part in value):
            raise self._wrong(key, value, kind)
        return tuple(float(part) for part in value)

    def pair(self, key: str, default: Any = REQUIRED) -> tuple[float, float]:
        """List of two numbers."""
        x, y = self.numbers(key, 2, default)
        return x, y

    def matrix(self, key: str, invertible: bool = True) -> Matrix:
        """Matrix of 2 x 2 numbers, usually one that can be inverted."""
        kind = "a matrix [[xx, xy], [yx, yy]]" + " that can be inverted" * invertible
        value = self._take(key, kind, REQUIRED)
        good = _is_list(value, 2) and all(
            _is_list(row, 2) and all(_is_number(part) for part in row) for row in value
        )
        if not good or (invertible and abs(np.linalg.det(np.array(value, dtype=float))) < 1e-9):
            raise self._wrong(key, value, kind)
        (a, b), (c, d) = value
        return ((float(a), float(b)), (float(c), float(d)))

    def rows(self, key: str, count: int) -> list[tuple[float, ...]]:
        """List of rows of `count` numbers."""
        kind = f"a list of rows of {count} numbers"
        value = self._take(key, kind, REQUIRED)
        if not isinstance(value, list):
            raise self._wrong(key, value, kind)
        for row in value:
            if not _is_list(row, count) or not all(_is_number(part) for part in row):
                raise self.error(key, f"the row {row!r} is not {count} numbers", "Correct the row")
        return [tuple(float(part) for part in row) for row in value]

    def integers(self, key: str) -> tuple[int, ...]:
        """List of whole numbers above 0."""
        kind = "a list of whole numbers above 0"
        value = self._take(key, kind, REQUIRED)
        good = isinstance(value, list) and value
        if not good or not all(type(part) is int and 0 < part < 2**31 for part in value):
            raise self._wrong(key, value, kind)
        return tuple(value)

    def choices(self, key: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        """List of some of the allowed strings; it may be empty."""
        kind = f"a list of some of {', '.join(repr(choice) for choice in allowed)}, or []"
        value = self._take(key, kind, REQUIRED)
        if not isinstance(value, list) or not all(part in allowed for part in value):
            raise self._wrong(key, value, kind)
        return tuple(value)

    def table(self, key: str) -> Table:
        """Table inside this one."""
        value = self._take(key, f"a table [{self._inner(key)}]", REQUIRED)
        if not isinstance(value, dict):
            raise self._wrong(key, value, f"a table [{self._inner(key)}]")
        return Table(self._file, self._inner(key), value)

    def optional_table(self, key: str) -> Table | None:
        """Table inside this one, None if it is not there."""
        self._taken.add(key)
        return self.table(key) if key in self._values else None

    def tables(self, key: str, default: Any = REQUIRED) -> list[Table]:
        """Tables `[[key]]` inside this one, at least one of them unless there is a default."""
        kind = f"one or more tables [[{self._inner(key)}]]"
        value = self._take(key, kind, default)
        if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
            raise self._wrong(key, value, kind)
        if not value and default is REQUIRED:
            raise self.error(key, "is empty", f"Give {kind}")
        name = self._inner(key)
        return [
            Table(self._file, f"{name} {number}", part)
            for number, part in enumerate(value, start=1)
        ]

    def done(self) -> None:
        """Refuse keys that have not been read: they are misspelt or unknown."""
        for key in self._values:
            if key not in self._taken:
                known = ", ".join(sorted(self._taken))
                raise self.error(
                    key, "is not a known key", f"Delete it or correct its name; known are {known}"
                )

    def _inner(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key


def _is_number(value: Any) -> bool:
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return real and abs(value) <= sys.float_info.max  # integers of TOML may be larger


def _is_list(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count
