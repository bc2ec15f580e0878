"""Contrast made even by histograms of tiles (CLAHE), the same whatever block a voxel is in.

K. Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV (1994) 474-485.
The function of scikit-image takes a whole volume, and stretches it by its darkest and brightest
voxel before and after, so that blocks would not fit together. Here one way through the volume makes
a table of grey values for each tile, and a second one looks each voxel up in the tables of the
eight tiles around it. Both go by parts of any size.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from space.volumes import OpenVolume, blocks_of

_BINS = 256
_SAMPLES = 200_000
_ENDS = (0.05, 99.95)


@dataclass(frozen=True)
class Tables:
    """What grey values become, in each tile of a volume.

    Attributes
    ----------
    values : ndarray of float32, shape (tiles along z, y, x, 256)
        From 0 to 255.
    tile : tuple of int
        Sides of a tile.
    shape : tuple of int
        Of the volume.
    low, high : float
        Raw values that are the first and the last grey value.
    """

    values: np.ndarray
    tile: tuple[int, int, int]
    shape: tuple[int, int, int]
    low: float
    high: float

    def grey(self, raw: np.ndarray) -> np.ndarray:
        """Return raw values as grey values, uint8."""
        return grey_of(raw, self.low, self.high)


def grey_of(raw: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return raw values between two ends as 8-bit grey values."""
    scaled = (raw.astype(np.float32) - low) * (255.0 / max(high - low, 1e-12))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def tables_of(volume: OpenVolume, tile: Sequence[int], limit: float) -> Tables:
    """Return the tables of a volume; it is read tile by tile.

    Parameters
    ----------
    volume : OpenVolume
    tile : sequence of int
        Sides: z, y, x. Structures that are larger lose contrast.
    limit : float
        Largest share of a tile's voxels that one grey value may have; what is above is spread over
        all of them. Smaller values change less.
    """
    sides = tuple(max(1, min(int(side), end)) for side, end in zip(tile, volume.shape))
    low, high = _ends(volume, sides)
    counts = [-(-end // side) for end, side in zip(volume.shape, sides)]
    values = np.empty((*counts, _BINS), np.float32)
    for block in blocks_of(volume.shape, sides):
        at = tuple(first // side for first, side in zip(block.start, sides))
        values[at] = table_of(grey_of(volume[block.slices], low, high), limit)
    z, y, x = sides
    return Tables(values, (z, y, x), volume.shape, low, high)


def _ends(volume: OpenVolume, tile: Sequence[int]) -> tuple[float, float]:
    """Return the values between which nearly all voxels of a volume lie, from a part of them."""
    if volume.dtype == np.uint8:
        return 0.0, 255.0
    blocks = list(blocks_of(volume.shape, tile))
    some = blocks[:: max(1, len(blocks) // 64)]
    parts = []
    for block in some:
        part = volume[block.slices].ravel()
        parts.append(part[:: max(1, len(part) * len(some) // _SAMPLES)].astype(np.float32))
    values = np.concatenate(parts)
    low, high = np.percentile(values[np.isfinite(values)], _ENDS)
    return float(low), float(high)


def table_of(grey: np.ndarray, limit: float) -> np.ndarray:
    """Return what each grey value of a tile becomes, float32 (256,), from 0 to 255."""
    counts = np.bincount(grey.ravel(), minlength=_BINS).astype(np.float64)
    highest = max(limit * grey.size, grey.size / _BINS)
    over = np.maximum(counts - highest, 0).sum()
    counts = np.minimum(counts, highest) + over / _BINS
    table: np.ndarray = (np.cumsum(counts) - counts / 2) * (255.0 / grey.size)
    return table.astype(np.float32)


def evened(raw: np.ndarray, start: Sequence[int], tables: Tables) -> np.ndarray:
    """Return a part of the volume with even contrast, uint8.

    Parameters
    ----------
    raw : ndarray, shape (z, y, x)
        The part.
    start : sequence of int
        Where in the volume it begins.
    tables : Tables
    """
    grey = tables.grey(raw)
    corners = [
        _between(first, side, tile, count)
        for first, side, tile, count in zip(start, raw.shape, tables.tile, tables.values.shape)
    ]
    out = np.zeros(raw.shape, np.float32)
    for at in itertools.product((0, 1), repeat=3):
        indices = [corner[0] + one for corner, one in zip(corners, at)]
        weights = [corner[1] if one else 1 - corner[1] for corner, one in zip(corners, at)]
        indices = [np.minimum(one, count - 1) for one, count in zip(indices, tables.values.shape)]
        where = np.ix_(*indices)
        found = tables.values[(*where, grey)]
        z, y, x = (one.astype(np.float32) for one in weights)
        out += found * (z[:, None, None] * y[:, None] * x)
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def _between(first: int, side: int, tile: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the tile before each voxel along an axis, and how near the next one is (0 to 1)."""
    place = (np.arange(first, first + side) + 0.5) / tile - 0.5
    place = np.clip(place, 0, count - 1)
    before = np.floor(place).astype(np.intp)
    return before, place - before
