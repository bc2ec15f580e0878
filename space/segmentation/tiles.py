"""A map in overlapping tiles: their places, how their scores are blended, labels strip by strip.

The network sees tiles at the places that nnU-Net would choose for the whole map, and
their outputs are blended with nnU-Net's Gaussian weights. Only a strip of the map is held as
class scores at a time: 18 classes for a map of 100 Mpx would need 7 GB, a strip some 100 MB,
with the same result. No runtime is known here (`space.segmentation.network`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from space.segmentation.network import Network
from space.segmentation.plan import TilePlan

TILE_STEP = 0.75

Part = Callable[[slice, slice], np.ndarray]
"""Returns rows and columns of the normalised map."""


@dataclass(frozen=True)
class Grid:
    """Where tiles lie on a map.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the map.
    tile : tuple of int
    before : tuple of int
        Rows and columns of padding before the map, which is smaller than a tile.
    padded : tuple of int
        Shape with padding on all sides.
    rows, columns : tuple of int
        Where tiles begin on the padded map.
    """

    shape: tuple[int, int]
    tile: tuple[int, int]
    before: tuple[int, int]
    padded: tuple[int, int]
    rows: tuple[int, ...]
    columns: tuple[int, ...]


def tile_grid(shape: tuple[int, int], tile: tuple[int, int], step: float = TILE_STEP) -> Grid:
    """Lay tiles over a map, steps of at most `step` of a tile apart."""
    padded = (max(shape[0], tile[0]), max(shape[1], tile[1]))
    before = ((padded[0] - shape[0]) // 2, (padded[1] - shape[1]) // 2)
    starts = [tile_starts(padded[axis], tile[axis], step) for axis in (0, 1)]
    return Grid(shape, tile, before, padded, starts[0], starts[1])


def tile_starts(length_px: int, tile_px: int, step: float = TILE_STEP) -> tuple[int, ...]:
    """Return where tiles begin along an axis of at least `tile_px`.

    As few tiles as cover the axis with steps of at most `step` of a tile, evenly spread (the
    rule of nnU-Net's sliding window).
    """
    span = length_px - tile_px
    if span < 0:
        raise ValueError(f"an axis of {length_px} px is shorter than a tile of {tile_px} px")
    steps = math.ceil(span / (tile_px * step))
    return tuple(round(i * span / steps) for i in range(steps + 1)) if steps else (0,)


def best_classes(
    grid: Grid,
    part: Part,
    network: Network,
    plan: TilePlan,
    progress: Callable[[float], None] = lambda done: None,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield finished rows from top to bottom: where on the map, and the best class of each pixel.

    Parameters
    ----------
    grid : Grid
    part : callable
        Returns rows and columns of the normalised map.
    network : Network
    plan : TilePlan
    progress : callable, optional
        Told the finished part, 0..1.
    """
    strip = network.strip(grid.padded[1], gaussian(grid.tile), plan)
    for i, row in enumerate(grid.rows):
        for start in range(0, len(grid.columns), plan.batch):
            group = grid.columns[start : start + plan.batch]
            tiles = np.stack([padded_part(part, grid, row, column) for column in group])
            for column, output in zip(group, network.scores(tiles, plan)):
                strip.add(output, column)
            progress((i + (start + len(group)) / len(grid.columns)) / len(grid.rows))
        following = grid.rows[i + 1] if i + 1 < len(grid.rows) else grid.padded[0]
        done = following - row
        # All weights of a pixel are positive and the same for each class, so dividing by
        # their sum would not change which class has the highest score.
        winner = strip.winner(done)
        top, left = grid.before
        first, last = max(row, top), min(row + done, top + grid.shape[0])
        if last > first:
            inner = winner[first - row : last - row, left : left + grid.shape[1]]
            yield slice(first - top, last - top), inner
        if done < grid.tile[0]:
            strip.advance(done)


def gaussian(tile: tuple[int, ...]) -> np.ndarray:
    """Return tile weights: a Gaussian of sigma tile / 8 with peak 1, nowhere 0."""
    curves = [
        np.exp(-0.5 * ((np.arange(n) - n // 2) / (n / 8.0)) ** 2).astype(np.float32) for n in tile
    ]
    # nnU-Net cuts its Gaussian at 4 sigma, which only the outermost pixel row reaches.
    return np.maximum(np.outer(*curves), 1e-7).astype(np.float32)


def padded_part(part: Part, grid: Grid, row: int, column: int) -> np.ndarray:
    """Return a tile of the normalised map; beyond the map it is 0 (the mean)."""
    data = np.zeros(grid.tile, np.float32)
    r0, c0 = row - grid.before[0], column - grid.before[1]
    rows = slice(max(r0, 0), min(r0 + grid.tile[0], grid.shape[0]))
    cols = slice(max(c0, 0), min(c0 + grid.tile[1], grid.shape[1]))
    data[rows.start - r0 : rows.stop - r0, cols.start - c0 : cols.stop - c0] = part(rows, cols)
    return data
