"""What a person asks of the run on the page, and what became of it.

The page adds to the file of a grid (`space.review`) and never changes what stands there; the run
reads it when it looks. What the run would refuse is refused here at once, by the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from space import overview, review, steps
from space.errors import SpaceError
from space.overview import GridFacts, LamellaFacts
from space.page import choosing
from space.page.current import doing
from space.page.refusal import RefusedError, stale, wrong
from space.page.session import Session
from space.predicates import is_whole
from space.review import Answer, Edit, Kind, Review, Scene, StaleError
from space.settings import NOT_INSPECTED

MOST_AT_ONCE = 200
"""Edits in a request."""

_TRIES = 5
_ROOM = 100
_KEYS = {"revision", "add", "undo", "approved"}


def review_table(session: Session, grid: GridFacts, scene: Scene | None = None) -> dict[str, Any]:
    """Return what is asked of a grid with the answers, and what may be asked of each lamella.

    Parameters
    ----------
    session, grid :
        What it is of.
    scene : Scene, optional
        What may be changed, if that is known.
    """
    problems: list[str] = []
    try:
        asked = _asked(session, grid)
    except SpaceError as error:
        asked = Review(grid.name)
        problems.append(str(error))
    answers = _answers(session, grid, problems)
    scene = scene or scene_of(session, grid)
    targets = _approved_now(asked, scene)
    return {
        "grid": grid.name,
        "revision": asked.revision,
        "approved": {
            **_approved_lamellae(asked, scene, answers),
            "targets": targets,
            "of_others": sorted(set(asked.targets_approved) - set(targets)),
        },
        "edits": [
            {
                **review.edit_to_dict(edit),
                "answer": _answer(answers.get(edit.id)),
                "opposite": _opposite(edit, answers.get(edit.id), scene),
            }
            for edit in asked.edits
            if isinstance(edit, Edit)
        ],
        "inspect": _inspect(session),
        "problems": problems,
        **_scene_table(scene),
    }


def scene_of(session: Session, grid: GridFacts) -> Scene:
    """Return what may be changed on a grid, as the run finds it, too.

    Raises
    ------
    SpaceError
        If a file of it cannot be read.
    """
    seen = session.look()
    settings = seen.facts.settings
    acquiring = overview.may_be_acquiring(seen.facts, seen.events)
    series = doing(seen)["series"] if acquiring else None
    now = series["lamella"] if series is not None and series["grid"] == grid.name else None
    return steps.scene_on_disk(
        session.on_disk(grid),
        session.categories,
        () if settings is None else settings.excluded_classes,
        acquiring,
        now,
    )


def _inspect(session: Session) -> str:
    """Return when the run looks at what is asked, by its last settings."""
    settings = session.look().facts.settings
    return NOT_INSPECTED if settings is None else settings.inspect


def _scene_table(scene: Scene) -> dict[str, Any]:
    return {
        "stamp": scene.stamp,
        "classes": list(scene.classes),
        "closest_um": scene.closest_um,
        "acquiring": scene.acquiring,
        "removed": sorted(scene.removed),
        "lamellae": {
            str(number): {
                "stamp": one.stamp,
                "choice": one.choice,
                "state": one.state.value,
                "class": one.category,
                "center_um": list(one.center_um),
                "box_um": list(one.box_um),
                "by_hand": one.by_hand,
                "visited": one.visited,
                "may": [kind.value for kind in _ONE_LAMELLA if review.may(kind, one.state)],
            }
            for number, one in sorted(scene.lamellae.items())
        },
    }


_ONE_LAMELLA = (
    Kind.MOVE, Kind.RESIZE, Kind.DELETE, Kind.CLASS, Kind.VISIT, Kind.TARGETS, Kind.LABELS,
)  # fmt: skip
_CHANGES_TARGETS = frozenset({Kind.TARGETS, Kind.LABELS})
_HAS_OTHERS_CHOSEN = frozenset({Kind.MOVE, Kind.RESIZE, Kind.LABELS})


def _approved_now(asked: Review, scene: Scene) -> dict[int, str]:
    """Return the lamellae whose targets are approved as they are now, with their choice's stamp."""
    return {
        number: one.choice
        for number, one in sorted(scene.lamellae.items())
        if review.targets_count(asked.targets_approved, number, one.targets)
    }


