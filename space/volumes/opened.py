"""A volume on disk, of which parts are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.packages import is_installed
from space.volumes.frame import Frame, Triple

Box = tuple[slice, slice, slice]
Shape = tuple[int, int, int]

MOST_LABELS = 16
"""Largest label in a volume of bytes; larger values are probabilities."""

_LONGEST_SIDE = 2**31
_KINDS = "buif"


@dataclass(frozen=True)
class OpenVolume:
    """A volume on disk.

    ``volume[z0:z1, y0:y1, x0:x1]`` reads a part; slices have the meaning of NumPy, without steps.

    Attributes
    ----------
    path : Path
    shape : tuple of int
        z, y, x.
    dtype : numpy.dtype
        In the byte order of this machine.
    frame : Frame
    read : callable
        Takes three slices with whole numbers from 0 and returns the array.
    """

    path: Path
    shape: Shape
    dtype: np.dtype
    frame: Frame
    read: Callable[[Box], np.ndarray]

    @property
    def nbytes(self) -> int:
        """Of the whole volume in memory."""
        z, y, x = self.shape
        return z * y * x * self.dtype.itemsize

    def __getitem__(self, part: slice | tuple[slice, ...]) -> np.ndarray:
        box = box_of(part, self.shape)
        with in_words(self.path):
            found = self.read(box)
            return np.ascontiguousarray(found, dtype=self.dtype)

    def with_voxel(self, voxel_nm: Triple) -> OpenVolume:
        """Return it with another size of its voxels, which a person has given."""
        return replace(self, frame=replace(self.frame, voxel_nm=voxel_nm))


def holds_shares(volume: Any) -> bool:
    """Whether a volume seems to hold probabilities or grey values in bytes, and no labels.

    Files do not say which of them they hold. Three sections are looked at: of labels there are
    few in a section, or more than fit into a byte.

    Parameters
    ----------
    volume : OpenVolume or zarr.Array
    """
    if volume.dtype != np.uint8:
        return False
    places = {round(part * (volume.shape[0] - 1)) for part in (0.25, 0.5, 0.75)}
    return any(volume[z : z + 1].max() > MOST_LABELS for z in places)


def box_of(part: slice | tuple[slice, ...], shape: Shape) -> Box:
    """Return three slices with whole numbers from what stands in the brackets.

    Raises
    ------
    TypeError
        If it is anything but slices without steps.
    """
    given = part if isinstance(part, tuple) else (part,)
    if len(given) > 3 or not all(isinstance(one, slice) for one in given):
        raise TypeError("a part of a volume is given by up to three slices")
    ends = []
    for one, side in zip((*given, *(slice(None),) * (3 - len(given))), shape):
        first, last, step = one.indices(side)
        if step != 1:
            raise TypeError("parts of a volume have no steps")
        ends.append(slice(first, max(first, last)))
    z, y, x = ends
    return z, y, x


def checked_shape(shape: tuple[int, ...], dtype: np.dtype) -> Shape:
    """Return the shape of a volume.

    Raises
    ------
    ValueError
        If an array of this shape and type is none.
    """
    if len(shape) != 3 or not all(0 < int(side) < _LONGEST_SIDE for side in shape):
        raise ValueError(f"an array of shape {tuple(map(int, shape))} is no volume")
    if dtype.kind not in _KINDS:
        raise ValueError(f"values of type {dtype} are no grey values or labels")
    z, y, x = map(int, shape)
    return z, y, x


def native(dtype: np.dtype) -> np.dtype:
    """Return a type in the byte order of this machine; truth values count as 0 and 1."""
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises on a file into words."""
    try:
        yield
    except SpaceError:
        raise
    except MemoryError:
        raise SpaceError("The volume does not fit into memory.", str(path)) from None
    except Exception as error:
        reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]
        raise SpaceError(f"The volume cannot be read ({reason}).", str(path)) from error


def need(package: str, what: str, path: Path) -> None:
    """Raise a SpaceError that says what to install if a package is missing."""
    if not is_installed(package):
        raise SpaceError(
            f"{what} needs the package {package}, which this Python lacks.",
            str(path),
            "Install the extra tomo: see docs/volumes.md.",
        )
