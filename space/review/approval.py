"""Whether what a person has approved is what is there now."""

from __future__ import annotations

from collections.abc import Mapping

from space.review.answers import Answer
from space.review.edits import Kind
from space.review.rules import is_current
from space.review.scene import Scene


def targets_count(approved: Mapping[int, str], number: int, now: str) -> bool:
    """Whether the targets of a lamella are approved: those that are there now, by their stamp."""
    return bool(now) and approved.get(number) == now


def lamellae_not_approved(
    approved: Mapping[int, str], scene: Scene, answers: Mapping[str, Answer]
) -> list[int]:
    """Return the lamellae of a grid that nobody has seen as they are now.

    What was asked on the page since makes a lamella no other, and refinement does not either.

    Parameters
    ----------
    approved : mapping of int to str
        Stamps of the lamellae that were shown (`LamellaSeen.stamp`), by their numbers.
    scene : Scene
        How things are now.
    answers : mapping
        What became of what was asked.
    """
    became = {one.of: one.became for one in answers.values() if one.became}
    added = {
        one.opposite.get("number")
        for one in answers.values()
        if one.answer == "applied" and one.opposite.get("kind") == Kind.DELETE.value
    }
    return [
        number
        for number, one in sorted(scene.lamellae.items())
        if number not in added
        and not (scene.is_refined and number in approved)
        and not is_current(approved.get(number, ""), one.stamp, became)
    ]
