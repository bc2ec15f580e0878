"""Coarser levels of a volume in Zarr, so that a viewer shows the whole of a large one at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space.volumes.frame import Triple
from space.volumes.opened import Shape, holds_shares

_SMALL = 128  # longest side that needs no coarser level
_SLAB_BYTES = 128_000_000


@dataclass(frozen=True)
class Level:
    """One of the arrays of a volume.

    Attributes
    ----------
    path : str
        Of the array in the group.
    factors : tuple of int
        How many voxels of the volume are one of this array: z, y, x.
    shape : tuple of int
    offset : float
        Where the middle of a voxel is among those of the volume that it stands for: 0 for that of
        the first, 1 for the middle of all.
    """

    path: str
    factors: Shape
    shape: Shape
    offset: float = 0.0


def levels_of(shape: Shape, voxel_nm: Triple, means: bool) -> list[Level]:
    """Return the levels of a volume, itself first.

    Sides of voxels that are the shortest are doubled first, until all are alike.

    Parameters
    ----------
    shape : tuple of int
    voxel_nm : tuple of float
    means : bool
        Whether values are averaged; otherwise every second one is taken.
    """
    found = [Level("0", (1, 1, 1), shape)]
    while max(found[-1].shape) > _SMALL:
        last = found[-1]
        sides = [nm * factor for nm, factor in zip(voxel_nm, last.factors)]
        steps = [2 if side < 1.99 * min(sides) else 1 for side in sides]
        z, y, x = (factor * step for factor, step in zip(last.factors, steps))
        depth, rows, columns = (math.ceil(n / factor) for n, factor in zip(shape, (z, y, x)))
        made = Level(str(len(found)), (z, y, x), (depth, rows, columns), 1.0 if means else 0.0)
        found.append(made)
    return found


def halved(part: np.ndarray, steps: Sequence[int], means: bool) -> np.ndarray:
    """Return a part with half as many voxels where the step is 2, none lost at the end."""
    if not means:
        return part[tuple(slice(None, None, step) for step in steps)]
    for axis, step in enumerate(steps):
        if step == 2:
            odd = part.shape[axis] % 2
            # The last one of an odd number stands for itself.
            last = [part.take([-1], axis)] if odd else []
            whole = np.concatenate([part, *last], axis) if odd else part
            pairs = [slice(None)] * part.ndim
            pairs[axis] = slice(0, None, 2)
            others = [slice(None)] * part.ndim
            others[axis] = slice(1, None, 2)
            part = (whole[tuple(pairs)].astype(np.float32) + whole[tuple(others)]) / 2
    return part


def is_averaged(array: Any) -> bool:
    """Whether the mean of two values of a volume means something: not of labels."""
    return np.dtype(array.dtype).kind == "f" or holds_shares(array)


def write_level(folder: Path, above: Any, last: Level, level: Level, chunk: Shape) -> None:
    """Write a level from the one before it, but what is there of it already.

    Parameters
    ----------
    folder : Path
        Of the group.
    above : zarr.Array
        The level before it.
    last, level : Level
    chunk : tuple of int
        Sides of the chunks of both.
    """
    import zarr

    place = folder / level.path
    depth, rows, columns = (min(side, end) for side, end in zip(chunk, level.shape))
    sides = (depth, rows, columns)
    if not (place / "zarr.json").is_file():
        zarr.create_array(
            str(place),
            shape=level.shape,
            dtype=above.dtype,
            chunks=sides,
            fill_value=0,
            dimension_names=("z", "y", "x"),
        )
    array: Any = zarr.open_array(str(place), mode="r+").with_config({"write_empty_chunks": True})
    steps = [this // that for this, that in zip(level.factors, last.factors)]
    for part in _slabs(level.shape, sides, np.dtype(above.dtype).itemsize * math.prod(steps)):
        if are_there(place, part, sides):
            continue
        box = tuple(
            slice(one.start * step, min(one.stop * step, end))
            for one, step, end in zip(part, steps, last.shape)
        )
        values = halved(np.asarray(above[box]), steps, level.offset > 0)
        if np.dtype(above.dtype).kind != "f":
            values = np.rint(values)
        array[part] = values.astype(above.dtype)


def _slabs(shape: Shape, chunk: Shape, voxel_bytes: int) -> Iterator[tuple[slice, ...]]:
    """Divide a level into parts of whole chunks that memory holds."""
    rows = max(1, _SLAB_BYTES // (chunk[0] * shape[2] * voxel_bytes) // chunk[1]) * chunk[1]
    for z in range(0, shape[0], chunk[0]):
        for y in range(0, shape[1], rows):
            yield (
                slice(z, min(z + chunk[0], shape[0])),
                slice(y, min(y + rows, shape[1])),
                slice(0, shape[2]),
            )


def are_there(folder: Path, part: Sequence[slice], chunk: Shape) -> bool:
    """Whether the files of all chunks of a part of an array are there."""
    ranges = (
        range(one.start // side, math.ceil(one.stop / side)) for one, side in zip(part, chunk)
    )
    return all(folder.joinpath("c", *map(str, at)).is_file() for at in itertools.product(*ranges))
