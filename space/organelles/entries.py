"""What is learned from: regions of volumes with labels, as a file in JSON lists them.

The form is that of block-wise training of electron microscopy volumes: a list (or a table by name)
of entries with ``file``, ``raw``, ``labels``, ``offset``, ``shape`` and ``voxel_size``, so that
such lists can be used as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from space.errors import SpaceError, shown
from space.files import is_name, read_json
from space.predicates import is_number, is_whole
from space.spelling import slip
from space.volumes import Block, OpenVolume, checked_region, open_volume

REST = "background"
"""The class of voxels that have no label."""

_KEYS = ("file", "raw", "labels", "offset", "shape", "voxel_size", "name")
_LARGEST_LABEL = 254
_SAME_VOXEL = 0.02


@dataclass(frozen=True)
class LabelFile:
    """Where the labels of classes are.

    Attributes
    ----------
    path : Path
    values : mapping of str to (int or None)
        Value of the voxels of each class; None for any but 0.
    """

    path: Path
    values: Mapping[str, int | None]


@dataclass(frozen=True)
class Entry:
    """A region of a volume with labels.

    Attributes
    ----------
    name : str
    raw : Path
    labels : tuple of LabelFile
    offset : tuple of int or None
        First voxel: z, y, x.
    shape : tuple of int or None
        Voxels along z, y and x; all that follow if None.
    voxel_nm : tuple of float or None
        Size of voxels that the list says; None if that of the files counts.
    """

    name: str
    raw: Path
    labels: tuple[LabelFile, ...]
    offset: tuple[int, int, int] | None = None
    shape: tuple[int, int, int] | None = None
    voxel_nm: tuple[float, float, float] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of what is labelled."""
        return tuple(name for one in self.labels for name in one.values)

    def opened(self) -> tuple[OpenVolume, Block]:
        """Return the volume and the region in it.

        Raises
        ------
        SpaceError
            If it cannot be read, or the region is not in it.
        """
        volume = open_volume(self.raw, self.voxel_nm)
        start = self.offset or (0, 0, 0)
        stop = volume.shape
        if self.shape is not None:
            z, y, x = (first + side for first, side in zip(start, self.shape))
            stop = (z, y, x)
        return volume, checked_region(start, stop, volume.shape, self.name)

    def label_map(
        self, region: Block, shape: tuple[int, ...], order: tuple[str, ...]
    ) -> np.ndarray:
        """Return the labels in a region: 0, or from 1 on the place of the class in `order`.

        Where classes overlap, the one that comes later in the list counts.

        Raises
        ------
        SpaceError
            If they cannot be read, or are of a volume of another size.
        """
        out = np.zeros(region.shape, np.uint8)
        for one in self.labels:
            # The labels lie on the voxels of the volume, whatever their file says of them.
            volume = open_volume(one.path, self.voxel_nm or (1.0, 1.0, 1.0))
            if volume.shape != shape:
                raise SpaceError(
                    f"The labels have {volume.shape} voxels and the volume {shape} (z, y, x).",
                    str(one.path),
                    "Give both the same region.",
                )
            found = volume[region.slices]
            for name, value in one.values.items():
                if name in order:
                    out[found != 0 if value is None else found == value] = order.index(name) + 1
        return out


def read_entries(path: Path) -> tuple[Entry, ...]:
    """Read a list of regions; files are looked for from where the list is.

    Raises
    ------
    SpaceError
        With all that is wrong.
    """
    path = Path(path)
    try:
        told = read_json(path, follow_links=True)
    except OSError as error:
        raise SpaceError(
            f"The list of data cannot be read ({error.strerror or error}).", str(path)
        ) from None
    except ValueError as error:
        raise SpaceError(f"The list of data is not JSON ({error}).", str(path)) from None
    if isinstance(told, dict) and "file" in told:
        told = [told]
    if isinstance(told, dict):
        named = [(str(name), entry) for name, entry in told.items()]
    elif isinstance(told, list):
        named = [(f"{number}", entry) for number, entry in enumerate(told, 1)]
    else:
        named = []
    problems: list[str] = []
    found = [_entry(name, entry, path.absolute().parent, problems) for name, entry in named]
    if not named:
        problems.append("there is no entry")
    if problems:
        raise SpaceError(
            f"The list of data cannot be used: {'; '.join(problems[:8])}.",
            str(path),
            'An entry is {"file": "cell.zarr", "raw": "volumes/raw", "offset": [0, 0, 0], '
            '"shape": [100, 200, 200], "voxel_size": [5, 5, 5], "labels": {"volumes/er": 1}}',
        )
    return tuple(one for one in found if one is not None)


