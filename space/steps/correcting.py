"""What a person may ask in a page, done: to points, list and files, and each only once."""

from __future__ import annotations

from dataclasses import replace

from space import orders, review
from space.errors import SpaceError
from space.images import read_json_beside
from space.jobs import result_path
from space.labelling import labels_that_count
from space.microscope import navigator
from space.orders import Order, Verb
from space.review import Kind
from space.steps import correcting_lamellae as lamellae
from space.steps import steering
from space.steps.correction import RefusedError, Work
from space.steps.earlier import put_aside
from space.steps.target_facts import choice_path
from space.targeting import read_choice, take_no_more_than_fixed

_ORDERED = "The lamellae are worked on in this order; what is set up already keeps its place."
_TAKEN = {
    "all": "with exactly the targets of the page",
    "fixed": "the fixed targets stay, the others are chosen again",
    "nothing": "all targets are chosen again",
}


def do(work: Work) -> str:
    """Do what is asked; return what was done, in a sentence."""
    return {
        Kind.ADD: lamellae.add,
        Kind.MOVE: lamellae.move,
        Kind.RESIZE: lamellae.resize,
        Kind.DELETE: lamellae.delete,
        Kind.CLASS: lamellae.reclassify,
        Kind.VISIT: _visit,
        Kind.ORDER: _put_in_order,
        Kind.TARGETS: _set_up_anew,
        Kind.LABELS: _choose_on_labels,
    }[work.edit.kind](work)


def so_already(work: Work) -> str:
    """Return a sentence if what is asked is so already; else nothing.

    As after a run that ended before it answered.
    """
    edit, scene = work.edit, work.scene
    if not review.is_so(edit, scene):
        return ""
    if edit.kind is Kind.MOVE:
        lamellae.note_place(work)
    return {
        Kind.ADD: f"It is lamella {review.twin(edit, scene)}.",
        Kind.ORDER: _ORDERED,
        Kind.DELETE: f"Lamella {edit.number} is removed.",
        Kind.MOVE: f"Lamella {edit.number} lies there.",
        Kind.RESIZE: f"Lamella {edit.number} has this size.",
        Kind.CLASS: f"Lamella {edit.number} is of this class.",
        Kind.VISIT: f"Lamella {edit.number} is {'visited' if edit.visit else 'left out'}.",
    }[edit.kind]


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
    work.keep(replace(work.known, order=work.edit.numbers))
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
