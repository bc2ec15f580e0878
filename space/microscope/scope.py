"""What the optics are, image shift and its matrices, and pictures."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.contrast import Verdict, judge
from space.errors import SpaceError
from space.geometry import Matrix, image_rotation_deg, stage_to_image_matrix
from space.microscope.attempts import SpoiltError, carefully
from space.microscope.log import warn_once
from space.microscope.sem import error_text, sem_errors, serialem
from space.microscope.stage import ARRIVED_WITHIN_UM, stage_position_um
from space.microscope.states import AREAS, go_to_area

_SHIFT_TO_TILT_AXIS = "ShiftToTiltAxis"
_WIDER = 1.1  # than what was set: more than readings differ
log = logging.getLogger("space.microscope")


def working_directory() -> Path:
    """Return SerialEM's current directory, where the files of a session go."""
    return Path(str(serialem().ReportDirectory()))


def set_working_directory(directory: Path) -> None:
    """Change SerialEM's current directory."""
    serialem().SetDirectory(str(directory))


def work_unattended() -> None:
    """Until the script ends: no message boxes on errors, no report lines in the log.

    A message box would stop a session without a person, and an error within a running task
    (camera, montage) would end the script instead of reaching it.
    """
    sem = serialem()
    sem.NoMessageBoxOnError(1)
    sem.SuppressReports(1)


def centre_image_shift_on_tilt_axis() -> None:
    """Switch "Center image shift on tilt axis" on for good.

    PACEtomo works with it. Places that were chosen without it would be displaced from the tilt axis
    by its offset: with an offset of 1.5 um, images at +45 degrees would be focused a micrometre too
    deep and those at -45 degrees a micrometre too high. The setting is kept when the script ends,
    since a primary action must not set it itself.
    """
    sem = serialem()
    try:
        was_on = bool(sem.ReportUserSetting(_SHIFT_TO_TILT_AXIS))
        sem.SetUserSetting(_SHIFT_TO_TILT_AXIS, 1, 1)
    except sem_errors() as error:
        warn_once(
            "tilt_axis",
            "Image shift cannot be centred on the tilt axis: %s. Tilt series may run out of focus; "
            'switch "Center image shift on tilt axis" on in the Tasks menu.',
            error_text(error),
        )
        return
    if not was_on:
        log.info(
            "Image shift is centred on the tilt axis from now on (user setting %s was off), as "
            "PACEtomo needs it.",
            _SHIFT_TO_TILT_AXIS,
        )


# --- image shift and matrices ---------------------------------------------------------------------


def stage_to_specimen() -> tuple[float, ...]:
    """Return the four values of the stage → specimen matrix."""
    matrix = tuple(float(value) for value in serialem().StageToSpecimenMatrix(0))
    if not any(matrix):
        raise SpaceError(
            "SerialEM has no relation between stage and specimen here.",
            "StageToSpecimenMatrix",
            "Calibrate the stage or the magnification.",
        )
    return matrix


def stage_to_pixels(pixel_um: float) -> Matrix:
    """Return stage µm → (column, row) for an image taken now with this image pixel.

    Only the rotation comes from the camera matrix: on cameras with super-resolution its
    scale counts other pixels than images have.
    """
    rotation = image_rotation_deg(serialem().CameraToSpecimenMatrix(0))
    return stage_to_image_matrix(pixel_um, rotation, stage_to_specimen())


def navigator_offset_um() -> tuple[float, float]:
    """Return Navigator position minus stage reading at zero image shift (tilt-axis offset)."""
    x, y = serialem().AdjustStagePosForNav(0.0, 0.0)
    return float(x), float(y)


def reset_image_shift() -> None:
    """Let the stage take over the image shift, so that the same point stays centred.

    Raises
    ------
    SpaceError
        When the shift is gone but the stage did not go there: another place is in the middle now.
    """
    sem = serialem()
    before_um = stage_position_um()
    *_, move_x_um, move_y_um = sem.ReportImageShift()
    sem.ResetImageShift()
    x_um, y_um, _ = stage_position_um()
    away_um = math.hypot(x_um - before_um[0] - move_x_um, y_um - before_um[1] - move_y_um)
    if away_um > ARRIVED_WITHIN_UM:
        raise SpaceError(
            "The stage did not take over the image shift: it stands "
            f"{away_um:.1f} um from where it should be.",
            "ResetImageShift",
            "Check the stage, then run the script again.",
        )


def set_image_shift(x: float, y: float) -> None:
    """Set the image shift in units of the microscope; errors as for `shift_image`."""
    _require_shifted(serialem().SetImageShift(float(x), float(y)), f"of {x:.2f}, {y:.2f} units")


def shift_image(x_um: float, y_um: float) -> None:
    """Change the image shift by specimen um.

    Raises
    ------
    SpaceError
        When SerialEM refuses, which it tells by a code alone, and leaves the shift as it is.
    """
    code = serialem().ImageShiftByMicrons(float(x_um), float(y_um))
    _require_shifted(code, f"by {x_um:.1f}, {y_um:.1f} um")


def _require_shifted(code: float | None, shift: str) -> None:
    if code:
        raise SpaceError(
            f"SerialEM refuses an image shift {shift}.",
            "image shift",
            "It would pass the limit (property ImageShiftLimit). Lower image_shift_limit, or "
            "raise the property.",
        )


