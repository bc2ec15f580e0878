"""States, stage, low dose, apertures, valves and what the optics are."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.geometry import Matrix, image_rotation_deg, stage_to_image_matrix
from space.microscope.attempts import SpoiltError, carefully
from space.microscope.sem import sem_errors, serialem, words

STAGE_LIMIT_UM = 990.0
"""Reach of the stage from its centre along x and y (SerialEM's default limit)."""

OBJECTIVE_APERTURE = 2
"""SerialEM's number of the objective aperture."""

_HIGHEST_MAG_INDEX = 50
_DARK_NOISE = 3.0  # the 99th percentile of noise around zero is 2.3 standard deviations above it
_LEVEL_WITHIN_DEG = 0.5
_SAMPLE_PX = 1_000_000
_FOCUS_CHECKED = "SPACE_FOCUS_CHECKED"
_FAR_OFFSET_UM, _LIKE_OFFSET = 20.0, 0.2
_SAME_MAGNIFICATION = 0.2
_WIDER = 1.1  # than what was set: more than readings differ
_log = logging.getLogger("space.microscope")

_STATE_FAILURES = {
    1: "no imaging state has this name",
    2: "two or more imaging states begin with this text",
    3: "there is no imaging state with this number",
    4: "the state of a map is in force; SerialEM's Imaging States dialog must restore it first",
    5: "the state belongs to a camera that is not active",
    6: "a low dose state of another camera is in force",
}


def working_directory() -> Path:
    """Return SerialEM's current directory, where the files of a session go."""
    return Path(str(serialem().ReportDirectory()))


def work_unattended() -> None:
    """Until the script ends: no message boxes on errors, no report lines in the log.

    A message box would stop a session without a person, and an error within a running task
    (camera, montage) would end the script instead of reaching it.
    """
    sem = serialem()
    sem.NoMessageBoxOnError(1)
    sem.SuppressReports(1)


# --- states and magnifications ----------------------------------------------------------------


def go_to_imaging_state(state: int | str) -> None:
    """Go to an imaging state by number or name.

    Raises
    ------
    SpaceError
        When SerialEM did not do so; it only tells when asked.
    """
    code = int(serialem().GoToImagingState(str(state)))
    if code:
        raise SpaceError(
            f"The imaging state was not set: {_STATE_FAILURES.get(code, f'code {code}')}.",
            f"imaging state {state!r}",
            "Correct WG_image_state or MM_image_state, or the states in SerialEM.",
        )


def go_to_whole_grid_state(state: int | str) -> None:
    """Go to the state for whole-grid montages and make sure that it is in low magnification."""
    go_to_imaging_state(state)
    magnification, low, *_ = serialem().ReportMag()
    if not low:
        raise SpaceError(
            f"The magnification is {magnification:g}, not a low one.",
            f"WG_image_state {state!r}",
            "Give the state for whole-grid montages.",
        )


def go_to_low_dose_state(state: int | str) -> None:
    """Go to the low dose state for lamella montages, and to its View area."""
    go_to_imaging_state(state)
    try:
        go_to_area("V")
    except sem_errors() as error:
        raise SpaceError(
            f"There is no View area: {words(error)}.",
            f"MM_image_state {state!r}",
            "Give a low dose state with View and Record set up.",
        ) from error
    magnification, low, *_ = serialem().ReportMag()
    if low:
        raise SpaceError(
            f"View is at {magnification:g}x, a low magnification.",
            f"MM_image_state {state!r}",
            "Give the low dose state for lamella montages.",
        )
    _take_off_left_offset()


def _take_off_left_offset() -> None:
    """Correct the focus when SerialEM had ended while in View, once after it was started.

    View has its own defocus, tens of micrometres away. A SerialEM that ended there never went
    back, and one that was started anew takes the present focus for Record's, so that the next
    tilt series would be out of focus by as much.
    """
    sem = serialem()
    if sem.IsVariableDefined(_FOCUS_CHECKED):
        return
    sem.SetPersistentVar(_FOCUS_CHECKED, "1")
    offset_um = float(sem.ReportLDDefocusOffset("V"))
    go_to_area("R")
    defocus_um = float(sem.ReportDefocus())
    if abs(offset_um) >= _FAR_OFFSET_UM and abs(defocus_um / offset_um - 1) <= _LIKE_OFFSET:
        sem.SetDefocus(defocus_um - offset_um)
        _log.warning(
            "Record had a defocus of %.0f um, about the offset of View (%.0f um), which must have "
            "been left there when SerialEM ended: it was taken off. Look at the focus.",
            defocus_um,
            offset_um,
        )
    go_to_area("V")


def go_to_area(letter: str) -> None:
    """Go to a low dose area (V, F, T, R or S)."""
    serialem().GoToLowDoseArea(letter)


def set_magnification(value: int) -> None:
    """Set a magnification; values below 50 are magnification indexes."""
    sem = serialem()
    try:
        if value < _HIGHEST_MAG_INDEX:
            sem.SetMagIndex(int(value))
        else:
            sem.SetMag(float(value))
    except sem_errors() as error:
        raise SpaceError(
            f"The magnification cannot be set: {words(error)}.",
            f"IM_mag_index {value}",
            "Give an index or a magnification that the microscope has.",
        ) from error
    if value < _HIGHEST_MAG_INDEX:
        now = sem.ReportMagIndex()
        is_set = int(now[0] if isinstance(now, tuple) else now) == value
    else:
        now = sem.ReportMag()[0]
        is_set = abs(now / value - 1) < _SAME_MAGNIFICATION
    if not is_set:
        raise SpaceError(
            f"The magnification was not set; the microscope tells {now}.",
            f"IM_mag_index {value}",
            "Look whether the microscope lets SerialEM change the magnification.",
        )


def low_magnification() -> float:
    """Return the magnification if it is in the low range (LM), else 0."""
    magnification, low, *_ = serialem().ReportMag()
    return float(magnification) if low else 0.0


# --- column -------------------------------------------------------------------------------------


def open_valve() -> None:
    """Open the column or gun valve."""
    serialem().SetColumnOrGunValve(1)


def close_valve() -> None:
    """Close the column or gun valve."""
    serialem().SetColumnOrGunValve(0)


def retract_objective_aperture() -> None:
    """Take the objective aperture out (low magnifications need the whole field)."""
    serialem().SetApertureSize(OBJECTIVE_APERTURE, 0)


def insert_objective_aperture(size_um: int) -> None:
    """Put the objective aperture of this size in."""
    serialem().SetApertureSize(OBJECTIVE_APERTURE, int(size_um))


# --- stage --------------------------------------------------------------------------------------


def stage_position_um() -> tuple[float, float, float]:
    """Return the stage's reading x, y, z."""
    x, y, z = serialem().ReportStageXYZ()
    return float(x), float(y), float(z)


def level_stage() -> None:
    """Bring a stage back that a script which was cut off left tilted."""
    tilt_deg = float(serialem().ReportTiltAngle())
    if abs(tilt_deg) > _LEVEL_WITHIN_DEG:
        _log.info("The stage is tilted by %.1f degrees: it is brought back to 0.", tilt_deg)
        serialem().TiltTo(0.0)


def find_eucentric_height() -> None:
    """Bring the specimen to eucentric height by tilting (coarse routine).

    Raises
    ------
    SpaceError
        When that failed twice; the stage is level then.
    """
    sem = serialem()
    try:
        carefully(lambda: sem.Eucentricity(1), "Finding the eucentric height")
    except SpaceError:
        sem.TiltTo(0.0)  # a stage that stopped on its way would spoil all that follows
        raise


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
    """Let the stage take over the image shift, so that the same point stays centred."""
    serialem().ResetImageShift()


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


def record_optics(beam_diameter_um: float = 0.0) -> RecordOptics:
    """Ask for the optics of the Record area (goes there; takes no picture).

    Parameters
    ----------
    beam_diameter_um : float
        Illuminated diameter as the user knows it; 0 asks the microscope. One that does not tell
        it either (two condensers) is taken to light the camera's diagonal.
    """
    sem = serialem()
    go_to_area("R")
    width_px, height_px, _, _, pixel_nm, *_ = sem.CameraProperties()
    field_um = (width_px * pixel_nm / 1000, height_px * pixel_nm / 1000)
    if not field_um[0] or not field_um[1]:
        raise SpaceError(
            "The pixel size of Record is not known to SerialEM.",
            "CameraProperties",
            "Calibrate the pixel size of the Record magnification.",
        )
    rotation = image_rotation_deg(sem.CameraToSpecimenMatrix(0))
    return RecordOptics(field_um, rotation, _beam_diameter_um(beam_diameter_um, field_um))


def _beam_diameter_um(given_um: float, field_um: tuple[float, float]) -> float:
    told_um = _illuminated_um()
    if given_um > 0:
        if told_um > _WIDER * given_um:
            _log.warning(
                "The microscope tells an illuminated area of %.2f um, beam_diameter is %g um: what "
                "was set is used. If it is too small, neighbouring targets expose one another.",
                told_um,
                given_um,
            )
        return given_um
    if told_um > 0:
        return told_um
    diagonal_um = math.hypot(*field_um)
    _log.warning(
        "The microscope does not tell its illuminated area; the beam is taken to be as wide as the "
        "camera's diagonal, %.2f um. If it is wider, neighbouring targets expose one another: "
        "measure it and set beam_diameter.",
        diagonal_um,
    )
    return diagonal_um


def _illuminated_um() -> float:
    """Return the illuminated diameter that the microscope tells, 0 if it tells none."""
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
        When there is no picture, or a dark one, twice.
    """
    return _take("R")


def take_view() -> Picture:
    """Take a View picture; errors as for `take_record`."""
    return _take("V")


def _take(command: str) -> Picture:
    def work() -> Picture:
        getattr(serialem(), command)()
        return check_light(read_buffer("A"))

    return carefully(work, "A picture")


def check_light(picture: Picture) -> Picture:
    """Return the picture if any beam reached the camera.

    Even the darkest specimen has brighter places; without a beam there is nothing but noise
    around zero.

    Raises
    ------
    SpoiltError
        If it is dark.
    """
    data = picture.data
    step = max(1, int(math.sqrt(data.size / _SAMPLE_PX)))
    low, middle, high = np.percentile(data[::step, ::step], (16, 50, 99))
    noise = middle - low
    # A specimen of dark and bright halves has a wide spread, too, but no middle around zero.
    if middle <= noise / 2 and high <= max(0.0, _DARK_NOISE * noise):
        raise SpoiltError("the picture is dark: no beam reached the camera")
    return picture


def mean_counts() -> float:
    """Return the mean of the newest picture."""
    return float(serialem().ReportMeanCounts("A"))
