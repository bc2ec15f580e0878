"""Messages of this program in SerialEM's log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from space.microscope.sem import sem_errors, serialem


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
