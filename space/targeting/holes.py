"""The holes of a holey film as sites for targets.

The lattice shows in the autocorrelation of the picture: its peaks repeat with the lattice's two
vectors. The phase of the picture's Fourier components with these periods gives where the holes are
within a unit cell. The holes are then measured one by one (correlation with a disc of
their size), and origin and vectors follow from all of them by least squares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from space.errors import SpaceError
from space.pictures import block_means, shrinking_factor

LONGEST_PX = 1024
"""Pictures are averaged down to this; a hole should still be 6 pixels wide then."""

# Of the autocorrelation's peaks that reach this share of the highest beside the central one, the
# nearest are tried as vectors.
STRONG_SHARE, PEAKS_TRIED = 0.5, 24
# A finer lattice is preferred unless its nodes are lower than this share of the best one's.
FINER_SHARE = 0.8
ANGLE_LEAST_DEG = 40.0
CELL_BINS = 32
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
    vectors = _vectors(small)
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
    low, high = np.percentile(small, (1, 99))
    small = np.clip(small, low, high) if high > low else small
    smooth = gaussian_filter(small, max(small.shape) / 6, mode="reflect")
    small = small - smooth
    return small - small.mean()


def _vectors(small: np.ndarray) -> np.ndarray | None:
    """The two shortest vectors (rows) with which the picture repeats itself."""
    correlation, center = _autocorrelation(small)
    peaks = _peaks(correlation, center)
    best, found = [], []
    for i, first in enumerate(peaks):
        for second in peaks[i + 1 :]:
            area = abs(first[0] * second[1] - first[1] * second[0])
            if area < math.sin(math.radians(ANGLE_LEAST_DEG)) * np.hypot(*first) * np.hypot(
                *second
            ):
                continue
            pair = np.array([first, second])
            best.append((_height_at_nodes(correlation, center, pair), area))
            found.append(pair)
    if not found:
        return None
    height, area = np.array(best).T
    if height.max() <= 0:
        return None
    fine = np.flatnonzero(height >= FINER_SHARE * height.max())
    vectors = found[int(fine[np.argmin(area[fine])])]
    for order in (1, 2, 4):
        vectors = _refined_on_peaks(correlation, center, vectors, order)
    return _shortest(vectors)


def _autocorrelation(small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean product of the picture and itself shifted; 0 where less than a quarter overlaps."""
    from scipy import fft, ndimage

    shape = [fft.next_fast_len(2 * size, real=True) for size in small.shape]
    power = np.abs(fft.rfft2(small, shape)) ** 2
    product = fft.fftshift(fft.irfft2(power, shape))
    # The number of pixel pairs at a shift is a product of two triangles.
    pairs = np.outer(
        *(
            np.maximum(size - np.abs(np.arange(length) - length // 2), 0)
            for size, length in zip(small.shape, shape)
        )
    )
    product = np.where(pairs >= small.size / 4, product / np.maximum(pairs, 1), 0)
    return ndimage.gaussian_filter(product, 1.0), np.array([length // 2 for length in shape])


def _peaks(correlation: np.ndarray, center: np.ndarray) -> list[np.ndarray]:
    """Shifts of the strong peaks nearest to the central one, in one half of the plane."""
    from scipy import ndimage

    away = np.hypot(*(np.indices(correlation.shape) - center[:, None, None]))
    ring = away.astype(int)
    profile = np.bincount(ring.ravel(), correlation.ravel()) / np.bincount(ring.ravel())
    falling = np.flatnonzero(np.diff(profile) > 0)
    core = max(3, int(falling[0])) if len(falling) else 3
    top = ndimage.maximum_filter(correlation, 2 * max(1, core // 2) + 1) == correlation
    top &= (away > core) & (correlation > 0)
    index = np.argwhere(top)
    index = index[
        (index[:, 0] > center[0]) | ((index[:, 0] == center[0]) & (index[:, 1] > center[1]))
    ]
    height = correlation[tuple(index.T)]
    shifts = (index - center)[height >= STRONG_SHARE * height.max(initial=0)]
    order = np.lexsort((shifts[:, 1], shifts[:, 0], np.hypot(*shifts.T).round(3)))
    return [shift.astype(float) for shift in shifts[order][:PEAKS_TRIED]]


def _height_at_nodes(correlation: np.ndarray, center: np.ndarray, vectors: np.ndarray) -> float:
    """Mean of the autocorrelation at the nodes next to the middle, less that between nodes."""
    steps = np.array([(1, 0), (0, 1), (1, 1), (1, -1)])
    between = np.array([(0.5, 0.5), (0.5, -0.5), (1.5, 0.5), (0.5, 1.5)])
    heights = []
    for positions in (steps, between):
        index = np.rint(positions @ vectors + center).astype(int)
        inside = ((index >= 0) & (index < correlation.shape)).all(axis=1)
        values = np.where(inside, correlation[tuple(np.where(inside[:, None], index, 0).T)], 0)
        heights.append(float(values.mean()))
    return heights[0] - heights[1]


def _shortest(vectors: np.ndarray) -> np.ndarray:
    """The shortest two vectors of the same lattice (Gauss' reduction)."""
    first, second = sorted(vectors, key=lambda vector: float(np.hypot(*vector)))
    while True:
        second = second - round(float(first @ second / (first @ first))) * first
        if first @ first <= second @ second:
            return np.array([first, second])
        first, second = second, first


def _refined_on_peaks(
    correlation: np.ndarray, center: np.ndarray, vectors: np.ndarray, order: int
) -> np.ndarray:
    """Vectors that fit the peaks up to an order best."""
    steps = np.array(
        [(i, j) for i in range(order + 1) for j in range(-order, order + 1) if (i, j) > (0, 0)]
    )
    reach = 0.2 * np.hypot(*vectors.T).min()
    found = [_peak_near(correlation, center + step @ vectors, reach) for step in steps]
    peaks = {k: peak[0] for k, peak in enumerate(found) if peak is not None and peak[1] > 0}
    good = list(peaks)
    if len(good) < 2 or np.linalg.matrix_rank(steps[good]) < 2:
        return vectors
    shifts = np.array([peaks[k] for k in good]) - center
    return np.linalg.lstsq(steps[good].astype(float), shifts, rcond=None)[0]


def _peak_near(
    image: np.ndarray, position: np.ndarray, reach: float
) -> tuple[np.ndarray, float] | None:
    """Position to a fraction of a pixel, and height, of the highest point around a position."""
    low = np.maximum(np.ceil(position - reach).astype(int), 1)
    high = np.minimum(np.floor(position + reach).astype(int) + 1, np.array(image.shape) - 1)
    if (high <= low).any():
        return None
    part = image[low[0] : high[0], low[1] : high[1]]
    row, column = low + np.unravel_index(int(np.argmax(part)), part.shape)
    around = image[row - 1 : row + 2, column - 1 : column + 2].astype(float)
    offset = [_vertex(*around[:, 1]), _vertex(*around[1])]
    return np.array([row, column]) + offset, float(image[row, column])


def _vertex(before: float, at: float, after: float) -> float:
    """Where the parabola through three neighbouring values has its top."""
    bend = before - 2 * at + after
    return 0.0 if bend >= 0 else float(np.clip((before - after) / (2 * bend), -0.5, 0.5))


def _origin(
    small: np.ndarray, vectors: np.ndarray, bright: bool | None
) -> tuple[np.ndarray, float, bool]:
    """A hole's position, the radius of holes, and whether they are bright."""
    row, column = np.indices(small.shape)
    # Fractional coordinates: how many vectors away from the picture's first pixel.
    inverse = np.linalg.inv(vectors)
    first = row * inverse[0, 0] + column * inverse[1, 0]
    second = row * inverse[0, 1] + column * inverse[1, 1]
    bins = (first % 1 * CELL_BINS).astype(int) % CELL_BINS * CELL_BINS
    bins += (second % 1 * CELL_BINS).astype(int) % CELL_BINS
    count = np.bincount(bins.ravel(), minlength=CELL_BINS**2)
    cell = np.bincount(bins.ravel(), small.ravel(), CELL_BINS**2) / np.maximum(count, 1)
    cell = cell - cell.mean()
    if bright is None:
        bright = bool((cell**3).sum() >= 0)
    share = float((cell > (cell.max() + cell.min()) / 2).mean())
    share = share if bright else 1 - share
    spectrum = np.fft.fft2(cell.reshape(CELL_BINS, CELL_BINS) * (1 if bright else -1))
    # A pixel of the unit cell is centred half a bin after its beginning.
    phase = -np.angle([spectrum[1, 0], spectrum[0, 1]]) / (2 * math.pi) + 0.5 / CELL_BINS
    radius = math.sqrt(max(share, 0.02) * abs(np.linalg.det(vectors)) / math.pi)
    return phase @ vectors, radius, bright


def _fitted(
    small: np.ndarray, origin: np.ndarray, vectors: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float] | None:
    """Holes on the lattice, its origin, its vectors and the deviation; None without a lattice."""
    likeness = _likeness(small, radius)
    spacing = np.hypot(*vectors.T).min()
    near = np.zeros(0, bool)
    for _ in range(3):
        steps = _steps_inside(origin, vectors, small.shape, radius / 2)
        found = [_peak_near(likeness, origin + step @ vectors, SEARCH * spacing) for step in steps]
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


def _steps_inside(
    origin: np.ndarray, vectors: np.ndarray, shape: tuple[int, ...], margin: float
) -> np.ndarray:
    """Whole numbers (n, 2) of vectors from the origin to lattice points in the picture."""
    corners = np.array([(0, 0), (0, shape[1]), (shape[0], 0), shape], float) - origin
    reach = corners @ np.linalg.inv(vectors)
    low, high = np.floor(reach.min(axis=0)).astype(int), np.ceil(reach.max(axis=0)).astype(int)
    steps = np.stack(
        np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(low, high)), indexing="ij"),
        axis=-1,
    ).reshape(-1, 2)
    positions = origin + steps @ vectors
    inside = (positions >= margin) & (positions <= np.array(shape) - 1 - margin)
    return steps[inside.all(axis=1)]