@dataclass(frozen=True)
class RecordOptics:
    """What Record pictures and the beam cover.

    Attributes
    ----------
    field_um : tuple of float
        Width and height of the camera field.
    rotation_deg : float
        Image rotation at the Record magnification.
    beam_diameter_um : float
        Illuminated diameter.
    """

    field_um: tuple[float, float]
    rotation_deg: float
    beam_diameter_um: float


def go_to_record(beam_diameter_um: float = 0.0) -> RecordOptics:
    """Go to the Record area and return its optics; takes no picture.

    Parameters
    ----------
    beam_diameter_um : float
        Illuminated diameter as the user knows it; 0 asks the microscope. If the microscope does
        not report it (two condensers), it is taken to be the camera's diagonal.
    """
    return _optics_in("R", beam_diameter_um)


def optics_of_area(letter: str) -> RecordOptics:
    """Return what Record would cover with the magnification and beam of another low dose area.

    Goes to that area, then to Record; takes no picture.
    """
    optics = _optics_in(letter, 0.0)
    go_to_area("R")
    return optics


def _optics_in(letter: str, beam_diameter_um: float) -> RecordOptics:
    sem = serialem()
    go_to_area(letter)
    width_px, height_px, _, _, pixel_nm, *_ = sem.CameraProperties()
    field_um = (width_px * pixel_nm / 1000, height_px * pixel_nm / 1000)
    if not field_um[0] or not field_um[1]:
        raise SpaceError(
            f"The pixel size of {AREAS[letter]} is not known to SerialEM.",
            "CameraProperties",
            f"Calibrate the pixel size of the {AREAS[letter]} magnification.",
        )
    rotation = image_rotation_deg(sem.CameraToSpecimenMatrix(0))
    return RecordOptics(field_um, rotation, _beam_diameter_um(beam_diameter_um, field_um))


def _beam_diameter_um(given_um: float, field_um: tuple[float, float]) -> float:
    reported_um = _illuminated_um()
    if given_um > 0:
        if reported_um > _WIDER * given_um:
            warn_once(
                "beam",
                "The microscope reports an illuminated area of %.2f um, beam_diameter is %g um and "
                "is used. If it is too small, neighbouring targets expose one another.",
                reported_um,
                given_um,
            )
        return given_um
    if reported_um > 0:
        return reported_um
    diagonal_um = math.hypot(*field_um)
    warn_once(
        "beam",
        "The microscope does not report its illuminated area; the beam is taken to be as wide as "
        "the camera's diagonal, %.2f um. If it is wider, neighbouring targets expose one another: "
        "measure it and set beam_diameter.",
        diagonal_um,
    )
    return diagonal_um


def _illuminated_um() -> float:
    """Return the illuminated diameter that the microscope reports, 0 if it reports none."""
    try:
        return 100.0 * float(serialem().ReportIlluminatedArea())  # reported in units of 100 µm
    except sem_errors():
        return 0.0


# --- images ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """An image out of a SerialEM buffer.

    Attributes
    ----------
    data : ndarray, shape (rows, columns)
        As displayed, first row on top.
    pixel_nm : float
        Size of its own pixel.
    binning : float
        Its binning.
    """

    data: np.ndarray
    pixel_nm: float
    binning: float

    @property
    def field_um(self) -> tuple[float, float]:
        """Width and height of what it shows."""
        rows, columns = self.data.shape
        return columns * self.pixel_nm / 1000, rows * self.pixel_nm / 1000


def read_buffer(letter: str = "A") -> Picture:
    """Copy the image out of a buffer."""
    sem = serialem()
    _, _, binning, _, pixel_nm, *_ = sem.ImageProperties(letter)
    if pixel_nm <= 0:
        raise SpaceError(
            "The pixel size of an image is not known to SerialEM.",
            f"buffer {letter}",
            "Calibrate the pixel size of this magnification.",
        )
    return Picture(np.array(sem.bufferImage(letter)), float(pixel_nm), float(binning))


def take_record() -> Picture:
    """Take a Record picture (outside low dose: with the Record set of the imaging state).

    Raises
    ------
    SpaceError
        When there is no picture, or one that cannot be used (dark, constant), twice.
    """
    return _take(serialem().R, "The Record picture")


def take_view() -> Picture:
    """Take a View picture; errors as for `take_record`."""
    return _take(serialem().V, "The View picture")


def take_preview(name: str) -> Picture:
    """Take a Preview picture that is called `name`; errors as for `take_record`."""
    return _take(serialem().L, f"The Preview picture {name}")


def _take(command: Callable[[], None], what: str) -> Picture:
    def work() -> Picture:
        command()
        try:
            return check_contrast(read_buffer("A"), what)
        except SpoiltError as error:
            x_um, y_um, _ = stage_position_um()
            raise SpoiltError(error.what, f"stage {x_um:.1f}, {y_um:.1f} um", error.do) from None

    return carefully(work, what)


def check_contrast(picture: Picture, what: str) -> Picture:
    """Return the picture if something can be found in it; warn of what else is wrong with it.

    Raises
    ------
    SpoiltError
        If it is dark, constant, or holds no numbers.
    """
    verdict = judge(picture.data)
    if verdict.useless:
        raise SpoiltError(verdict.seen, do=remedy(verdict))
    if verdict:
        log.warning("%s: %s. %s.", what, verdict.seen, verdict.causes)
    return picture


def remedy(verdict: Verdict) -> str:
    """Return what to do about a picture that cannot be used."""
    return f"{verdict.causes}. Check the beam, correct it, and run the script again."


def mean_counts() -> float:
    """Return the mean of the newest picture."""
    return float(serialem().ReportMeanCounts("A"))
