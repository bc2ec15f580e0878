"""What a person asks in a page (`space.review`) is done here, and answered.

Each edit is done once. The file of answers is the memory: an edit is done first and answered then,
at once. Should the script end in between, the next run looks at the edit again and finds that it is
so already, or does what is missing: what shows that an edit is done is always written last.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from space import review
from space.errors import SpaceError
from space.images import file_state
from space.microscope import navigator, survives, warn_once
from space.review import Answer, Edit, Kind, Review, Scene, Unreadable
from space.settings import NOT_INSPECTED
from space.steps import steering
from space.steps.correcting import do, so_already
from space.steps.correction import RefusedError, Work
from space.steps.review_scene import scene_on_disk
from space.steps.session import GridSession

_LONGEST = 900
log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class _Asked:
    """What is asked of a grid, and what was answered before."""

    review: Review
    answers: Mapping[str, Answer]
    open: tuple[Edit | Unreadable, ...]


def look(session: GridSession, refines: bool = False) -> bool:
    """Do what a person has asked in a page since the last look; return whether anything was done.

    Without anything new in the file, the microscope is not even asked.

    Parameters
    ----------
    session : GridSession
    refines : bool
        Whether positions of lamellae are refined after this.
    """
    asked = _asked(session)
    if asked is None or not asked.open:
        return False
    answers, done = dict(asked.answers), False
    for edit in asked.open:
        # What could not be answered would be done again and again.
        if edit.id not in answers and not _answer(session, asked, answers, edit, _begun()):
            break
        answer = _answered(session, edit, answers, refines)
        if answers[edit.id].why == answer.why:
            continue  # it waits still
        if not _answer(session, asked, answers, edit, answer):
            break  # nothing is lost: it is looked at again
        what = "" if isinstance(edit, Unreadable) else f" ({edit.kind.value})"
        level = logging.WARNING if answer.answer == "refused" else logging.INFO
        log.log(level, "Asked in the page%s: %s. %s", what, answer.answer, answer.why)
        done = done or answer.answer == "applied"
    if done:
        steering.keep_skipped_off(session)
    return done


def _answer(
    session: GridSession,
    asked: _Asked,
    answers: dict[str, Answer],
    edit: Edit | Unreadable,
    answer: Answer,
) -> bool:
    """Write an answer among the others; return whether that was possible."""
    answers[edit.id] = answer
    kept = review.kept(answers, [one.id for one in asked.review.edits])
    path = _answers_path(session)
    with survives("An answer cannot be written", level=logging.DEBUG) as outcome:
        review.write_answers(path, session.grid, kept)
    if outcome.failed:
        warn_once(
            f"review_answers_{session.grid}",
            "What is asked in the page of grid %s cannot be answered, and is not done: %s cannot "
            "be written (%s). It is tried again at each look. Check that the folder is writable.",
            session.grid,
            path,
            outcome.reason,
        )
    return not outcome.failed


def is_asked(session: GridSession) -> bool:
    """Whether something is asked of a grid that is not done with; reads files only."""
    asked = _asked(session, warn=False)
    return asked is not None and bool(asked.open)


def corrections(session: GridSession) -> int:
    """Return how many things that were asked of a grid were done; reads files only."""
    asked = _asked(session, warn=False)
    answers = asked.answers.values() if asked is not None else ()
    return sum(answer.answer == "applied" for answer in answers)


def approval(session: GridSession) -> Review:
    """Return what a person has approved of a grid: nothing where that cannot be read."""
    asked = _asked(session)
    return asked.review if asked is not None else Review(session.grid)


def lamellae_approved(session: GridSession) -> bool:
    """Whether a person has approved the lamellae of a grid as they are now."""
    asked = _asked(session)
    approved = None if asked is None else asked.review.lamellae_approved
    if asked is None or approved is None:
        return False
    with survives("The lamellae cannot be seen") as outcome:
        others = review.lamellae_not_approved(approved, _scene(session), asked.answers)
    if outcome.failed:
        return False
    if others:
        warn_once(
            f"approved_{session.grid}_{asked.review.revision}",
            "The lamellae of grid %s were approved, but %s: look at them in the page and approve "
            "them again.",
            session.grid,
            f"{', '.join(f'L{number:02d}' for number in others)} not as they are now"
            if approved
            else "it is not noted which were seen",
        )
    return not others


def _asked(session: GridSession, warn: bool = True) -> _Asked | None:
    path = review.review_path(session.directory, session.grid)
    if session.settings.inspect == NOT_INSPECTED:
        return None
    try:
        found = review.read_review(path, session.grid)
        if found is None:
            return None
        answers = review.read_answers(_answers_path(session))
    except SpaceError as error:
        if warn:
            said = f"{file_state(path)}{error}".encode("utf-8", "replace")
            warn_once(f"review_{review.choice_stamp(said)}", "%s", error)
        return None
    final = {id_ for id_, answer in answers.items() if answer.is_final}
    return _Asked(found, answers, review.open_edits(found, final))


def _answers_path(session: GridSession) -> Path:
    return review.answers_path(session.directory, session.grid)


# --- one edit -------------------------------------------------------------------------------------


def _answered(
    session: GridSession, edit: Edit | Unreadable, answers: Mapping[str, Answer], refines: bool
) -> Answer:
    """Do one thing, or say why not."""
    when = _now()
    if isinstance(edit, Unreadable):
        return Answer("refused", edit.why, when)
    if not os.path.isdir(session.map_dir):
        return Answer("waits", f"The folder {session.map_dir} does not answer.", when)
    with survives("What was asked in the page cannot be seen", level=logging.DEBUG) as outcome:
        before = _scene(session)
    if outcome.failed:
        return Answer("waits", f"It cannot be looked at yet: {outcome.reason}"[:_LONGEST], when)
    with survives("What was asked in the page could not be done", level=logging.DEBUG) as outcome:
        try:
            work = Work(session, edit, before, refines)
            why = so_already(work)
            was_so = bool(why)
            if not was_so:
                verdict = review.verdict(edit, before, _became(answers))
                if verdict.do != "apply":
                    return Answer("waits" if verdict.do == "wait" else "refused", verdict.why, when)
                why = do(work)
        except RefusedError as refused:
            return Answer("refused", refused.what, when)
    if isinstance(outcome.error, OSError):  # a folder that does not answer, a file in use
        return Answer("waits", f"It could not be done yet: {outcome.reason}"[:_LONGEST], when)
    if outcome.failed:
        return Answer("refused", f"It could not be done: {outcome.reason}"[:_LONGEST], when)
    answer = Answer("applied", why, when)
    with survives("What was done cannot be seen"):
        after = _scene(session)
        of, became = _stamps(edit, before, after)
        back = {} if was_so else review.opposite(edit, before, after)
        answer = replace(answer, of=of, became=became, opposite=back)
    return answer


def _begun() -> Answer:
    return Answer("waits", "It is being done.", _now())


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _became(answers: Mapping[str, Answer]) -> dict[str, str]:
    return {answer.of: answer.became for answer in answers.values() if answer.became}


def _stamps(edit: Edit, before: Scene, after: Scene) -> tuple[str, str]:
    """Return the stamps of what was changed, before and after; none after where it is gone."""
    if edit.kind in (Kind.ADD, Kind.ORDER):
        return before.stamp, after.stamp
    was, now = before.lamellae.get(edit.number), after.lamellae.get(edit.number)
    if was is None or now is None or edit.kind is Kind.LABELS:
        return edit.of, ""
    return (was.choice, now.choice) if edit.kind is Kind.TARGETS else (was.stamp, now.stamp)


def _scene(session: GridSession) -> Scene:
    """Return how things are now: the Navigator is saved, since its file is what a page shows."""
    navigator.save()
    now = navigator.acquired_item()
    return scene_on_disk(
        session,
        session.categories,
        session.settings.excluded_classes,
        now is not None,
        None if now is None else steering.number_in(session, now.note),
    )