def _approved_lamellae(
    asked: Review, scene: Scene, answers: Mapping[str, Answer]
) -> dict[str, bool]:
    """Return whether the lamellae are approved as they are now, or others were."""
    approved = asked.lamellae_approved
    others = approved is not None and review.lamellae_not_approved(approved, scene, answers)
    return {"lamellae": approved is not None and not others, "other_lamellae": bool(others)}


def _asked(session: Session, grid: GridFacts) -> Review:
    path = review.review_path(session.directory, grid.name)
    return review.read_review(path, grid.name) or Review(grid.name)


def _answers(session: Session, grid: GridFacts, problems: list[str]) -> Mapping[str, Answer]:
    try:
        return review.read_answers(review.answers_path(session.directory, grid.name))
    except SpaceError as error:
        problems.append(str(error))
        return {}


def _answer(answer: Answer | None) -> dict[str, str] | None:
    if answer is None:
        return None
    return {key: str(value) for key, value in asdict(answer).items() if key != "opposite"}


def _opposite(edit: Edit, answer: Answer | None, scene: Scene) -> dict[str, Any] | None:
    """Return what takes back an edit that was done, on any page; None if that is not possible.

    Such as when things are not as the edit left them any more.
    """
    if answer is None or not answer.opposite or not review.is_so(edit, scene):
        return None
    one = scene.lamellae.get(answer.opposite.get("number", 0))
    back = {**answer.opposite, "of": scene.stamp if one is None else one.stamp}
    would_be = review.read_edit({**back, "id": "back"})
    return None if review.verdict(would_be, scene).do == "refuse" else back


# --- asking ---------------------------------------------------------------------------------------


def ask(session: Session, grid: GridFacts, values: Mapping[str, Any]) -> dict[str, Any]:
    """Add what a person asks for, or take it back; return what is asked now.

    Parameters
    ----------
    session, grid :
        What it is of.
    values : mapping
        ``revision`` as the page has seen it; ``add``: edits, their ids and times are made here;
        ``undo``: ids of edits that have no answer yet; ``approved``, if it is to change:
        ``lamellae`` (a table of all numbers with the stamps that the page shows, or false),
        ``targets`` (a table of numbers with the stamp of the choice that the page shows).

    Raises
    ------
    SpaceError
        If the page has seen another revision, an edit is not understood, or the run would refuse
        it, or nobody can have seen the targets to approve. Nothing is written then.
    """
    unknown = sorted(set(values) - _KEYS)
    if unknown or not is_whole(values.get("revision")):
        raise wrong(f"What is asked has a revision, and may have {', '.join(sorted(_KEYS))}.")
    asked, answers = _asked(session, grid), _answers(session, grid, [])
    if values["revision"] != asked.revision:
        raise stale("Somebody has asked for something else meanwhile.", grid.name)
    final = {id_ for id_, answer in answers.items() if answer.is_final}
    changed = review.undo(asked, _ids(values.get("undo", []), asked, final), final)
    added = [_edit(entry) for entry in _list(values, "add")]
    if added:
        scene = scene_of(session, grid)
        became = {answer.of: answer.became for answer in answers.values() if answer.became}
        for edit in added:
            _refuse_what_the_run_would(edit, scene, became)
    changed = _with(changed, added, final)
    if values.get("approved") is not None:
        changed = _approved(values["approved"], changed, scene_of(session, grid), final)
    return _save(session, grid, changed)


