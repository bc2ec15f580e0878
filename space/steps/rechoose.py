"""Targets chosen again from what is on disk, without a microscope, and handed back to a session.

Handed back, a choice is what a person would have written: the file says that exactly these targets
are to be taken, and the lamella's targets file is put aside, so that the next run at the microscope
sets it up again. Nothing is handed back for a lamella with which PACEtomo has begun.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from space import pacetomo
from space.errors import SpaceError
from space.files import move_aside, replace_patiently
from space.microscope import RecordOptics, SavedItem
from space.steps.choose import choice_of, points_by_hand, polygons_told
from space.steps.made_with import TARGETS, made_with
from space.steps.map_facts import read_facts
from space.steps.question import (
    Question,
    labels_of_map,
    question_of,
    read_known_map,
    tell_of_other_classes,
)
from space.steps.session import GridSession
from space.steps.target_facts import choice_path, find_files, is_begun
from space.targeting import Choice, ChoiceFile, KnownMap, Take, read_choice, write_choice

log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class ChosenAgain:
    """Targets of a lamella as they were and as they would be.

    Attributes
    ----------
    question : Question
        With the new settings.
    before : ChoiceFile or None
        What was chosen; None if there is no choice yet.
    before_score : float or None
        Total score of those targets by the new settings.
    choice : Choice
        The new choice.
    """

    question: Question
    before: ChoiceFile | None
    before_score: float | None
    choice: Choice

    @property
    def targets_before(self) -> int | None:
        """Number of targets that were chosen; None if there is no choice yet."""
        if self.before is None:
            return None
        return sum(len(area.targets_map_px) for area in self.before.areas)

    @property
    def stored_score(self) -> float | None:
        """Total score of the targets as it was when they were chosen."""
        if self.before is None:
            return None
        return float(sum(area.imaged.scores.sum() for area in self.before.areas))


def question_on_disk(
    session: GridSession,
    number: int,
    labels_path: Path,
    record: RecordOptics,
    read: Callable[[Path], tuple[KnownMap, dict[str, int]]] = read_known_map,
) -> Question:
    """Return the question to the target selection about a lamella's segmented map.

    Parameters
    ----------
    read : callable, optional
        Reads a segmentation; for one who has it already.

    Raises
    ------
    SpaceError
        When a file is missing or cannot be used.
    """
    facts = read_facts(session.map_png(number))
    known, names = labels_of_map(session, labels_path, facts, read)
    return question_of(session, known, names, facts, record)


def choose_again(
    session: GridSession,
    number: int,
    labels_path: Path,
    record: RecordOptics,
    items: Sequence[SavedItem],
    ignore_edits: bool = False,
) -> ChosenAgain:
    """Choose the targets of a lamella with the settings of `session`. Nothing is written.

    Parameters
    ----------
    session : GridSession
        With the new settings.
    number : int
        Number of the lamella.
    labels_path : Path
        Its segmentation.
    record : RecordOptics
        What Record pictures and the beam cover.
    items : sequence of SavedItem
        Of the Navigator file, for polygons.
    ignore_edits : bool
        Choose also where a person has given or fixed targets.

    Raises
    ------
    SpaceError
        When a file is missing or cannot be used.
    """
    question = question_on_disk(session, number, labels_path, record)
    tell_of_other_classes(session, question.names, labels_path)
    bounded = session.settings.target_polygons
    polygons = polygons_told(items, question.frame) if bounded else ()
    before = read_choice(choice_path(session, number), question.shape)
    edited = None if ignore_edits else before
    points = points_by_hand(session, items, question.frame)
    again = answer_again(session, number, question, before, edited, polygons, points)
    for warning in again.choice.warnings:
        log.warning("%s: %s", session.map_stem(number), warning)
    return again


def answer_again(
    session: GridSession,
    number: int,
    question: Question,
    before: ChoiceFile | None,
    edited: ChoiceFile | None,
    polygons_map_px: tuple[np.ndarray, ...],
    points_map_px: np.ndarray | None = None,
) -> ChosenAgain:
    """Choose targets again and hold them against those from before. Nothing is written.

    Parameters
    ----------
    session : GridSession
    number : int
        Number of the lamella.
    question : Question
        With the new settings.
    before : ChoiceFile or None
        What it is compared with.
    edited : ChoiceFile or None
        What a person has given or fixed.
    polygons_map_px : tuple of (k, 2) arrays
        What bounds targets; none: they may be anywhere.
    points_map_px : ndarray (n, 2), optional
        The only places where targets are wanted (`points_by_hand`).
    """
    score = None
    if before is not None:
        score = question.total_score(before.areas, polygons_map_px)
    choice = choice_of(session, number, question, edited, polygons_map_px, points_map_px)
    return ChosenAgain(question, before, score, choice)


def hand_back(session: GridSession, number: int, again: ChosenAgain) -> list[Path]:
    """Have the next run at the microscope set a lamella up with a new choice.

    The former choice and targets file keep their content under other names.

    Returns
    -------
    list of Path
        The files that were put aside.

    Raises
    ------
    SpaceError
        When PACEtomo has begun with the lamella.
    """
    if is_begun(session, number):
        raise _begun(session, number)
    targets, moved = session.targets_file(number), []
    if targets.is_file():
        moved = [move_aside(targets)]
        if _has_begun_meanwhile(targets, moved[0]):
            replace_patiently(moved[0], targets)
            raise _begun(session, number)
    save_choice(session, number, again.question, again.choice, "all")
    return moved


def save_choice(
    session: GridSession, number: int, question: Question, choice: Choice, take: Take
) -> None:
    """Write a lamella's choice with what it was made with; what was there is kept beside it."""
    write_choice(
        choice_path(session, number),
        choice,
        session.map_png(number).name,
        question.shape,
        take,
        made_with(session.settings, TARGETS),
        asdict(question.record),
    )


def _has_begun_meanwhile(targets: Path, moved: Path) -> bool:
    """Whether PACEtomo has read a targets file in the moment before it was put aside."""
    if find_files(targets.parent, pacetomo.run_files_pattern(targets.name)):
        return True
    series = (targets.parent / target.tsfile for target in pacetomo.read(moved).targets)
    return any(path.exists() for path in series)


def _begun(session: GridSession, number: int) -> SpaceError:
    return SpaceError(
        "PACEtomo has begun with this lamella: its targets stay as they are.",
        session.map_stem(number),
        "What was exposed would be exposed again.",
    )
