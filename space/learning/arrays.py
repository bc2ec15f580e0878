"""What a picture or a label map holds, whatever file it came in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

_EXACT_IN_FLOAT32 = 1 << 24


def content_hash(array: np.ndarray) -> str:
    """Return a SHA-256 of the values of a picture.

    It is the same for the same values in another type, file format or byte order, so that a copy
    is recognised.
    """
    values = smallest(array)
    digest = hashlib.sha256(f"{values.dtype.str[1:]} {values.shape}".encode())
    digest.update(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def smallest(array: np.ndarray) -> np.ndarray:
    """Return the same values in the smallest type that holds all of them."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    if array.size == 0 or array.dtype == np.uint8:
        return array
    if array.dtype.kind == "f":
        return _smallest_of_floats(array)
    low, high = int(array.min()), int(array.max())
    for kind in (np.uint8, np.uint16, np.int8, np.int16, np.int32):
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return array.astype(kind)
    return array.astype(np.int64 if low < 0 else np.uint64)


def _smallest_of_floats(array: np.ndarray) -> np.ndarray:
    finite = np.isfinite(array).all()
    if finite and abs(array).max() < _EXACT_IN_FLOAT32 and (array == np.rint(array)).all():
        return smallest(array.astype(np.int32))
    narrow = array.astype(np.float32, copy=False)
    same = array.dtype.itemsize <= 4 or np.array_equal(narrow, array, equal_nan=True)
    return narrow if same else array.astype(np.float64)


def grey(colors: np.ndarray) -> np.ndarray:
    """Return the luminance of a picture (rows, columns, 3 or 4), in its own type.

    A fourth channel, which says how opaque pixels are, is left out.
    """
    red, green, blue = (colors[..., channel].astype(np.float64) for channel in range(3))
    value = 0.299 * red + 0.587 * green + 0.114 * blue
    if colors.dtype.kind in "ui":
        return np.rint(value).astype(colors.dtype)
    return value.astype(colors.dtype)


def labels_of(array: np.ndarray) -> np.ndarray:
    """Return labels (uint8) of values that are whole numbers from 0 to 255, in any type.

    Raises
    ------
    ValueError
        If they are others; the text says which.
    """
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    if array.dtype.kind not in "uif":
        raise ValueError(f"labels of type {array.dtype} cannot be used")
    if array.size == 0 or array.dtype == np.uint8:
        return array.astype(np.uint8)
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 255):
        raise ValueError(f"labels go from {low:g} to {high:g}; 0 to 255 can be used")
    labels = array.astype(np.uint8)
    if array.dtype.kind == "f" and not np.array_equal(labels, array):
        raise ValueError("labels are not whole numbers: was the picture resampled?")
    return labels


def labels_of_colors(colors: np.ndarray, table: Mapping[tuple[int, int, int], int]) -> np.ndarray:
    """Return the labels that the colours of a picture stand for.

    Parameters
    ----------
    colors : ndarray of uint8, shape (rows, columns, 3 or 4)
        All of whose channels are equal if it is a grey picture of labels.
    table : mapping
        (red, green, blue) → label.

    Raises
    ------
    ValueError
        If there are colours that stand for nothing.
    """
    packed = _packed(colors[..., 0], colors[..., 1], colors[..., 2])
    found, places = np.unique(packed, return_inverse=True)
    known = {red << 16 | green << 8 | blue: label for (red, green, blue), label in table.items()}
    missing = [value for value in found.tolist() if value not in known]
    if missing:
        is_grey = all(
            (value >> 16) == (value >> 8) & 255 == value & 255 for value in found.tolist()
        )
        if is_grey:
            return labels_of(colors[..., 0])
        named = ", ".join(f"#{value:06x}" for value in missing[:5])
        raise ValueError(f"{len(missing)} colours are of no class: {named}")
    lookup = np.array([known[value] for value in found.tolist()], np.uint8)
    return lookup[places.reshape(packed.shape)]


def _packed(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> np.ndarray:
    as_32 = (np.asarray(channel, np.uint32) for channel in (red, green, blue))
    first, second, third = as_32
    return first << np.uint32(16) | second << np.uint32(8) | third


def mapped(labels: np.ndarray, values: Mapping[int, int]) -> np.ndarray:
    """Return labels with some values exchanged for others; those not named stay."""
    table = np.arange(256, dtype=np.uint8)
    for before, after in values.items():
        table[before] = after
    return table[labels]


def joined(layers: Mapping[int, np.ndarray]) -> tuple[np.ndarray, int]:
    """Return one label map of layers, and how many pixels are in more than one of them.

    Parameters
    ----------
    layers : mapping
        Label → pixels (any value but 0 counts), all of one shape. Where several layers have a
        pixel, the last one counts.
    """
    shape = next(iter(layers.values())).shape
    labels, covered = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for value, layer in layers.items():
        inside = np.asarray(layer) != 0
        labels[inside] = value
        covered += inside & (covered < 2)
    return labels, int((covered > 1).sum())
