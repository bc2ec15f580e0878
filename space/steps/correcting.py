"""What a person may ask in a page, done to the Navigator's points, the list of lamellae and files.

A run may end at any command, and does the same edit once more then: what shows that it is done, a
point or its note, is written last.
"""

from __future__ import annotations

import glob
import math
import re
from dataclasses import dataclass, replace
from typing import Any

from space import orders, review
from space.errors import SpaceError
from space.images import read_json_beside
from space.jobs import result_path
from space.labelling import labels_that_count
from space.lamellae import FINAL_LABEL, FIRST_LABEL, Lamella, lamella_note
from space.microscope import Item, navigator
from space.orders import Order, Verb
from space.review import Edit, Kind, Scene
from space.steps import lamella_list, steering
from space.steps.earlier import put_aside, put_map_aside
from space.steps.lamella_list import LamellaList
from space.steps.review_scene import lamella_on_map
from space.steps.session import GridSession
from space.steps.target_facts import choice_path, find_files
from space.targeting import read_choice, take_no_more_than_fixed

_CERTAIN = 1.0
"""Probability of what a person says."""

_MAPPED_AGAIN = ", and its map is taken again"
_ORDERED = "The lamellae are worked on in this order; what is set up already keeps its place."
_TAKEN = {
    "all": "with exactly the targets of the page",
    "fixed": "the fixed targets stay, the others are chosen again",
    "nothing": "all targets are chosen again",
}


class RefusedError(SpaceError):
    """What is asked cannot be done; the text says why."""


@dataclass(frozen=True)
class Work:
    """One edit that may be done."""

    session: GridSession
    edit: Edit
    scene: Scene
    refines: bool

    @property
    def number(self) -> int:
        """The lamella."""
        return self.edit.number

    @property
    def point(self) -> Item:
        """The Navigator's point of the lamella."""
        points = lamella_list.to_visit(navigator.items())
        return next(item for item in points if lamella_list.number_of(item) == self.number)


def do(work: Work) -> str:
    """Do what is asked; return what was done, in a sentence."""
    return {
        Kind.ADD: _add,
        Kind.MOVE: _move,
        Kind.RESIZE: _resize,
        Kind.DELETE: _delete,
        Kind.CLASS: _reclassify,
        Kind.VISIT: _visit,
        Kind.ORDER: _put_in_order,
        Kind.TARGETS: _set_up_anew,
        Kind.LABELS: _choose_on_labels,
    }[work.edit.kind](work)


def _add(work: Work) -> str:
    session, edit = work.session, work.edit
    if edit.category in session.settings.exclude_lamella_classes:
        raise RefusedError(
            f"Lamellae of class {edit.category} are left out (exclude_lamella_classes): nothing "
            "was added."
        )
    known = _known(session)
    number = _number_for(work, known)
    lamella = Lamella(number, edit.center_um, edit.box_um, edit.category, _CERTAIN, True)
    others = [
        one
        for one in known.others
        if math.dist(one.stage_um, edit.center_um) >= work.scene.closest_um
    ]
    _save(session, replace(known.with_facts(lamella), others=tuple(others)))
    is_first = work.refines or not session.settings.WG_offset_via_IM
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


def _move(work: Work) -> str:
    session, old = work.session, work.point
    mark = lamella_list.mark(old)
    is_mapped = _put_map_aside(work)
    lamella = Lamella(
        work.number, work.edit.center_um, (0.0, 0.0), mark.category if mark else "", _CERTAIN
    )
    index = _add_point(work, lamella, old.label, old.note)
    navigator.delete([item.index for item in _points(work.number) if item.index != index])
    navigator.save()
    _note_place(session, work.edit)
    return f"Lamella {work.number} lies there{_MAPPED_AGAIN if is_mapped else ''}."


def _note_place(session: GridSession, edit: Edit) -> None:
    """Have the list of lamellae say where one lies that was moved, and that it surely is there."""
    known = _known(session)
    for lamella in known.lamellae:
        if lamella.number == edit.number and lamella.stage_um != edit.center_um:
            there = replace(lamella, stage_um=edit.center_um, probability=_CERTAIN)
            _save(session, known.updated(there))


def _resize(work: Work) -> str:
    is_mapped = _put_map_aside(work)
    _adopt(work, size_um=work.edit.box_um, sized_by_hand=True)
    return f"Lamella {work.number} has this size{_MAPPED_AGAIN if is_mapped else ''}."


