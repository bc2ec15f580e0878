"""Messages of this program in SerialEM's log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from space.microscope.sem import sem_errors, serialem

_log = logging.getLogger("space.microscope")


class SerialEMHandler(logging.Handler):
    """Forward log records to SerialEM's log window."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; warnings and errors say so in front."""
        text = self.format(record)
        if record.levelno >= logging.WARNING:
            text = f"{record.levelname}: {text}"
        try:
            serialem().EchoBreakLines(text)
        except sem_errors():
            # A closed log window must not end an unattended session.
            pass


_TOLD = "SPACE_TOLD"
"""SerialEM variable that lives as long as the program: subjects of which a session was warned."""


def tell_anew() -> None:
    """Begin a session, in which everything is to be told again."""
    serialem().SetPersistentVar(_TOLD, "nothing")


def warn_once(subject: str, text: str, *values: object) -> None:
    """Warn of what stays so for a whole session: the first time only.

    SerialEM remembers it, since the post action is a script of its own for each item.

    Parameters
    ----------
    subject : str
        One word for what it is about.
    text, *values :
        As for `logging`.
    """
    sem = serialem()
    told = str(sem.GetVariable(_TOLD)).split() if sem.IsVariableDefined(_TOLD) else []
    if subject in told:
        return
    sem.SetPersistentVar(_TOLD, " ".join([*told, subject]))
    _log.warning(text, *values)


@contextmanager
def log_to_serialem() -> Iterator[None]:
    """Send everything from INFO up that `space` logs to SerialEM while the block runs."""
    logger = logging.getLogger("space")
    handler = SerialEMHandler(logging.INFO)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
