"""A part of a volume as a smooth field: what lies above a level is inside.

A mask of voxels has steps, whose faces have up to 1.7 times the area of what they stand for. So the
mask is blurred. A Gaussian alone would draw what is convex inwards and what is hollow outwards, by
the curvature times half its variance; blurring the blurred mask once more says by how much, and
that is taken back. The level is chosen so that what is inside has the volume of the voxels, which
also keeps sheets that are thinner than the blur.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage
from scipy.optimize import brentq

_REACH = 3.0
"""Standard deviations after which a Gaussian is cut off."""

_LEVEL_ERROR = 3e-4
_NEAR = 0.05
"""Part of the voxels within which the level is looked for first."""


def smoothed(
    mask: np.ndarray, sigma_nm: tuple[float, float, float], voxel_nm: tuple[float, float, float]
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Blur a mask, which gets a rim of nothing around it, so that its surface is closed.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
    sigma_nm, voxel_nm : tuple of float
        Along z, y, x.

    Returns
    -------
    field : ndarray of float32, shape (z, y, x)
        About 0 outside and 1 inside.
    rim : tuple of int
        Voxels that came before the mask along each axis.
    """
    sigma = [one / side for one, side in zip(sigma_nm, voxel_nm)]
    rim = [int(np.ceil(_REACH * one)) + 2 for one in sigma]
    padded = np.pad(mask.astype(np.float32), [(one, one) for one in rim])
    once: np.ndarray = ndimage.gaussian_filter(padded, sigma, mode="constant", truncate=_REACH)
    field = 2 * once - ndimage.gaussian_filter(once, sigma, mode="constant", truncate=_REACH)
    return field, (rim[0], rim[1], rim[2])


def surface_at(
    field: np.ndarray, voxels: int, voxel_nm: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the surface that holds as much as so many voxels, by marching cubes.

    Parameters
    ----------
    field : ndarray of float32, shape (z, y, x)
        0 at its borders.
    voxels : int
    voxel_nm : tuple of float

    Returns
    -------
    vertices_nm : ndarray, shape (n, 3)
        (x, y, z) from the middle of the field's first voxel.
    faces : ndarray of int, shape (m, 3)
        Seen from outside, their vertices go round anticlockwise.
    """
    wanted_nm3 = voxels * float(np.prod(voxel_nm))
    level = _level(field, voxels, wanted_nm3, voxel_nm)
    return _marched(_apart_from(field, level), level, voxel_nm)


def volume_nm3(vertices_nm: np.ndarray, faces: np.ndarray) -> float:
    """Return the volume inside a closed surface: positive if its faces look outwards."""
    one, two, three = (vertices_nm[faces[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->", one, np.cross(two, three)) / 6)


def _level(
    field: np.ndarray, voxels: int, wanted_nm3: float, voxel_nm: tuple[float, float, float]
) -> float:
    def too_much_nm3(level: float) -> float:
        return volume_nm3(*_marched(field, level, voxel_nm)) - wanted_nm3

    most = float(field.max())
    levels = [_with_voxels(field, round(voxels * share)) for share in (1 + _NEAR, 1 - _NEAR)]
    low, high = max(levels[0], 1e-4 * most), min(levels[1], (1 - 1e-4) * most)
    if low >= high or too_much_nm3(low) < 0 or too_much_nm3(high) > 0:
        low, high = 1e-4 * most, (1 - 1e-4) * most  # of a few voxels
    found: Any = brentq(too_much_nm3, low, high, xtol=_LEVEL_ERROR * most, rtol=1e-6)
    return float(found)


def _with_voxels(field: np.ndarray, voxels: int) -> float:
    """Return the level above which there are so many voxels."""
    count = int(np.clip(voxels, 1, field.size - 1))
    return float(np.partition(field.ravel(), -count)[-count])


def _apart_from(field: np.ndarray, level: float) -> np.ndarray:
    """Keep values off the level: surfaces through voxels have faces without an area."""
    least = 1e-4 * float(field.max())
    near = np.abs(field - level) < least
    return np.where(near, np.where(field > level, level + least, level - least), field)


def _marched(
    field: np.ndarray, level: float, voxel_nm: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    from skimage.measure import marching_cubes

    vertices, faces, _, _ = marching_cubes(
        field, level, spacing=voxel_nm, allow_degenerate=False, gradient_direction="descent"
    )
    # From (z, y, x), where its faces look inwards, to (x, y, z), which is the mirrored order.
    return vertices[:, ::-1].astype(np.float64), faces
