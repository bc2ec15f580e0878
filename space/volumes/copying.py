"""Volumes of any kind, or regions of them, as OME-Zarr and TIFF; never the whole in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.files import atomic_path
from space.volumes.blocks import Block, blocks_of, create_zarr
from space.volumes.frame import Frame
from space.volumes.opened import OpenVolume, Shape, checked_shape, native, need

CHUNK = 64

_SLAB_BYTES = 256_000_000
_LARGEST_IMAGEJ_BYTES = 2_000_000_000
_IMAGEJ = ("uint8", "uint16", "float32")


def copy_to_zarr(
    volume: OpenVolume,
    path: Path,
    region: Block | None = None,
    chunk: int = CHUNK,
    change: Callable[[np.ndarray, Block], np.ndarray] | None = None,
    margin: int = 0,
) -> None:
    """Write a volume or a region of it as OME-NGFF; what is there of it already is kept.

    Parameters
    ----------
    volume : OpenVolume
    path : Path
    region : Block, optional
    chunk : int
    change : callable, optional
        What becomes of a part, given with where in the volume it is, margin and all. It must say
        the same of a voxel whatever part it is in.
    margin : int
        Voxels around a part that `change` needs to see.

    Raises
    ------
    SpaceError
        If there is something else, or a volume of another shape, type or frame.
    """
    wanted = region or Block((0, 0, 0), volume.shape)
    dtype = volume.dtype
    if change is not None:
        dtype = change(np.zeros((1, 1, 1), dtype), Block((0, 0, 0), (1, 1, 1))).dtype
    writer = create_zarr(path, wanted.shape, dtype, volume.frame.cut(wanted.start), chunk)
    for slab in blocks_of(wanted.shape, _slab(volume, wanted, writer.chunk)):
        if writer.is_done(slab):
            continue
        there = slab.moved(wanted.start)
        seen = there.grown((margin,) * 3, volume.shape)
        part = volume[seen.slices]
        if change is not None:
            z, y, x = (first - one for first, one in zip(there.start, seen.start))
            found = change(part, seen)
            part = found[z : z + slab.shape[0], y : y + slab.shape[1], x : x + slab.shape[2]]
        writer.write(slab.start, part)
    writer.finish()


def _slab(volume: OpenVolume, wanted: Block, chunk: Shape) -> Shape:
    """Return the sides of parts: as wide as memory allows, so that each section is read once."""
    depth, rows, columns = chunk[0], wanted.shape[1], wanted.shape[2]
    row_bytes = columns * depth * volume.dtype.itemsize
    if rows * row_bytes > _SLAB_BYTES:
        rows = max(chunk[1], _SLAB_BYTES // row_bytes // chunk[1] * chunk[1])
    return depth, rows, columns


def copy_to_tiff(volume: OpenVolume, path: Path, region: Block | None = None) -> None:
    """Write a volume or a region of it as one TIFF file, section by section.

    ImageJ and Fiji read the size of voxels from it; a file of more than 2 GB is a BigTIFF, which
    says it in its description.

    Raises
    ------
    SpaceError
        If ImageJ has no such values.
    """
    need("tifffile", "TIFF", path)
    import tifffile

    wanted = region or Block((0, 0, 0), volume.shape)
    if volume.dtype.name not in _IMAGEJ:
        raise SpaceError(
            f"ImageJ has no values of type {volume.dtype}.",
            str(path),
            f"It has {', '.join(_IMAGEJ)}.",
        )
    depth, rows, columns = wanted.shape
    is_large = depth * rows * columns * volume.dtype.itemsize > _LARGEST_IMAGEJ_BYTES
    z, y, x = volume.frame.voxel_nm
    metadata: dict[str, Any] = {"axes": "ZYX", "spacing": z, "unit": "nm"}
    with atomic_path(Path(path)) as temporary:
        with tifffile.TiffWriter(temporary, bigtiff=is_large, imagej=not is_large) as writer:
            writer.write(
                _sections(volume, wanted),
                shape=wanted.shape,
                dtype=volume.dtype,
                photometric="minisblack",
                resolution=(1 / x, 1 / y),
                metadata=metadata,
            )


def write_tiff(path: Path, data: np.ndarray, frame: Frame) -> None:
    """Write a volume as one TIFF file, as `copy_to_tiff` does."""
    volume = OpenVolume(
        path,
        checked_shape(data.shape, data.dtype),
        native(data.dtype),
        frame,
        lambda box: data[box],
    )
    copy_to_tiff(volume, path)


def _sections(volume: OpenVolume, wanted: Block) -> Iterator[np.ndarray]:
    rows, columns = wanted.slices[1:]
    for first in range(wanted.start[0], wanted.stop[0], CHUNK):
        last = min(first + CHUNK, wanted.stop[0])
        yield from volume[first:last, rows, columns]
