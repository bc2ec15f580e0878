"""Whether what is asked is so already, and what takes back what was done."""

from __future__ import annotations

import math
from typing import Any

from space.review.edits import Edit, Kind
from space.review.scene import Scene

_SAME_UM = 0.1
"""Places and sizes that differ less are the same."""


def is_so(edit: Edit, scene: Scene) -> bool:
    """Whether things are as an edit asks for; never for targets and labels, which may differ."""
    if edit.kind is Kind.ADD:
        return twin(edit, scene) is not None
    if edit.kind is Kind.ORDER:
        return scene.order[: len(edit.numbers)] == edit.numbers
    if edit.kind is Kind.DELETE:
        return edit.number in scene.removed
    seen = scene.lamellae.get(edit.number)
    if seen is None:
        return False
    return {
        Kind.MOVE: are_same(seen.center_um, edit.center_um),
        Kind.RESIZE: are_same(seen.box_um, edit.box_um),
        Kind.CLASS: seen.category == edit.category,
        Kind.VISIT: seen.visited == edit.visit,
    }.get(edit.kind, False)


def twin(edit: Edit, scene: Scene) -> int | None:
    """Return the number of the lamella that an edit has added; None if there is none like it."""
    for seen in scene.lamellae.values():
        if seen.category == edit.category and are_same(seen.box_um, edit.box_um):
            if are_same(seen.center_um, edit.center_um):
                return seen.number
    return None


def opposite(edit: Edit, before: Scene, after: Scene) -> dict[str, Any]:
    """Return what takes back an edit that was done: an edit as plain values, without its id.

    Empty for targets and labels: their files are kept under other names.
    """
    if edit.kind is Kind.ORDER:
        return {"kind": Kind.ORDER.value, "numbers": list(before.order)}
    if edit.kind is Kind.ADD:
        number = twin(edit, after)
        return {} if number is None else {"kind": Kind.DELETE.value, "number": number}
    was = before.lamellae.get(edit.number)
    if was is None:
        return {}
    place = {"center_um": list(was.center_um), "box_um": list(was.box_um), "class": was.category}
    if edit.kind is Kind.DELETE:
        return {"kind": Kind.ADD.value, **place}
    values: dict[Kind, dict[str, Any]] = {
        Kind.MOVE: {"center_um": place["center_um"]},
        Kind.RESIZE: {"box_um": place["box_um"]},
        Kind.CLASS: {"class": was.category},
        Kind.VISIT: {"visit": was.visited},
    }
    if edit.kind not in values:
        return {}
    return {"kind": edit.kind.value, "number": edit.number, **values[edit.kind]}


def are_same(pair_um: tuple[float, float], other_um: tuple[float, float]) -> bool:
    """Whether two places, or two sizes, are the same to a person."""
    return math.dist(pair_um, other_um) < _SAME_UM
