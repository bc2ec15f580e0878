"""The tilt-compressed frame, in which beams in conflict are discs that overlap.

At the highest tilt the footprint of the beam on the specimen is an ellipse, longer by
1/cos(max_tilt) perpendicular to the tilt axis. Shrinking the plane by cos(max_tilt) in that
direction makes all footprints discs of the beam's diameter again, so two of them overlap
exactly when their centres lie nearer than that diameter. Points in this frame are named
`points_tilt_um`: (along the tilt axis, compressed distance from it).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from space.targeting.options import ExposureOptics

# Beams may touch; without this grain rounding would make touching beams a conflict.
TOUCH_UM = 1e-6


@dataclass(frozen=True)
class TiltFrame:
    """Conversion between map pixels (row, column) and the tilt-compressed frame.

    Map pixel coordinates are continuous: the map spans 0..rows and 0..columns, the first
    pixel's centre is (0.5, 0.5).
    """

    pixel_um: float
    tilt_axis_deg: float
    stretch: float

    @classmethod
    def of(cls, optics: ExposureOptics) -> TiltFrame:
        """Make it from what beam and camera cover."""
        return cls(optics.pixel_um, optics.tilt_axis_deg, optics.stretch)

    def from_map(self, points_map_px: np.ndarray) -> np.ndarray:
        """Points (n, 2) as (row, column) in map pixels → tilt-compressed µm (n, 2)."""
        points = np.asarray(points_map_px, dtype=float) * self.pixel_um
        cos, sin = self._axis()
        along = points[..., 1] * cos + points[..., 0] * sin
        across = points[..., 0] * cos - points[..., 1] * sin
        return np.stack([along, across / self.stretch], axis=-1)

    def to_map(self, points_tilt_um: np.ndarray) -> np.ndarray:
        """Tilt-compressed µm (n, 2) → (row, column) in map pixels (n, 2)."""
        points = np.asarray(points_tilt_um, dtype=float)
        cos, sin = self._axis()
        along, across = points[..., 0], points[..., 1] * self.stretch
        row = along * sin + across * cos
        column = along * cos - across * sin
        return np.stack([row, column], axis=-1) / self.pixel_um

    def _axis(self) -> tuple[float, float]:
        angle = math.radians(self.tilt_axis_deg)
        return math.cos(angle), math.sin(angle)


def conflicts(points_tilt_um: np.ndarray, diameter_um: float) -> np.ndarray:
    """Pairs (k, 2) of indices whose beams overlap in the tilt-compressed frame."""
    points = np.asarray(points_tilt_um, dtype=float).reshape(-1, 2)
    if len(points) < 2:
        return np.empty((0, 2), dtype=int)
    from scipy.spatial import cKDTree

    # query_pairs returns distances <= r; touching is allowed, hence strictly below.
    radius = np.nextafter(diameter_um - TOUCH_UM, 0)
    pairs = cKDTree(points).query_pairs(radius, output_type="ndarray")
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].astype(int).reshape(-1, 2)


def clear_of(
    points_tilt_um: np.ndarray, others_tilt_um: np.ndarray, diameter_um: float
) -> np.ndarray:
    """Which points (n, 2) are in conflict with none of the others (m, 2)."""
    from scipy.spatial import cKDTree

    nearest = cKDTree(others_tilt_um).query(points_tilt_um)[0]
    return np.asarray(nearest >= diameter_um - TOUCH_UM)
