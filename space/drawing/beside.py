"""Requests in a folder, and the process that draws them.

Each request is a file of its own, named after its picture: a newer one replaces one that waits.
Whoever draws holds the lock; whoever comes later waits for it, and finds nothing left to do.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from space.drawing.requests import Request, as_text
from space.files import read_bytes_bounded, share_as_folder, write_text_atomic
from space.processes import start_apart

FOLDER = ".SPACE_pictures"
"""Where requests wait, within the folder of the session."""

LOCK, LOG = "lock", "log.txt"
REQUEST, FAILURE = ".json", ".failed"
_LOG_BYTES = 1_000_000
_STARTS_WITHIN_S = 10.0
_POLL_S = 0.1


def hand_over(directory: Path, requests: Sequence[Request]) -> None:
    """Have pictures of a session drawn by another process; return at once.

    Raises
    ------
    OSError
        If requests cannot be written, or no process can be started.
    """
    if not requests:
        return
    folder = directory.absolute() / FOLDER
    folder.mkdir(exist_ok=True)
    share_as_folder(folder)
    for request in requests:
        write_text_atomic(folder / f"{request.path.name}{REQUEST}", as_text(request))
    start_drawing(folder)


def start_drawing(folder: Path) -> None:
    """Start a process that draws what waits in a folder."""
    command = [sys.executable, "-m", "space.drawing", str(folder.parent)]
    project = Path(__file__).resolve().parents[2]
    start_apart(command, project, folder / LOG, _LOG_BYTES, is_idle=True)


def waiting(directory: Path) -> list[str]:
    """Return the names of the pictures that are not drawn yet."""
    return sorted(path.name[: -len(REQUEST)] for path in (directory / FOLDER).glob(f"*{REQUEST}"))


def wait(directory: Path, seconds: float) -> list[str]:
    """Wait until all is drawn, or nobody draws; return what is not.

    Parameters
    ----------
    directory : Path
        Folder of the session.
    seconds : float
        How long at most.
    """
    began = free_since = time.monotonic()
    while waiting(directory):
        now = time.monotonic()
        if _is_drawn_by_somebody(directory / FOLDER):
            free_since = now
        if now - began > seconds or now - free_since > _STARTS_WITHIN_S:
            break
        time.sleep(_POLL_S)
    return waiting(directory)


def failures(directory: Path) -> dict[str, str]:
    """Take away the notes on pictures that could not be drawn: name of each → why."""
    found = {}
    for path in sorted((directory / FOLDER).glob(f"*{FAILURE}")):
        found[path.name[: -len(FAILURE)]] = read_bytes_bounded(path).decode("utf-8", "replace")
        path.unlink()
    return found


def _is_drawn_by_somebody(folder: Path) -> bool:
    import filelock

    try:
        with filelock.FileLock(str(folder / LOCK), timeout=0, mode=0o666):
            return False
    except filelock.Timeout:
        return True
