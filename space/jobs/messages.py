"""Messages of workers and monitors on standard output, with the time."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, TextIO

from space.jobs.wording import plain

if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[TextIO]
else:  # takes no type before Python 3.11
    _StreamHandler = logging.StreamHandler


class PlainFormatter(logging.Formatter):
    """Formats a message with its time; names of files in it do nothing to a terminal."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the message as printable lines."""
        return "\n".join(plain(line) for line in super().format(record).split("\n"))


class _Output(_StreamHandler):
    """Writes to a stream that others may close, as `... | head` does: the work goes on."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing of a closed stream."""
        if not isinstance(sys.exc_info()[1], BrokenPipeError):
            super().handleError(record)


def start_logging() -> None:
    """Send messages to standard output, with the time."""
    handler = _Output(sys.stdout)
    handler.setFormatter(PlainFormatter())
    logger = logging.getLogger("space")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
