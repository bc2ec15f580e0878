"""The script that runs in SerialEM: whether there is a SerialEM, and how the script ends."""

from __future__ import annotations

from space.errors import SpaceError
from space.microscope.sem import serialem


def require_serialem() -> None:
    """End Python with a message, without a traceback, where there is no SerialEM."""
    try:
        serialem()
    except SpaceError as error:
        raise SystemExit(str(error)) from None


def end_with(message: str) -> None:
    """End the script as failed: nothing that SerialEM was to do after it starts.

    SerialEM writes the message into its log.
    """
    serialem().Exit(-1, message)  # a negative code counts as a failure
