"""Tiles that show nothing but vacuum or bulk, decided without the network.

What such a place is called is learned from the network itself, on the map at hand. Of each tile
that it sees, flat blocks of pixels to which it gives one label of what is off the lamella are kept
as examples: their brightness, and how flat they are. A later tile is skipped only if each of its
blocks is like these: of a brightness that has always had this one label, no coarser than the
examples, and flatter than anything of this brightness that was called otherwise. Whatever differs
is given to the network. So noise, uneven light and grey bulk need no thresholds, plain medium on
a lamella is never skipped (its label is not off the lamella), and it does not matter how a model
names its classes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from space.segmentation.grid import Grid

BLOCK_PX = 64
_GRAIN_PX = 8
SAMPLE_PX = 4
"""Every so manieth row and column of a tile is looked at for examples."""
_LEVELS = 256
_NEAR_LEVELS = 3
_FEWEST_EXAMPLES = 12
_GRAIN_SLACK = 1.05
_RIM_PX = 64
"""So near to its edge a tile decides little, since its weight is small there."""


@dataclass(frozen=True)
class Blocks:
    """Grey statistics of square blocks of a map, each of shape (block rows, block columns).

    Attributes
    ----------
    level : ndarray of int
        Mean grey level.
    grain : ndarray of float
        Deviation of pixels.
    unrest : ndarray of float
        Deviation of means over 8 x 8 px: structure, in which noise is averaged out.
    """

    level: np.ndarray
    grain: np.ndarray
    unrest: np.ndarray


def blocks_of(image: np.ndarray) -> Blocks:
    """Return the statistics of a map; blocks at its end are filled by reflection."""
    rows, columns = (-(-n // BLOCK_PX) for n in image.shape)
    level = np.zeros((rows, columns), np.int64)
    grain, unrest = np.zeros((rows, columns)), np.zeros((rows, columns))
    cells_in = BLOCK_PX // _GRAIN_PX
    for i in range(rows):
        strip = image[i * BLOCK_PX : (i + 1) * BLOCK_PX]
        missing = (BLOCK_PX - strip.shape[0], columns * BLOCK_PX - strip.shape[1])
        strip = np.pad(strip, ((0, missing[0]), (0, missing[1])), mode="symmetric")
        cells = strip.reshape(cells_in, _GRAIN_PX, columns, cells_in, _GRAIN_PX)
        cells = cells.astype(np.float32)
        means = cells.mean(axis=(1, 4))
        mean = means.mean(axis=(0, 2))
        variance = (cells**2).mean(axis=(0, 1, 3, 4)) - mean**2
        level[i] = np.rint(mean)
        grain[i] = np.sqrt(np.maximum(variance, 0.0))
        unrest[i] = means.std(axis=(0, 2))
    return Blocks(level, grain, unrest)


class PlainPlaces:
    """What is known of the plain places of one map while its tiles are worked through.

    Parameters
    ----------
    image : ndarray of uint8
        The part of the map that holds data, as the tiles see it.
    grid : Grid
        Of its tiles.
    off_lamella : collection of int
        Positions of the network's outputs that stand for what is off the lamella.
    outputs : int
        How many the network has.
    """

    def __init__(
        self, image: np.ndarray, grid: Grid, off_lamella: Collection[int], outputs: int
    ) -> None:
        self._blocks = blocks_of(image)
        self._grid = grid
        self._off = tuple(off_lamella)
        by_level = (outputs, _LEVELS)
        self._examples = np.zeros(by_level, np.int64)
        self._coarsest, self._grainiest = np.zeros(by_level), np.zeros(by_level)
        self._flattest_other = np.full(by_level, np.inf)
        self._scores = np.zeros((outputs, outputs))

    def scores(self, place: tuple[int, int]) -> np.ndarray | None:
        """Return the scores of a tile, shape (outputs, 1, 1); None if the network has to look.

        They are what the network has said of such places on average.
        """
        where = np.ix_(*(self._decided(axis, place[axis]) for axis in (0, 1)))
        level, unrest = self._blocks.level[where].ravel(), self._blocks.unrest[where].ravel()
        grain = self._blocks.grain[where].ravel()
        for output in self._off if level.size else ():
            if self._is_known(output, level, unrest, grain).all():
                mean = self._scores[output] / self._examples[output].sum()
                return mean.astype(np.float32)[:, None, None]
        return None

    def window(self, place: tuple[int, int]) -> tuple[slice, slice]:
        """Return the rows and columns of a tile that `learn` wants to see."""
        spans = []
        for axis in (0, 1):
            seen = self._seen(axis, place[axis])
            first = len(seen) and seen[0] * BLOCK_PX - place[axis] + self._grid.before[axis]
            spans.append(slice(first, first + len(seen) * BLOCK_PX, SAMPLE_PX))
        return spans[0], spans[1]

    def learn(self, place: tuple[int, int], said: Any) -> None:
        """Learn from what the network said in the window of a tile: (outputs, rows, columns)."""
        rows, columns = (self._seen(axis, place[axis]) for axis in (0, 1))
        if not rows.size or not columns.size:
            return
        each = BLOCK_PX // SAMPLE_PX
        by_block = said.reshape(-1, rows.size, each, columns.size, each)
        best = by_block.argmax(axis=0)
        lowest, highest = best.min(axis=(1, 3)), best.max(axis=(1, 3))
        mean = by_block.mean(axis=(2, 4))
        where = np.ix_(rows, columns)
        level, unrest = self._blocks.level[where], self._blocks.unrest[where]
        for output in self._off:
            mine = (lowest == output) & (highest == output)
            np.add.at(self._examples[output], level[mine], 1)
            np.maximum.at(self._coarsest[output], level[mine], unrest[mine])
            np.maximum.at(self._grainiest[output], level[mine], self._blocks.grain[where][mine])
            np.minimum.at(self._flattest_other[output], level[~mine], unrest[~mine])
            self._scores[output] += mean[:, mine].sum(axis=1)

    def _is_known(
        self, output: int, level: np.ndarray, unrest: np.ndarray, grain: np.ndarray
    ) -> np.ndarray:
        near = level[:, None] + np.arange(-_NEAR_LEVELS, _NEAR_LEVELS + 1)
        near = np.clip(near, 0, _LEVELS - 1)
        known: np.ndarray = (
            (self._examples[output][near].sum(axis=1) >= _FEWEST_EXAMPLES)
            & (unrest <= self._coarsest[output][near].max(axis=1))
            & (unrest < self._flattest_other[output][near].min(axis=1))
            & (grain <= _GRAIN_SLACK * self._grainiest[output][near].max(axis=1))
        )
        return known

    def _span(self, axis: int, start: int, rim_px: int) -> tuple[int, int]:
        """Return a tile's part of an axis of the map, less a rim where it has neighbours."""
        grid = self._grid
        first, last = start - grid.before[axis], start - grid.before[axis] + grid.tile[axis]
        size = grid.shape[axis]
        return (
            0 if first <= 0 else first + rim_px,
            size if last >= size else last - rim_px,
        )

    def _seen(self, axis: int, start: int) -> np.ndarray:
        """Return the blocks that lie in a tile, less its rim."""
        first, last = self._span(axis, start, _RIM_PX)
        return np.arange(-(-first // BLOCK_PX), last // BLOCK_PX)

    def _decided(self, axis: int, start: int) -> np.ndarray:
        """Return the blocks that a tile decides, and not its neighbours."""
        starts = (self._grid.rows, self._grid.columns)[axis]
        shared = self._grid.tile[axis] - (starts[1] - starts[0]) if len(starts) > 1 else 0
        first, last = self._span(axis, start, max(0, shared // 2 - _RIM_PX))
        return np.arange(first // BLOCK_PX, -(-last // BLOCK_PX))
