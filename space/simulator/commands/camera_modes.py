"""Camera sets beyond exposure and binning: centred size, modes of direct detectors, frames."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.commands.camera import require_binning

if TYPE_CHECKING:
    from space.simulator.imaging.camera import SetChanges
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands


def set_centered_size(
    session: Session, set_letter: str, binning: float, columns: int, rows: int
) -> None:
    """Binning, and size in binned pixels of a centred part of the chip, until restored."""
    camera = session.camera
    require_binning(session, set_letter, binning)
    width, height = int(columns * binning), int(rows * binning)
    if not (0 < width <= camera.size_px[0] and 0 < height <= camera.size_px[1]):
        raise SEMerror(f"A size of {columns} x {rows} does not fit on the camera")
    left, top = (camera.size_px[0] - width) // 2, (camera.size_px[1] - height) // 2
    window = (left, left + width, top, top + height)
    camera.change(set_letter, binning=binning, window_px=window)


def set_k2_read_mode(session: Session, set_letter: str, mode: int) -> None:
    """Read mode of a K2 or K3: 0 linear, 1 counting, 2 super-resolution; until restored."""
    kind = session.camera.model.kind
    if kind.k2_type == 0:
        raise SEMerror("The current camera has no read modes")
    if not 0 <= mode < len(kind.modes):
        raise SEMerror(f"{mode} is not a read mode")
    session.camera.set_read_mode(set_letter, mode)


def _require_frames(session: Session) -> None:
    if not session.camera.model.frame_folder:
        raise SEMerror("The current camera does not save frames")


def set_frame_time(session: Session, set_letter: str, seconds: float) -> None:
    """Exposure time of a frame, until restored; the shortest that the camera can do at least."""
    _require_frames(session)
    if seconds <= 0:
        raise SEMerror(f"A frame time of {seconds:g} s is not possible")
    shortest_s = session.camera.model.kind.shortest_frame_s
    session.camera.change(set_letter, frame_s=max(seconds, shortest_s))


def change_frame_and_exposure(session: Session, set_letter: str, factor: float) -> None:
    """Multiply the exposure times of the frames and of the picture of a set, until restored."""
    _require_frames(session)
    if factor <= 0:
        raise SEMerror(f"Exposures cannot be changed by a factor of {factor:g}")
    camera = session.camera
    parameters = camera.sets[camera.letter(set_letter)]
    set_frame_time(session, set_letter, parameters.frame_s * factor)
    camera.change(set_letter, exposure_s=parameters.exposure_s * factor)


def set_dose_frac_params(
    session: Session,
    set_letter: str,
    fractionate: int,
    save: int | None = None,
    align: int | None = None,
    use_filter: int | None = None,
    where: int | None = None,
) -> None:
    """Whether a camera set takes frames, saves them and aligns them in the picture; until restored.

    A camera without frames is no reason to refuse: it takes its pictures as before.
    """
    changes: SetChanges = {"fractionate": bool(fractionate)}
    if save is not None:
        changes["save_frames"] = bool(save)
    if align is not None:
        changes["align_frames"] = bool(align)
    session.camera.change(set_letter, **changes)


def set_folder_for_frames(session: Session, name: str) -> None:
    """Folder in which the camera saves frames; it is made if it is not there."""
    _require_frames(session)
    folder = session.resolve(name)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as problem:
        raise SEMerror(f"The folder {name} cannot be made: {problem}") from problem
    session.options.frames = replace(session.options.frames, folder=folder)


COMMANDS: Commands = {
    "SetCenteredSize": set_centered_size,
    "SetK2ReadMode": set_k2_read_mode,
    "SetFrameTime": set_frame_time,
    "ChangeFrameAndExposure": change_frame_and_exposure,
    "SetDoseFracParams": set_dose_frac_params,
    "SetFolderForFrames": set_folder_for_frames,
}
