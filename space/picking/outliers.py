"""What is much darker or brighter than any labelled particle is none: gold, ice, edges.

A network that was shown some ten grains of gold among a million voxels takes gold for the best
particle of all, since it is darker than any. How dark and bright labelled particles are bounds
what is picked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from space.picking.grey import linear
from space.picking.network import STRIDE
from space.picking.samples import Scene, cut

Range = Optional[tuple[float, float]]
"""Least and greatest grey value, smoothed, of what may be a particle."""

NEVER = -30.0
"""Score of what is out of the range."""

_SMOOTH, _CORE, _AROUND = 0.25, 0.8, 0.6
"""Of a particle's radius: the Gaussian, where it is looked at, and how far around is left out."""

_SAMPLED_PX, _RARE = 64, 1e-3
"""Side of the parts that tell what is usual, and how much of them may lie out on either side."""

_MARGIN = 0.5
"""So much further than the labelled ones go, of their range."""


def range_of(scenes: Sequence[Scene], radius_px: float) -> Range:
    """Return what grey values particles may have, by the labelled ones; None without any."""
    lows, highs = [], []
    side = 2 * int(np.ceil(2 * radius_px)) + 1
    for one in scenes:
        for at in one.labelled_px:
            part, corner = cut(one.grey, at - side // 2, side)
            smooth = _smoothed(part, radius_px)
            z, y, x = (np.arange(n) - centre for n, centre in zip(part.shape, at - corner))
            far = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
            core = smooth[far <= _CORE * radius_px]
            if core.size:
                lows.append(core.min())
                highs.append(core.max())
    if not lows:
        return None
    low, high = min(*lows, 0.0), max(*highs, 0.0)  # 0 is the median of a tomogram
    room = _MARGIN * (high - low)
    usual = _usual(scenes, radius_px)
    return float(min(low - room, usual[0])), float(max(high + room, usual[1]))


def _usual(scenes: Sequence[Scene], radius_px: float) -> tuple[float, float]:
    """Return the range of nearly all that tomograms with labels show: outliers are rare."""
    values = []
    for one in scenes:
        if not len(one.labelled_px):
            continue
        room = np.maximum(np.array(one.grey.shape) - _SAMPLED_PX, 0)
        for corner in np.ndindex(1, 3, 3):
            part, _ = cut(one.grey, room * (np.array(corner) / 2), _SAMPLED_PX)
            values.append(_smoothed(part, radius_px)[::2, ::2, ::2].ravel())
    low, high = np.quantile(np.concatenate(values), (_RARE, 1 - _RARE))
    return float(low), float(high)


def without_outliers(
    scores: np.ndarray, grey: np.ndarray, within: Range, radius_px: float
) -> np.ndarray:
    """Return scores of a heat map, `NEVER` about what is out of the range.

    Parameters
    ----------
    scores : ndarray of float32 (z, y, x)
    grey : ndarray (2 z, 2 y, 2 x)
    within : Range
    radius_px : float
        Of a particle, in voxels of the tomogram.
    """
    if within is None:
        return scores
    smooth = _smoothed(grey, radius_px)
    out = (smooth < within[0]) | (smooth > within[1])
    z, y, x = scores.shape
    coarse: np.ndarray = out.reshape(z, STRIDE, y, STRIDE, x, STRIDE).max(axis=(1, 3, 5))
    if not coarse.any():
        return scores
    near = np.asarray(distance_transform_edt(~coarse)) <= _AROUND * radius_px / STRIDE
    return np.where(near, np.float32(NEVER), scores)


def _smoothed(grey: np.ndarray, radius_px: float) -> np.ndarray:
    found: np.ndarray = gaussian_filter(linear(grey), _SMOOTH * radius_px, truncate=3)
    return found
