"""Where a point of the specimen is in each picture of an aligned tilt series.

Frames, all with rows counted upwards as in MRC files:

* picture: (x, y) in nm from the middle of a picture as it is on disk.
* aligned: the picture turned by minus the tilt axis angle, so that the axis stands along y, and
  shifted. This is what IMOD's .xf files say: aligned = R p + s.
* specimen: (x, y, z) of the tomogram, y along the tilt axis and z towards the electron source at
  zero tilt. Tilted by t, a point is seen at x cos t + z sin t across the axis and at y along it.
* stretched: aligned pictures drawn along x / cos t. There a point is seen at x + z tan t, so that
  all pictures have the same scale, and height is nothing but a shift. Values are multiplied by
  cos t: the way of the beam through a layer is longer by 1 / cos t.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Alignment:
    """How the pictures of a series lie to each other.

    Attributes
    ----------
    axis_deg : float
        Tilt axis in the pictures, from the vertical, counterclockwise.
    tilts_deg : ndarray, shape (n,)
        Of each picture against the tomogram: that of the stage and `offset_deg`.
    shifts_nm : ndarray, shape (n, 2)
        Added to (x, y) of each picture after it was turned.
    offset_deg : float
        What was added to the tilts of the stage, so that the lamella lies flat.
    """

    axis_deg: float
    tilts_deg: np.ndarray
    shifts_nm: np.ndarray
    offset_deg: float = 0.0

    @property
    def turn(self) -> np.ndarray:
        """The matrix R that makes (x, y) of a picture those of the aligned frame."""
        angle = math.radians(self.axis_deg)
        return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])

    def turned_further(self, by_deg: float) -> Alignment:
        """Return the alignment with another tilt axis; places in the pictures stay."""
        other = replace(self, axis_deg=self.axis_deg + by_deg)
        return replace(other, shifts_nm=self.shifts_nm @ (other.turn @ self.turn.T).T)

    def tilted_further(self, by_deg: float) -> Alignment:
        """Return the alignment with all tilts larger by an angle."""
        return replace(self, tilts_deg=self.tilts_deg + by_deg, offset_deg=self.offset_deg + by_deg)

    def moved(self, by_nm: tuple[float, float, float]) -> Alignment:
        """Return the alignment whose tomogram holds the specimen moved by (x, y, z)."""
        angle = np.radians(self.tilts_deg)
        x, y, z = by_nm
        across = x * np.cos(angle) + z * np.sin(angle)
        return replace(
            self, shifts_nm=self.shifts_nm + np.stack([across, np.full(len(angle), y)], axis=1)
        )

    def only(self, keep: np.ndarray) -> Alignment:
        """Return the alignment of some of the pictures (indices, or one truth value each)."""
        return replace(self, tilts_deg=self.tilts_deg[keep], shifts_nm=self.shifts_nm[keep])


@dataclass(frozen=True)
class Grid:
    """A lattice of the stretched frame; its middle is that of the tomogram.

    Attributes
    ----------
    rows, columns : int
        Along y and x.
    pixel_nm : float
    """

    rows: int
    columns: int
    pixel_nm: float

    def x_nm(self) -> np.ndarray:
        """Place of each column."""
        return (np.arange(self.columns) - (self.columns - 1) / 2) * self.pixel_nm

    def y_nm(self) -> np.ndarray:
        """Place of each row."""
        return (np.arange(self.rows) - (self.rows - 1) / 2) * self.pixel_nm


@dataclass(frozen=True, eq=False)
class Stack:
    """Pictures of a series, averaged to the pixel that is worked with.

    Attributes
    ----------
    data : ndarray of float32, shape (n, rows, columns)
    pixel_nm : float
    middle_px : (row, column)
        Index of the middle of the whole picture, whose last pixels may have been cut off.
    """

    data: np.ndarray
    pixel_nm: float
    middle_px: tuple[float, float]

    def binned(self, factor: int) -> Stack:
        """Return the pictures averaged further in whole blocks."""
        if factor <= 1:
            return self
        n, rows, columns = self.data.shape
        rows, columns = rows // factor, columns // factor
        cut = self.data[:, : rows * factor, : columns * factor]
        small = cut.reshape(n, rows, factor, columns, factor).mean(axis=(2, 4), dtype=np.float32)
        row, column = ((middle - (factor - 1) / 2) / factor for middle in self.middle_px)
        return Stack(small, self.pixel_nm * factor, (row, column))


def stretched(
    picture: np.ndarray,
    stack: Stack,
    alignment: Alignment,
    index: int,
    grid: Grid,
    rows: slice | None = None,
) -> np.ndarray:
    """Draw one picture in the stretched frame.

    Parameters
    ----------
    picture : ndarray, shape (rows, columns)
        Cubic spline coefficients of the picture (`scipy.ndimage.spline_filter`).
    stack : Stack
        Says pixel and middle of the picture.
    alignment : Alignment
    index : int
        Number of the picture in the alignment.
    grid : Grid
    rows : slice, optional
        Rows of the grid that are wanted.

    Returns
    -------
    ndarray of float32, shape (rows, columns) of the grid
        0 where the picture does not reach.
    """
    from scipy import ndimage

    first, last, _ = (rows or slice(None)).indices(grid.rows)
    y0, x0 = grid.y_nm()[0] + first * grid.pixel_nm, grid.x_nm()[0]
    cosine = math.cos(math.radians(float(alignment.tilts_deg[index])))
    back = alignment.turn.T  # aligned to picture, (x, y)
    # (row, column) of the picture from (row, column) of the grid.
    to_xy = back @ np.array([[0.0, cosine], [1.0, 0.0]]) * grid.pixel_nm
    start = back @ (np.array([x0 * cosine, y0]) - alignment.shifts_nm[index])
    found = ndimage.affine_transform(
        picture,
        to_xy[::-1] / stack.pixel_nm,
        start[::-1] / stack.pixel_nm + np.array(stack.middle_px),
        output_shape=(last - first, grid.columns),
        output=np.float32,
        order=3,
        prefilter=False,
    )
    return np.asarray(found * np.float32(cosine))
