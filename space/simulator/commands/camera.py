"""Taking pictures and the parameters of the camera."""

from __future__ import annotations

import os
from pathlib import Path

from space.simulator import frames
from space.simulator.camera import AREA_FRACTIONS
from space.simulator.errors import SEMerror
from space.simulator.exposure_notes import frame_folder
from space.simulator.images import CAMERA_SET_LETTERS

# Sets that stand in for those of which no single picture is taken.
MATCHING_SET = {7: "T", 8: "R"}


def view(session):
    """View picture."""
    session.take("V")


def focus(session):
    """Focus picture."""
    session.take("F")


def trial(session):
    """Trial picture."""
    session.take("T")


def record(session):
    """Record picture; its dose goes to the accumulator when that is on."""
    image = session.take("R")
    options = session.options
    if options.accumulate_dose and image.dose_e_A2 > 0:
        area = options.dose_area
        options.cumulative_dose[area] = options.cumulative_dose.get(area, 0.0) + image.dose_e_A2


def preview(session):
    """Preview picture: its own set in the Record area."""
    session.take("P")


def search(session):
    """Search picture."""
    session.take("S")


def acquire_to_match_buffer(session, letter):
    """Picture with the set, binning, exposure and size of the one in a buffer."""
    image = session.buffers.require(letter)
    number = image.camera_set
    if number < 0 or image.binning <= 0:
        raise SEMerror("The camera set or binning of the image in the buffer is unknown")
    if image.camera != 0:
        raise SEMerror("The image in the buffer was taken with another camera")
    set_letter = MATCHING_SET.get(number)
    if set_letter is None:
        set_letter = CAMERA_SET_LETTERS[number] if number < len(CAMERA_SET_LETTERS) else "R"
    binning = max(b for b in session.camera.model.binnings if b <= max(1, image.binning))
    rows, cols = image.data.shape
    width, height = session.camera.size_px
    frame = (min(cols, int(width // binning)), min(rows, int(height // binning)))
    exposure = image.exposure_s if image.exposure_s > 0 else None
    session.take(
        set_letter, binning=binning, frame_px=frame, exposure_s=exposure, save_frames=False
    )


def set_exposure(session, set_letter, exposure_s, drift_s=None):
    """Exposure time until the script ends or the set is restored."""
    if exposure_s <= 0:
        raise SEMerror(f"An exposure of {exposure_s:g} s is not possible")
    changes = {"exposure_s": exposure_s}
    if drift_s is not None:
        changes["drift_s"] = drift_s
    session.camera.change(set_letter, **changes)


def set_binning(session, set_letter, binning):
    """Binning until the script ends or the set is restored."""
    if binning not in session.camera.model.binnings:
        raise SEMerror(f"{binning:g} is not an available binning")
    session.camera.change(set_letter, binning=int(binning))


def set_camera_area(session, set_letter, size, right=None, top=None, bottom=None):
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
            window = (int(float(name)), right, top, bottom)
        except ValueError as error:
            raise SEMerror(f"{size!r} is not an area of the camera") from error
        if None in window or not (0 <= window[0] < window[1] <= width):
            raise SEMerror("The camera area is outside the camera")
        if not 0 <= window[2] < window[3] <= height:
            raise SEMerror("The camera area is outside the camera")
    session.camera.change(set_letter, window_px=window)


def restore_camera_set(session, set_letter=None):
    """Undo changes of one set or of all."""
    if not session.camera.restore(set_letter):
        raise SEMerror("There is nothing to restore for the camera set")


def keep_camera_set_changes(session, set_letter=None):
    """Keep the changes after the script."""
    session.camera.keep_changes(set_letter)


def report_exposure(session, set_letter):
    """Exposure and drift settling in seconds."""
    values = session.camera.sets[session.camera.letter(set_letter)]
    return (values.exposure_s, values.drift_s)


def report_binning(session, set_letter):
    """Binning of a set."""
    return float(session.camera.binning(set_letter))


def camera_properties(session, camera=None, mag_index=None):
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


def select_camera(session, number):
    """There is one camera, which is number 1."""
    if number != 1:
        raise SEMerror(f"Camera number {number} is out of range")


def report_camera_name(session, number):
    """Name of a camera; 0 for the current one."""
    if number not in (0, 1):
        raise SEMerror(f"Camera number {number} is out of range")
    return session.camera.name


def set_exposure_for_mean(session, mean, unused=None):
    """Record exposure with which the picture in A would have had this mean, temporarily."""
    present = float(session.buffers.require("A").data.mean())
    if mean <= 0.0 or present <= 0.0:
        raise SEMerror("The mean wanted and that of the image in A must be above 0")
    exposure_s = session.camera.exposure_s("R") * mean / present
    set_exposure(session, "R", max(exposure_s, session.camera.model.min_exposure_s))


def report_camera_property(session, camera, name):
    """Property of the camera."""
    if camera not in (0, 1):
        raise SEMerror(f"Camera number {camera} is out of range")
    model = session.camera.model
    properties = {
        "K2TYPE": float(model.kind.k2_type),
        "CAMERASIZEX": float(model.size_px[0]),
        "CAMERASIZEY": float(model.size_px[1]),
        "ROTATIONANDFLIP": float(model.rotation_and_flip),
        "MINIMUMEXPOSURE": model.min_exposure_s,
    }
    if name.upper() not in properties:
        raise SEMerror(f"{name} is not a recognized camera property")
    return properties[name.upper()]


def report_current_pixel_size(session, set_letter):
    """Pixel of a set in nm, at the magnification of its area."""
    from space.simulator.session import AREA_OF_SET

    letter = session.camera.letter(set_letter)
    scope = session.scope
    index = scope.area_mag_index(AREA_OF_SET[letter]) if scope.low_dose else scope.mag_index
    return scope.pixel_um(index) * 1000.0 * session.camera.binning(letter)


def area_for_cumul_record_dose(session, number):
    """Accumulator of the following Records."""
    if not 0 <= number <= 254:
        raise SEMerror(f"Dose area {number} is out of range")
    session.options.dose_area = number


def accumulate_record_dose(session, dose):
    """Start or add to the accumulated dose; negative turns it off."""
    options = session.options
    options.accumulate_dose = dose >= 0
    if dose >= 0:
        area = options.dose_area
        options.cumulative_dose[area] = options.cumulative_dose.get(area, 0.0) + dose


def set_frame_base_name(session, keep, in_file, in_folder, name):
    """Base name of frame files, in names of files and of folders (1, 0, -1 as before)."""
    session.options.frames = session.options.frames.with_base(name, in_file, in_folder)
    session.options.keep_frame_name = bool(keep)


def set_frame_name_format(session, keep, mode, bits):
    """Parts of frame names: bits to set (1), to clear (0), or all of them (-1)."""
    if not 0 <= bits <= frames.ALL_BITS:
        raise SEMerror(f"{bits} is not a sum of the bits of frame names")
    session.options.frames = session.options.frames.with_format(mode, bits)
    session.options.keep_frame_name = bool(keep)


def report_frame_saving_path(session):
    """Folder of the frames, or NONE; only for cameras of the kinds that have frames."""
    if session.camera.model.kind.k2_type == 0:
        raise SEMerror("The current camera does not save frames")
    return str(frame_folder(session) or "NONE")


def report_last_frame_file(session):
    """Path of the latest frame file, its folder and its name."""
    last = session.options.frames.last
    if not last:
        raise SEMerror("No frames have been saved")
    return (last, str(Path(last).parent) + os.sep, Path(last).name)


COMMANDS = {
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
