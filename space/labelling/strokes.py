"""What a person draws on a label map: strokes of a brush, polygons, fills, masks; read strictly.

Points are (row, column) in pixels of the map, from the upper left corner of its first pixel.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from space.errors import shown
from space.predicates import is_number

MOST_STROKES = 2000
MOST_POINTS = 60_000
"""Of all strokes together."""

MOST_FILLS = 100
"""Each of them may have to look at the whole map."""

MOST_MASKS = 300
"""Each of them may be as large as the map."""

SMALLEST_RADIUS_PX, LARGEST_RADIUS_PX = 0.75, 500.0
"""The smallest brush covers the middle of a pixel wherever it is put."""

_FARTHEST_PX = 200_000.0
_MOST_ROWS = 6_000_000
_MASK = re.compile(r"[0-9a-f]{32}")
_KEYS = {"kind", "class", "points"}


class Shape(str, Enum):
    """What a stroke covers."""

    BRUSH = "brush"
    POLYGON = "polygon"
    FILL = "fill"
    MASK = "mask"


_MORE_KEYS = {Shape.BRUSH: {"radius_px"}, Shape.MASK: {"mask"}}


class NotStrokesError(ValueError):
    """Values are no strokes; the text says why."""


@dataclass(frozen=True)
class Stroke:
    """One thing that was drawn.

    Attributes
    ----------
    shape : Shape
        What is covered: what a round brush passes along its points; what lies inside of corners,
        by the even-odd rule; the pixels of one class that hang together at a point, by their
        sides; a mask that something else has proposed and a person has taken.
    category : str
        The class that pixels get; empty: what they were before anything was drawn.
    points_px : tuple of tuple of float
    radius_px : float
        Of the brush.
    mask : str
        What stands for the mask (`space.labelling.mask_name`).
    """

    shape: Shape
    category: str
    points_px: tuple[tuple[float, float], ...]
    radius_px: float = 0.0
    mask: str = ""


def read_strokes(values: Any, classes: Collection[str]) -> tuple[Stroke, ...]:
    """Return the strokes in plain values.

    Parameters
    ----------
    values : any
        A list of tables: ``kind``, ``class`` (null: as it was before), ``points``, and of a brush
        ``radius_px``, of a mask ``mask``.
    classes : collection of str
        Classes that there are.

    Raises
    ------
    NotStrokesError
        With the first thing that is wrong.
    """
    if not isinstance(values, list) or len(values) > MOST_STROKES:
        raise NotStrokesError(f"strokes is no list of at most {MOST_STROKES}.")
    strokes = tuple(_stroke(number, one, classes) for number, one in enumerate(values, 1))
    if sum(len(one.points_px) for one in strokes) > MOST_POINTS:
        raise NotStrokesError(f"The strokes have more than {MOST_POINTS} points.")
    if sum(one.shape is Shape.FILL for one in strokes) > MOST_FILLS:
        raise NotStrokesError(f"These are more than {MOST_FILLS} fills.")
    if sum(one.shape is Shape.MASK for one in strokes) > MOST_MASKS:
        raise NotStrokesError(f"These are more than {MOST_MASKS} masks.")
    if sum(map(_rows_passed, strokes)) > _MOST_ROWS:
        raise NotStrokesError("The strokes pass too many rows: draw with fewer points.")
    return strokes


def _rows_passed(stroke: Stroke) -> float:
    """Return how many rows the pieces of a stroke pass: what drawing it takes goes with it."""
    rows = [row for row, _ in stroke.points_px]
    across = 2 * stroke.radius_px * len(rows)
    return across + sum(abs(b - a) for a, b in zip(rows, rows[1:] + rows[:1]))


def plain_strokes(strokes: tuple[Stroke, ...]) -> list[dict[str, Any]]:
    """Return strokes as plain values, which `read_strokes` reads."""
    return [
        {
            "kind": one.shape.value,
            "class": one.category or None,
            "points": [list(point) for point in one.points_px],
            **({"radius_px": one.radius_px} if one.shape is Shape.BRUSH else {}),
            **({"mask": one.mask} if one.shape is Shape.MASK else {}),
        }
        for one in strokes
    ]


def _stroke(number: int, values: Any, classes: Collection[str]) -> Stroke:
    where = f"Stroke {number}"
    if not isinstance(values, Mapping):
        raise NotStrokesError(f"{where} is no table of names and values.")
    shape = next((one for one in Shape if one.value == values.get("kind")), None)
    if shape is None:
        known = ", ".join(one.value for one in Shape)
        raise NotStrokesError(f"{where}: kind is {shown(values.get('kind'))}. Allowed: {known}.")
    needed = _KEYS | _MORE_KEYS.get(shape, set())
    if set(values) != needed:
        raise NotStrokesError(f"{where}: a {shape.value} has {', '.join(sorted(needed))}.")
    category = values["class"]
    if category is not None and not (isinstance(category, str) and category in classes):
        raise NotStrokesError(
            f"{where}: class is {shown(category)}. Allowed: {', '.join(classes)}, or null."
        )
    radius = values.get("radius_px", 0.0)
    is_brush = shape is Shape.BRUSH
    if not is_number(radius) or (
        is_brush and not SMALLEST_RADIUS_PX <= radius <= LARGEST_RADIUS_PX
    ):
        raise NotStrokesError(
            f"{where}: radius_px is {shown(radius)}. Allowed: a number from "
            f"{SMALLEST_RADIUS_PX:g} to {LARGEST_RADIUS_PX:g}."
        )
    mask = values.get("mask", "")
    if shape is Shape.MASK and not (isinstance(mask, str) and _MASK.fullmatch(mask)):
        raise NotStrokesError(f"{where}: {shown(mask)} stands for no mask.")
    points = _points(where, shape, values["points"])
    return Stroke(shape, category or "", points, float(radius), mask)


def _points(where: str, shape: Shape, values: Any) -> tuple[tuple[float, float], ...]:
    least, most = {
        Shape.BRUSH: (1, MOST_POINTS),
        Shape.POLYGON: (3, MOST_POINTS),
        Shape.FILL: (1, 1),
        Shape.MASK: (0, 0),
    }[shape]
    if not isinstance(values, list) or not least <= len(values) <= most:
        raise NotStrokesError(f"{where}: points is no list of {least} to {most} points.")
    for point in values:
        if not (
            isinstance(point, list)
            and len(point) == 2
            and all(is_number(value) and abs(value) <= _FARTHEST_PX for value in point)
        ):
            raise NotStrokesError(f"{where}: {shown(point)} is no point [row, column].")
    return tuple((float(row), float(column)) for row, column in values)
