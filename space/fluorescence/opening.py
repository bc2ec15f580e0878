"""What all readers of fluorescence files share: limits, words for errors, packages, axes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.packages import is_installed

MOST_BYTES = 1_000_000_000
"""Of one picture as the file has it, all planes and channels together."""

LONGEST_TEXT = 20_000_000
"""Characters of the text that describes a file."""

_MOST_CHANNELS = 32
_MOST_UNLABELLED = 4
_NOT_PLAIN = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


@dataclass(frozen=True)
class Listed:
    """One picture in a file, before it is read.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Channels, planes, rows, columns.
    """

    name: str
    shape: tuple[int, int, int, int]


def need(package: str, what: str, path: Path) -> None:
    """Refuse a file for which a package is missing.

    Raises
    ------
    SpaceError
        Names the extra that has the package.
    """
    if not is_installed(package):
        raise SpaceError(
            f"{what} needs the package {package}, which this Python lacks.",
            str(path),
            "Install the extra clem: see docs/clem.md.",
        )


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turn whatever a reader raises on a file into words."""
    try:
        yield
    except SpaceError:
        raise
    except MemoryError:
        raise SpaceError("The picture does not fit into memory.", str(path)) from None
    except Exception as error:
        reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]
        raise SpaceError(f"The file cannot be read ({reason}).", str(path)) from error


def check_bytes(shape: Sequence[int], itemsize: int) -> None:
    """Refuse a size that a header claims and that does not fit into the memory allowed.

    Raises
    ------
    ValueError
        With the size.
    """
    size = math.prod(int(side) for side in shape) * itemsize
    if not 0 < size <= MOST_BYTES:
        sides = " x ".join(str(side) for side in shape)
        raise ValueError(
            f"{sides} values of {itemsize} bytes; at most {MOST_BYTES / 1e9:g} GB are read: save "
            "fewer planes, or with larger pixels"
        )


def check_xml(text: str) -> str:
    """Return a description that is safe to be parsed.

    Raises
    ------
    ValueError
        If it is too long, or defines entities of its own, which can grow without limit.
    """
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"its description has {len(text)} characters")
    if _NOT_PLAIN.search(text):
        raise ValueError("its description defines entities")
    return text


def by_channel(array: np.ndarray, axes: str) -> np.ndarray:
    """Return an array as (channels, planes, rows, columns), by the letters of its axes.

    X and Y are columns and rows, Z planes, C and S channels. Of the times T, the first is taken.
    Axes without a meaning (Q, I) are channels if they are short, else planes.

    Raises
    ------
    ValueError
        If there is an axis of another kind that is longer than 1, or no picture.
    """
    axes = axes.upper()
    if len(axes) != array.ndim or "Y" not in axes or "X" not in axes:
        raise ValueError(f"axes {axes} of an array of {array.ndim} dimensions are no picture")
    for axis in list(axes):
        where = axes.index(axis)
        length = array.shape[where]
        if axis in "QI" and length > 1:
            new = "C" if length <= _MOST_UNLABELLED and "C" not in axes else "Z"
            if new in axes:
                raise ValueError(f"the meaning of one of its axes ({axes}) is not known")
            axes = axes.replace(axis, new)
        elif axis not in "CSZYX":
            if length != 1 and axis != "T":
                raise ValueError(
                    f"it has {length} pictures along {axis}; save the one that is meant"
                )
            array, axes = np.take(array, 0, axis=where), axes.replace(axis, "", 1)
    for axis in "CSZ":
        if axis not in axes:
            array, axes = array[None], axis + axes
    array = array.transpose([axes.index(axis) for axis in "CSZYX"])
    found = array.reshape(-1, *array.shape[2:])
    if not 0 < len(found) <= _MOST_CHANNELS:
        raise ValueError(f"it has {len(found)} channels; at most {_MOST_CHANNELS} are read")
    return found


def listed_shape(shape: Sequence[int], axes: str) -> tuple[int, int, int, int]:
    """Return channels, planes, rows and columns of an array that is not read yet."""
    empty = np.broadcast_to(np.zeros((), np.uint8), tuple(shape))
    channels, planes, rows, columns = by_channel(empty, axes).shape
    return channels, planes, rows, columns


def usable(value: object, scale: float = 1.0) -> float | None:
    """Return a size in µm that a file claims, if it can be one."""
    try:
        found = float(value) * scale  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) and 1e-4 <= found <= 1e3 else None


def mean_size(values: Sequence[float | None]) -> float | None:
    """Return the mean of the sizes that are known (of pixels along rows and columns)."""
    known = [value for value in values if value is not None]
    return math.prod(known) ** (1 / len(known)) if known else None