def hand_over_targets(
    session: Session, grid: GridFacts, lamella: LamellaFacts, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Save the targets of the page as the choice of a lamella, and ask the run to take them.

    Raises
    ------
    SpaceError
        As `space.page.choosing.saved`, or if the run would refuse them.
    """
    redo = values.get("redo", True)
    if not isinstance(redo, bool):
        raise wrong("redo is neither true nor false.")
    scene = scene_of(session, grid)
    one = scene.lamellae.get(lamella.number)
    if one is None:
        raise stale("This lamella has no point in the Navigator any more.", lamella.label)
    # That there is no choice yet is no reason to refuse one.
    tried = Edit("tried", Kind.TARGETS, one.choice or "none", number=lamella.number, redo=redo)
    kept = replace(scene, lamellae={lamella.number: replace(one, choice=one.choice or "none")})
    _refuse_what_the_run_would(tried, kept, {})
    table = choosing.saved(session, grid, lamella, values, one.choice)
    of = scene_of(session, grid).lamellae[lamella.number].choice
    edit = _edit({"kind": Kind.TARGETS.value, "of": of, "number": lamella.number, "redo": redo})
    return {**table, "stamp": of, "review": _add_in_any_case(session, grid, edit)}


def use_labels(session: Session, grid: GridFacts, lamella: LamellaFacts) -> dict[str, Any]:
    """Ask the run to choose the targets of a lamella on its labels as they are now.

    Raises
    ------
    SpaceError
        If the run would refuse it, as after an exposure.
    """
    scene = scene_of(session, grid)
    one = scene.lamellae.get(lamella.number)
    if one is None:
        raise stale("This lamella has no point in the Navigator any more.", lamella.label)
    entry = {"kind": Kind.LABELS.value, "of": one.labels, "number": lamella.number}
    edit = _edit(entry)
    _refuse_what_the_run_would(edit, scene, {})
    return _add_in_any_case(session, grid, edit)


def _add_in_any_case(session: Session, grid: GridFacts, edit: Edit) -> dict[str, Any]:
    """Ask for something that does not depend on what else is asked."""
    for _ in range(_TRIES - 1):
        try:
            return _add(session, grid, edit)
        except RefusedError as error:
            if error.status is not HTTPStatus.CONFLICT:
                raise
    return _add(session, grid, edit)


def _add(session: Session, grid: GridFacts, edit: Edit) -> dict[str, Any]:
    asked, answers = _asked(session, grid), _answers(session, grid, [])
    final = {id_ for id_, answer in answers.items() if answer.is_final}
    # What was asked for its targets before, and was not looked at yet, is replaced by this.
    earlier = [
        one.id
        for one in asked.edits
        if isinstance(one, Edit) and one.kind in _CHANGES_TARGETS and one.number == edit.number
    ]
    changed = _with(review.undo(asked, earlier, final), [edit], final)
    return _save(session, grid, changed)


def _save(session: Session, grid: GridFacts, changed: Review) -> dict[str, Any]:
    try:
        review.save_review(review.review_path(session.directory, grid.name), changed)
    except StaleError as error:
        raise stale(error.what, grid.name) from None
    except OSError as error:
        raise SpaceError(f"It cannot be written: {error}.", grid.name) from None
    session.look(now=True)
    return review_table(session, grid)


def _with(asked: Review, added: Iterable[Edit], final: Iterable[str]) -> Review:
    """Return what is asked with more; old edits that have their answer make room.

    Approval of targets is taken back where others are chosen by what is asked.
    """
    added = list(added)
    edits, old = [*asked.edits, *added], set(final)
    too_many = len(edits) - (review.MOST_EDITS - _ROOM)
    if too_many > 0:
        dropped = {id(one) for one in [one for one in edits if one.id in old][:too_many]}
        edits = [one for one in edits if id(one) not in dropped]
    if len(edits) > review.MOST_EDITS:
        raise RefusedError(
            HTTPStatus.CONFLICT,
            f"More than {review.MOST_EDITS} things are asked that the run has not looked at.",
            asked.grid,
            "Wait until it has, or undo some.",
        )
    others = {one.number for one in added if one.kind in _HAS_OTHERS_CHOSEN}
    left = {number: of for number, of in asked.targets_approved.items() if number not in others}
    return replace(asked, edits=tuple(edits), targets_approved=left)


def _refuse_what_the_run_would(edit: Edit, scene: Scene, became: Mapping[str, str]) -> None:
    verdict = review.verdict(edit, scene, became)
    if verdict.do == "refuse":
        raise RefusedError(HTTPStatus.CONFLICT, verdict.why, scene.grid)


def _list(values: Mapping[str, Any], key: str) -> list[Any]:
    found = values.get(key, [])
    if not isinstance(found, list) or len(found) > MOST_AT_ONCE:
        raise wrong(f"{key} is no list of at most {MOST_AT_ONCE}.")
    return found


def _ids(value: Any, asked: Review, final: set[str]) -> list[str]:
    known = {edit.id for edit in asked.edits}
    ids = _list({"undo": value}, "undo")
    if not all(isinstance(one, str) and one in known for one in ids):
        raise wrong("undo names something that is not asked.", asked.grid)
    done = [one for one in ids if one in final]
    if done:
        raise stale("The run has answered this already: ask for the opposite.", asked.grid)
    return ids


def _edit(entry: Any) -> Edit:
    """Return an edit with an id of its own, and when it was asked."""
    if not isinstance(entry, dict) or {"id", "at"} & set(entry):
        raise wrong("add holds something else than edits without id and at.")
    when = datetime.now().astimezone().isoformat(timespec="seconds")
    try:
        return review.read_edit({**entry, "id": uuid4().hex[:16], "at": when})
    except review.NotAnEditError as error:
        raise wrong(str(error)) from None


def _approved(value: Any, asked: Review, scene: Scene, final: set[str]) -> Review:
    """Return what is asked with other approval.

    Raises
    ------
    SpaceError
        If it is not understood, or of targets that nobody can have seen: those would be acquired
        as they come.
    """
    good = isinstance(value, dict) and set(value) <= {"lamellae", "targets"}
    shown = value.get("lamellae", False) if good else None
    if not isinstance(shown, dict) and shown is not False:
        raise wrong("approved is no table of lamellae (a table or false) and targets (a table).")
    if "lamellae" in value:
        there = {str(number): one.stamp for number, one in scene.lamellae.items()}
        if shown not in (False, there):
            raise stale("The lamellae are others than the page showed.", asked.grid)
        seen = {number: one.stamp for number, one in scene.lamellae.items()}
        asked = replace(asked, lamellae_approved=None if shown is False else seen)
    return _with_targets(asked, value["targets"], scene, final) if "targets" in value else asked


def _with_targets(asked: Review, shown: Any, scene: Scene, final: set[str]) -> Review:
    if not isinstance(shown, dict) or len(shown) > review.MOST_NUMBERS:
        raise wrong("approved targets are no table of numbers of lamellae.")
    to_be_chosen = {
        one.number
        for one in asked.edits
        if isinstance(one, Edit) and one.kind in _HAS_OTHERS_CHOSEN and one.id not in final
    }
    lamellae = {str(number): one for number, one in scene.lamellae.items()}
    approved = {}
    for text, of in shown.items():
        one = lamellae.get(text)
        if one is None or not one.targets:
            why = f"Lamella {text[:10]} has no targets yet that could be approved."
        elif one.number in to_be_chosen:
            why = f"Other targets of lamella {one.number} are going to be chosen, as was asked."
        elif of != one.choice:
            why = f"The targets of lamella {one.number} are others than the page showed."
        else:
            approved[one.number] = one.targets
            continue
        do = "Approve them when they are chosen and you have seen them."
        raise RefusedError(HTTPStatus.CONFLICT, why, asked.grid, do)
    return replace(asked, targets_approved=approved)
