"""Lamellae that a person adds, moves, resizes, removes or names in a page: points, list and maps.

A run may end at any command, and does the same edit once more then: what shows that it is done, a
point or its note, is written last.
"""

from __future__ import annotations

import glob
import math
import re
from dataclasses import replace
from typing import Any

from space import review
from space.lamellae import FINAL_LABEL, FIRST_LABEL, Lamella, lamella_note
from space.microscope import Item, navigator
from space.steps import lamella_list
from space.steps.correction import RefusedError, Work
from space.steps.earlier import put_aside, put_map_aside
from space.steps.lamella_list import LamellaList
from space.steps.review_scene import lamella_on_map
from space.steps.target_facts import find_files

_CERTAIN = 1.0
"""Probability of what a person says."""

_MAPPED_AGAIN = ", and its map is taken again"


def add(work: Work) -> str:
    """Add a point, and the lamella to the list."""
    session, edit = work.session, work.edit
    if edit.category in session.settings.excluded_classes:
        raise RefusedError(
            f"Places of class {edit.category} are left out (settings): nothing was added."
        )
    known = work.known
    number = _number_for(work, known)
    lamella = Lamella(number, edit.center_um, edit.box_um, edit.category, _CERTAIN, True)
    others = [
        one
        for one in known.others
        if math.dist(one.stage_um, edit.center_um) >= work.scene.closest_um
    ]
    work.keep(replace(known.with_facts(lamella), others=tuple(others)))
    is_first = work.refines or not session.settings.refines
    label = f"{FIRST_LABEL if is_first else FINAL_LABEL}{number}"
    _add_point(work, lamella, label, lamella_note(edit.category, _CERTAIN))
    navigator.save()
    return f"It is lamella {number}."


def _number_for(work: Work, known: LamellaList) -> int:
    """Return the number of a lamella that is added: one that nothing on disk bears.

    One that is in the list alone was left by a run that ended before its point was made.
    """
    session, edit = work.session, work.edit
    stem = glob.escape(session.grid)
    names = [path.name for path in find_files(session.directory, f"{stem}_L*")]
    found = (re.match(rf"{re.escape(session.grid)}_L([0-9]{{1,6}})", name) for name in names)
    on_disk = {int(one[1]) for one in found if one is not None}
    unmade = work.scene.removed - on_disk
    for one in known.lamellae:
        if one.number in unmade and review.are_same(one.stage_um, edit.center_um):
            return one.number
    listed = {one.number for one in known.lamellae}
    return 1 + max(on_disk | listed | set(work.scene.lamellae), default=0)


def move(work: Work) -> str:
    """Put its point elsewhere; its map is taken again."""
    old = work.point
    mark = lamella_list.mark(old)
    is_mapped = _put_map_aside(work)
    lamella = Lamella(
        work.number, work.edit.center_um, (0.0, 0.0), mark.category if mark else "", _CERTAIN
    )
    index = _add_point(work, lamella, old.label, old.note)
    navigator.delete([item.index for item in _points(work.number) if item.index != index])
    navigator.save()
    note_place(work)
    return f"Lamella {work.number} lies there{_MAPPED_AGAIN if is_mapped else ''}."


def note_place(work: Work) -> None:
    """Have the list of lamellae say where one lies that was moved, and that it surely is there."""
    known, edit = work.known, work.edit
    for lamella in known.lamellae:
        if lamella.number == edit.number and lamella.stage_um != edit.center_um:
            there = replace(lamella, stage_um=edit.center_um, probability=_CERTAIN)
            work.keep(known.updated(there))


def resize(work: Work) -> str:
    """Give its map another size; one that there is is taken again."""
    is_mapped = _put_map_aside(work)
    _adopt(work, size_um=work.edit.box_um, sized_by_hand=True)
    return f"Lamella {work.number} has this size{_MAPPED_AGAIN if is_mapped else ''}."


def delete(work: Work) -> str:
    """Remove its points; its files stay, and the list tells of it."""
    if lamella_list.is_by_hand(work.point):  # the list tells of what was removed
        work.keep(work.known.with_facts(_facts(work)))
    put_aside(work.session, work.number)
    navigator.delete([item.index for item in _points(work.number)])
    navigator.save()
    return f"Lamella {work.number} is removed."


def reclassify(work: Work) -> str:
    """Change its class; one that is left out is in its note alone."""
    category = work.edit.category
    if category not in work.session.settings.excluded_classes:
        _adopt(work, category=category)
        return f"Lamella {work.number} is of this class."
    # The list keeps the former class: a note that differs from it was changed by a person.
    _write_note(work, category, _CERTAIN)
    return f"Lamella {work.number} is of this class, and left out."


def _adopt(work: Work, **facts: Any) -> None:
    """Change a lamella's facts in the list, then in its note; one of a person's becomes ours."""
    lamella = replace(_facts(work), **facts)
    if "category" in facts:
        lamella = replace(lamella, probability=_CERTAIN)
    work.keep(work.known.with_facts(lamella))
    if "category" in facts or lamella_list.is_by_hand(work.point):
        _write_note(work, lamella.category, lamella.probability)


def _facts(work: Work) -> Lamella:
    """Return what is known about a lamella, with its place on the map of the grid."""
    known, item = work.known, work.point
    mark = lamella_list.mark(item)
    if mark is None:
        raise RefusedError(f"Lamella {work.number} has no point in the Navigator.")
    facts = lamella_on_map(mark, item.stage_um, known)
    listed = [] if mark.by_hand else [o for o in known.lamellae if o.number == work.number]
    for one in listed:
        facts = replace(facts, category=one.category, probability=one.probability)
    return facts


def _write_note(work: Work, category: str, probability: float) -> None:
    item = work.point
    mark = lamella_list.mark(item)
    note = lamella_note(category, probability) + (" again" if mark and mark.again else "")
    color = work.session.config.category(category).navigator_color
    navigator.describe(item.index, note=note, color=color)
    navigator.save()


# --- what they share ------------------------------------------------------------------------------


def _points(number: int) -> list[Item]:
    """Return all points of a lamella."""
    marked = ((item, lamella_list.mark(item)) for item in navigator.items())
    return [item for item, mark in marked if mark is not None and mark.number == number]


def _add_point(work: Work, lamella: Lamella, label: str, note: str) -> int:
    """Add the Navigator's point of a lamella, as high as the nearest one; return its index."""
    x_um = lamella.stage_um[0] + work.scene.offset_um[0]
    y_um = lamella.stage_um[1] + work.scene.offset_um[1]
    points = lamella_list.to_visit(navigator.items())
    grid_map = navigator.map_with_note(work.session.whole_grid_note)
    near = sorted(points, key=lambda item: math.dist(item.stage_um, (x_um, y_um)))
    like = next(iter(near), grid_map)
    index = navigator.add_stage_point(x_um, y_um, like.z_um if like is not None else 0.0)
    color = work.session.config.category(lamella.category).navigator_color
    navigator.describe(index, label, note, color)
    return index


def _put_map_aside(work: Work) -> bool:
    """Have a lamella's map be taken again; return whether there was one."""
    lamella_map = work.session.directory / work.session.map_note(work.number)
    there = lamella_map.is_file() or navigator.map_with_note(lamella_map.name) is not None
    if there:
        put_map_aside(work.session, work.number)
    return there
