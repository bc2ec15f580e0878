"""Where planes and points of a specimen are when the stage is tilted, and how tilts follow."""

from __future__ import annotations

from collections.abc import Sequence
from math import atan, cos, degrees, radians, sin
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from space.simulator.imaging import Exposure

Point = tuple[float, float]

FEWEST_FOR_RAMP = 5
"""A ramp of defocus is fitted to at least this many tilts."""

_SAME_TILT_DEG = 0.5
_WAYS_BOTH = 2


def defocus_at_um(
    exposure: Exposure, point_um: Point, stage_to_specimen: Sequence[Sequence[float]]
) -> float:
    """True defocus of a picture at a point of the specimen, grid frame; negative is under focus.

    The picture's own defocus is that in its centre. A point of the plane that it shows, farther
    across the tilt axis by y and higher by z at zero tilt, is higher by y sin(tilt) + z cos(tilt).
    """
    away_um = np.subtract(point_um, exposure.center_um)
    y_um = float((grid_to_specimen(exposure, stage_to_specimen) @ away_um)[1])
    z_um, angle = float(np.dot(exposure.slope, away_um)), radians(exposure.tilt_deg)
    return exposure.defocus_um + y_um * sin(angle) + z_um * cos(angle)


def grid_to_specimen(
    exposure: Exposure, stage_to_specimen: Sequence[Sequence[float]] | np.ndarray
) -> np.ndarray:
    """Matrix from distances on the grid to specimen coordinates, as the grid lay at a picture."""
    return np.asarray(stage_to_specimen) @ exposure.lying.rows


def slope_of(exposure: Exposure, specimen_to_stage: np.ndarray) -> Point:
    """Slope of what is in the centre of a picture along the tilt axis and across it."""
    along, across = specimen_to_stage.T @ exposure.lying.rows @ exposure.slope
    return float(along), float(across)


def lamella_tilt_deg(tilt_deg: float, slope: Point) -> float:
    """Angle about the tilt axis between the beam and the normal of a plane.

    The normal (-along, -across, 1) turns with the stage about the tilt axis, by which what lies
    farther across it rises.
    """
    return tilt_deg + degrees(atan(slope[1]))


def ramp_um(tilts_deg: Sequence[float], errors_um: Sequence[float]) -> float | None:
    """Distance from the tilt axis that makes defocus change as it does.

    A place at y across and z above the tilt axis rises by y sin(tilt) + z cos(tilt), and its
    defocus with it. Both are fitted by least squares, with a constant; y is returned. None for
    fewer than `FEWEST_FOR_RAMP` tilts.
    """
    if len({round(tilt) for tilt in tilts_deg}) < FEWEST_FOR_RAMP:
        return None
    angle = np.radians(tilts_deg)
    model = np.column_stack([np.sin(angle), np.cos(angle) - 1.0, np.ones_like(angle)])
    (y_um, _, _), *_ = np.linalg.lstsq(model, np.asarray(errors_um, float), rcond=None)
    return float(y_um)


def order_of(tilts_deg: Sequence[float]) -> str:
    """How tilts follow one another.

    "one way", "two ways" (to one side and then to the other), "dose-symmetric" (farther and farther
    from the first on both sides, in groups or not), or "mixed".
    """
    tilts = np.asarray(tilts_deg, float)
    steps = np.diff(tilts)
    signs = np.sign(steps[np.abs(steps) > _SAME_TILT_DEG])
    turns = int((signs[1:] != signs[:-1]).sum())
    if turns < _WAYS_BOTH:
        return ("one way", "two ways")[turns]
    out = np.abs(tilts - tilts[0])
    is_outwards = (np.maximum.accumulate(out) - out).max() <= out.max() / 4
    return "dose-symmetric" if is_outwards else "mixed"
