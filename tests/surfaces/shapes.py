"""Bodies of known volume and area as voxels, on any grid, wherever they lie and however turned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Inside = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def ball(radius_nm: float) -> Inside:
    return lambda a, b, c: a * a + b * b + c * c < radius_nm**2


def ring(large_nm: float, small_nm: float) -> Inside:
    return lambda a, b, c: (np.hypot(a, b) - large_nm) ** 2 + c * c < small_nm**2


def plate(thick_nm: float, wide_nm: float) -> Inside:
    return lambda a, b, c: (np.abs(c) < thick_nm / 2) & (np.hypot(a, b) < wide_nm / 2)


def voxels(
    inside: Inside,
    reach_nm: float,
    voxel_nm: tuple[float, float, float],
    offset=(0.0, 0.0, 0.0),
    turn: np.ndarray | None = None,
) -> np.ndarray:
    """Return which voxels have their middle inside a body around the middle of the volume.

    `offset` moves it by parts of a voxel along z, y, x.
    """
    axes = []
    for side, shift in zip(voxel_nm, offset):
        half = int(np.ceil(reach_nm / side)) + 2
        axes.append((np.arange(-half, half + 1) - shift) * side)
    z, y, x = np.meshgrid(*axes, indexing="ij")
    turn = np.eye(3) if turn is None else turn
    return inside(*(turn[row, 0] * x + turn[row, 1] * y + turn[row, 2] * z for row in range(3)))


def turned(seed: int) -> np.ndarray:
    """Return a rotation drawn from a seed."""
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return q * np.sign(np.linalg.det(q))
