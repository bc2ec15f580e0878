"""The process that looks at growing mdocs while SerialEM acquires."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from space import journal
from space import settings as settings_module
from space.errors import SpaceError
from space.journal import Kind
from space.noticing.looking import is_wanted, look
from space.processes import start_apart
from space.settings import Settings
from space.steps import post_to_people

LOG = "SPACE_noticing.log"
"""What the process prints, in the directory of the session."""

LOCK = ".SPACE_noticing.lock"

POLL_S = 60.0
LONGEST_SILENCE_S = 3 * 3600.0
"""Without a change of any mdoc for so long, nothing is being acquired."""

_LOG_BYTES = 1_000_000
_ENDS = (Kind.ACQUISITION_ENDED, Kind.RUN_STARTED)
log = logging.getLogger("space.workflow")


def start(settings: Settings, directory: Path) -> None:
    """Start the process for an acquisition, if it is wanted; a failure is only logged.

    People are told by the webhook from there; by mail only by a script in SerialEM, after the item.
    """
    if not is_wanted(settings):
        return
    project = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "space.noticing", str(directory.absolute())]
    try:
        start_apart(command, project, directory / LOG, _LOG_BYTES, is_idle=True)
    except (OSError, SpaceError) as error:
        log.warning("Tilt series are not looked at while they are taken: %s.", error)


def run(
    directory: Path,
    pause: Callable[[float], None],
    now: Callable[[], float],
) -> int:
    """Look until the acquisition is over; return the exit code.

    Parameters
    ----------
    directory : Path
        Of the session.
    pause, now : callable
        Wait so many seconds; seconds since 1970.
    """
    import filelock

    try:
        with filelock.FileLock(str(directory / LOCK), timeout=0, mode=0o666):
            _look_until_over(directory, pause, now)
    except filelock.Timeout:  # somebody looks already
        pass
    return 0


def _look_until_over(
    directory: Path, pause: Callable[[float], None], now: Callable[[], float]
) -> None:
    settings = settings_module.load(directory)
    if settings.notify.get("email") and not settings.notify.get("webhook"):
        return  # SerialEM sends mail: the post action tells, once
    began, seen = now(), 0.0
    while not is_over(directory):
        newest = newest_mdoc_s(directory)
        if now() - max(newest, began) > LONGEST_SILENCE_S:
            return
        if newest != seen:
            seen = newest
            look(settings, directory, post_to_people)
        pause(POLL_S)


def is_over(directory: Path) -> bool:
    """Whether the last acquisition of a session has ended, by its journal."""
    last = None
    for event in journal.read(directory):
        if event.kind is Kind.ACQUISITION_STARTED or event.kind in _ENDS:
            last = event.kind
    return last is not Kind.ACQUISITION_STARTED


def newest_mdoc_s(directory: Path) -> float:
    """Return when an mdoc of a session was written last; 0 without one."""
    times = []
    for path in directory.glob("*.mdoc"):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)
