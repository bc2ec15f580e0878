"""With which two vectors a picture repeats itself, and where in the unit cell it is bright.

The lattice shows in the autocorrelation of the picture: its peaks repeat with the lattice's two
vectors. The phase of the picture's Fourier components with these periods gives where the bright
places are within a unit cell. Pure functions of arrays; positions are (row, column) in pixels.
"""

from __future__ import annotations

import math

import numpy as np

# Of the autocorrelation's peaks that reach this share of the highest beside the central one, the
# nearest are tried as vectors.
STRONG_SHARE, PEAKS_TRIED = 0.5, 24
# A finer lattice is preferred unless its nodes are lower than this share of the best one's.
FINER_SHARE = 0.8
ANGLE_LEAST_DEG = 40.0
CELL_BINS = 32


def repeat_vectors(picture: np.ndarray) -> np.ndarray | None:
    """Return the two shortest vectors (rows, px) with which a picture repeats itself.

    Parameters
    ----------
    picture : ndarray (rows, columns)
        Of mean 0, without what changes slowly over it.

    Returns
    -------
    ndarray (2, 2) or None
        None where nothing repeats.
    """
    correlation, center = _autocorrelation(picture)
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


def _autocorrelation(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean product of the picture and itself shifted; 0 where less than a quarter overlaps."""
    from scipy import fft, ndimage

    shape = [fft.next_fast_len(2 * size, real=True) for size in picture.shape]
    power = np.abs(fft.rfft2(picture, shape)) ** 2
    product = fft.fftshift(fft.irfft2(power, shape))
    # The number of pixel pairs at a shift is a product of two triangles.
    pairs = np.outer(
        *(
            np.maximum(size - np.abs(np.arange(length) - length // 2), 0)
            for size, length in zip(picture.shape, shape)
        )
    )
    product = np.where(pairs >= picture.size / 4, product / np.maximum(pairs, 1), 0)
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
    found = [peak_near(correlation, center + step @ vectors, reach) for step in steps]
    peaks = {k: peak[0] for k, peak in enumerate(found) if peak is not None and peak[1] > 0}
    good = list(peaks)
    if len(good) < 2 or np.linalg.matrix_rank(steps[good]) < 2:
        return vectors
    shifts = np.array([peaks[k] for k in good]) - center
    return np.linalg.lstsq(steps[good].astype(float), shifts, rcond=None)[0]


def peak_near(
    image: np.ndarray, position: np.ndarray, reach: float
) -> tuple[np.ndarray, float] | None:
    """Return the highest point around a position, to a fraction of a pixel, and its height.

    Parameters
    ----------
    image : ndarray (rows, columns)
    position : ndarray (2,)
    reach : float
        How far to search along either axis, px.

    Returns
    -------
    tuple of (ndarray (2,), float), or None
        None where nothing of it lies in the picture.
    """
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


def folded(picture: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the mean unit cell (`CELL_BINS`, `CELL_BINS`), less its mean.

    Its first axis goes along the first vector, from the picture's first pixel.
    """
    row, column = np.indices(picture.shape)
    # Fractional coordinates: how many vectors away from the picture's first pixel.
    inverse = np.linalg.inv(vectors)
    first = row * inverse[0, 0] + column * inverse[1, 0]
    second = row * inverse[0, 1] + column * inverse[1, 1]
    bins = (first % 1 * CELL_BINS).astype(int) % CELL_BINS * CELL_BINS
    bins += (second % 1 * CELL_BINS).astype(int) % CELL_BINS
    count = np.bincount(bins.ravel(), minlength=CELL_BINS**2)
    cell = np.bincount(bins.ravel(), picture.ravel(), CELL_BINS**2) / np.maximum(count, 1)
    return (cell - cell.mean()).reshape(CELL_BINS, CELL_BINS)


def bright_place(cell: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the position (2,) that repeats in the middle of what is bright in a unit cell."""
    spectrum = np.fft.fft2(cell)
    # A pixel of the unit cell is centred half a bin after its beginning.
    phase = -np.angle([spectrum[1, 0], spectrum[0, 1]]) / (2 * math.pi) + 0.5 / CELL_BINS
    return np.asarray(phase @ vectors)


def steps_inside(
    origin: np.ndarray, vectors: np.ndarray, shape: tuple[int, ...], margin: float
) -> np.ndarray:
    """Return the whole numbers (n, 2) of vectors from the origin to lattice points in a picture.

    Parameters
    ----------
    origin : ndarray (2,)
    vectors : ndarray (2, 2)
    shape : tuple of int
        Of the picture.
    margin : float
        Points nearer to an edge are left out.
    """
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
