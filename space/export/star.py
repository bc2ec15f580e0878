"""STAR files as RELION and Warp read them: a block with one table.

The library `starfile` would bring pandas and pyarrow, which are larger than all else that the
SerialEM side needs, for these few lines; the tests read with it what is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

from space.errors import SpaceError, shown

Value = Union[str, int, float]


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
