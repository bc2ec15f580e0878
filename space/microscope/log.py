"""Messages of this program in SerialEM's log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from space.microscope.sem import check_space_left, error_text, sem_errors, serialem

log = logging.getLogger("space.microscope")


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


_WARNED = "SPACE_TOLD"
"""SerialEM variable that lives as long as the program: subjects of warnings in this session."""


def forget_warnings() -> None:
    """Begin a session, in which every warning is given again."""
    serialem().SetPersistentVar(_WARNED, "nothing")


def warn_once(subject: str, message: str, *values: object) -> None:
    """Log a warning that holds for a whole session: the first time only.

    SerialEM remembers it, since the post action is a script of its own for each item.

    Parameters
    ----------
    subject : str
        One word for its subject.
    message, *values :
        As for `logging`.
    """
    sem = serialem()
    warned = str(sem.GetVariable(_WARNED)).split() if sem.IsVariableDefined(_WARNED) else []
    if subject in warned:
        return
    sem.SetPersistentVar(_WARNED, " ".join([*warned, subject]))
    log.warning(message, *values)


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


def open_log_file(path: Path) -> bool:
    """Begin a log in a file of its own; return whether SerialEM did so.

    SerialEM adds a number to the name if the file exists.
    """
    try:
        serialem().SaveLogOpenNew(str(path))
        return True
    except sem_errors() as error:
        check_space_left(error)
        # A cancelled dialog about the old log is no reason to give up a grid.
        log.warning("%s was not opened as the log of this grid: %s.", path.name, error_text(error))
        return False


def save_log_file() -> None:
    """Write SerialEM's log to its file."""
    try:
        serialem().SaveLog()
    except sem_errors() as error:
        log.warning("The log was not saved: %s.", error_text(error))
