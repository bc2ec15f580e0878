"""Waiting with a way out: a time limit and the B key."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from space.errors import SpaceError
from space.microscope.sem import serialem

Result = TypeVar("Result")

POLL_S = 2.0
"""Pause between two polls, in SerialEM's time."""

STEP_S = 0.5
"""Longest part of a pause in which neither the key nor what shows a change is looked at."""

_SHORTEST_PAUSE_S = 0.05
_REPORT_EVERY_S = 60.0
log = logging.getLogger("space.microscope")


class StoppedByUserError(SpaceError):
    """The user pressed B to stop waiting; what was waited for continues by itself."""


def pause(seconds: float = POLL_S) -> None:
    """Let `seconds` pass in SerialEM (which stays responsive), and never none at all."""
    start = time.monotonic()
    serialem().Delay(float(seconds), "s")
    # A simulated Delay may return at once; a poll without any pause would be a busy loop.
    rest = _SHORTEST_PAUSE_S - (time.monotonic() - start)
    if rest > 0:
        time.sleep(rest)


def yes(question: str) -> bool:
    """Ask a person in a Yes/No box. It stays until somebody answers."""
    return bool(serialem().YesNoBox(question))


def key_pressed(key: str = "B") -> bool:
    """Return whether `key` was pressed since the last call."""
    return bool(serialem().KeyBreak(key))


def wait_for(
    poll: Callable[[], Result | None],
    what: str,
    timeout_s: float,
    status: Callable[[], str] | None = None,
    poll_s: float = POLL_S,
    glance: Callable[[], object] | None = None,
    why_to_stop: Callable[[], str] | None = None,
    do: str = "Run the script again to continue.",
) -> Result:
    """Call `poll` again and again until it returns something else than None.

    Parameters
    ----------
    poll : callable
        Returns the result, or None while there is none. What it raises ends the waiting.
    what : str
        What is waited for, for messages.
    timeout_s : float
        Real seconds after which the waiting ends.
    status : callable, optional
        Returns a line about the progress.
    poll_s : float
        Pause between two polls, in SerialEM's time.
    glance : callable, optional
        Cheap; a pause ends early when it returns something else than before the last poll.
    why_to_stop : callable, optional
        Looked at after each poll: what it returns, unless empty, ends the waiting as B does.
    do : str
        What a person has to do when time is over.

    Raises
    ------
    StoppedByUserError
        When the user pressed B or ordered it otherwise.
    SpaceError
        After `timeout_s`.
    """
    start = reported = time.monotonic()
    seen = glance() if glance else None
    result = poll()
    if result is not None:
        return result
    key_pressed("B")  # forget what was pressed earlier
    log.info("Waiting for %s, at most %s. Press B to stop waiting.", what, _duration(timeout_s))
    while result is None:
        is_stopped, seen = _pause_in_steps(poll_s, glance, seen)
        result = poll()
        if result is not None:
            break
        now = time.monotonic()
        reason = "by the B key" if is_stopped else why_to_stop() if why_to_stop else ""
        if reason:
            raise StoppedByUserError(
                f"Waiting for {what} was stopped {reason}.",
                do="Run the script again to continue.",
            )
        if now - start > timeout_s:
            raise SpaceError(f"Gave up waiting for {what} after {_duration(timeout_s)}.", do=do)
        if now - reported > _REPORT_EVERY_S:
            reported = now
            progress = status() if status else ""
            detail = f" ({progress})" if progress else ""
            log.info("Still waiting for %s after %.0f min%s.", what, (now - start) / 60, detail)
    return result


def _duration(seconds: float) -> str:
    hours, minutes = seconds / 3600, seconds / 60
    return f"{hours:.3g} h" if hours >= 1 else f"{minutes:.0f} min"


def _pause_in_steps(
    seconds: float, glance: Callable[[], object] | None, seen: object
) -> tuple[bool, object]:
    """Pause until B is pressed, `glance` shows a change, or time is over.

    Returns
    -------
    bool
        Whether B was pressed.
    object
        What `glance` returned last.
    """
    step_s = seconds if glance is None else STEP_S
    left_s, now = seconds, seen
    while left_s > 0:
        start_s = time.monotonic()
        pause(min(left_s, step_s))
        left_s -= step_s
        now = glance() if glance else None
        if key_pressed("B"):
            return True, now
        if now != seen or time.monotonic() - start_s < STEP_S / 2:  # a simulated Delay is over
            break
    return False, now
