"""What orders there are, and how they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum

from space.errors import shown

EXAMPLES = (
    "pause",
    "go on",
    "skip L03",
    "take L03",
    "skip grid 2",
    "take grid 2",
    "pin L03",
    "unpin L03",
    "pin grid 2",
    "unpin grid 2",
    "stop after L03",
    "stop after grid",
    "stop",
)
"""Every order, as a person writes it."""

_LONGEST_LINE = 200
_LABEL = r"[PF]?L[0-9]{1,6}"
_LAMELLA = rf"(?:(?P<grid>(?!(?:grid|{_LABEL}) )\S+)[_ ])?[PF]?L(?P<number>[0-9]{{1,6}})"
_GRID = r"grid (?P<grid>\S+)"


class Verb(str, Enum):
    """What is ordered."""

    PAUSE = "pause"
    GO_ON = "go on"
    SKIP_LAMELLA = "skip lamella"
    TAKE_LAMELLA = "take lamella"
    SKIP_GRID = "skip grid"
    TAKE_GRID = "take grid"
    PIN_LAMELLA = "pin lamella"
    UNPIN_LAMELLA = "unpin lamella"
    PIN_GRID = "pin grid"
    UNPIN_GRID = "unpin grid"
    STOP_AFTER_LAMELLA = "stop after lamella"
    STOP_AFTER_GRID = "stop after grid"
    STOP = "stop"


_FORMS = (
    (Verb.PAUSE, "pause"),
    (Verb.GO_ON, "go on"),
    (Verb.SKIP_LAMELLA, f"(?:skip|forbid) {_LAMELLA}"),
    (Verb.SKIP_LAMELLA, f"{_LAMELLA} never"),
    (Verb.TAKE_LAMELLA, f"take {_LAMELLA}"),
    (Verb.SKIP_GRID, f"(?:skip|forbid) {_GRID}"),
    (Verb.SKIP_GRID, f"{_GRID} never"),
    (Verb.TAKE_GRID, f"take {_GRID}"),
    (Verb.PIN_LAMELLA, f"pin {_LAMELLA}"),
    (Verb.PIN_LAMELLA, f"{_LAMELLA} first"),
    (Verb.UNPIN_LAMELLA, f"unpin {_LAMELLA}"),
    (Verb.PIN_GRID, f"pin {_GRID}"),
    (Verb.PIN_GRID, f"{_GRID} first"),
    (Verb.UNPIN_GRID, f"unpin {_GRID}"),
    (Verb.STOP_AFTER_LAMELLA, f"stop after {_LAMELLA}"),
    (Verb.STOP_AFTER_GRID, "stop after grid"),
    (Verb.STOP, "stop"),
)
_PATTERNS = [(verb, re.compile(form, re.IGNORECASE)) for verb, form in _FORMS]


class NotAnOrderError(ValueError):
    """A line is no order; the text says why and what is possible."""


@dataclass(frozen=True)
class Order:
    """One order.

    Attributes
    ----------
    verb : Verb
    grid : str
        Autoloader slot or name of a grid, as it was written; empty: the one in work.
    lamella : int or None
        Number of a lamella, for the verbs that concern one.
    """

    verb: Verb
    grid: str = ""
    lamella: int | None = None


def words_of(line: str) -> str:
    """Return a line without remark (from #) and needless spaces; empty if nothing is left."""
    return " ".join(line.split("#", 1)[0].split())


def read_order(line: str) -> Order:
    """Return the order in a line that is not empty.

    Small and large letters do not matter.

    Raises
    ------
    NotAnOrderError
        When it is anything else. What may be meant is said, but never taken for an order.
    """
    words = words_of(line)
    for verb, pattern in _PATTERNS if len(words) <= _LONGEST_LINE else ():
        found = pattern.fullmatch(words)
        if found:
            parts = found.groupdict()
            number = parts.get("number")
            return Order(verb, parts.get("grid") or "", None if number is None else int(number))
    near = get_close_matches(words.lower()[:_LONGEST_LINE], [e.lower() for e in EXAMPLES], n=1)
    meant = next((e for e in EXAMPLES if near and e.lower() == near[0]), "")
    hint = f" Did you mean an order like: {meant}?" if meant else ""
    raise NotAnOrderError(
        f"{shown(words)} is no order and was not obeyed.{hint} Possible: {', '.join(EXAMPLES)}."
    )
