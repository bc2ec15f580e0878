"""Pictures that a disturbance spoilt are taken a second time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from space.errors import SpaceError
from space.microscope.column import open_valve, valve_is_closed
from space.microscope.sem import check_space_left, error_text, sem_errors, serialem
from space.microscope.waiting import StoppedByUserError, wait_for

Result = TypeVar("Result")

DEWARS_TIMEOUT_S = 2 * 3600.0
"""Longest wait for dewars to be filled."""

_DEWARS_POLL_S = 15.0
_NO_DEWARS = "SPACE_NO_DEWARS"
"""SerialEM variable that lives as long as the script: this microscope cannot report dewars."""

log = logging.getLogger("space.microscope")


class SpoiltError(SpaceError):
    """A picture cannot be used although SerialEM took it."""


class DoubtfulError(SpoiltError):
    """A picture may be spoilt, or the specimen may look like that: the second one is kept.

    Parameters
    ----------
    what, where, do : str
        As for all such errors.
    result : optional
        What `carefully` returns if the second attempt is as doubtful.
    """

    def __init__(self, what: str, where: str = "", do: str = "", result: Any = None) -> None:
        super().__init__(what, where, do)
        self.result = result


def carefully(work: Callable[[], Result], what: str) -> Result:
    """Do something that takes pictures; once more if a disturbance spoilt it.

    Disturbances are errors of camera and stage, closed column valves, dewars that are being
    filled, and what `work` itself finds wrong (`SpoiltError`).

    Parameters
    ----------
    work : callable
        Takes the pictures and returns the result; called at most twice. A result that is doubtful
        twice (`DoubtfulError`) is kept with a warning.
    what : str
        What the pictures are, to begin a message with.

    Raises
    ------
    SpaceError
        When the second attempt failed, too.
    OutOfSpaceError
        When the disk is full: a second attempt would be in vain.
    """
    trouble = where = do = ""
    for again in (False, True):
        if again:
            log.warning("%s failed: %s. It is tried once more.", what, trouble)
            if valve_is_closed():
                log.warning("The column valves are opened again.")
                open_valve()
        wait_for_dewars()
        where, do = "", "Check the microscope, then run the script again."
        try:
            result = work()
            trouble = disturbance()
            if not trouble:
                return result
        except SpoiltError as error:
            disturbed = disturbance()
            if again and not disturbed and isinstance(error, DoubtfulError):
                log.warning(
                    "%s: %s. This happened twice: the result is kept. %s",
                    what,
                    error.what,
                    error.do,
                )
                return error.result
            trouble = disturbed or error.what
            where, do = error.where, do if disturbed else error.do or do
        except sem_errors() as error:
            check_space_left(error)
            trouble = error_text(error)
    raise SpaceError(f"{what} failed twice: {trouble}.", where, do)


def disturbance() -> str:
    """Return what disturbs pictures now; empty if nothing does."""
    if valve_is_closed():
        return "the column valves are closed"
    if dewars_are_filling():
        return "the dewars are being filled"
    return ""


def dewars_are_filling() -> bool:
    """Whether the microscope reports it; one that cannot is asked once in a script."""
    sem = serialem()
    if sem.IsVariableDefined(_NO_DEWARS):
        return False
    try:
        return int(sem.AreDewarsFilling()) != 0
    except sem_errors():
        sem.SetVariable(_NO_DEWARS, "1")
        return False


def wait_for_dewars() -> None:
    """Wait as long as dewars are being filled, since pictures would be blurred.

    Raises
    ------
    SpaceError
        When they are not full in time.
    """
    if not dewars_are_filling():
        return
    try:
        wait_for(
            lambda: None if dewars_are_filling() else True,
            "the dewars to be filled",
            DEWARS_TIMEOUT_S,
            poll_s=_DEWARS_POLL_S,
            do="Look after the nitrogen supply; pictures would be blurred. Then run the script "
            "again: what is done is skipped.",
        )
        log.info("The dewars are full.")
    except StoppedByUserError:
        log.warning("Continuing although the dewars are being filled.")
