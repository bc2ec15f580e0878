"""Volumes in TIFF: one file with all sections, or a folder with a file for each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from space.volumes.frame import UNKNOWN, Frame, Triple, in_nm, lost_voxel, usable
from space.volumes.opened import Box, OpenVolume, checked_shape, native, need

SUFFIXES = (".tif", ".tiff")

_PIXELS_OF_FILES = 2_000_000_000
_MOST_FILES = 100_000
_SIZE = re.compile(r'PhysicalSize([XYZ])(Unit)?="([^"]*)"')


def files_of(folder: Path) -> list[Path]:
    """Return the TIFF files of a folder, by the numbers in their names: 2 before 10."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    return sorted((path for path in found if path.is_file()), key=lambda path: _order(path.name))


def _order(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", name.lower())
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def open_tiff(path: Path, voxel_nm: Triple | None = None) -> OpenVolume:
    """Open a TIFF file with all sections as a volume."""
    need("tifffile", "TIFF", path)
    if not path.is_file():
        raise ValueError("it is no file")
    shape, dtype, told = _looked_at(path)
    if voxel_nm is None and told is None:
        raise lost_voxel(str(path), "no program has noted it in the file")

    def read(box: Box) -> np.ndarray:
        return _sections(path, box[0], shape)[:, box[1], box[2]]

    return OpenVolume(
        path, shape, native(dtype), Frame(voxel_nm or told or (0, 0, 0), handedness=UNKNOWN), read
    )


def open_folder(path: Path, voxel_nm: Triple | None = None) -> OpenVolume:
    """Open a folder of TIFF files of one section each as a volume.

    The thickness of sections stands in none of them, so that `voxel_nm` has to be given.
    """
    need("tifffile", "TIFF", path)
    files = files_of(path)
    if len(files) > _MOST_FILES:
        raise ValueError(f"it has {len(files)} files")
    first, dtype, told = _looked_at(files[0])
    if first[0] != 1 and len(files) > 1:
        raise ValueError(f"{files[0].name} has {first[0]} sections where one is expected")
    if len(files) > 1 and _looked_at(files[-1])[:2] != (first, dtype):
        raise ValueError(f"{files[0].name} and {files[-1].name} differ in size or type")
    if voxel_nm is None and told is None:
        raise lost_voxel(str(path), "the files do not say how thick sections are")
    shape = checked_shape((first[0] if len(files) == 1 else len(files), *first[1:]), dtype)

    def read(box: Box) -> np.ndarray:
        if len(files) == 1:
            return _sections(files[0], box[0], shape)[:, box[1], box[2]]
        wanted = files[box[0]]
        out = np.empty((len(wanted), *(one.stop - one.start for one in box[1:])), native(dtype))
        for at, one in enumerate(wanted):
            section = _sections(one, slice(0, 1), first)
            if section.shape != first:
                raise ValueError(f"{one.name} is of another size")
            out[at] = section[0, box[1], box[2]]
        return out

    return OpenVolume(
        path, shape, native(dtype), Frame(voxel_nm or told or (0, 0, 0), handedness=UNKNOWN), read
    )


def _looked_at(path: Path) -> tuple[tuple[int, int, int], np.dtype, Triple | None]:
    """Return shape, type and size of voxels of a file, if it says that."""
    import tifffile

    with tifffile.TiffFile(path) as opened:
        series = opened.series[0]
        sides = [(axis, side) for axis, side in zip(series.axes, series.shape) if side != 1]
        if any(axis in "SC" for axis, _ in sides):
            raise ValueError("it has several channels; save the one that is meant")
        if len(opened.series) > 1:
            raise ValueError(f"it holds {len(opened.series)} series of pictures; save one")
        found = (1,) * (3 - len(series.shape)) + tuple(series.shape)
        while len(found) > 3 and found[0] == 1:
            found = found[1:]
        if len(found) > 3:
            raise ValueError(f"an array of shape {found} is no volume")
        dtype = np.dtype(series.dtype)
        shape = checked_shape(found, dtype)
        if shape[1] * shape[2] > _PIXELS_OF_FILES:
            raise ValueError(f"its sections have {shape[1]} x {shape[2]} pixels")
        return shape, dtype, _voxel_of(opened, series.keyframe)


def _sections(path: Path, wanted: slice, shape: tuple[int, int, int]) -> np.ndarray:
    """Return some sections of a file, of which no more than these are decoded."""
    import tifffile

    with tifffile.TiffFile(path) as opened:
        series = opened.series[0]
        if series.dataoffset is not None:  # one after the other, not packed
            dtype = np.dtype(str(opened.byteorder) + series.dtype.char)
            mapped = np.memmap(path, dtype, "r", series.dataoffset, shape)
            return np.array(mapped[wanted])
        if wanted.start >= wanted.stop:
            return np.empty((0, *shape[1:]), series.dtype)
        if len(series.pages) == shape[0]:
            pages: list[Any] = [series.pages[at] for at in range(wanted.start, wanted.stop)]
            return np.stack([np.asarray(page.asarray()).reshape(shape[1:]) for page in pages])
        return np.asarray(series.asarray()).reshape(shape)[wanted]


def _voxel_of(opened: Any, page: Any) -> Triple | None:
    """Return the size of voxels that ImageJ or OME-TIFF note; other tags are for printers."""
    if opened.ome_metadata:
        return _ome(str(opened.ome_metadata))
    told = opened.imagej_metadata or {}
    nm = in_nm(told.get("unit"))
    tags = [page.tags.get(name) for name in ("YResolution", "XResolution")]
    if nm is None or "spacing" not in told or any(tag is None for tag in tags):
        return None
    sides = [float(told["spacing"]) * nm]
    for pixels, units in (tag.value for tag in tags):
        sides.append(units / pixels * nm if pixels else 0.0)
    return usable(sides)


def _ome(text: str) -> Triple | None:
    found = {(axis, bool(unit)): value for axis, unit, value in _SIZE.findall(text[:1_000_000])}
    sides = []
    for axis in "ZYX":
        nm = in_nm(found.get((axis, True), "µm"))
        try:
            sides.append(float(found[axis, False]) * (nm or 0.0))
        except (KeyError, ValueError):
            return None
    return usable(sides)
