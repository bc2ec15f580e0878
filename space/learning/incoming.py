"""What is handed to a data set, whatever it was read from, and what is handed out of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from space.lamellae import Box
from space.learning.dataset import (
    BACKGROUND,
    HIGHEST_VALUE,
    LabelClass,
    NotASampleError,
    Origin,
    is_class_name,
)
from space.learning.instances import Instance
from space.plots import class_colors

Tell = Callable[[str], None]
"""Takes a sentence about something that a person should know."""

Point = tuple[str, float, float]
"""Name, x and y in pixels."""


@dataclass(frozen=True)
class Item:
    """A picture with what is known of it.

    Attributes
    ----------
    stem : str
        What it would like to be called.
    picture : ndarray (rows, columns)
    file : Path or None
        The file that holds this picture and nothing else, to be kept as it is.
    labels : ndarray of uint8 or None
        By the values of the classes that come with it.
    layers : mapping
        Class → pixels, where labels are kept in layers.
    boxes : tuple of Box or None
        None if nobody has looked for any.
    points : tuple of Point
        Keypoints.
    instances : tuple of Instance
        Single things in the labels, where they were told apart.
    pixel_nm, split, origin :
        As in `Sample`.
    """

    stem: str
    picture: np.ndarray
    file: Path | None = None
    labels: np.ndarray | None = None
    layers: Mapping[str, np.ndarray] = field(default_factory=dict)
    boxes: tuple[Box, ...] | None = None
    points: tuple[Point, ...] = ()
    instances: tuple[Instance, ...] = ()
    pixel_nm: float | None = None
    split: str = ""
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True)
class Incoming:
    """Pictures that are to be added, read one after the other.

    Attributes
    ----------
    loads : iterable of functions
        Each reads one file and returns what is in it, or raises a SpaceError that costs this file.
    classes, box_classes :
        As in `DataSet`; labels of other values are told and get a class by their number.
    """

    loads: Iterable[Callable[[], Sequence[Item]]]
    classes: tuple[LabelClass, ...] = ()
    box_classes: tuple[str, ...] = ()


def classes_of(names: Mapping[str, int], colors: Mapping[str, str] | None = None) -> tuple[
    LabelClass, ...
]:  # fmt: skip
    """Return classes by their names and values; those without a colour get their usual one.

    Raises
    ------
    NotASampleError
        If a name or value cannot be used.
    """
    for name, value in names.items():
        if not is_class_name(name):
            raise NotASampleError(f"{name[:40]!r} is not a valid class name.")
        if not 0 <= value <= HIGHEST_VALUE:
            raise NotASampleError(f"{name} has the value {value}; 0 to 255 can be used.")
    if len(set(names.values())) != len(names):
        raise NotASampleError("two classes share a value.")
    usual = class_colors(names)
    chosen = {name: (colors or {}).get(name, usual[name]) for name in names}
    in_order = sorted(names, key=lambda name: names[name])
    return tuple(LabelClass(names[name], name, chosen[name].lower()) for name in in_order)


def class_of_value(value: int, taken: Iterable[LabelClass]) -> LabelClass:
    """Return the class for a value of which nothing else is known."""
    name = BACKGROUND if value == 0 else _unnamed(value)
    names = {one.name for one in taken}
    while name in names:
        name += "_"
    return LabelClass(value, name, class_colors([*names, name])[name])


def named_now(there: Sequence[LabelClass], coming: Sequence[LabelClass]) -> tuple[LabelClass, ...]:
    """Return classes, with names for those of which only the value was known before."""
    known = {one.name for one in there}
    names = {one.value: one for one in coming if one.name not in known}
    return tuple(
        names[one.value] if one.value in names and one.name == _unnamed(one.value) else one
        for one in there
    )


def _unnamed(value: int) -> str:
    return f"class_{value}"


def merged(
    there: Sequence[LabelClass], coming: Sequence[LabelClass]
) -> tuple[tuple[LabelClass, ...], dict[int, int]]:
    """Return the classes of both, and which value of the coming ones becomes which other.

    Classes of one name are one. A new one keeps its value where that is free.

    Raises
    ------
    NotASampleError
        If there are more classes than values.
    """
    by_name = {one.name: one for one in there}
    values = {one.value for one in there}
    changed: dict[int, int] = {}
    for one in coming:
        known = by_name.get(one.name)
        if known is None:
            free = [one.value, *range(1, HIGHEST_VALUE + 1)]
            value = next((number for number in free if number not in values), None)
            if value is None:
                raise NotASampleError("there are more than 256 classes.")
            known = LabelClass(value, one.name, one.color)
            by_name[one.name] = known
            values.add(value)
        if known.value != one.value:
            changed[one.value] = known.value
    return tuple(sorted(by_name.values(), key=lambda one: one.value)), changed