def _entry(name: str, told: object, folder: Path, problems: list[str]) -> Entry | None:
    """Return an entry, or None with what is wrong added to `problems`."""
    before = len(problems)
    if not isinstance(told, dict):
        problems.append(f"entry {name} is {shown(told)}, no table")
        return None
    where = f"entry {name}"
    for key in told:
        if key not in _KEYS:
            near = slip(key, _KEYS, told)
            problems.append(f"{where} has {shown(key)}" + (f" (is {near} meant?)" if near else ""))
    if not _is_text(told.get("file")):
        problems.append(f"{where} has no file")
    offset = _three(told, "offset", where, problems, is_whole)
    shape = _three(told, "shape", where, problems, lambda one: is_whole(one) and one > 0)
    voxel = _three(told, "voxel_size", where, problems, lambda one: is_number(one) and one > 0)
    raw = told.get("raw", "")
    if not isinstance(raw, str) or not _stays(raw):
        problems.append(f"{where}: raw is {shown(raw)}")
    labels = told.get("labels", {})
    if not isinstance(labels, dict) or not labels:
        problems.append(f"{where} has no labels")
        labels = {}
    if len(problems) > before:
        return None
    file = folder / told["file"]
    files = [_labels(file, name, value, where, problems) for name, value in labels.items()]
    if len(problems) > before:
        return None
    called = told.get("name", name)
    return Entry(
        called if _is_text(called) else name,
        _within(file, raw),
        tuple(one for one in files if one is not None),
        None if offset is None else (int(offset[0]), int(offset[1]), int(offset[2])),
        None if shape is None else (int(shape[0]), int(shape[1]), int(shape[2])),
        None if voxel is None else (float(voxel[0]), float(voxel[1]), float(voxel[2])),
    )


def _labels(file: Path, name: Any, value: Any, where: str, problems: list[str]) -> LabelFile | None:
    if not _stays(name) or not name:
        problems.append(f"{where}: {shown(name)} are no labels within the file")
        return None
    path = _within(file, name)
    if is_whole(value) and 0 < value <= _LARGEST_LABEL:
        return LabelFile(path, {PurePosixPath(name).stem: None})
    if isinstance(value, dict) and value:
        fits = all(
            is_name(called) and called != REST and is_whole(one) and 0 < one <= 2**31
            for called, one in value.items()
        )
        if fits:
            return LabelFile(path, dict(value))
    problems.append(
        f"{where}: {shown(name)} is {shown(value)}, neither a number from 1 to {_LARGEST_LABEL} "
        'nor a table of classes such as {"er": 1, "mito": 2}'
    )
    return None


def _three(
    told: Mapping[str, Any], key: str, where: str, problems: list[str], fits: Any
) -> list[float] | None:
    value = told.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 3 or not all(fits(one) for one in value):
        problems.append(f"{where}: {key} is {shown(value)}, not three numbers (z, y, x)")
        return None
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable()


def _stays(value: object) -> bool:
    """Whether a name leads to nothing outside the file or its folder."""
    if not isinstance(value, str) or (value and not value.isprintable()):
        return False
    path = PurePosixPath(value.replace("\\", "/"))
    return not path.is_absolute() and ".." not in path.parts and ":" not in value


def _within(file: Path, name: str) -> Path:
    """Return what a name means: an array in a folder of arrays, else a file beside."""
    if not name:
        return file
    inside = file / name
    return inside if file.is_dir() and inside.exists() else file.parent / name


def classes_of(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Return the classes of all entries, each once, as they first come."""
    return tuple(dict.fromkeys(name for one in entries for name in one.classes))


def common_voxel_nm(voxels: list[tuple[str, tuple[float, float, float]]]) -> tuple[float, ...]:
    """Return the size of voxels that all volumes have.

    Raises
    ------
    SpaceError
        If they differ.
    """
    first_name, first = voxels[0]
    for name, one in voxels[1:]:
        if not same_voxel(one, first):
            raise SpaceError(
                f"Voxels are {first} nm in {first_name} and {one} nm in {name}.",
                do="A network learns one size: bin the finer volume.",
            )
    return first


def same_voxel(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two sizes of voxels are one, but for rounding."""
    return all(abs(a - b) <= _SAME_VOXEL * b for a, b in zip(one, other))
