"""STAR files as RELION and Warp read and write them: blocks with tables.

The library `starfile` would bring pandas and pyarrow, which are larger than all else that the
SerialEM side needs, for these few lines; the tests read with it what is written here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Union

from space.errors import SpaceError, shown

Value = Union[str, int, float]

_FIELD = re.compile(r"""(?:^|(?<=\s))(?:"([^"]*)"|'([^']*)'|([^\s"'#][^\s]*))(?=\s|$)""")


def table(block: str, columns: Sequence[str], rows: Sequence[Sequence[Value]]) -> str:
    """Return a STAR file with one table.

    Parameters
    ----------
    block : str
        Name of the block, without ``data_``.
    columns : sequence of str
        Names, without the underscore in front.
    rows : sequence of sequence
        One value for each column. A text with blanks is put in quotes.

    Raises
    ------
    SpaceError
        When a text cannot be written in one field.
    """
    lines = ["", f"data_{block}", "", "loop_"]
    lines += [f"_{column} #{number}" for number, column in enumerate(columns, 1)]
    lines += ["\t".join(map(_field, row)) for row in rows]
    return "\n".join(lines) + "\n\n"


def _field(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    if any(sign in text for sign in '\r\n\0\t"'):
        raise SpaceError(
            f"{shown(text)} cannot be written into a STAR file.",
            do="Give the file a name without quotes, tabs and line ends.",
        )
    plain = text and not any(sign.isspace() for sign in text) and text[0] not in "'#_"
    return text if plain else f'"{text}"'


def tables(text: str) -> dict[str, dict[str, list[str]]]:
    """Return the tables of a STAR file: by block, the fields of each column.

    A block of single values is a table of one row. Texts over several lines, as in mmCIF, are not
    read; RELION writes none.

    Raises
    ------
    ValueError
        If it is no such file.
    """
    found: dict[str, dict[str, list[str]]] = {}
    block: dict[str, list[str]] | None = None
    in_loop = False
    for number, line in _lines(text):
        word = line.split(None, 1)[0]
        if word.lower().startswith("data_"):
            block, in_loop = found.setdefault(word[5:], {}), False
        elif block is None:
            raise ValueError(f"line {number} is no STAR file: it has no data_ before")
        elif word.lower() == "loop_":
            in_loop = True
        elif word.startswith("_"):
            block[word[1:]] = _fields(line)[1:2] if not in_loop else []
        elif in_loop:
            _append(block, _fields(line), number)
        else:
            raise ValueError(f"line {number} belongs to no table")
    if not found:
        raise ValueError("it has no data_ block")
    return found


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare and not bare.startswith("#"):
            yield number, bare


def _fields(line: str) -> list[str]:
    return [double or single or plain for double, single, plain in _FIELD.findall(line)]


def _append(columns: Mapping[str, list[str]], fields: Sequence[str], number: int) -> None:
    if len(fields) != len(columns):
        raise ValueError(f"line {number} has {len(fields)} of {len(columns)} fields")
    for column, value in zip(columns.values(), fields):
        column.append(value)
