"""Smooth random fields that depend on the place only, never on the picture taken of it.

A field is a periodic tile of correlated noise, read through an affine map. The same place
therefore shows the same texture at every magnification, rotation and tilt.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage

TILE_PX = 1024
CORRELATION_PX = 4.0


@lru_cache(maxsize=1)
def _tile() -> np.ndarray:
    rng = np.random.default_rng(20_001)
    tile = ndimage.gaussian_filter(
        rng.standard_normal((TILE_PX, TILE_PX)), CORRELATION_PX / 2, mode="wrap"
    )
    tile = tile / tile.std()
    tile.setflags(write=False)
    return tile.astype(np.float32)


def sample(
    px_to_plane: np.ndarray, shape: tuple[int, int], scale_um: float, seed: int
) -> np.ndarray:
    """Noise of mean 0 and standard deviation 1 on the pixels of a picture.

    Parameters
    ----------
    px_to_plane : (2, 3) array
        Affine map from (column, row, 1) of a pixel to plane coordinates in µm.
    shape : (rows, columns)
    scale_um : float
        Correlation length.
    seed : int
        Chooses where in the tile the origin lies.

    Returns
    -------
    (rows, columns) float32 array
    """
    rng = np.random.default_rng([7, seed])
    origin = rng.uniform(0, TILE_PX, 2)
    gain = CORRELATION_PX / scale_um
    m = np.asarray(px_to_plane, dtype=float)
    # A lattice of a tile pixel holds all that the tile has; the rest is interpolation.
    step = max(1, int(1.0 / (gain * np.linalg.norm(m[:, :2], axis=0).max())))
    # affine_transform maps output (row, column) to input (row, column) = plane (y, x).
    matrix = gain * step * np.array([[m[1, 1], m[1, 0]], [m[0, 1], m[0, 0]]])
    offset = gain * np.array([m[1, 2], m[0, 2]]) + origin
    lattice = lattice_shape(shape, step) if step > 1 else shape
    field = ndimage.affine_transform(
        _tile(), matrix, offset, output_shape=lattice, order=1, mode="grid-wrap"
    )
    return enlarge(field, step, shape) if step > 1 else field


def lattice_shape(shape: tuple[int, int], step: int) -> tuple[int, int]:
    """Size of the lattice from which `enlarge` makes a picture."""
    rows, cols = ((n - 1) // step + 2 for n in shape)
    return rows, cols


def enlarge(field: np.ndarray, step: int, shape: tuple[int, int]) -> np.ndarray:
    """Bilinear interpolation of a lattice whose points lie on every `step`-th pixel."""
    part = np.arange(step, dtype=np.float32) / np.float32(step)
    wide = np.empty((len(field), field.shape[1] - 1, step), field.dtype)
    for n, share in enumerate(part):
        wide[:, :, n] = field[:, :-1] * (1 - share) + field[:, 1:] * share
    lines = wide.reshape(len(field), -1)[:, : shape[1]]
    high = np.empty((len(field) - 1, step, shape[1]), field.dtype)
    for n, share in enumerate(part):
        np.multiply(lines[:-1], 1 - share, out=high[:, n])
        high[:, n] += lines[1:] * share
    return high.reshape(-1, shape[1])[: shape[0]]


def smooth_step(distance: np.ndarray, width: float) -> np.ndarray:
    """Coverage 0..1 of an edge: 0.5 at distance 0, 1 for `distance` >= `width` / 2."""
    return np.clip(distance / np.float32(width) + np.float32(0.5), 0.0, 1.0)
