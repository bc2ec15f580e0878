"""Waiting for drift to stop, time, and mail."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.measuring import alignment

if TYPE_CHECKING:
    from space.simulator.imaging.images import Image
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

USUAL_CRITERION_NM_S = 1.0
USUAL_INTERVAL_S = 4.0
USUAL_LIMIT_S = 60.0
SETS = {"T": "T", "F": "F", "R": "R", "P": "P", "V": "V"}


def drift_wait_task(
    session: Session,
    criterion: float | None = None,
    unit: str | None = None,
    interval_s: float | None = None,
    limit_s: float | None = None,
    fail: int | None = None,
    kind: str | None = None,
    use_view: int | None = None,
    binning: int | None = None,
    change_is: int | None = None,
) -> None:
    """Take pictures until the specimen stands still.

    Trial pictures (or those of the set named, T F R P V) are taken every `interval_s` seconds
    (4) until two in a row differ by less than the criterion (1 nm/s; with a unit that begins
    with A in ångström), at most for `limit_s` seconds (60). Not reaching it is an error when
    `fail` is positive; GetWaitTaskDrift reports it. Measuring by focus and the last three numbers
    are not simulated. The image shift stays as it is.
    """
    rate = _given(criterion, USUAL_CRITERION_NM_S)
    if unit and unit.strip()[:1].upper() == "A":
        rate *= 0.1
    pause = _given(interval_s, USUAL_INTERVAL_S)
    longest = _given(limit_s, USUAL_LIMIT_S)
    letter = (kind or "T").strip().upper()
    if letter not in SETS:
        raise SEMerror(f"DriftWaitTask: waiting with {kind!r} is not simulated")
    bench = session.workbench
    begin = last = session.clock.seconds
    previous = session.take(letter)
    bench.wait_failed = True
    while session.clock.seconds - begin < longest:
        session.clock.advance(max(0.0, pause - (session.clock.seconds - last)))
        now = session.clock.seconds
        image = session.take(letter)
        bench.wait_drift_nm_s = _moved_nm(session, image, previous) / max(now - last, 1e-6)
        session.write_log(f"Drift {bench.wait_drift_nm_s:.2f} nm/s")
        previous, last = image, now
        if bench.wait_drift_nm_s < rate:
            bench.wait_failed = False
            return
    if fail and fail > 0:
        raise SEMerror(f"The drift is still {bench.wait_drift_nm_s:.2f} nm/s")


def _given(value: float | None, usual: float) -> float:
    """A number that was given; 0 and negative ones stand for the usual one."""
    return value if value and value > 0 else usual


def _moved_nm(session: Session, image: Image, previous: Image) -> float:
    found = alignment.shift_between(session.scope.optics, image, previous)
    if found is None:
        raise SEMerror("The pictures have nothing to correlate, drift cannot be measured")
    return 1000.0 * image.pixel_um * math.hypot(found.x_px, found.y_px)


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
