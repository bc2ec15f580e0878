"""The heat map of a tomogram, block by block.

Each block is seen with a halo of what is around it, so that blocks fit together; memory is that of
one block, whatever the size of the tomogram.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from space.picking.grey import Readable
from space.picking.network import MULTIPLE, RIM, STRIDE
from space.picking.outliers import Range, without_outliers

BLOCK_PX = 128
"""Side of a block without its halo."""


def heat_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of the heat map of a tomogram; an odd last voxel is counted in."""
    return tuple(-(-side // STRIDE) for side in shape)


def blocks(shape: Sequence[int], side_px: int = BLOCK_PX) -> Iterator[tuple[slice, ...]]:
    """Yield parts that fill a tomogram, in voxels."""
    for corner in itertools.product(*(range(0, side, side_px) for side in shape)):
        yield tuple(slice(a, min(a + side_px, side)) for a, side in zip(corner, shape))


def heat_of(
    network: Any,
    grey: Readable,
    radius_px: float,
    within: Range = None,
    side_px: int = BLOCK_PX,
) -> np.ndarray:
    """Return the scores of a normalised tomogram, float32, on the voxels of the heat map.

    Parameters
    ----------
    network : torch.nn.Module
    grey : Readable
        Normalised, (z, y, x).
    radius_px : float
        Of a particle.
    within : Range
        Of grey values; what is out of it has the score `NEVER`.
    side_px : int
        Of the blocks, a multiple of `MULTIPLE`.
    """
    heat = np.zeros(heat_shape(grey.shape), np.float32)
    for part in blocks(grey.shape, side_px):
        found = block_heat(network, grey, part, radius_px, within)
        heat[tuple(slice(one.start // STRIDE, -(-one.stop // STRIDE)) for one in part)] = found
    return heat


def block_heat(
    network: Any,
    grey: Readable,
    part: tuple[slice, ...],
    radius_px: float,
    within: Range = None,
) -> np.ndarray:
    """Return the scores of a part of a tomogram that is seen with its halo.

    Parameters
    ----------
    network : torch.nn.Module
    grey : Readable
    part : tuple of slice
        Begins at multiples of `MULTIPLE`.
    radius_px : float
        Of a particle.
    within : Range
    """
    import torch

    low = [max(0, one.start - RIM) for one in part]
    high = [min(side, one.stop + RIM) for one, side in zip(part, grey.shape)]
    z, y, x = (slice(a, b) for a, b in zip(low, high))
    seen = np.asarray(grey[z, y, x], np.float32)
    lack = [(0, -side % MULTIPLE) for side in seen.shape]
    if any(after for _, after in lack):
        seen = np.pad(seen, lack, mode="symmetric" if min(seen.shape) >= MULTIPLE else "edge")
    network.eval()
    with torch.no_grad():
        found: np.ndarray = network(torch.from_numpy(np.ascontiguousarray(seen))[None, None])[
            0
        ].numpy()
    found = without_outliers(found, seen, within, radius_px)
    wanted = tuple(
        slice((one.start - a) // STRIDE, -(-(one.stop - a) // STRIDE)) for one, a in zip(part, low)
    )
    return found[wanted]
