"""Polygons that bound where targets may be centred."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from space.errors import SpaceError

# Corners that are on one line but for rounding.
FLAT = 1e-12


def as_polygons(polygons_map_px: Sequence[ArrayLike]) -> tuple[np.ndarray, ...]:
    """Check polygons and give them as arrays (k, 2) of (row, column) corners.

    A single polygon need not be put into a list. Whether the first corner is repeated at the
    end does not matter.

    Raises
    ------
    SpaceError
        For something that is no polygon: fewer than three corners, no area, not finite.
    """
    if isinstance(polygons_map_px, np.ndarray) and polygons_map_px.ndim == 2:
        polygons_map_px = (polygons_map_px,)
    return tuple(_as_polygon(number, corners) for number, corners in enumerate(polygons_map_px, 1))


def inside(points_map_px: np.ndarray, polygons: Sequence[np.ndarray]) -> np.ndarray:
    """Whether each (row, column) point (n, 2) lies inside any of the polygons (n,).

    A ray along the row crosses the outline of a polygon an odd number of times from inside. Of two
    polygons that share an edge, one holds a point on it: `skimage.measure.points_in_poly` would
    count it in both, and matplotlib's answer depends on the direction of the corners.
    """
    points = np.asarray(points_map_px, dtype=float).reshape(-1, 2)
    result = np.zeros(len(points), bool)
    for corners in polygons:
        near = ((points >= corners.min(axis=0)) & (points <= corners.max(axis=0))).all(axis=1)
        row, column = points[near].T
        odd = np.zeros(len(row), bool)
        for (row0, column0), (row1, column1) in zip(corners, np.roll(corners, -1, axis=0)):
            if row0 == row1:
                continue
            crossing = column0 + (row - row0) * ((column1 - column0) / (row1 - row0))
            odd ^= ((row0 > row) != (row1 > row)) & (column < crossing)
        result[near] |= odd
    return result


def allowed_cells(
    polygons: Sequence[np.ndarray], shape: tuple[int, int], factor: int
) -> np.ndarray:
    """Cells (boolean, `shape`) around whose centres all within one cell lies in the polygons.

    Scores are interpolated between cells: a cell whose neighbour is outside would lend its score
    to places that are outside too.
    """
    from scipy.ndimage import binary_erosion

    rows, columns = ((np.arange(size) + 0.5) * factor for size in shape)
    cells = np.zeros(shape, bool)
    for corners in polygons:
        low, high = corners.min(axis=0), corners.max(axis=0)
        part = tuple(
            slice(*np.searchsorted(centers, (low[axis], high[axis])))
            for axis, centers in enumerate((rows, columns))
        )
        grid = np.stack(np.meshgrid(rows[part[0]], columns[part[1]], indexing="ij"), axis=-1)
        cells[part] |= inside(grid, (corners,)).reshape(grid.shape[:2])
    return binary_erosion(cells, np.ones((3, 3), bool), border_value=1)


def _as_polygon(number: int, corners: ArrayLike) -> np.ndarray:
    where = f"polygon {number}"
    try:
        points = np.asarray(corners, dtype=float)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise SpaceError(
            "A polygon must be a list of (row, column) corners.",
            where,
            "Give numbers in map pixels.",
        )
    if len(points) > 1 and (points[0] == points[-1]).all():
        points = points[:-1]
    if len(points) < 3:
        raise SpaceError("A polygon needs three corners.", where, "Add corners or remove it.")
    widths = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if widths[-1] <= FLAT * widths[0]:
        raise SpaceError("All corners lie on one line.", where, "Move one or remove the polygon.")
    return points
