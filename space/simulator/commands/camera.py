"""Taking pictures and the parameters of the camera."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.column.letters import AREA_OF_SET, SET_LETTERS
from space.simulator.column.properties import property_table
from space.simulator.imaging.camera import AREA_FRACTIONS
from space.simulator.program import frames, properties

if TYPE_CHECKING:
    from space.simulator.imaging.camera import SetChanges
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

# Sets that stand in for those of which no single picture is taken.
MATCHING_SET = {7: "T", 8: "R"}


def view(session: Session) -> None:
    """View picture."""
    session.take("V")


def focus(session: Session) -> None:
    """Focus picture."""
    session.take("F")


def trial(session: Session) -> None:
    """Trial picture."""
    session.take("T")


def record(session: Session) -> None:
    """Record picture; its dose is accumulated when that is on."""
    image = session.take("R")
    options = session.options
    if options.accumulate_dose and image.dose_e_A2 > 0:
        area = options.dose_area
        options.cumulative_dose[area] = options.cumulative_dose.get(area, 0.0) + image.dose_e_A2


def preview(session: Session) -> None:
    """Preview picture: its own set in the Record area."""
    session.take("P")


def search(session: Session) -> None:
    """Search picture."""
    session.take("S")


def acquire_to_match_buffer(session: Session, letter: str) -> None:
    """Picture with the set, binning, exposure and size of the one in a buffer."""
    image = session.buffers.require(letter)
    number = image.camera_set
    if number < 0 or image.binning <= 0:
        raise SEMerror("The camera set or binning of the image in the buffer is unknown")
    if image.camera != 0:
        raise SEMerror("The image in the buffer was taken with another camera")
    set_letter = MATCHING_SET.get(number)
    if set_letter is None:
        set_letter = SET_LETTERS[number] if number < len(SET_LETTERS) else "R"
    binnings = session.camera.binnings(set_letter)
    binning = max([b for b in binnings if b <= image.binning] or [min(binnings)])
    rows, columns = image.data.shape
    width, height = session.camera.size_px
    frame = (min(columns, int(width // binning)), min(rows, int(height // binning)))
    exposure = image.exposure_s if image.exposure_s > 0 else None
    session.take(
        set_letter, binning=binning, frame_px=frame, exposure_s=exposure, save_frames=False
    )


def set_exposure(
    session: Session, set_letter: str, exposure_s: float, drift_s: float | None = None
) -> None:
    """Exposure time until the script ends or the set is restored."""
    if exposure_s <= 0:
        raise SEMerror(f"An exposure of {exposure_s:g} s is not possible")
    changes: SetChanges = {"exposure_s": exposure_s}
    if drift_s is not None:
        changes["drift_s"] = drift_s
    session.camera.change(set_letter, **changes)


def set_binning(session: Session, set_letter: str, binning: float) -> None:
    """Binning until the script ends or the set is restored; 0.5 is that of half pixels."""
    require_binning(session, set_letter, binning)
    session.camera.change(set_letter, binning=binning)


def require_binning(session: Session, set_letter: str, binning: float) -> None:
    """Raise an error for a binning that a camera set cannot have in its read mode."""
    if binning not in session.camera.binnings(set_letter):
        raise SEMerror(f"{binning:g} is not an available binning")


def set_camera_area(
    session: Session,
    set_letter: str,
    size: str,
    right: int | None = None,
    top: int | None = None,
    bottom: int | None = None,
) -> None:
    """Part of the chip: F, H, Q, WH, WQ or left, right, top, bottom in unbinned pixels."""
    width, height = session.camera.size_px
    name = size.strip().upper()
    if name in AREA_FRACTIONS:
        part_x, part_y = AREA_FRACTIONS[name]
        half_x, half_y = int(width * part_x) // 2, int(height * part_y) // 2
        window = (
            width // 2 - half_x,
            width // 2 + half_x,
            height // 2 - half_y,
            height // 2 + half_y,
        )
    else:
        try:
            left = int(float(name))
        except ValueError as error:
            raise SEMerror(f"{size!r} is not an area of the camera") from error
        if right is None or top is None or bottom is None:
            raise SEMerror("The camera area is outside the camera")
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise SEMerror("The camera area is outside the camera")
        window = (left, right, top, bottom)
    session.camera.change(set_letter, window_px=window)


def restore_camera_set(session: Session, set_letter: str | None = None) -> None:
    """Undo changes of one set or of all."""
    if not session.camera.restore(set_letter):
        raise SEMerror("There is nothing to restore for the camera set")


def keep_camera_set_changes(session: Session, set_letter: str | None = None) -> None:
    """Keep the changes after the script."""
    session.camera.keep_changes(set_letter)


def report_exposure(session: Session, set_letter: str) -> tuple[float, float]:
    """Exposure and drift settling in seconds."""
    values = session.camera.sets[session.camera.letter(set_letter)]
    return (values.exposure_s, values.drift_s)


def report_binning(session: Session, set_letter: str) -> float:
    """Binning of a set."""
    return float(session.camera.binning(set_letter))


def camera_properties(
    session: Session, camera: int | None = None, mag_index: int | None = None
) -> tuple[float, ...]:
    """Size, rotation/flip, chip pixel, pixel in nm on the specimen, camera number."""
    if camera is not None and camera not in (-1, 0, 1):
        raise SEMerror(f"Camera number {camera} is out of range")
    index = mag_index if mag_index else session.scope.mag_index
    width, height = session.camera.size_px
    session.variables.report("numberOfCameras", 1.0)
    pixel_nm = session.scope.pixel_um(index) * 1000.0
    model = session.camera.model
    turned = float(model.rotation_and_flip)
    return (float(width), float(height), turned, model.chip_pixel_um, pixel_nm, 1.0)


def select_camera(session: Session, number: int) -> None:
    """There is one camera, which is number 1."""
    if number != 1:
        raise SEMerror(f"Camera number {number} is out of range")


def report_camera_name(session: Session, number: int) -> str:
    """Name of a camera; 0 for the current one."""
    if number not in (0, 1):
        raise SEMerror(f"Camera number {number} is out of range")
    return session.camera.name


def set_exposure_for_mean(session: Session, mean: float, unused: int | None = None) -> None:
    """Record exposure with which the picture in A would have had this mean, temporarily."""
    present = float(session.buffers.require("A").data.mean())
    if mean <= 0.0 or present <= 0.0:
        raise SEMerror("The mean wanted and that of the image in A must be above 0")
    exposure_s = session.camera.exposure_s("R") * mean / present
    set_exposure(session, "R", max(exposure_s, session.camera.model.min_exposure_s))


def report_camera_property(session: Session, camera: int, name: str) -> float:
    """Property of a camera; 0 for the current one."""
    if camera not in (0, 1):
        raise SEMerror(f"Camera number {camera} is out of range")
    if property_table().find(name).of != "camera":
        raise SEMerror(f"{name} is not a recognized camera property")
    return properties.value(session, name)


def report_current_pixel_size(session: Session, set_letter: str) -> float:
    """Pixel of a set in nm, at the magnification of its area."""
    letter = session.camera.letter(set_letter)
    scope = session.scope
    index = scope.area_mag_index(AREA_OF_SET[letter]) if scope.low_dose else scope.mag_index
    return scope.pixel_um(index) * 1000.0 * session.camera.binning(letter)


def area_for_cumul_record_dose(session: Session, number: int) -> None:
    """Accumulator of the following Records."""
    if not 0 <= number <= 254:
        raise SEMerror(f"Dose area {number} is out of range")
    session.options.dose_area = number


def accumulate_record_dose(session: Session, dose: float) -> None:
    """Start or add to the accumulated dose; negative turns it off."""
    options = session.options
    options.accumulate_dose = dose >= 0
    if dose >= 0:
        area = options.dose_area
        options.cumulative_dose[area] = options.cumulative_dose.get(area, 0.0) + dose


def set_frame_base_name(
    session: Session, keep: int, in_file: int, in_folder: int, name: str
) -> None:
    """Base name of frame files, in names of files and of folders (1, 0, -1 as before)."""
    session.options.frames = session.options.frames.with_base(name, in_file, in_folder)
    session.options.keep_frame_name = bool(keep)


def set_frame_name_format(session: Session, keep: int, mode: int, bits: int) -> None:
    """Parts of frame names: bits to set (1), to clear (0), or all of them (-1)."""
    if not 0 <= bits <= frames.ALL_BITS:
        raise SEMerror(f"{bits} is not a sum of the bits of frame names")
    session.options.frames = session.options.frames.with_format(mode, bits)
    session.options.keep_frame_name = bool(keep)


def report_frame_saving_path(session: Session) -> str:
    """Folder of the frames, or NONE; only for cameras of the kinds that have frames."""
    if session.camera.model.kind.k2_type == 0:
        raise SEMerror("The current camera does not save frames")
    folder = session.options.frames.folder
    return session.shown(folder) if folder else "NONE"


def report_last_frame_file(session: Session) -> tuple[str, str, str]:
    """Path of the latest frame file, its folder and its name."""
    last = session.options.frames.last
    if not last:
        raise SEMerror("No frames have been saved")
    return (last, str(Path(last).parent) + os.sep, Path(last).name)


COMMANDS: Commands = {
    "V": view,
    "View": view,
    "F": focus,
    "Focus": focus,
    "T": trial,
    "Trial": trial,
    "R": record,
    "Record": record,
    "L": preview,
    "Preview": preview,
    "Search": search,
    "AcquireToMatchBuffer": acquire_to_match_buffer,
    "SetExposure": set_exposure,
    "SetBinning": set_binning,
    "SetCameraArea": set_camera_area,
    "RestoreCameraSet": restore_camera_set,
    "KeepCameraSetChanges": keep_camera_set_changes,
    "ReportExposure": report_exposure,
    "ReportBinning": report_binning,
    "CameraProperties": camera_properties,
    "SelectCamera": select_camera,
    "ReportCameraName": report_camera_name,
    "SetExposureForMean": set_exposure_for_mean,
    "ReportCameraProperty": report_camera_property,
    "ReportCurrentPixelSize": report_current_pixel_size,
    "AreaForCumulRecordDose": area_for_cumul_record_dose,
    "AccumulateRecordDose": accumulate_record_dose,
    "SetFrameBaseName": set_frame_base_name,
    "SetFrameNameFormat": set_frame_name_format,
    "ReportFrameSavingPath": report_frame_saving_path,
    "ReportLastFrameFile": report_last_frame_file,
}
