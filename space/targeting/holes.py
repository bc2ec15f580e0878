"""The holes of a holey film as sites for targets.

The lattice and one of its points come from `space.lattices`. The holes are then measured one by one
(correlation with a disc of their size), and origin and vectors follow from all of them by least
squares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from space.errors import SpaceError
from space.lattices import bright_place, folded, peak_near, repeat_vectors, steps_inside
from space.pictures import block_means, shrinking_factor

LONGEST_PX = 1024
"""Pictures are averaged down to this; a hole should still be 6 pixels wide then."""

# What is farther from the median than this, compared with the nearer of both ends, is cut off.
OUTLIERS = 1.5
# A hole is searched within the first share of the spacing around its lattice point, and counts as
# being there if it is found within the second.
SEARCH, NEAR = 0.3, 0.12
# A hole correlates at least this well, compared with the upper quartile of all lattice points.
SEEN = 0.4
HOLES_LEAST = 6
# In a picture without a lattice the strongest spots lie anywhere: few of them are near.
NEAR_SHARE = 0.7


@dataclass(frozen=True, eq=False)
class HoleLattice:
    """A lattice of holes; positions are (row, column) in map pixels.

    Parameters
    ----------
    holes_map_px : ndarray (m, 2)
        Lattice points in the picture at which there is a hole.
    origin_map_px : ndarray (2,)
        One lattice point.
    vectors_map_px : ndarray (2, 2)
        The lattice's vectors as rows.
    radius_px : float
        Radius of a hole.
    rms_px : float
        How far the holes as measured lie from the lattice.
    """

    holes_map_px: np.ndarray
    origin_map_px: np.ndarray
    vectors_map_px: np.ndarray
    radius_px: float
    rms_px: float

    @property
    def spacing_px(self) -> float:
        """Mean length of the two vectors."""
        return float(np.hypot(*self.vectors_map_px.T).mean())


def find_holes(picture: np.ndarray, bright: bool | None = None) -> HoleLattice | None:
    """Find the lattice of holes in a picture, or in a mask of holes.

    Parameters
    ----------
    picture : ndarray (rows, columns)
        Grey picture, or mask that is true in holes.
    bright : bool, optional
        Whether holes are brighter than the film; left out, holes are what takes less than half of
        the area.

    Returns
    -------
    HoleLattice or None
        None when there is no lattice of at least 6 holes.
    """
    picture = np.asarray(picture)
    if picture.ndim != 2:
        raise SpaceError(
            "The picture must have rows and columns.", "hole pattern", "Give a 2-D array."
        )
    factor = shrinking_factor(picture.shape, LONGEST_PX)
    small = _flattened(picture, factor)
    if min(small.shape) < 16 or not small.any():
        return None
    vectors = repeat_vectors(small)
    if vectors is None:
        return None
    if bright is None and picture.dtype == bool:
        bright = True
    origin, radius, bright = _origin(small, vectors, bright)
    fitted = _fitted(small if bright else -small, origin, vectors, radius)
    if fitted is None:
        return None
    holes, origin, vectors, rms = fitted
    # Index k of an averaged pixel is the middle of `factor` map pixels.
    return HoleLattice(
        (holes + 0.5) * factor,
        (origin + 0.5) * factor,
        vectors * factor,
        radius * factor,
        rms * factor,
    )


def _flattened(picture: np.ndarray, factor: int) -> np.ndarray:
    """Averaged down, without outliers, without what changes slowly over the picture."""
    from scipy.ndimage import gaussian_filter

    rows, columns = (size // factor * factor for size in picture.shape)
    small = block_means(picture[:rows, :columns], factor)
    if not small.size:
        return small
    low, middle, high = np.percentile(small, (1, 50, 99))
    # Ice crystals and cells are far darker than film, and would outshine the holes.
    reach = OUTLIERS * min(high - middle, middle - low)
    low, high = max(low, middle - reach), min(high, middle + reach)
    small = np.clip(small, low, high) if high > low else small
    smooth = gaussian_filter(small, max(small.shape) / 6, mode="reflect")
    small = small - smooth
    return small - small.mean()


def _origin(
    small: np.ndarray, vectors: np.ndarray, bright: bool | None
) -> tuple[np.ndarray, float, bool]:
    """A hole's position, the radius of holes, and whether they are bright."""
    cell = folded(small, vectors)
    if bright is None:
        bright = bool((cell**3).sum() >= 0)
    share = float((cell > (cell.max() + cell.min()) / 2).mean())
    share = share if bright else 1 - share
    radius = math.sqrt(max(share, 0.02) * abs(np.linalg.det(vectors)) / math.pi)
    return bright_place(cell * (1 if bright else -1), vectors), radius, bright


def _fitted(
    small: np.ndarray, origin: np.ndarray, vectors: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float] | None:
    """Holes on the lattice, its origin, its vectors and the deviation; None without a lattice."""
    likeness = _likeness(small, radius)
    spacing = np.hypot(*vectors.T).min()
    near = np.zeros(0, bool)
    for _ in range(3):
        steps = steps_inside(origin, vectors, small.shape, radius / 2)
        found = [peak_near(likeness, origin + step @ vectors, SEARCH * spacing) for step in steps]
        steps = np.array([step for step, peak in zip(steps, found) if peak])
        peaks = [peak for peak in found if peak]
        if len(steps) < HOLES_LEAST:
            return None
        positions = np.array([peak[0] for peak in peaks])
        heights = np.array([peak[1] for peak in peaks])
        seen = heights > max(SEEN * float(np.quantile(heights, 0.75)), 0)
        away = np.hypot(*(positions - origin - steps @ vectors).T)
        near = seen & (away <= NEAR * spacing)
        if near.sum() < HOLES_LEAST or np.linalg.matrix_rank(steps[near] - steps[near][0]) < 2:
            return None
        design = np.column_stack([np.ones(near.sum()), steps[near]])
        solution = np.linalg.lstsq(design, positions[near], rcond=None)[0]
        origin, vectors = solution[0], solution[1:]
    if near.sum() < NEAR_SHARE * seen.sum():
        return None
    off = positions[near] - (origin + steps[near] @ vectors)
    holes = origin + steps[near] @ vectors
    return holes, origin, vectors, float(np.sqrt((off**2).sum(axis=1).mean()))


def _likeness(small: np.ndarray, radius: float) -> np.ndarray:
    """How much each position is the middle of a hole: mean inside of it less mean around it."""
    from scipy.signal import fftconvolve

    reach = math.ceil(1.4 * radius) + 1
    away = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
    # Smooth rims, so that the peak is round at the scale of pixels.
    disc = np.clip(radius + 0.5 - away, 0, 1)
    ring = np.clip(1.4 * radius + 0.5 - away, 0, 1) - disc
    return fftconvolve(small, disc / disc.sum() - ring / ring.sum(), mode="same")
