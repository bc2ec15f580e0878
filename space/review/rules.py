"""What may be done to what: one function for the page, which asks first, and for the run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from space.errors import shown
from space.review.edits import Edit, Kind
from space.review.scene import LamellaSeen, Scene, State

_BEFORE_EXPOSURE = frozenset({State.FOUND, State.MAPPED, State.CHOSEN})
_MAY: Mapping[Kind, frozenset[State]] = {
    Kind.MOVE: _BEFORE_EXPOSURE,
    Kind.RESIZE: _BEFORE_EXPOSURE,
    Kind.DELETE: _BEFORE_EXPOSURE,
    Kind.CLASS: _BEFORE_EXPOSURE,
    Kind.VISIT: frozenset(State),  # areas of it may be left
    Kind.TARGETS: frozenset({State.MAPPED, State.CHOSEN}),
    Kind.LABELS: frozenset({State.MAPPED, State.CHOSEN}),
}
_CHANGES_POINTS = frozenset({Kind.ADD, Kind.MOVE, Kind.RESIZE, Kind.DELETE})
_PLACED = frozenset({Kind.ADD, Kind.MOVE})


@dataclass(frozen=True)
class Verdict:
    """What is to be done with an edit.

    Attributes
    ----------
    do : str
        "apply", "refuse" or "wait".
    why : str
        Why it is not applied, in a sentence.
    """

    do: Literal["apply", "refuse", "wait"]
    why: str = ""


def may(kind: Kind, state: State) -> bool:
    """Whether something of this kind may be done to a lamella in this state."""
    return state in _MAY[kind]


def verdict(edit: Edit, scene: Scene, became: Mapping[str, str] | None = None) -> Verdict:
    """Return what is to be done with an edit.

    Parameters
    ----------
    edit : Edit
    scene : Scene
        How things are now.
    became : mapping of str to str, optional
        What stamps became by earlier edits of the same file: those are no reason to call a later
        one stale, since the page had seen what they were asked for.
    """
    why = _objection(edit, scene, became or {})
    if why:
        return Verdict("refuse", why)
    if scene.acquiring and edit.kind in _CHANGES_POINTS:
        return Verdict(
            "wait",
            "Acquire at Items is running, and points stay as they are: this is done when "
            "SPACEtomo.py runs again.",
        )
    return Verdict("apply")


def _objection(edit: Edit, scene: Scene, became: Mapping[str, str]) -> str:
    if edit.kind is Kind.ORDER:
        return _of_grid(edit, scene, became) or _unknown(edit.numbers, scene)
    if edit.kind is Kind.ADD:
        return (
            _of_grid(edit, scene, became)
            or _class_unknown(edit, scene)
            or _misplaced(edit, scene, scene.lamellae)
        )
    seen = scene.lamellae.get(edit.number)
    if seen is None:
        return _unknown((edit.number,), scene)
    why = _of_state(edit, seen) or _stale(edit, seen, became)
    if not why and edit.kind is Kind.CLASS:
        why = _class_unknown(edit, scene)
    if not why and edit.kind is Kind.MOVE:
        others = {n: one for n, one in scene.lamellae.items() if n != edit.number}
        why = _misplaced(edit, scene, others)
    return why


def _of_grid(edit: Edit, scene: Scene, became: Mapping[str, str]) -> str:
    if not scene.stamp and edit.kind is Kind.ADD:
        return f"There is no map of grid {scene.grid}: a place on it means nothing."
    if not is_current(edit.of, scene.stamp, became):
        return (
            f"Grid {scene.grid} lies another way than the page showed it (it was mapped or loaded "
            "again since): look at it again and repeat this."
        )
    return ""


def _unknown(numbers: tuple[int, ...], scene: Scene) -> str:
    unknown = [number for number in numbers if number not in scene.lamellae]
    if not unknown:
        return ""
    if unknown[0] in scene.removed:
        return f"Lamella {unknown[0]} was removed: there is nothing to change."
    known = ", ".join(f"L{number:02d}" for number in sorted(scene.lamellae)) or "none"
    return f"Grid {scene.grid} has no lamella {unknown[0]} (it has {known})."


def _of_state(edit: Edit, seen: LamellaSeen) -> str:
    if not may(edit.kind, seen.state):
        return {
            State.ACQUIRING: f"Lamella {seen.number} is being acquired now: it stays as it is.",
            State.EXPOSED: f"Tilt series of lamella {seen.number} were begun: it stays as it is, "
            "since what was exposed would be exposed again.",
        }.get(seen.state, f"Lamella {seen.number} has no map yet: there are no targets to change.")
    if edit.kind is Kind.TARGETS and seen.state is State.CHOSEN and not edit.redo:
        return (
            f"The targets of lamella {seen.number} are set up: others are taken only if it is to "
            'be set up anew ("redo").'
        )
    return ""


def _stale(edit: Edit, seen: LamellaSeen, became: Mapping[str, str]) -> str:
    if edit.kind is Kind.TARGETS:
        if not seen.choice:
            return f"There is no file with a choice of targets of lamella {seen.number}."
        if not is_current(edit.of, seen.choice, became):
            return (
                f"The choice of targets of lamella {seen.number} was written anew since: look at "
                "it again and repeat this."
            )
        return ""
    if edit.kind is Kind.LABELS:
        if not seen.labels:
            return f"The map of lamella {seen.number} is not segmented: there are no labels to use."
        if edit.of != seen.labels:
            return (
                f"The labels of lamella {seen.number} are not as the page showed them any more "
                "(segmented or corrected again): look at them again and repeat this."
            )
        return ""
    if not is_current(edit.of, seen.stamp, became):
        return (
            f"Lamella {seen.number} is not as the page showed it any more (its place, size or "
            "class): look at it again and repeat this."
        )
    return ""


def _class_unknown(edit: Edit, scene: Scene) -> str:
    if edit.category in scene.classes:
        return ""
    known = ", ".join(scene.classes) or "none"
    return f"There is no class {shown(edit.category)} of lamellae (there are: {known})."


def _misplaced(edit: Edit, scene: Scene, others: Mapping[int, LamellaSeen]) -> str:
    x_um, y_um = edit.center_um
    place = f"The place ({x_um:.1f}, {y_um:.1f}) um"
    if not scene.is_on_map(edit.center_um):
        return f"{place} lies outside the map of grid {scene.grid}."
    if not scene.is_in_reach(edit.center_um):
        return f"{place} is beyond the reach of the stage."
    for number, other in sorted(others.items()):
        away_um = math.hypot(x_um - other.center_um[0], y_um - other.center_um[1])
        if away_um < scene.closest_um:
            return (
                f"{place} is {away_um:.1f} um from lamella {number}; two lamellae lie at least "
                f"{scene.closest_um:g} um apart. Move or resize that one."
            )
    return ""


def is_current(of: str, now: str, became: Mapping[str, str]) -> bool:
    """Whether a stamp is that of now, or became it by edits that were done."""
    seen: set[str] = set()
    while of != now:
        if of in seen or of not in became:
            return False
        seen.add(of)
        of = became[of]
    return True
