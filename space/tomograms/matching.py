"""Fine alignment: each picture against what all others say that it should be.

The others make a tomogram (a slab by regularised least squares), and the tomogram is projected
again at the tilt of the picture (`operators.left_out`). The picture itself has no part in it, so
that it cannot agree with its own errors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from space.tomograms import operators
from space.tomograms.correlation import displaced, hann
from space.tomograms.geometry import Alignment, Stack
from space.tomograms.tracking import all_stretched, cut, frame_grid, patch_places, seen

_NOISE = 1.0  # variance over that of the signal, as regularisation
_CLEAR = 4.0  # standard deviations of a correlation: below, a peak is chance
_REACH_PART = 0.08


@dataclass(frozen=True, eq=False)
class Matched:
    """What a round found.

    Attributes
    ----------
    alignment : Alignment
        The better one.
    moved_nm : ndarray, shape (n, 2)
        By how much each picture was moved in the aligned frame.
    likeness : ndarray, shape (n,)
        Correlation of each picture with its prediction, before it was moved.
    """

    alignment: Alignment
    moved_nm: np.ndarray
    likeness: np.ndarray


def predicted(
    pictures: np.ndarray, alignment: Alignment, thickness_px: float, noise: float = _NOISE
) -> np.ndarray:
    """Return what all others say of each stretched picture, shape (n, rows, columns)."""
    from scipy import fft

    columns = pictures.shape[2]
    wide = int(fft.next_fast_len(columns + int(2 * thickness_px), real=True))
    spectra = fft.rfft(pictures, wide, axis=2)
    others = operators.left_out(
        spectra, alignment.tilts_deg, operators.frequencies(wide), thickness_px, noise
    )
    return np.asarray(fft.irfft(others, wide, axis=2)[:, :, :columns])


def matched(
    splines: np.ndarray, stack: Stack, alignment: Alignment, thickness_nm: float
) -> Matched:
    """Move each picture to where the others predict it."""
    pictures = all_stretched(splines, stack, alignment)
    others = predicted(pictures, alignment, thickness_nm / stack.pixel_nm)
    window = hann(*pictures.shape[1:])
    reach = max(2.0, _REACH_PART * min(pictures.shape[1:]))
    off = displaced(others, pictures, window, reach)
    cosines = np.cos(np.radians(alignment.tilts_deg))
    moved = off.moved_px * np.stack([cosines, np.ones_like(cosines)], axis=1) * stack.pixel_nm
    moved = np.where(off.clearness[:, None] > _CLEAR, moved, 0.0)
    better = replace(alignment, shifts_nm=alignment.shifts_nm - moved)
    return Matched(better, moved, _likeness(pictures, others, window))


def residuals_nm(
    splines: np.ndarray, stack: Stack, alignment: Alignment, thickness_nm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far patches of each picture are from where the others predict them.

    Returns
    -------
    residuals_nm : ndarray, shape (n,)
        Root mean square over patches, by how clearly they are found; NaN if none is.
    likeness : ndarray, shape (n,)
        Correlation of the whole picture with its prediction.
    """
    pictures = all_stretched(splines, stack, alignment)
    others = predicted(pictures, alignment, thickness_nm / stack.pixel_nm)
    grid = frame_grid(stack, alignment.axis_deg)
    side, places = patch_places(grid)
    visible, window = seen(stack, alignment, grid), hann(side, side)
    found = np.full(len(pictures), np.nan)
    for index, cosine in enumerate(np.cos(np.radians(alignment.tilts_deg))):
        there = places[visible[index]]
        if not len(there):
            continue
        off = displaced(
            cut(others[index], there, side), cut(pictures[index], there, side), window, side / 4
        )
        trust = np.clip(off.clearness - _CLEAR, 0.0, None) ** 2
        if trust.any():
            away2 = (off.moved_px[:, 0] * cosine) ** 2 + off.moved_px[:, 1] ** 2
            found[index] = float(np.sqrt((trust * away2).sum() / trust.sum())) * stack.pixel_nm
    return found, _likeness(pictures, others, hann(*pictures.shape[1:]))


def _likeness(first: np.ndarray, second: np.ndarray, window: np.ndarray) -> np.ndarray:
    weight = window / window.sum()
    a, b = (one - (one * weight).sum(axis=(1, 2), keepdims=True) for one in (first, second))
    both, own, other = ((weight * p).sum(axis=(1, 2)) for p in (a * b, a * a, b * b))
    return np.asarray(both / np.sqrt(np.maximum(own * other, 1e-30)))
