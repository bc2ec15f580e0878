"""Numbers measured in images, and what is known about them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.commands.buffers import derived
from space.simulator.formats import mdoc
from space.simulator.measuring import lattice

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

# Points along the edge of the beam needed to believe in a circle, and how well they must fit.
DARKEST_LIT = 0.5  # of what is bright: below it, a beam's edge may be in the field
LEAST_EDGE_POINTS = 40
LARGEST_EDGE_ERROR = 0.1
BEAM_WORKING_PX = 512


def _area_mean(session: Session, chosen: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
    image = session.buffers.require("A")
    rows, columns = image.data.shape
    inside = chosen(np.arange(columns)[None, :], np.arange(rows)[:, None])
    if not inside.any():
        raise SEMerror("The area is not inside the image")
    return float(image.data[inside].mean(dtype=np.float64))


def subarea_mean(session: Session, left: int, right: int, top: int, bottom: int) -> float:
    """Mean of a rectangle of A, both limits included."""
    rows, columns = session.buffers.require("A").data.shape
    if not (0 <= left <= right < columns and 0 <= top <= bottom < rows):
        raise SEMerror(f"The rectangle is not inside the image of {columns} x {rows}")
    return _area_mean(session, lambda x, y: (x >= left) & (x <= right) & (y >= top) & (y <= bottom))


def circular_subarea_mean(
    session: Session, x_center: float, y_center: float, radius: float
) -> float:
    """Mean of a disc of A: centre and radius in pixels."""
    if radius <= 0:
        raise SEMerror("The radius of a disc must be positive")
    return _area_mean(
        session,
        lambda x, y: np.hypot(x + 0.5 - x_center, y + 0.5 - y_center) <= radius,
    )


def electron_stats(session: Session, letter: str | None = None) -> tuple[float, ...]:
    """Minimum, maximum, mean and SD in electrons per unbinned pixel, and mean per second."""
    image = session.buffers.require(letter or "A")
    if image.binning <= 0 or image.exposure_s <= 0:
        raise SEMerror("The binning or exposure of the image is not known")
    gain = image.counts_per_electron(session.camera.model)
    scale = 1.0 / (gain * image.binning**2)
    data = image.data
    mean = float(data.mean(dtype=np.float64)) * scale
    spread = float(data.std(dtype=np.float64)) * scale
    low, high = float(data.min()) * scale, float(data.max()) * scale
    return (low, high, mean, spread, mean / image.exposure_s)


def image_low_dose_set(session: Session, letter: str | None = None) -> tuple[float, float]:
    """Camera set of an image (a montage piece counts as Record) and whether low dose was on."""
    image = session.buffers.require(letter or "A")
    number = 3 if image.camera_set == 8 else image.camera_set
    return (float(number), float(image.low_dose))


def image_metadata_to_var(session: Session, letter: str, variable: str) -> None:
    """All that is known about an image, as lines `key = value`, in a variable."""
    entries = _entries(session, letter)
    session.variables.set(variable, "\n".join(f"{key} = {text}" for key, text in entries.items()))


def report_metadata_values(session: Session, letter: str, key: str) -> tuple[float, ...]:
    """Numbers of one entry of what is known about an image."""
    text = _entry(session, letter, key)
    try:
        numbers = tuple(float(word) for word in text.split())
    except ValueError as problem:
        raise SEMerror(f"The entry {key} does not hold numbers: {text}") from problem
    return numbers[:6]


def report_metadata_string(session: Session, letter: str, key: str) -> str:
    """Text of one entry of what is known about an image."""
    return _entry(session, letter, key)


def _entries(session: Session, letter: str) -> dict[str, str]:
    image = session.buffers.require(letter)
    magnification = image.magnification
    if not magnification and image.mag_index > 0:
        magnification = session.scope.magnification(image.mag_index)
    return mdoc.image_entries(image, magnification)


def _entry(session: Session, letter: str, key: str) -> str:
    entries = _entries(session, letter)
    if key not in entries:
        raise SEMerror(f"Nothing is known about {key} of the image")
    return entries[key]


# --- the edge of the beam ---------------------------------------------------------------------


def beam_circle(data: np.ndarray) -> tuple[float, float, float, float, int] | None:
    """Find the disc that the beam lights up.

    The image is reduced, thresholded between dark and bright, and a circle is fitted by least
    squares to the outer edge of what is bright, leaving out edges along the frame.

    Returns
    -------
    (column, row, radius, fit error, quadrants) in pixels, or None
        None when no edge of a disc is in the field. `quadrants` counts the quarters of the
        circle that have edge points.
    """
    factor = max(1, math.ceil(max(data.shape) / BEAM_WORKING_PX))
    rows, columns = (n // factor for n in data.shape)
    blocks = data[: rows * factor, : columns * factor].astype(np.float32)
    small = blocks.reshape(rows, factor, columns, factor).mean(axis=(1, 3))
    low, high = np.percentile(small, (1.0, 99.0))
    # Bars and ice are dark too, but not as dark as where there is no beam.
    bright = small > low + 0.1 * (high - low)
    points = _outer_edge(bright)
    # Without an edge, nothing in the field is as dark as outside of the beam.
    if high - low < 1.0 or low > DARKEST_LIT * high or len(points) < LEAST_EDGE_POINTS:
        return None
    circle = _fit_circle(points)
    for _ in range(4):
        away = np.abs(np.hypot(*(points - circle[:2]).T) - circle[2])
        near = points[away <= max(1.5, 1.5 * float(np.median(away)))]
        if len(near) < LEAST_EDGE_POINTS:
            return None
        circle = _fit_circle(near)
    x, y, radius = circle
    error = float(np.std(np.hypot(*(near - circle[:2]).T) - radius))
    if error > LARGEST_EDGE_ERROR * radius or radius > 3.0 * max(small.shape):
        return None
    quarters = {(px > x, py > y) for px, py in near}
    return (x * factor, y * factor, radius * factor, error * factor, len(quarters))


def _outer_edge(bright: np.ndarray) -> np.ndarray:
    """First and last bright pixel of each row and column, but not where the frame ends."""
    found = []
    for swap, mask in ((False, bright), (True, bright.T)):
        length = mask.shape[1]
        for number in np.flatnonzero(mask.any(axis=1)):
            line = np.flatnonzero(mask[number])
            for place, edge in ((line[0], line[0]), (line[-1], line[-1] + 1)):
                if 1 < place < length - 2:
                    point = (float(edge), number + 0.5)
                    found.append(point[::-1] if swap else point)
    return np.array(found).reshape(-1, 2)


def _fit_circle(points: np.ndarray) -> np.ndarray:
    """Column, row and radius of the circle nearest to points (algebraic least squares)."""
    design = np.column_stack([points, np.ones(len(points))])
    solution = np.linalg.lstsq(design, (points**2).sum(axis=1), rcond=None)[0]
    center = solution[:2] / 2.0
    return np.array([*center, math.sqrt(max(1e-12, solution[2] + float(center @ center)))])


def measure_beam_size(session: Session, letter: str | None = None) -> tuple[float, float, float]:
    """Diameter of the beam in µm from its edge in an image, quadrants seen, fit error in µm."""
    image = session.buffers.require(letter or "A")
    found = beam_circle(image.data)
    if found is None:
        raise SEMerror("There is no edge of the beam in the image")
    _, _, radius, error, quadrants = found
    return (2.0 * radius * image.pixel_um, float(quadrants), error * image.pixel_um)


def measure_beam_position(session: Session, letter: str | None = None) -> tuple[float, ...]:
    """Place of the beam from its edge in an image.

    Column and row of its centre in pixels; its distance from the middle of the image in µm along
    the axes of the camera (Y upwards); quadrants in which its edge is seen; fit error in µm.
    Which values are reported is inferred.
    """
    image = session.buffers.require(letter or "A")
    found = beam_circle(image.data)
    if found is None:
        raise SEMerror("There is no edge of the beam in the image")
    column, row, _, error, quadrants = found
    rows, columns = image.data.shape
    right, up = column - columns / 2.0, rows / 2.0 - row
    pixel_um = image.pixel_um
    return (column, row, right * pixel_um, up * pixel_um, float(quadrants), error * pixel_um)


# --- periodic structures ----------------------------------------------------------------------


def auto_corr_peak_vectors(
    session: Session,
    letter: str,
    spacing_um: float,
    hexagonal: int | None = None,
    show: int | None = None,
) -> tuple[float, ...]:
    """Vectors of the lattice that an image shows, in its pixels (columns, rows).

    Two vectors, or three for a hexagonal lattice, as x and y of one after the other. The spacing
    is about what to look for, 0 where it is not known. With `show` the autocorrelation is put
    into A, and the others roll. What the arguments are is inferred.
    """
    image = session.buffers.require(letter)
    if spacing_um < 0 or (spacing_um and image.pixel_um <= 0):
        raise SEMerror(f"A spacing of {spacing_um:g} um cannot be looked for in the image")
    spacing_px = spacing_um / image.pixel_um if spacing_um else 0.0
    vectors = lattice.peak_vectors(image.data, spacing_px, 3 if hexagonal else 2)
    session.clock.advance(1.0)
    if vectors is None:
        raise SEMerror("No lattice was found in the autocorrelation of the image")
    if show:
        shown = derived(session, image, lattice.autocorrelation(image.data))
        session.buffers.push(replace(shown, processed=True))
    return tuple(float(value) for value in vectors.ravel())


COMMANDS: Commands = {
    "SubareaMean": subarea_mean,
    "CircularSubareaMean": circular_subarea_mean,
    "ElectronStats": electron_stats,
    "RawElectronStats": electron_stats,
    "ImageLowDoseSet": image_low_dose_set,
    "ImageMetadataToVar": image_metadata_to_var,
    "ReportMetadataValues": report_metadata_values,
    "ReportMetadataString": report_metadata_string,
    "MeasureBeamSize": measure_beam_size,
    "MeasureBeamPosition": measure_beam_position,
    "AutoCorrPeakVectors": auto_corr_peak_vectors,
}