def _delete(work: Work) -> str:
    session = work.session
    if lamella_list.is_by_hand(work.point):  # the list tells of what was removed
        _save(session, _known(session).with_facts(_facts(work)))
    put_aside(session, work.number)
    navigator.delete([item.index for item in _points(work.number)])
    navigator.save()
    return f"Lamella {work.number} is removed."


def _reclassify(work: Work) -> str:
    category = work.edit.category
    if category not in work.session.settings.exclude_lamella_classes:
        _adopt(work, category=category)
        return f"Lamella {work.number} is of this class."
    # The list keeps the former class: a note that differs from it was changed by a person.
    _write_note(work, category, _CERTAIN)
    return f"Lamella {work.number} is of this class, and left out."


def _adopt(work: Work, **facts: Any) -> None:
    """Change a lamella's facts in the list, then in its note; one of a person's becomes ours."""
    session = work.session
    lamella = replace(_facts(work), **facts)
    if "category" in facts:
        lamella = replace(lamella, probability=_CERTAIN)
    _save(session, _known(session).with_facts(lamella))
    if "category" in facts or lamella_list.is_by_hand(work.point):
        _write_note(work, lamella.category, lamella.probability)


def _facts(work: Work) -> Lamella:
    """Return what is known about a lamella, with its place on the map of the grid."""
    known, item = _known(work.session), work.point
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


def _visit(work: Work) -> str:
    session, edit = work.session, work.edit
    if edit.visit and work.number in steering.excluded(session):
        raise RefusedError(
            f"Lamella {work.number} is left out for its class: give it another class."
        )
    order = Order(Verb.TAKE_LAMELLA if edit.visit else Verb.SKIP_LAMELLA, "", work.number)
    around = orders.Scene(session.grid, tuple(sorted(work.scene.lamellae)))
    standing, answer = orders.applied(orders.read_standing(session.directory), order, around)
    orders.write_standing(session.directory, standing)
    return answer


def _put_in_order(work: Work) -> str:
    _save(work.session, replace(_known(work.session), order=work.edit.numbers))
    return _ORDERED


def _set_up_anew(work: Work) -> str:
    session = work.session
    frame = read_json_beside(session.map_png(work.number)).get("frame", {})
    try:
        choice = read_choice(choice_path(session, work.number), tuple(frame.get("shape", (0, 0))))
    except SpaceError as error:
        raise RefusedError(f"The choice of targets cannot be taken: {error}") from None
    put_aside(session, work.number)
    navigator.save()
    how = _TAKEN[choice.take] if choice is not None else _TAKEN["nothing"]
    return f"Lamella {work.number} is set up anew: {how}."


def _choose_on_labels(work: Work) -> str:
    """Have targets be chosen on the labels that count now; those that a person fixed stay."""
    session, number = work.session, work.number
    path = choice_path(session, number)
    try:
        fixed = take_no_more_than_fixed(path)
    except (OSError, ValueError) as error:
        raise RefusedError(f"The choice of targets cannot be changed: {error}") from None
    put_aside(session, number)
    navigator.save()
    picture = session.map_png(number).name
    counted = labels_that_count(result_path(session.map_dir, picture, "segment"))
    whose = "as a person has corrected them" if counted.corrected else "as the model found them"
    stays = "; the fixed targets stay" if fixed else ""
    return f"The targets of lamella {number} are chosen anew on its labels {whose}{stays}."


def so_already(session: GridSession, edit: Edit, scene: Scene) -> str:
    """Return a sentence if what is asked is so already; else nothing.

    As after a run that ended before it answered.
    """
    if not review.is_so(edit, scene):
        return ""
    if edit.kind is Kind.MOVE:
        _note_place(session, edit)
    return {
        Kind.ADD: f"It is lamella {review.twin(edit, scene)}.",
        Kind.ORDER: _ORDERED,
        Kind.DELETE: f"Lamella {edit.number} is removed.",
        Kind.MOVE: f"Lamella {edit.number} lies there.",
        Kind.RESIZE: f"Lamella {edit.number} has this size.",
        Kind.CLASS: f"Lamella {edit.number} is of this class.",
        Kind.VISIT: f"Lamella {edit.number} is {'visited' if edit.visit else 'left out'}.",
    }[edit.kind]


# --- what they share ------------------------------------------------------------------------------


def _known(session: GridSession) -> LamellaList:
    return lamella_list.load(session.lamellae_file) or LamellaList(())


def _save(session: GridSession, known: LamellaList) -> None:
    lamella_list.save(session.lamellae_file, known)


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
