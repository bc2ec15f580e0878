"""Failures that cost one picture, one lamella or one grid, never the session."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from space.errors import SpaceError
from space.microscope.sem import check_space_left, error_text, is_exit, out_of_space, sem_errors

log = logging.getLogger("space.microscope")


@dataclass
class Outcome:
    """How the block of `survives` ended.

    Attributes
    ----------
    error : Exception or None
        What made it fail; None as long as nothing did.
    """

    error: Exception | None = None

    @property
    def failed(self) -> bool:
        """Whether the block failed."""
        return self.error is not None

    @property
    def reason(self) -> str:
        """Why it failed; empty if it did not."""
        return "" if self.error is None else failure_text(self.error)


@contextmanager
def survives(
    what: str,
    advice: str = "",
    level: int = logging.ERROR,
    unless: type[Exception] | tuple[type[Exception], ...] = (),
) -> Iterator[Outcome]:
    """Log a failure in the block instead of raising it, so that what follows is still done.

    An unforeseen error is logged with its traceback, but costs no more than the others.

    Parameters
    ----------
    what : str
        What failed, as the message begins ("Grid 2 failed").
    advice : str
        What follows from it and what to do; appended to the message.
    level : int
        Level of the message in `logging`.
    unless : type of exception
        Exceptions that are raised as they are.

    Yields
    ------
    Outcome
        Tells after the block whether it failed, and why.

    Raises
    ------
    OutOfSpaceError
        When nothing can be saved any more.
    Exception
        The end of the script (Exit, STOP), and what `unless` names.
    """
    outcome = Outcome()
    try:
        yield outcome
    except Exception as error:
        check_space_left(error)
        if is_exit(error) or isinstance(error, unless):
            raise
        outcome.error = error
        if not isinstance(error, (SpaceError, OSError, MemoryError, *sem_errors())):
            log.error("This is a mistake in SPACEtomo:", exc_info=error)
        message = f"{what}: {outcome.reason}"
        log.log(level, "%s", f"{message.rstrip('.')}. {advice}" if advice else message)


def failure_text(error: Exception) -> str:
    """Return why something failed, for a message."""
    full = out_of_space(error)
    if full is not None:
        return str(full)
    if isinstance(error, SpaceError):
        return str(error)
    if isinstance(error, sem_errors()):
        return error_text(error)
    return f"{type(error).__name__}: {error}"
