"""Tables in text files: a line of names, then fields between tabs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from space.errors import SpaceError, shown
from space.files import LARGEST_TEXT_BYTES, decode, read_bytes_bounded

_MOST_SHOWN = 6


def text_of(path: Path) -> str:
    """Return the text of a file from outside.

    Raises
    ------
    SpaceError
        If it cannot be read.
    """
    try:
        return decode(read_bytes_bounded(path, LARGEST_TEXT_BYTES, follow_links=True))
    except OSError as error:
        raise SpaceError(
            f"The file cannot be read ({error.strerror or error}).", str(path)
        ) from error


def rows_of(text: str) -> list[list[str]]:
    """Return the fields of all lines that are not empty and no remarks.

    Fields are divided by tabs where a line has any, else by blanks.
    """
    lines = (line.strip() for line in text.splitlines())
    return [
        [field.strip() for field in (line.split("\t") if "\t" in line else line.split())]
        for line in lines
        if line and not line.startswith("#")
    ]


def columns_at(path: Path, names: Sequence[str], wanted: Sequence[Sequence[str]]) -> list[int]:
    """Return where the wanted columns are, each by one of several names.

    Raises
    ------
    SpaceError
        If one is missing.
    """
    found = []
    lower = [name.lower().lstrip("_") for name in names]
    for choices in wanted:
        at = next((lower.index(name) for name in choices if name in lower), None)
        if at is None:
            have = ", ".join(map(shown, names[:_MOST_SHOWN]))
            raise SpaceError(
                f"A column {' or '.join(choices)} is missing; there are {have}.",
                str(path),
                "Write the names of the columns into the first line, with tabs between them.",
            )
        found.append(at)
    return found


def number(field: str, path: Path, line: int) -> float:
    """Return a finite number.

    Raises
    ------
    SpaceError
        If it is none.
    """
    try:
        value = float(field)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > 1e9:
        raise SpaceError(f"{shown(field)} in row {line} is no coordinate.", str(path))
    return value
