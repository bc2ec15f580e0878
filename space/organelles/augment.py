"""Variations of blocks to learn from: mirrored, turned, bent, lighter, noisier. Pure.

All of it draws from one generator, so that a step is the same whatever came before; the transforms
that learn pictures draw from those that a whole process shares.
"""

from __future__ import annotations

import numpy as np

_BRIGHTER, _STRONGER, _NOISE = 0.2, (0.8, 1.25), 0.15
_BENT_VOXELS, _KNOTS = 2.0, 4


def varied(
    rng: np.random.Generator,
    grey: np.ndarray,
    labels: np.ndarray,
    is_cubic: bool,
    elastic: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a block and its labels, varied.

    Parameters
    ----------
    rng : Generator
    grey : ndarray of float32, a cube
    labels : ndarray of uint8
    is_cubic : bool
        Whether all axes may be swapped; otherwise only y and x.
    elastic : float
        How often it is bent.
    """
    if rng.random() < elastic:
        grey, labels = bent(rng, grey, labels)
    axes = [int(axis) for axis in rng.permutation(3)] if is_cubic else [0, *rng.permutation([1, 2])]
    mirrored = tuple(axis for axis in range(3) if rng.random() < 0.5)
    grey, labels = np.transpose(grey, axes), np.transpose(labels, axes)
    grey, labels = np.flip(grey, mirrored), np.flip(labels, mirrored)
    grey = grey * np.float32(rng.uniform(*_STRONGER))
    grey = grey + np.float32(rng.uniform(-_BRIGHTER, _BRIGHTER))
    if rng.random() < 0.3:
        sigma = np.float32(rng.uniform(0, _NOISE))
        grey = grey + sigma * rng.standard_normal(grey.shape, np.float32)
    return np.ascontiguousarray(grey, np.float32), np.ascontiguousarray(labels)


def bent(
    rng: np.random.Generator, grey: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a block whose voxels are shifted smoothly, by some two voxels."""
    from scipy import ndimage

    coarse = rng.normal(0, _BENT_VOXELS, (3, *(_KNOTS,) * 3)).astype(np.float32)
    factors = [side / _KNOTS for side in grey.shape]
    places = np.indices(grey.shape, dtype=np.float32)
    for axis in range(3):
        places[axis] += ndimage.zoom(coarse[axis], factors, order=1)
    bent_grey = ndimage.map_coordinates(grey, places, order=1, mode="mirror")
    bent_labels = ndimage.map_coordinates(labels, places, order=0, mode="mirror")
    return bent_grey, bent_labels
