"""What hangs together in a volume of labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from space.errors import SpaceError

_LARGEST_LABEL = 10_000_000
_BYTES_A_VOXEL = 40
"""Memory for a part that fills its box: masks, numbers, fields and the mesh."""


@dataclass(frozen=True)
class Part:
    """Voxels of one label that hang together, by a face, an edge or a corner.

    Attributes
    ----------
    label : int
    first : tuple of int
        Voxel (z, y, x) of the volume at which `mask` begins.
    mask : ndarray of bool, shape (z, y, x)
        As small as it can be.
    at_border : bool
        Whether it reaches the border of the volume, so that it may go on beyond.
    """

    label: int
    first: tuple[int, int, int]
    mask: np.ndarray
    at_border: bool


def parts_of(
    labels: np.ndarray,
    wanted: frozenset[int],
    voxel_nm: tuple[float, float, float],
    smallest_nm3: float = 0.0,
    neck_nm: float = 0.0,
    memory_gb: float = np.inf,
) -> Iterator[Part]:
    """Find the parts of a volume, label by label.

    Parameters
    ----------
    labels : ndarray of whole numbers, shape (z, y, x)
        0 is nothing.
    wanted : frozenset of int
        Labels that are looked at; all if empty.
    voxel_nm : tuple of float
        Along z, y, x.
    smallest_nm3 : float
        Smaller parts are left out.
    neck_nm : float
        What hangs together by less than this is cut apart there.
    memory_gb : float
        Memory that the surface of the largest label may take.

    Raises
    ------
    SpaceError
        If these are no labels, or one of them needs more memory.
    """
    labels = as_labels(labels)
    voxels = smallest_nm3 / float(np.prod(voxel_nm))
    boxes = {
        number: box
        for number, box in enumerate(ndimage.find_objects(labels), start=1)
        if box is not None and (not wanted or number in wanted)
    }
    _refuse_large(boxes, memory_gb)
    for number, box in boxes.items():
        mask = labels[box] == number
        start = tuple(int(side.start) for side in box)
        yield from _of_one(number, mask, start, labels.shape, voxels, voxel_nm, neck_nm)


def as_labels(values: np.ndarray) -> np.ndarray:
    """Return labels as whole numbers; also those that a file keeps as floats.

    Raises
    ------
    SpaceError
        If there are other values than labels can have.
    """
    if values.ndim != 3:
        raise SpaceError(f"Labels of a volume have 3 axes, not {values.ndim}.")
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.size == 0:
        return np.zeros(values.shape, np.uint8)
    if values.dtype.kind == "f":
        whole = values.astype(np.int32) if np.isfinite(values).all() else None
        if whole is None or not np.array_equal(whole, values):
            raise SpaceError(
                "These are no labels: there are values between whole numbers.",
                do="Name a volume of labels, not of grey values or probabilities.",
            )
        values = whole
    least, most = int(values.min()), int(values.max())
    if least < 0 or most > _LARGEST_LABEL:
        raise SpaceError(
            f"Labels are from 0 to {_LARGEST_LABEL}, and these are from {least} to {most}.",
            do="Number them anew.",
        )
    return values


def _refuse_large(boxes: dict[int, Any], memory_gb: float) -> None:
    for number, box in boxes.items():
        needed_gb = _BYTES_A_VOXEL * np.prod([side.stop - side.start for side in box]) / 1e9
        if needed_gb > memory_gb:
            raise SpaceError(
                f"The surface of label {number} needs about {needed_gb:.1f} GB of memory.",
                do=f"Allow more than {memory_gb:g} GB, or use a volume of larger voxels or a part.",
            )


def _of_one(
    label: int,
    mask: np.ndarray,
    start: tuple[int, ...],
    shape: tuple[int, ...],
    voxels: float,
    voxel_nm: tuple[float, float, float],
    neck_nm: float,
) -> Iterator[Part]:
    found, _ = _joined(mask)
    for number, box in enumerate(ndimage.find_objects(found), start=1):
        own = found[box] == number
        if own.sum() < voxels:
            continue
        cut = _apart(own, voxel_nm, neck_nm, voxels) if neck_nm > 0 else [(own, (0, 0, 0))]
        for piece, inside in cut:
            first = tuple(
                begin + side.start + more for begin, side, more in zip(start, box, inside)
            )
            at_border = any(
                begin == 0 or begin + size == whole
                for begin, size, whole in zip(first, piece.shape, shape)
            )
            yield Part(label, (first[0], first[1], first[2]), piece, at_border)


def _joined(mask: np.ndarray) -> tuple[np.ndarray, int]:
    found, count = ndimage.label(mask, np.ones((3, 3, 3), bool))
    return found, int(count)


def _apart(
    mask: np.ndarray, voxel_nm: tuple[float, float, float], neck_nm: float, voxels: float
) -> list[tuple[np.ndarray, tuple[int, int, int]]]:
    """Cut a part where it is narrower than a neck; what is cut off and too small stays with it."""
    from skimage.segmentation import watershed

    depth_nm = _depth_nm(mask, voxel_nm)
    cores, count = _joined(depth_nm > neck_nm / 2)
    for _ in range(2):
        if count < 2:
            return [(mask, (0, 0, 0))]
        pieces = watershed(-depth_nm, cores, mask=mask)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        small = (sizes < voxels) & (sizes > 0)
        if not small[1:].any():
            break
        cores[small[cores]] = 0
        cores, count = _joined(cores > 0)
    return [
        (pieces[box] == number, (box[0].start, box[1].start, box[2].start))
        for number, box in enumerate(ndimage.find_objects(pieces), start=1)
        if box is not None
    ]


def _depth_nm(mask: np.ndarray, voxel_nm: tuple[float, float, float]) -> np.ndarray:
    """Return how far each voxel is from the outside, which begins at the borders, too."""
    padded: Any = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=voxel_nm)
    return padded[1:-1, 1:-1, 1:-1]
