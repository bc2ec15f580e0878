"""Telling people who are not there: by a webhook and by mail, as the setting `notify` says.

Nothing here stops a session or holds it up. What does not get through is said once in the log.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from space import journal
from space.journal import Kind
from space.microscope import failure_text, is_exit, send_mail, warn_once
from space.settings import OCCASIONS, Settings
from space.webhook import Message

if TYPE_CHECKING:
    from space.webhook_post import Sending

LONGEST_FINISH_S = 5.0
"""How long the end of a script may wait for messages on their way."""

log = logging.getLogger("space.workflow")
_on_their_way: list[tuple[Path, str, Sending]] = []


def tell(settings: Settings, directory: Path, occasion: str, text: str, grid: str = "") -> None:
    """Tell people what happened, if they want to hear of such an occasion.

    Parameters
    ----------
    settings : Settings
    directory : Path
        Directory of the session.
    occasion : str
        One of `OCCASIONS`.
    text : str
        In words.
    grid : str
        Name of the grid concerned.
    """
    wanted: dict[str, Any] = dict(settings.notify)
    if not wanted or occasion not in wanted.get("on", OCCASIONS):
        return
    message = _message(directory, occasion, text, grid)
    if wanted.get("email"):
        _note(directory, "mail", occasion, send_mail(message.title, text))
    if wanted.get("webhook"):
        # What speaks HTTP is not imported at the start of each script.
        from space.webhook_post import Sending

        sending = Sending(wanted["webhook"], message, wanted["format"])
        _on_their_way.append((directory, occasion, sending))
    look_after()


def post_to_people(
    settings: Settings, directory: Path, occasion: str, text: str, grid: str = ""
) -> None:
    """Tell people in the same way from a process outside of SerialEM: by the webhook alone.

    Waits for the answer.
    """
    wanted: dict[str, Any] = dict(settings.notify)
    if not wanted.get("webhook") or occasion not in wanted.get("on", OCCASIONS):
        return
    from space.webhook_post import post

    message = _message(directory, occasion, text, grid)
    failure = post(wanted["webhook"], message, wanted["format"])
    if failure:
        log.warning("The webhook about %r was not sent: %s.", occasion, failure)
    journal.note(directory, Kind.NOTIFIED, text=f"webhook: {occasion}", failed=float(bool(failure)))


def _message(directory: Path, occasion: str, text: str, grid: str) -> Message:
    title = f"SPACEtomo, {directory.name}: {occasion}" + (f" ({grid})" if grid else "")
    facts = {"occasion": occasion, "session": directory.name, "grid": grid, "computer": _computer()}
    return Message(title, text, facts)


@contextmanager
def told_when_stopped(settings: Settings, directory: Path) -> Iterator[None]:
    """Tell people when an error ends the block; let messages get through before it ends."""
    try:
        yield
    except Exception as error:
        if not is_exit(error):
            tell(settings, directory, "stopped", failure_text(error))
        raise
    finally:
        look_after(LONGEST_FINISH_S)


def look_after(wait_s: float = 0.0) -> None:
    """Note what became of messages on their way; wait for them at most so long, all together."""
    end = time.monotonic() + wait_s
    for entry in list(_on_their_way):
        directory, occasion, sending = entry
        failure = sending.outcome(max(0.0, end - time.monotonic()))
        if failure is None and not wait_s:
            continue
        _on_their_way.remove(entry)
        _note(directory, "webhook", occasion, "no answer in time" if failure is None else failure)


def _note(directory: Path, way: str, occasion: str, failure: str) -> None:
    if failure:
        warn_once(
            f"no_{way}",
            "The %s about %r was not sent: %s. The session goes on; this is said once. See notify "
            "in the settings.",
            way,
            occasion,
            failure,
        )
    journal.note(directory, Kind.NOTIFIED, text=f"{way}: {occasion}", failed=float(bool(failure)))


def _computer() -> str:
    try:
        return socket.gethostname()
    except OSError:
        return ""
