"""Numbers and arrays as the variables of scripts hold them.

Every value is a text. An array is a text with an element in each line; in an array of two
dimensions an empty line ends each row.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

ROW_END = "\n\n"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE)
_DECIMALS = 6
_SMALLEST_IN_DECIMALS = 1e-3


class ValueProblem(ValueError):
    """A value is not what is needed; the message says what is wrong."""


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    return _NUMBER.fullmatch(text) is not None


def number(text: str) -> float:
    """Number that a text is.

    Raises
    ------
    ValueProblem
        If it is none.
    """
    if not is_number(text):
        raise ValueProblem(f"{text!r} is not a number")
    value = float(text)
    if not math.isfinite(value):
        raise ValueProblem(f"{text} is too large")
    return value


def shown(value: float) -> str:
    """Text of a number: at most six decimals, no zeros at the end; small ones six digits."""
    if value and abs(value) < _SMALLEST_IN_DECIMALS:
        return f"{value:.{_DECIMALS}g}"
    text = f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def as_text(value: float | str) -> str:
    """Text of what a variable holds."""
    return value if isinstance(value, str) else shown(value)


def as_value(text: str) -> float | str:
    """Number when it would be shown by this very text; all else stays text, also ``007``."""
    if is_number(text) and shown(float(text)) == text:
        return float(text)
    return text


def is_two_dimensional(text: str) -> bool:
    """Whether a text is an array of rows."""
    return text.endswith(ROW_END)


def elements(text: str) -> list[str]:
    """Elements of an array; a single value is an array of one, and of rows each is one element."""
    if is_two_dimensional(text):
        return text[: -len(ROW_END)].split(ROW_END)
    return text.split("\n") if text else []


def joined(parts: Iterable[str]) -> str:
    """Array of elements."""
    return "\n".join(parts)


def joined_rows(rows: Iterable[str]) -> str:
    """Array of rows, each of them an array."""
    return "".join(row + ROW_END for row in rows)


def element(text: str, indexes: Sequence[int]) -> str:
    """Element of an array, or a row of one of two dimensions; indexes count from 1.

    Raises
    ------
    ValueProblem
        If there is no such element.
    """
    for index in indexes:
        parts = elements(text)
        if not 1 <= index <= len(parts):
            raise ValueProblem(f"index {index} is not among 1 to {len(parts)}")
        text = parts[index - 1]
    return text


def with_element(text: str, indexes: Sequence[int], value: str) -> str:
    """Array in which an element or a row has been replaced, or added right behind the last.

    Raises
    ------
    ValueProblem
        If there is no such element.
    """
    parts, (index, *inner) = elements(text), indexes
    if not 1 <= index <= len(parts) + 1:
        raise ValueProblem(f"index {index} is not among 1 to {len(parts) + 1}")
    rows = is_two_dimensional(text)
    if inner and not rows:
        raise ValueProblem("the array has one dimension only")
    present = parts[index - 1 : index]
    if inner:
        value = with_element(present[0] if present else "", inner, value)
    elif not rows and "\n" in value:
        raise ValueProblem("an element of an array is one value")
    parts[index - 1 : index] = [value]
    return joined_rows(parts) if rows else joined(parts)
