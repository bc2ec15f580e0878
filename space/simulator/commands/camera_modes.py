"""Camera sets beyond exposure and binning: centred size, modes of direct detectors, frames."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

READ_MODES = 3


def set_centered_size(
    session: Session, set_letter: str, binning: float, columns: int, rows: int
) -> None:
    """Binning, and size in binned pixels of a centred part of the chip, until restored."""
    camera = session.camera
    if binning not in camera.model.binnings:
        raise SEMerror(f"{binning:g} is not an available binning")
    width, height = int(columns * binning), int(rows * binning)
    if not (0 < width <= camera.size_px[0] and 0 < height <= camera.size_px[1]):
        raise SEMerror(f"A size of {columns} x {rows} does not fit on the camera")
    left, top = (camera.size_px[0] - width) // 2, (camera.size_px[1] - height) // 2
    window = (left, left + width, top, top + height)
    camera.change(set_letter, binning=binning, window_px=window)


def report_count_scaling(session: Session) -> tuple[float, float]:
    """Whether counts are divided by 2 (never), and counts per electron."""
    return (0.0, session.camera.model.counts_per_electron)


def set_k2_read_mode(session: Session, set_letter: str, mode: int) -> None:
    """Read mode of a direct detector; pictures do not differ between modes."""
    session.camera.letter(set_letter)
    if session.camera.model.kind.k2_type == 0:
        raise SEMerror("The current camera has no read modes")
    if not 0 <= mode < READ_MODES:
        raise SEMerror(f"{mode} is not a read mode")


def _require_frames(session: Session) -> None:
    if not session.camera.model.frame_folder:
        raise SEMerror("The current camera does not save frames")


def set_frame_time(session: Session, set_letter: str, seconds: float) -> None:
    """Exposure time of a frame; frames are only named, so it does not matter."""
    session.camera.letter(set_letter)
    _require_frames(session)
    if seconds <= 0:
        raise SEMerror(f"A frame time of {seconds:g} s is not possible")


def set_dose_frac_params(
    session: Session,
    set_letter: str,
    fractionate: int,
    save: int | None = None,
    align: int | None = None,
    use_filter: int | None = None,
    where: int | None = None,
) -> None:
    """Whether frames of a camera set are taken and saved; until the script ends.

    A camera without frames is no reason to refuse: it takes its pictures as before.
    """
    letter = session.camera.letter(set_letter)
    options = session.options
    bench = session.workbench
    if bench.frame_sets_before is None:
        bench.frame_sets_before = options.frames.camera_sets
    present = letter in options.frames.camera_sets
    wanted = bool(fractionate) and (present if save is None else bool(save))
    sets = "".join(s for s in options.frames.camera_sets if s != letter)
    options.frames = replace(options.frames, camera_sets=sets + letter * wanted)


def set_folder_for_frames(session: Session, name: str) -> None:
    """Folder in which the camera saves frames; it is made if it is not there."""
    _require_frames(session)
    folder = session.resolve(name)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as problem:
        raise SEMerror(f"The folder {name} cannot be made: {problem}") from problem
    session.camera.model = replace(session.camera.model, frame_folder=str(folder))


COMMANDS: Commands = {
    "SetCenteredSize": set_centered_size,
    "ReportCountScaling": report_count_scaling,
    "SetK2ReadMode": set_k2_read_mode,
    "SetFrameTime": set_frame_time,
    "SetDoseFracParams": set_dose_frac_params,
    "SetFolderForFrames": set_folder_for_frames,
}
