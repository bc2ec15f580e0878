"""A volume written block by block, by several processes, begun once and gone on with at any time.

Each block is a whole number of chunks, so that no two writers touch one file. A chunk's file
appears whole (Zarr renames it), also where all values are 0: that it is there says that it is done.
The group gets its metadata last, which says that all chunks are there.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.files import read_json_or_empty, write_text_atomic
from space.volumes import ngff
from space.volumes.frame import Frame
from space.volumes.levels import Level, are_there, is_averaged, levels_of, write_level
from space.volumes.opened import Shape, checked_shape, native, need

_BEGUN = ".begun.json"


@dataclass(frozen=True)
class Block:
    """A part of a volume.

    Attributes
    ----------
    start, stop : tuple of int
        First voxel, and the one after the last: z, y, x.
    """

    start: Shape
    stop: Shape

    @property
    def shape(self) -> Shape:
        """Voxels along z, y and x."""
        z, y, x = (last - first for first, last in zip(self.start, self.stop))
        return z, y, x

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """For the brackets of an array."""
        z, y, x = (slice(first, last) for first, last in zip(self.start, self.stop))
        return z, y, x

    def grown(self, margin: Sequence[int], shape: Sequence[int]) -> Block:
        """Return it with a margin on all sides, as far as the volume goes."""
        start = tuple(max(0, first - more) for first, more in zip(self.start, margin))
        stop = tuple(min(side, last + more) for side, last, more in zip(shape, self.stop, margin))
        return Block((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    def moved(self, by: Sequence[int]) -> Block:
        """Return it as many voxels further."""
        start = [first + more for first, more in zip(self.start, by)]
        stop = [last + more for last, more in zip(self.stop, by)]
        return Block((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    @property
    def name(self) -> str:
        """For files: first voxel."""
        return "_".join(map(str, self.start))


def blocks_of(shape: Sequence[int], side: Sequence[int]) -> Iterator[Block]:
    """Divide a volume into blocks of these sides; those at its end are smaller."""
    for start in itertools.product(*(range(0, end, step) for end, step in zip(shape, side))):
        stop = [min(end, first + step) for end, first, step in zip(shape, start, side)]
        yield Block((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


class BlockWriter:
    """Writes the blocks of one volume.

    Attributes
    ----------
    path : Path
    shape, chunk : tuple of int
        Of the volume and of its chunks: z, y, x.
    """

    def __init__(self, path: Path, array: Any, frame: Frame, name: str) -> None:
        self.path, self._array, self._frame, self._name = path, array, frame, name
        self.shape: Shape = tuple(array.shape)
        self.chunk: Shape = tuple(array.chunks)

    def write(self, start: Sequence[int], block: np.ndarray) -> None:
        """Write a block that begins at this voxel.

        Raises
        ------
        ValueError
            If it is no whole number of chunks: another writer would need the same file.
        """
        stop = [first + side for first, side in zip(start, block.shape)]
        for first, last, side, chunk in zip(start, stop, self.shape, self.chunk):
            if first % chunk or last > side or (last % chunk and last != side):
                raise ValueError(f"a block from {tuple(start)} to {tuple(stop)} is not of chunks")
        part = tuple(slice(first, last) for first, last in zip(start, stop))
        self._array[part] = block

    def is_done(self, block: Block) -> bool:
        """Whether all of a block has been written."""
        return are_there(self.path / ngff.LEVEL, block.slices, self.chunk)

    def finish(self) -> None:
        """Say that the volume is whole, and add coarser levels of it.

        Raises
        ------
        SpaceError
            If it is not.
        """
        missing = sum(not self.is_done(one) for one in blocks_of(self.shape, self.chunk))
        if missing:
            raise SpaceError(
                f"{missing} chunks of this volume have not been written.",
                str(self.path),
                "Run the command again: it goes on where it ended.",
            )
        levels = levels_of(self.shape, self._frame.voxel_nm, is_averaged(self._array))
        for last, level in zip(levels, levels[1:]):
            write_level(self.path, self._level(last), last, level, self.chunk)
        text = json.dumps(
            {
                "zarr_format": 3,
                "node_type": "group",
                "attributes": ngff.attributes(self._frame, self._name, levels),
            },
            indent=1,
        )
        write_text_atomic(self.path / "zarr.json", text)

    def _level(self, level: Level) -> Any:
        import zarr

        return zarr.open_array(str(self.path / level.path), mode="r")


def create_zarr(
    path: Path,
    shape: Sequence[int],
    dtype: np.dtype | type | str,
    frame: Frame,
    chunk: int | Sequence[int] = 64,
    name: str = "",
) -> BlockWriter:
    """Begin to write a volume of OME-NGFF 0.5 in blocks, or go on with it.

    Parameters
    ----------
    path : Path
        Folder; it is made. Until `BlockWriter.finish`, no program takes it for a volume.
    shape : sequence of int
        z, y, x.
    dtype : dtype
    frame : Frame
    chunk : int or sequence of int
        Sides of the chunks; blocks have to be whole numbers of them.
    name : str
        What the image is called; that of the folder if empty.

    Raises
    ------
    SpaceError
        If there is something else, or a volume of another shape, type or frame.
    """
    path = Path(path)
    need("zarr", "Zarr", path)
    import zarr

    stored = native(np.dtype(dtype))
    whole = checked_shape(tuple(shape), stored)
    sides = (chunk,) * 3 if isinstance(chunk, int) else tuple(chunk)
    chunks = tuple(min(int(side), end) for side, end in zip(sides, whole))
    begun = {
        "shape": list(whole),
        "dtype": stored.name,
        "chunk": list(chunks),
        "voxel_nm": list(frame.voxel_nm),
        "origin_nm": list(frame.origin_nm),
        **frame.to_dict(),
    }
    level = path / ngff.LEVEL
    if path.exists() and (not path.is_dir() or (any(path.iterdir()) and not _earlier(path))):
        raise SpaceError(
            "There is something that was not begun by this program.",
            str(path),
            "Choose another name.",
        )
    if path.exists() and _earlier(path) not in ({}, begun):
        raise SpaceError(
            "There is a volume of another shape, type or frame.",
            str(path),
            "Choose another name, or delete it.",
        )
    path.mkdir(parents=True, exist_ok=True)
    if _earlier(path) != begun:
        write_text_atomic(path / _BEGUN, json.dumps(begun, indent=1))
    if not (level / "zarr.json").is_file():
        zarr.create_array(
            str(level),
            shape=whole,
            dtype=stored,
            chunks=chunks,
            fill_value=0,
            dimension_names=("z", "y", "x"),
            overwrite=False,
        )
    # Also chunks of zeros are written: their files say that they are done.
    array: Any = zarr.open_array(str(level), mode="r+").with_config({"write_empty_chunks": True})
    return BlockWriter(path, array, frame, name or path.stem)


def _earlier(path: Path) -> dict[str, Any]:
    return read_json_or_empty(path / _BEGUN)


def is_unfinished(path: Path) -> bool:
    """Whether a folder holds a volume of which some blocks are missing."""
    return bool(_earlier(path)) and not (path / "zarr.json").is_file()
