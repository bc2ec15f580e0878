"""The frame in which the truth about a tilt series is told, and how its pictures lie in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.imaging import camera as camera_model

if TYPE_CHECKING:
    from space.simulator.column.optics import ColumnOptics
    from space.simulator.imaging.pictures import Exposure
    from space.simulator.specimen import Grid

IN_WORDS = (
    "nm from the target's centre on the middle plane of the lamella, at zero tilt. (x, y, z) is "
    "right-handed: z points towards the electron source, y along the tilt axis, x across it. A "
    "positive tilt shows a point at (x cos(tilt) + z sin(tilt), y). Volumes are (z, y, x). Images "
    "have row 0 at the bottom, as MRC files do; y points rotation_deg (RotationAngle of the mdoc) "
    "counter-clockwise from their columns' direction (to the right), x 90 degrees less. 'to_image' "
    "of a picture takes (x, y, z, 1) to (column, row), pixel centres at +0.5."
)
"""What a file of truth says of its coordinates."""


@dataclass(frozen=True)
class SeriesFrame:
    """Where a target is, and how the frame of its truth lies there.

    Attributes
    ----------
    origin_um : (x, y, height)
        Of the target's centre, grid frame.
    axes : (3, 3) array
        Takes directions of the grid frame to directions of the truth's frame.
    """

    origin_um: tuple[float, float, float]
    axes: np.ndarray

    @property
    def from_grid(self) -> np.ndarray:
        """(3, 4) map from (x, y, height, 1) in µm to nm in this frame."""
        turn = 1e3 * self.axes
        return np.column_stack([turn, -turn @ np.asarray(self.origin_um)])

    @property
    def to_grid(self) -> np.ndarray:
        """(3, 4) map back."""
        turn = 1e-3 * np.linalg.inv(self.axes)
        return np.column_stack([turn, self.origin_um])


def frame_at(exposure: Exposure, optics: ColumnOptics, grid: Grid) -> SeriesFrame:
    """The frame whose origin is what a picture shows in its centre."""
    x, y = exposure.center_um
    along, across = optics.stage_to_specimen() @ exposure.lying.rows
    axes = np.zeros((3, 3))
    # Specimen X runs along the tilt axis and Y across it; turned by a quarter, y is along it.
    axes[0, :2], axes[1, :2], axes[2, 2] = -across, along, 1.0
    return SeriesFrame((x, y, grid.height_um(x, y)), axes)


def projection_of(
    exposure: Exposure,
    optics: ColumnOptics,
    grid: Grid,
    binning: float,
    shape: tuple[int, int],
) -> np.ndarray:
    """(2, 4) map from (x, y, height, 1), grid frame in µm, to a picture's (column, row from top).

    It is worked out from what is known of an exposure: its centre, its tilt and the slope there.
    """
    x, y = exposure.center_um
    height_um = grid.height_um(x, y)
    view = camera_model.View(
        mag_index=exposure.mag_index,
        binning=binning,
        shape=shape,
        stage_um=(0.0, 0.0),
        tilt_deg=exposure.tilt_deg,
        height_um=height_um,
        slope=exposure.slope,
        anchor_um=exposure.center_um,
        lying=exposure.lying,
    )
    to_px = camera_model.projection(optics, view, 0.0)
    center = to_px @ (x, y, height_um, 1.0)
    to_px[:, 3] += np.array([shape[1] / 2.0, shape[0] / 2.0]) - center
    return to_px


def rows_up(to_px: np.ndarray, rows: int) -> np.ndarray:
    """The same map with rows counted from the bottom, as in an MRC file."""
    return np.array([to_px[0], -to_px[1] + [0.0, 0.0, 0.0, rows]])
