"""Where the tiles of a map lie: the places that nnU-Net would choose for the whole map."""

from __future__ import annotations

import math
from dataclasses import dataclass


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


def tile_grid(shape: tuple[int, int], tile: tuple[int, int], step: float) -> Grid:
    """Lay tiles over a map, steps of at most `step` of a tile apart."""
    padded = (max(shape[0], tile[0]), max(shape[1], tile[1]))
    before = ((padded[0] - shape[0]) // 2, (padded[1] - shape[1]) // 2)
    starts = [tile_starts(padded[axis], tile[axis], step) for axis in (0, 1)]
    return Grid(shape, tile, before, padded, starts[0], starts[1])


def tile_starts(length_px: int, tile_px: int, step: float) -> tuple[int, ...]:
    """Return where tiles begin along an axis of at least `tile_px`.

    As few tiles as cover the axis with steps of at most `step` of a tile, evenly spread (the
    rule of nnU-Net's sliding window).
    """
    span = length_px - tile_px
    if span < 0:
        raise ValueError(f"an axis of {length_px} px is shorter than a tile of {tile_px} px")
    steps = math.ceil(span / (tile_px * step))
    return tuple(round(i * span / steps) for i in range(steps + 1)) if steps else (0,)
