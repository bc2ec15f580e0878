"""The finest structure: what amorphous matter looks like near the resolution of a picture.

White noise on the plane, defined at all scales at once: a square of a lattice is the mean of the
four squares that lie in it on the next finer lattice. The same place therefore shows the same
grain in pictures of any pixel size, without a period, and nothing has to be kept in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

PITCH_NM = 0.5
"""Pitch of the lattice at level 0; that of level n is larger by 2 to the power of n."""

_COARSEST = 4
_FRACTION_BITS = 16  # a lattice of up to 32768 squares a side


def sample(
    px_to_plane: np.ndarray,
    shape: tuple[int, int],
    seed: int,
    aside: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """White noise on the pixels of a picture, of power density 1 nm².

    A sum over pixels that cover the area A (nm²) times their area has the variance A; a pixel
    of side p (nm) therefore has a standard deviation of about 1 / p.

    Parameters
    ----------
    px_to_plane : (2, 3) array
        Affine map from (column, row, 1), pixel centres at +0.5, to plane coordinates in µm.
    shape : (rows, columns)
    seed : int
    aside : (heights, direction), optional
        (rows, columns) numbers, and by how much (x, y) in µm each unit of them moves a pixel's
        place.

    Returns
    -------
    (rows, columns) float32 array
    """
    m = np.asarray(px_to_plane, dtype=float)
    # The shorter side of the pixel's footprint: a tilted picture does not get coarser by its tilt.
    pixel_nm = 1e3 * float(np.linalg.norm(m[:, :2], axis=0).min())
    level = min(round(math.log2(pixel_nm / PITCH_NM)), _COARSEST)
    pitch_nm = PITCH_NM * 2.0**level
    m = np.column_stack([m[:, :2], m[:, 2] + m[:, :2] @ (0.5, 0.5)])  # of pixel indices
    in_squares = 1e3 / pitch_nm * m[::-1]  # (row, column) of the lattice = plane (y, x)
    corners = np.array([[0, 0, 1], [shape[1], 0, 1], [0, shape[0], 1], [shape[1], shape[0], 1]])
    reached = corners @ in_squares.T
    if aside is not None:
        ends = np.array([aside[0].min(), aside[0].max()], float)
        moved = np.outer(ends, 1e3 / pitch_nm * np.asarray(aside[1])[::-1])
        reached = np.concatenate([reached + way for way in moved])
    start = np.floor(reached.min(axis=0)).astype(int) - 1
    stop = np.floor(reached.max(axis=0)).astype(int) + 2
    squares = lattice(level, start, stop, seed)
    forms = in_squares - np.outer(start, [0, 0, 1])
    if aside is None:
        row, col = (_whole_part(form, shape) for form in forms)
    else:
        ways = 1e3 / pitch_nm * np.asarray(aside[1])[::-1]
        row, col = (_whole_part(form, shape, (aside[0], way)) for form, way in zip(forms, ways))
    row *= np.int32(squares.shape[1])
    row += col
    values = squares.ravel().take(row)
    if pitch_nm < pixel_nm:  # some squares are left out: those that are met stand for them
        values *= np.float32(pitch_nm / pixel_nm)
    return values


def _whole_part(
    form: np.ndarray, shape: tuple[int, int], more: tuple[np.ndarray, float] | None = None
) -> np.ndarray:
    """Whole part of a linear form (column, row, 1) on all pixels, in fixed-point arithmetic.

    `more` is an array to add, and its factor.
    """
    fixed = np.rint(form * 2**_FRACTION_BITS)
    cols = (fixed[0] * np.arange(shape[1]) + fixed[2]).astype(np.int32)
    rows = (fixed[1] * np.arange(shape[0])).astype(np.int32)
    whole = rows[:, None] + cols[None, :]
    if more is not None:
        whole += (more[0] * np.float32(more[1] * 2**_FRACTION_BITS)).astype(np.int32)
    whole >>= _FRACTION_BITS
    return whole


def lattice(level: int, start: Sequence[int], stop: Sequence[int], seed: int) -> np.ndarray:
    """Values of lattice squares; those of level n are means of four of level n - 1.

    Parameters
    ----------
    level : int
    start, stop : (row, column)
        The part wanted; indices may be negative.
    seed : int

    Returns
    -------
    (rows, columns) float32 array
    """
    even = tuple(int(n) // 2 * 2 for n in start)
    size = tuple(-(-(int(b) - a) // 2) * 2 for a, b in zip(even, stop))
    values = _hashed(level, even, size, seed)
    values *= np.float32(1.0 / (PITCH_NM * 2.0**level))
    if level < _COARSEST:
        half = tuple(a // 2 for a in even)
        wanted = lattice(level + 1, half, [a + n // 2 for a, n in zip(half, size)], seed)
        parts = [values[row::2, col::2] for row in (0, 1) for col in (0, 1)]
        wanted = wanted - np.float32(0.25) * (parts[0] + parts[1] + parts[2] + parts[3])
        for part in parts:
            np.add(part, wanted, out=part)
    cut = tuple(slice(int(a) - e, int(b) - e) for a, b, e in zip(start, stop, even))
    return values[cut]


def _hashed(level: int, start: Sequence[int], size: Sequence[int], seed: int) -> np.ndarray:
    """Independent numbers of mean 0 and variance 1, one for each place of a lattice."""
    rows, cols = (
        _mixed(np.arange(first, first + n, dtype=np.int64).astype(np.uint32) + np.uint32(salt))
        for first, n, salt in zip(start, size, (_salt(seed, level, 0), _salt(seed, level, 1)))
    )
    mixed = _mixed(rows[:, None] ^ cols[None, :])
    values = mixed.view(np.int32).astype(np.float32)
    # An even distribution between -a and a has the variance a² / 3.
    values *= np.float32(math.sqrt(3.0) / 2.0**31)
    return values


def _salt(seed: int, level: int, axis: int) -> int:
    return int(np.random.default_rng([seed, level + 64, axis]).integers(1 << 31))


def _mixed(values: np.ndarray) -> np.ndarray:
    """Scramble 32-bit numbers one to one, in place.

    Two rounds of multiplication and shift as in the finalisers of common hash functions; any
    odd multipliers with well spread bits do.
    """
    for shift, factor in ((16, 0x9E3779B1), (15, 0x85EBCA77)):
        values ^= values >> np.uint32(shift)
        values *= np.uint32(factor)
    values ^= values >> np.uint32(16)
    return values
