"""Volumes in Zarr: OME-NGFF 0.4 and 0.5, and plain arrays whose attributes say their resolution."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from space.errors import SpaceError
from space.files import replace_patiently
from space.predicates import is_number
from space.volumes import ngff
from space.volumes.blocks import create_zarr
from space.volumes.frame import Frame, Triple, in_nm, lost_voxel, usable
from space.volumes.opened import Box, OpenVolume, checked_shape, native, need

MARKS = ("zarr.json", ".zgroup", ".zarray")
"""Files that make a folder one of Zarr."""

_LARGEST_CHUNK_BYTES = 2**31
_MOST_NAMED = 10


def is_zarr(path: Path) -> bool:
    """Whether a folder is a group or an array of Zarr."""
    return any((path / name).is_file() for name in MARKS)


def open_zarr(path: Path, voxel_nm: Triple | None = None) -> OpenVolume:
    """Open an image of OME-NGFF, or an array of Zarr, as a volume."""
    need("zarr", "Zarr", path)
    import zarr

    found: Any = zarr.open(str(path), mode="r")
    told = dict(found.attrs)
    if hasattr(found, "shape"):
        return _opened(path, found, _plain_frame(told, path, voxel_nm))
    image = ngff.image_of(told)
    if image is None:
        raise SpaceError(
            "This group of Zarr is no image of OME-NGFF.",
            str(path),
            f"Name an array in it: {', '.join(_arrays_in(found)) or 'it holds none'}.",
        )
    if image.path not in found or not hasattr(found[image.path], "shape"):
        raise ValueError(f"its array {image.path} is missing")
    if voxel_nm is None and image.voxel_nm is None:
        raise lost_voxel(str(path), "its metadata give no unit of length, or no scale")
    frame = Frame.of_dict(voxel_nm or image.voxel_nm or (), image.origin_nm, told.get(ngff.OURS))
    return _opened(path, found[image.path], frame, image.axes)


def _arrays_in(group: Any) -> list[str]:
    return sorted(str(name) for name in group.array_keys())[:_MOST_NAMED]


def _opened(path: Path, array: Any, frame: Frame, axes: tuple[str, ...] = ()) -> OpenVolume:
    """Return the volume in an array; axes other than z, y and x must have one element."""
    names = axes or ("",) * (array.ndim - 3) + ("z", "y", "x")
    if len(names) != array.ndim:
        raise ValueError(f"it has {array.ndim} axes, and names for {len(names)}")
    others = [at for at, name in enumerate(names) if name not in ("z", "y", "x")]
    for at in others:
        if array.shape[at] != 1:
            raise ValueError(f"its axis {names[at] or at} has {array.shape[at]} elements; save one")
    order = [names.index(axis) for axis in ("z", "y", "x")]
    shape = checked_shape(tuple(array.shape[at] for at in order), array.dtype)
    chunk = np.prod([float(side) for side in array.chunks]) * array.dtype.itemsize
    if chunk > _LARGEST_CHUNK_BYTES:
        raise ValueError(f"one of its chunks has {chunk:.3g} bytes")
    kept = np.argsort(np.argsort(order))  # their order once the others are gone

    def read(box: Box) -> np.ndarray:
        part: list[Any] = [0] * array.ndim
        for at, one in zip(order, box):
            part[at] = one
        return np.asarray(array[tuple(part)]).transpose(kept)

    return OpenVolume(path, shape, native(array.dtype), frame, read)


def _plain_frame(told: Mapping[str, Any], path: Path, voxel_nm: Triple | None) -> Frame:
    """Return the frame from attributes of an array: resolution and offset in nm, z first."""
    voxel, origin = plain_attributes(told)
    if voxel_nm is None and voxel is None:
        raise lost_voxel(str(path), "the array has no attribute resolution")
    return Frame.of_dict(voxel_nm or voxel or (), origin, told.get(ngff.OURS))


def plain_attributes(told: Mapping[str, Any]) -> tuple[Triple | None, Triple]:
    """Return size of voxels and origin in nm, as attributes of an array say it; in their order.

    Programs for volumes of brains call them resolution or voxel_size, and offset; units are nm
    where they name none.
    """
    given = told.get("units")
    units = given if isinstance(given, list) and len(given) == 3 else ["nm"] * 3
    factors = [in_nm(unit) for unit in units]
    if None in factors:
        return None, (0.0, 0.0, 0.0)

    def scaled(names: tuple[str, ...]) -> list[float] | None:
        values = next((told[name] for name in names if name in told), None)
        if not isinstance(values, list) or len(values) != 3:
            return None
        if not all(map(is_number, values)):
            return None
        return [float(one) * (factor or 1.0) for one, factor in zip(values, factors)]

    offset = scaled(("offset",)) or [0.0, 0.0, 0.0]
    voxel = scaled(("resolution", "voxel_size"))
    return usable(voxel), (offset[0], offset[1], offset[2])


def write_zarr(
    path: Path, data: np.ndarray, frame: Frame, chunk: int = 64, replace: bool = False
) -> None:
    """Write a volume as OME-NGFF 0.5, whole or not at all.

    Parameters
    ----------
    path : Path
        Folder that is made; its name ends in .zarr by custom.
    data : ndarray, shape (z, y, x)
    frame : Frame
    chunk : int
        Side of the chunks.
    replace : bool
        Whether a volume of Zarr that is there may go.

    Raises
    ------
    SpaceError
        If there is something else, or a volume that may not go.
    """
    path = Path(path)
    refuse_taken(path, replace)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{uuid4().hex[:8]}.part{path.suffix}")
    try:
        writer = create_zarr(part, data.shape, data.dtype, frame, chunk, path.stem)
        thick = writer.chunk[0]
        for z in range(0, data.shape[0], thick):
            writer.write((z, 0, 0), data[z : z + thick])
        writer.finish()
        earlier = part.with_name(f"{part.name}.earlier")
        if path.exists():
            os.rename(path, earlier)
        replace_patiently(part, path)
        shutil.rmtree(earlier, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def refuse_taken(path: Path, replace: bool) -> None:
    """Raise a SpaceError if something may not go that is where a volume shall be written."""
    if not path.exists():
        return
    if not path.is_dir() or not (is_zarr(path) or (path / ngff.LEVEL).is_dir()):
        raise SpaceError(
            "There is something that is no volume of Zarr.", str(path), "Choose another name."
        )
    if not replace:
        raise SpaceError(
            "There is a volume already.", str(path), "Choose another name, or delete it."
        )
