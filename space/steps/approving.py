"""Waiting until a person has approved what was found or chosen, as ``inspect = "wait"`` says."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from space import orders, review
from space.errors import SpaceError
from space.images import file_state
from space.microscope import StoppedByUserError, navigator, wait_for, warn_once
from space.settings import WAIT
from space.steps import steering
from space.steps.collect import has_map
from space.steps.lamella_list import numbers_to_visit
from space.steps.review import approval, corrections, lamellae_approved, look
from space.steps.review_scene import stamp_of_targets
from space.steps.session import GridSession
from space.steps.target_facts import begun_files
from space.steps.telling import tell

log = logging.getLogger("space.workflow")


def wait_for_lamellae(session: GridSession, refines: bool) -> None:
    """Do what is asked of the lamellae that were found; wait for approval if that is wanted.

    Not once maps were collected: a run that goes on does not wait a second time.
    """
    look(session, refines)
    numbers = numbers_to_visit(navigator.items())
    if not _waits(session) or any(has_map(session, number) for number in numbers):
        return

    def poll() -> bool | None:
        look(session, refines)
        return True if lamellae_approved(session) else None

    _wait(session, poll, "lamellae", session.settings.inspect_limit * 60)


def wait_for_targets(session: GridSession, set_up: Callable[[], None]) -> None:
    """Wait, if that is wanted, until the targets that are to be acquired are approved.

    Parameters
    ----------
    session : GridSession
    set_up : callable
        Sets up what a person has changed meanwhile.
    """
    left_s = session.settings.inspect_limit * 60
    while _waits(session) and _not_approved(session) and left_s > 0:
        began, before = time.monotonic(), corrections(session)
        is_over = not _wait(
            session, partial(_approved_or_changed, session, before), "targets", left_s
        )
        if corrections(session) != before:
            set_up()
        if is_over:
            return
        left_s -= time.monotonic() - began


def _approved_or_changed(session: GridSession, corrections_before: int) -> bool | None:
    look(session)
    is_changed = corrections(session) != corrections_before
    return True if is_changed or not _not_approved(session) else None


def _waits(session: GridSession) -> bool:
    return (
        session.settings.inspect == WAIT
        and not navigator.is_acquiring()
        and not steering.leaves_grid(session)
    )


def _not_approved(session: GridSession) -> list[int]:
    """Return the lamellae with targets to be acquired that were neither approved nor begun.

    Approval is of the targets that were shown: of others it is none.
    """
    approved = approval(session).targets_approved
    numbers = sorted(
        {
            number
            for item, number in steering.items_with_targets(session)
            if navigator.acquire_is_on(item.index)
            and not begun_files(session.directory / item.note)
        }
    )
    left = [
        n for n in numbers if not review.targets_count(approved, n, stamp_of_targets(session, n))
    ]
    for number in left:
        if number in approved:
            seen = approved[number]
            warn_once(
                f"approved_{session.grid}_{number}_{seen}",
                "The targets of lamella %d of grid %s were approved, but %s: look at them in the "
                "page and approve them again.",
                number,
                session.grid,
                "they or their map are others since" if seen else "it is not noted which were seen",
            )
    return left


def _wait(session: GridSession, poll: Callable[[], bool | None], what: str, limit_s: float) -> bool:
    """Wait for a person; return False when nobody came in time, or the wait was ended."""
    if poll():
        return True
    path = review.review_path(session.directory, session.grid)
    log.warning(
        'The %s of grid %s wait for approval, as inspect = "wait" says. Approve them in the page '
        "(spacetomo inspect %s), or press B to go on. After %.0f minutes the run goes on.",
        what,
        session.grid,
        session.directory,
        limit_s / 60,
    )
    tell(
        session.settings,
        session.directory,
        "person needed",
        f"The {what} wait for approval in the page. After {limit_s / 60:.0f} min the run goes on.",
        session.grid,
    )
    try:
        wait_for(
            poll,
            f"the approval of the {what} of grid {session.grid}",
            limit_s,
            glance=lambda: (file_state(path), orders.stamp(session.directory)),
            why_to_stop=lambda: steering.why_to_stop_waiting(session),
        )
        return True
    except StoppedByUserError:
        log.info("The %s of grid %s were not approved: the wait was ended.", what, session.grid)
    except SpaceError:
        log.warning(
            "Nobody approved the %s of grid %s in time: the run goes on with what there is.",
            what,
            session.grid,
        )
    return False
