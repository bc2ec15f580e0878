"""The beam: shift, tilt, spot size, intensity and what follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.column.instrument import SPOT_SIZES
from space.simulator.commands.image_measures import beam_circle
from space.simulator.commands.low_dose import follow

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands


SPOT_SETTLES_S = 1.0


def set_beam_shift(session: Session, x: float, y: float) -> None:
    """Absolute beam shift in units of the microscope."""
    session.scope.beam_shift = (x, y)


def report_beam_shift(session: Session) -> tuple[float, float]:
    """Beam shift in units of the microscope."""
    return session.scope.beam_shift


def _move_beam(session: Session, camera_um: tuple[float, float]) -> None:
    scope = session.scope
    to_camera = scope.optics.specimen_to_camera(scope.mag_index) * scope.pixel_um(scope.mag_index)
    per_unit = to_camera @ scope.beam_shift_rows()
    change = np.linalg.solve(per_unit, np.array(camera_um))
    x, y = np.array(scope.beam_shift) + change
    scope.beam_shift = (float(x), float(y))


def move_beam_by_microns(session: Session, x: float, y: float) -> None:
    """Move the beam by µm on the specimen along the axes of the camera (Y upwards)."""
    _move_beam(session, (x, y))


def move_beam_by_field_fraction(session: Session, x: float, y: float) -> None:
    """Move the beam by fractions of the camera's width and height."""
    pixel_um = session.scope.pixel_um(session.scope.mag_index)
    columns, rows = session.camera.size_px
    _move_beam(session, (x * columns * pixel_um, y * rows * pixel_um))


def center_beam_from_image(
    session: Session, centroid: int | None = None, limit_um: float | None = None
) -> None:
    """Move the beam whose edge is seen in A to the centre, if that is not farther than a limit."""
    image = session.buffers.require("A")
    circle = beam_circle(image.data)
    if circle is None:
        raise SEMerror("There is no edge of the beam in the image")
    rows, columns = image.data.shape
    um = image.pixel_um * np.array([columns / 2.0 - circle[0], circle[1] - rows / 2.0])
    if limit_um and np.hypot(*um) > limit_um:
        session.write_log(f"The beam is {np.hypot(*um):.2f} um off the centre and stays there")
        return
    _move_beam(session, (float(um[0]), float(um[1])))


def auto_center_beam(
    session: Session, limit_um: float | None = None, unused: int | None = None
) -> None:
    """Take a Trial picture and move the beam whose edge is seen there to the centre."""
    session.take("T")
    center_beam_from_image(session, None, limit_um)


def set_beam_tilt(session: Session, x: float, y: float) -> None:
    """Absolute beam tilt in milliradians."""
    session.scope.beam_tilt = (x, y)


def report_beam_tilt(session: Session) -> tuple[float, float]:
    """Beam tilt in milliradians."""
    return session.scope.beam_tilt


def set_spot_size(session: Session, number: int) -> None:
    """Spot size; a larger one has less current."""
    if not 1 <= number <= SPOT_SIZES:
        raise SEMerror(f"Spot size {number} is not between 1 and {SPOT_SIZES}")
    if number != session.scope.spot_size:
        session.clock.advance(SPOT_SETTLES_S)
    session.scope.spot_size = number
    follow(session)


def report_spot_size(session: Session) -> float:
    """Spot size."""
    return float(session.scope.spot_size)


def set_percent_c2(session: Session, percent: float) -> None:
    """Intensity in percent."""
    if not 0.0 < percent < 100.0:
        raise SEMerror(f"An intensity of {percent:g} percent is out of range")
    session.scope.intensity = percent / 100.0
    follow(session)


def inc_percent_c2(session: Session, change: float) -> None:
    """Change the intensity by percent of its range."""
    set_percent_c2(session, 100.0 * session.scope.intensity + change)


def report_percent_c2(session: Session) -> tuple[float, float]:
    """Intensity in percent and as a fraction."""
    return (100.0 * session.scope.intensity, session.scope.intensity)


def report_crossover_percent_c2(session: Session) -> tuple[float, float]:
    """Intensity at which the beam of this spot size is smallest, in percent and as a fraction."""
    crossover = session.instrument.beam.crossover[session.scope.spot_size - 1]
    return (100.0 * crossover, crossover)


def set_beam_size(session: Session, diameter_um: float) -> None:
    """Make the beam this wide by its intensity."""
    session.scope.set_beam_diameter(diameter_um)
    follow(session)


def report_beam_size_from_calib(session: Session) -> float:
    """Diameter of the beam in µm."""
    return session.scope.beam_diameter_um


def change_intensity_by(session: Session, factor: float) -> None:
    """Make the beam brighter (above 1) or darker by a factor, with its diameter."""
    if factor <= 0.0:
        raise SEMerror(f"The intensity cannot be changed by a factor of {factor:g}")
    set_beam_size(session, session.scope.beam_diameter_um / factor**0.5)


def set_intensity_for_mean(session: Session, mean: float) -> None:
    """Change the intensity so that the picture in A would have had this mean."""
    present = float(session.buffers.require("A").data.mean())
    if mean <= 0.0 or present <= 0.0:
        raise SEMerror("The mean wanted and that of the image in A must be above 0")
    change_intensity_by(session, mean / present)


def set_dose_rate(session: Session, rate_e_px_s: float, unused: int | None = None) -> None:
    """Change the intensity so that the picture in A would have had this dose rate.

    The rate is in electrons per unbinned pixel and second at the camera.
    """
    image = session.buffers.require("A")
    if image.exposure_s <= 0.0:
        raise SEMerror("The exposure time of the image in A is unknown")
    gain = image.counts_per_electron(session.camera.model)
    per_rate = gain * image.binning**2 * image.exposure_s
    set_intensity_for_mean(session, rate_e_px_s * per_rate)


def report_illuminated_area(session: Session) -> float:
    """Diameter of the beam in units of 100 µm; 0 where the microscope cannot report it."""
    if session.instrument.beam.condensers < 3:
        session.write_log("The illuminated area cannot be read on this microscope")
        return 0.0
    return session.scope.beam_diameter_um / 100.0


def set_illuminated_area(session: Session, area: float) -> None:
    """Make the beam as wide as this many times 100 µm."""
    if session.instrument.beam.condensers < 3:
        raise SEMerror("The illuminated area cannot be set on this microscope")
    set_beam_size(session, 100.0 * area)


COMMANDS: Commands = {
    "SetBeamShift": set_beam_shift,
    "ReportBeamShift": report_beam_shift,
    "MoveBeamByMicrons": move_beam_by_microns,
    "MoveBeamByFieldFraction": move_beam_by_field_fraction,
    "CenterBeamFromImage": center_beam_from_image,
    "AutoCenterBeam": auto_center_beam,
    "SetBeamTilt": set_beam_tilt,
    "ReportBeamTilt": report_beam_tilt,
    "SetSpotSize": set_spot_size,
    "ReportSpotSize": report_spot_size,
    "SetPercentC2": set_percent_c2,
    "IncPercentC2": inc_percent_c2,
    "ReportPercentC2": report_percent_c2,
    "ReportCrossoverPercentC2": report_crossover_percent_c2,
    "SetBeamSize": set_beam_size,
    "ReportBeamSizeFromCalib": report_beam_size_from_calib,
    "ChangeIntensityBy": change_intensity_by,
    "SetIntensityForMean": set_intensity_for_mean,
    "SetDoseRate": set_dose_rate,
    "ReportIlluminatedArea": report_illuminated_area,
    "SetIlluminatedArea": set_illuminated_area,
}
