"""Borders of labels: which voxels they are, and which are so near that nobody can tell. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from space.errors import SpaceError

WIDEST = 64


def borders(labels: np.ndarray) -> np.ndarray:
    """Return which voxels have a neighbour (of six) with another label, bool.

    Between two bodies, these are two voxels: one on each side.

    Parameters
    ----------
    labels : ndarray of int, shape (z, y, x)
    """
    out = np.zeros(labels.shape, bool)
    for axis in range(labels.ndim):
        before = tuple(slice(None, -1) if at == axis else slice(None) for at in range(labels.ndim))
        after = tuple(slice(1, None) if at == axis else slice(None) for at in range(labels.ndim))
        differ = labels[before] != labels[after]
        out[before] |= differ
        out[after] |= differ
    return out


def excluded(labels: np.ndarray, widths: Mapping[int, int]) -> np.ndarray:
    """Return which voxels lie near the border of a class, outside of it, bool.

    There a person's label may as well be one voxel further out; nothing is asked of a prediction.

    Parameters
    ----------
    labels : ndarray of int, shape (z, y, x)
    widths : mapping of int to int
        Voxels around each class that do not count, in steps to neighbours (of six).
    """
    from scipy import ndimage

    out = np.zeros(labels.shape, bool)
    for value, width in widths.items():
        inside = labels == value
        if width and inside.any():
            out |= ndimage.binary_dilation(inside, iterations=width) & ~inside
    return out


def checked_widths(widths: Mapping[str, int], classes: tuple[str, ...]) -> dict[int, int]:
    """Return widths by the value of the class (from 1 on).

    Raises
    ------
    SpaceError
        If a class is not known.
    """
    unknown = [name for name in widths if name not in classes]
    if unknown:
        raise SpaceError(
            f"There is no class {', '.join(unknown)} to exclude the border of.",
            do=f"The classes are {', '.join(classes)}.",
        )
    return {classes.index(name) + 1: width for name, width in widths.items()}
