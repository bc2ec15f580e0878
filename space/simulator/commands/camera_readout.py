"""How the camera is read out: area, mode, processing, dark reference, division, early return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.program import user_settings

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

UNPROCESSED, GAIN_NORMALIZED = 0, 2
DARK_REFERENCE = "DA"
"""The long operation that makes one."""
DARK_REFERENCE_S = 60.0
WHOLE_SUM = -1


def _require_k2(session: Session, what: str) -> None:
    if session.camera.model.kind.k2_type == 0:
        raise SEMerror(f"The current camera has no {what}")


def report_camera_set_area(session: Session, set_letter: str) -> tuple[float, ...]:
    """Left, right, top and bottom, unbinned, of what a set reads of the chip (inferred)."""
    camera = session.camera
    width, height = camera.size_px
    window = camera.sets[camera.letter(set_letter)].window_px or (0, width, 0, height)
    return tuple(float(edge) for edge in window)


def report_read_mode(session: Session, set_letter: str) -> float:
    """Read mode of a set, as SetK2ReadMode sets it; 0 for a camera without modes (inferred)."""
    camera = session.camera
    parameters = camera.sets[camera.letter(set_letter)]
    return float(parameters.read_mode) if len(camera.model.kind.modes) > 1 else 0.0


def set_processing(session: Session, set_letter: str, processing: int) -> None:
    """Processing of a set: 0 none, 1 dark subtracted, 2 gain normalized; until restored.

    The simulated camera has neither dark counts nor a gain to normalize: pictures are the same.
    """
    if not UNPROCESSED <= processing <= GAIN_NORMALIZED:
        raise SEMerror(f"{processing} is not a kind of processing")
    session.camera.change(set_letter, processing=processing)


def set_divide_by_2(session: Session, on: int) -> None:
    """Divide the counts of pictures by 2, or not; it stays after the script."""
    user_settings.change(session, "CameraDivide16BitBy2", float(bool(on)), keep=True)


def report_count_scaling(session: Session) -> tuple[float, float]:
    """Whether counts are divided by 2, and counts per electron without that."""
    divided = user_settings.value(session, "CameraDivide16BitBy2")
    return (float(bool(divided)), session.camera.model.counts_per_electron)


def update_hw_dark_ref(session: Session, hours: float) -> None:
    """Make a new dark reference in the camera if the last one is older than some hours."""
    _require_k2(session, "dark reference of its own")
    now = session.clock.seconds / 3600.0
    last = session.long_operations.get(DARK_REFERENCE)
    if last is None or now - last >= hours:
        session.clock.advance(DARK_REFERENCE_S)
        session.long_operations[DARK_REFERENCE] = session.clock.seconds / 3600.0


def early_return_next_shot(
    session: Session, frames: int, unused: int | None = None, unused_too: int | None = None
) -> None:
    """Let the next picture be the sum of its first frames only, so that it comes early.

    0 gives an empty picture and -1 the whole sum. Counts for pictures of a set that divides its
    exposure into frames (inferred); the specimen and the clock get all of the exposure.
    """
    _require_k2(session, "early return")
    if frames < WHOLE_SUM:
        raise SEMerror(f"{frames} is not a number of frames")
    session.camera.next_frames = None if frames == WHOLE_SUM else frames


COMMANDS: Commands = {
    "ReportCameraSetArea": report_camera_set_area,
    "ReportReadMode": report_read_mode,
    "SetProcessing": set_processing,
    "SetDivideBy2": set_divide_by_2,
    "ReportCountScaling": report_count_scaling,
    "UpdateHWDarkRef": update_hw_dark_ref,
    "EarlyReturnNextShot": early_return_next_shot,
}
