"""Finds by which angle a picture has to be turned to lie on another one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.measuring.alignment import Shift, correlate
from space.simulator.measuring.between_mags import resampled
from space.simulator.measuring.searching import steps, top

if TYPE_CHECKING:
    from space.simulator.imaging.images import Image

STEP_DEG = 1.5
REFINING_PARTS = (0.5, 0.25)  # of the step
SEARCHING_PX, FINAL_PX = 256, 800  # longest side of the pictures


@dataclass(frozen=True)
class Turn:
    """How a picture comes to lie on the reference.

    Attributes
    ----------
    angle_deg : float
        Counter-clockwise as displayed, about the middle.
    shift : Shift
        Of the turned picture, in its pixels.
    """

    angle_deg: float
    shift: Shift


def turned(image: Image, angle_deg: float) -> np.ndarray:
    """Give an image turned about its middle; the mean fills what it did not show."""
    return _at_pixel(image, image.pixel_um, angle_deg)


def find_turn(image: Image, reference: Image, center_deg: float, reach_deg: float) -> Turn | None:
    """Turn an image through a range of angles to find where it agrees best with a reference.

    Parameters
    ----------
    image, reference : Image
    center_deg, reach_deg : float
        Middle of the range and how far it reaches to both sides.

    Returns
    -------
    Turn or None
        None when there is nothing to correlate.
    """

    def compare(longest_px: int, angle_deg: float) -> Shift | None:
        sides_um = (max(p.data.shape) * p.pixel_um for p in (image, reference))
        pixel_um = max(image.pixel_um, reference.pixel_um, max(sides_um) / longest_px)
        moving = _at_pixel(image, pixel_um, angle_deg)
        found = correlate(moving, _at_pixel(reference, pixel_um, 0.0))
        if found is None:
            return None
        factor = pixel_um / image.pixel_um
        return replace(found, x_px=found.x_px * factor, y_px=found.y_px * factor)

    def height(angle_deg: float) -> float:
        found = compare(SEARCHING_PX, angle_deg)
        return -1.0 if found is None else found.peak

    angle = center_deg
    if reach_deg > 0:
        angle = max((center_deg + away for away in steps(reach_deg, STEP_DEG)), key=height)
        for part in REFINING_PARTS:
            step = part * STEP_DEG
            angle += step * top(*(height(angle + place * step) for place in (-1, 0, 1)))
    shift = compare(FINAL_PX, angle)
    return None if shift is None else Turn(float(angle), shift)


def _at_pixel(image: Image, pixel_um: float, angle_deg: float) -> np.ndarray:
    rows, columns = image.data.shape
    step = pixel_um / image.pixel_um
    shape = (max(8, int(rows / step)), max(8, int(columns / step)))
    return resampled(image.data, (columns / 2.0, rows / 2.0), step, angle_deg, shape)
