"""One thing that is asked: its kinds, and how strictly it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from space.errors import shown
from space.files import is_name
from space.predicates import is_number, is_whole

SMALLEST_BOX_UM, LARGEST_BOX_UM = 0.5, 500.0
"""Sides of a lamella's box."""

MOST_NUMBERS = 1000
"""Lamellae in an order."""

_FARTHEST_UM = 2000.0
_LARGEST_NUMBER = 999_999
_LONGEST_ID, _LONGEST_STAMP, _LONGEST_TIME = 64, 64, 40


class Kind(str, Enum):
    """What is asked for."""

    ADD = "add_lamella"
    MOVE = "move_lamella"
    RESIZE = "resize_lamella"
    DELETE = "delete_lamella"
    CLASS = "class"
    VISIT = "visit"
    ORDER = "order"
    TARGETS = "targets"
    LABELS = "labels"


class NotAnEditError(ValueError):
    """A table is no edit; the text says why."""


@dataclass(frozen=True)
class Edit:
    """One thing that is asked. What its kind does not need keeps its default.

    Attributes
    ----------
    id : str
        Its own for ever: the answer bears it.
    kind : Kind
    of : str
        Stamp of the thing as the page saw it (`LamellaSeen.stamp`, its `choice`, its `labels`,
        `Scene.stamp`).
    at : str
        When it was asked, for people.
    number : int
        The lamella.
    center_um, box_um : tuple of float
        x, y of a place on the map of the grid, as its frame gives it; width, height along the
        stage axes.
    category : str
        Class of the lamella; ``class`` in the file.
    visit : bool
        Whether it is to be visited.
    numbers : tuple of int
        Lamellae in the order of the work; those that are not named follow.
    redo : bool
        Whether a lamella that was set up is set up anew.
    """

    id: str
    kind: Kind
    of: str
    at: str = ""
    number: int = 0
    center_um: tuple[float, float] = (0.0, 0.0)
    box_um: tuple[float, float] = (0.0, 0.0)
    category: str = ""
    visit: bool = True
    numbers: tuple[int, ...] = ()
    redo: bool = True


def read_edit(values: Mapping[str, Any]) -> Edit:
    """Return the edit in a table of plain values.

    Raises
    ------
    NotAnEditError
        When anything in it is missing, unknown, of another type or out of range.
    """
    try:
        kind = Kind(values.get("kind"))
    except ValueError:
        known = ", ".join(one.value for one in Kind)
        raise NotAnEditError(f"{shown(values.get('kind'))} is no kind of edit ({known}).") from None
    needed = {"id", "kind", "of", *_FIELDS[kind]}
    unknown = sorted(map(str, set(values) - needed - {"at"}))
    if unknown:
        raise NotAnEditError(f"{kind.value}: unknown {shown(', '.join(unknown))}.")
    missing = sorted(needed - set(values))
    if missing:
        raise NotAnEditError(f"{kind.value}: missing {', '.join(missing)}.")
    read = {_NAMES.get(key, key): _VALUES[key](key, values[key]) for key in _FIELDS[kind]}
    return Edit(
        _text("id", values["id"], _LONGEST_ID),
        kind,
        _text("of", values["of"], _LONGEST_STAMP, may_be_empty=True),
        _text("at", values.get("at", ""), _LONGEST_TIME, may_be_empty=True),
        **read,
    )


def edit_to_dict(edit: Edit) -> dict[str, Any]:
    """Return an edit as plain values for JSON."""
    head = {"id": edit.id, "kind": edit.kind.value, "of": edit.of, "at": edit.at}
    body = {key: getattr(edit, _NAMES.get(key, key)) for key in _FIELDS[edit.kind]}
    return head | {
        key: list(value) if isinstance(value, tuple) else value for key, value in body.items()
    }


# --- what the fields may be -----------------------------------------------------------------------


def is_id(value: object) -> bool:
    """Whether a value can be the id of an edit."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isprintable()


def is_lamella_number(value: object) -> bool:
    """Whether a value can be the number of a lamella."""
    return is_whole(value) and 1 <= value <= _LARGEST_NUMBER


def is_stamp(value: object) -> bool:
    """Whether a value can be a stamp, or stand for none."""
    return isinstance(value, str) and len(value) <= _LONGEST_STAMP and value.isprintable()


def _text(key: str, value: object, longest: int, may_be_empty: bool = False) -> str:
    if isinstance(value, str) and len(value) <= longest and (value or may_be_empty):
        if value.isprintable():
            return value
    raise _wrong(key, value, f"a text of at most {longest} characters")


def _number(key: str, value: object) -> int:
    if is_whole(value) and is_lamella_number(value):
        return value
    raise _wrong(key, value, "the number of a lamella")


def _numbers(key: str, value: object) -> tuple[int, ...]:
    if isinstance(value, list) and 0 < len(value) <= MOST_NUMBERS:
        numbers = tuple(_number(key, one) for one in value)
        if len(set(numbers)) == len(numbers):
            return numbers
    raise _wrong(key, value, f"a list of at most {MOST_NUMBERS} numbers of lamellae, each once")


def _place(key: str, value: object) -> tuple[float, float]:
    return _pair(key, value, -_FARTHEST_UM, _FARTHEST_UM)


def _box(key: str, value: object) -> tuple[float, float]:
    return _pair(key, value, SMALLEST_BOX_UM, LARGEST_BOX_UM)


def _pair(key: str, value: object, least: float, most: float) -> tuple[float, float]:
    if isinstance(value, list) and len(value) == 2:
        if all(is_number(one) and least <= one <= most for one in value):
            return float(value[0]), float(value[1])
    raise _wrong(key, value, f"two numbers from {least:g} to {most:g} um")


def _class(key: str, value: object) -> str:
    if isinstance(value, str) and is_name(value) and value == " ".join(value.split()):
        return value
    raise _wrong(key, value, "the name of a class")


def _flag(key: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _wrong(key, value, "true or false")


def _wrong(key: str, value: object, allowed: str) -> NotAnEditError:
    return NotAnEditError(f"{key} is {shown(value)}. Allowed: {allowed}.")


_VALUES: Mapping[str, Callable[[str, Any], Any]] = {
    "number": _number,
    "numbers": _numbers,
    "center_um": _place,
    "box_um": _box,
    "class": _class,
    "visit": _flag,
    "redo": _flag,
}
_NAMES = {"class": "category"}
_FIELDS: Mapping[Kind, tuple[str, ...]] = {
    Kind.ADD: ("center_um", "box_um", "class"),
    Kind.MOVE: ("number", "center_um"),
    Kind.RESIZE: ("number", "box_um"),
    Kind.DELETE: ("number",),
    Kind.CLASS: ("number", "class"),
    Kind.VISIT: ("number", "visit"),
    Kind.ORDER: ("numbers",),
    Kind.TARGETS: ("number", "redo"),
    Kind.LABELS: ("number",),
}
