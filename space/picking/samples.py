"""Tomograms as the network sees them, and parts of them to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from space.picking.grey import Readable
from space.picking.network import MULTIPLE, STRIDE

UNKNOWN, IS_LABELLED, IS_UNWANTED = 0, 1, 2
"""Marks of voxels of the heat map."""

MARKED = 0.4
"""Radius within which a voxel is taken as the centre of a particle, of the particle's radius."""

_RING = (0.8, 1.5)
"""The same of where surely no centre is: another particle begins beyond."""


@dataclass(frozen=True)
class Scene:
    """A tomogram to learn from.

    Attributes
    ----------
    name : str
    grey : Readable
        Normalised, (z, y, x).
    labelled_px : ndarray (n, 3)
        Centres (z, y, x) of labelled particles; there may be none.
    """

    name: str
    grey: Readable
    labelled_px: np.ndarray


def marks_of(
    shape: Sequence[int], corner_px: np.ndarray, points_px: np.ndarray, radius_px: float
) -> np.ndarray:
    """Return the marks of a part of a tomogram, on the voxels of the heat map.

    Parameters
    ----------
    shape : sequence of int
        Of the part, in voxels of the tomogram.
    corner_px : ndarray (3,)
        Where it begins.
    points_px : ndarray (n, 3)
        Of labelled particles, in the tomogram.
    radius_px : float
        Of a particle.
    """
    marks = np.zeros([side // STRIDE for side in shape], np.uint8)
    # The voxel i of the heat map is about the middle of the voxels 2 i and 2 i + 1.
    at = [np.arange(side) * STRIDE + (STRIDE - 1) / 2 for side in marks.shape]
    centred = np.zeros(marks.shape, bool)
    for point in points_px - corner_px:
        if (point < -2 * radius_px).any() or (point > np.array(shape) + 2 * radius_px).any():
            continue
        z, y, x = (axis - centre for axis, centre in zip(at, point))
        far = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2) / radius_px
        marks[(far > _RING[0]) & (far < _RING[1])] = IS_UNWANTED
        centred |= far <= MARKED
    marks[centred] = IS_LABELLED
    return marks


def prior_of_count(count: float, radius_px: float, voxels: float) -> float:
    """Return the share of voxels that are centres, with so many particles among them."""
    each = 4 / 3 * np.pi * (MARKED * radius_px) ** 3
    return float(np.clip(count * each / voxels, 1e-5, 0.5))


@dataclass(frozen=True)
class Batch:
    """Parts of tomograms.

    Attributes
    ----------
    grey : ndarray of float32 (n, z, y, x)
    marks : ndarray of uint8
        On the voxels of the heat map.
    first : int
        So many lie about labelled particles, the others anywhere.
    """

    grey: np.ndarray
    marks: np.ndarray
    first: int


def batch(
    scenes: Sequence[Scene], step: int, seed: int, count: int, side_px: int, radius_px: float
) -> Batch:
    """Return the parts of a step, a half about labels; the same step gives the same.

    How much particles stand out differs between tomograms, since both noise and membranes are in
    the deviation that grey values are divided by: so contrast is varied by a factor of up to 1.65.
    """
    rng = np.random.default_rng([seed, step])
    labelled = [(one, point) for one in scenes for point in one.labelled_px]
    sizes = np.array([np.prod(one.grey.shape) for one in scenes], float)
    greys, marks = [], []
    half = count // 2
    for number in range(count):
        if number < half:
            scene, point = labelled[int(rng.integers(len(labelled)))]
            corner = point - side_px / 2 + rng.uniform(-0.35, 0.35, 3) * side_px
        else:
            scene = scenes[int(rng.choice(len(scenes), p=sizes / sizes.sum()))]
            corner = rng.uniform(0, np.array(scene.grey.shape) - side_px)
        grey, corner_px = cut(scene.grey, corner, side_px)
        marked = marks_of(grey.shape, corner_px, scene.labelled_px, radius_px)
        flips = tuple(axis for axis in range(3) if rng.random() < 0.5)
        grey = np.flip(grey, flips) * np.exp(rng.uniform(-0.5, 0.5)) + rng.normal(0, 0.1)
        grey = grey + rng.normal(0, rng.uniform(0, 0.4), grey.shape)
        greys.append(grey.astype(np.float32))
        marks.append(np.flip(marked, flips))
    return Batch(np.stack(greys), np.stack(marks), half)


def cut(grey: Readable, corner: np.ndarray, side_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a cube that begins about `corner`, and where it does; mirrored beyond the edges."""
    shape = np.array(grey.shape)
    low = np.clip(np.round(corner).astype(int), 0, np.maximum(shape - side_px, 0))
    z, y, x = (slice(int(a), min(int(a) + side_px, side)) for a, side in zip(low, grey.shape))
    part = np.asarray(grey[z, y, x], np.float32)
    lack = [(0, side_px - side) for side in part.shape]
    if any(after for _, after in lack):
        part = np.pad(part, lack, mode="symmetric")
    return part, low


def fitting_side(side_px: int) -> int:
    """Return the side that the network takes, at least this."""
    return -(-side_px // MULTIPLE) * MULTIPLE
