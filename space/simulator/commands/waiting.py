"""Waiting for drift to stop, time, and mail."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.commands import alignment, focus
from space.simulator.measuring import alignment as measured

if TYPE_CHECKING:
    from space.simulator.program.picture_taking import PictureChoices
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

USUAL_CRITERION_NM_S = 1.0
USUAL_INTERVAL_S = 4.0
USUAL_LIMIT_S = 60.0


def drift_wait_task(
    session: Session,
    criterion: float | None = None,
    unit: str | None = None,
    limit_s: float | None = None,
    interval_s: float | None = None,
    fail: int | None = None,
    kind: str | None = None,
    change_is: int | None = None,
    exposure_s: int | None = None,
    binning: int | None = None,
) -> None:
    """Take pictures until the specimen stands still.

    Trial pictures (F: Focus pictures, A: those of autofocus without changing focus; T or 0:
    Trial) are taken every `interval_s` seconds (4) until the drift is less than the criterion
    (1 nm/s; with a unit that begins with A in ångström), at most for `limit_s` seconds (60). Not
    reaching it is an error when `fail` is positive; GetWaitTaskDrift reports it. With
    `change_is` the image shift follows what moves; exposure and binning replace those of the set
    for Trial and Focus pictures.
    """
    rate = _given(criterion, USUAL_CRITERION_NM_S)
    if unit and unit.strip()[:1].upper() == "A":
        rate *= 0.1
    pause = _given(interval_s, USUAL_INTERVAL_S)
    longest = _given(limit_s, USUAL_LIMIT_S)
    letter = (kind or "T").strip().upper()
    if letter not in ("T", "0", "F", "A"):
        raise SEMerror(f"DriftWaitTask: {kind!r} is no type of measurement: T, F, A or 0")
    choices: PictureChoices = {}
    if exposure_s and exposure_s > 0:
        choices["exposure_s"] = float(exposure_s)
    if binning and binning > 0:
        if binning not in session.camera.model.binnings:
            raise SEMerror(f"{binning:g} is not an available binning")
        choices["binning"] = float(binning)
    if letter == "A":
        drifts = _by_autofocus(session, pause)
    else:
        letter = "F" if letter == "F" else "T"
        drifts = _between_pictures(session, letter, choices, pause, bool(change_is))
    bench = session.workbench
    bench.wait_failed = True
    begin = session.clock.seconds
    for drift_nm_s in drifts:
        bench.wait_drift_nm_s = drift_nm_s
        session.write_log(f"Drift {drift_nm_s:.2f} nm/s")
        if drift_nm_s < rate:
            bench.wait_failed = False
            return
        if session.clock.seconds - begin >= longest:
            break
    if fail and fail > 0:
        raise SEMerror(f"The drift is still {bench.wait_drift_nm_s:.2f} nm/s")


def _given(value: float | None, usual: float) -> float:
    """A number that was given; 0 and negative ones stand for the usual one."""
    return value if value and value > 0 else usual


def _between_pictures(
    session: Session, letter: str, choices: PictureChoices, pause_s: float, change_is: bool
) -> Iterator[float]:
    """Drift in nm/s from one picture to the next, without end."""
    last = session.clock.seconds
    previous = session.take(letter, **choices)
    while True:
        session.clock.advance(max(0.0, pause_s - (session.clock.seconds - last)))
        now = session.clock.seconds
        image = session.take(letter, **choices)
        optics = session.scope.optics
        found = measured.shift_between(optics, image, previous)
        if found is None:
            raise SEMerror("The pictures have nothing to correlate, drift cannot be measured")
        yield 1000.0 * math.hypot(*measured.movement(optics, image, previous, found)) / (now - last)
        if change_is:
            alignment.impose_shift(session, image, (found.x_px, found.y_px), previous)
            image = session.buffers.require("A")
        previous, last = image, now


def _by_autofocus(session: Session, pause_s: float) -> Iterator[float]:
    """Drift in nm/s that the pictures of autofocus show, without end."""
    while True:
        focus.autofocus(session, -2)
        drift_nm_s = session.measured.drift_nm_s
        if drift_nm_s is None:
            raise SEMerror("The pictures of autofocus could not be correlated")
        yield math.hypot(*drift_nm_s)
        session.clock.advance(pause_s)


def get_wait_task_drift(session: Session) -> tuple[float, float]:
    """Drift at the end of the last DriftWaitTask in nm/s, and whether it was still too large."""
    return (session.workbench.wait_drift_nm_s, float(session.workbench.wait_failed))


def report_tick_time(session: Session) -> float:
    """Seconds since the program was started."""
    return session.clock.seconds


def elapsed_tick_time(session: Session, start: float) -> float:
    """Seconds since a time that ReportTickTime gave."""
    return session.clock.seconds - start


def report_minute_time(session: Session) -> int:
    """Minutes since the program was started."""
    return math.floor(session.clock.seconds / 60.0)


def mail_subject(session: Session, subject: str) -> None:
    """Subject of the messages to come."""
    session.workbench.mail_subject = subject


def send_email(session: Session, text: str) -> None:
    """Message to the user: noted in the list of dialogs, not sent."""
    session.note_dialog("mail", f"{session.workbench.mail_subject}: {text}", "")


def error_box_send_email(session: Session, text: str) -> None:
    """Message to send when an error box comes up: noted in the list of dialogs."""
    session.note_dialog("mail on error", text, "")


COMMANDS: Commands = {
    "DriftWaitTask": drift_wait_task,
    "GetWaitTaskDrift": get_wait_task_drift,
    "ReportTickTime": report_tick_time,
    "ElapsedTickTime": elapsed_tick_time,
    "ReportMinuteTime": report_minute_time,
    "MailSubject": mail_subject,
    "SendEmail": send_email,
    "ErrorBoxSendEmail": error_box_send_email,
}
