"""Finds the vectors of a lattice in the autocorrelation of a picture."""

from __future__ import annotations

import math

import numpy as np

from space.simulator.measuring.alignment import bin_by, prepare

LONGEST_PX = 1024  # side of the picture that is correlated
LEAST_SPACING_PX = 8.0  # below that peaks merge, in the picture that is correlated
HIGH_PASS = 0.004  # cycles per pixel
LEAST_HEIGHT = 0.1  # of a peak over that of no shift
AS_HIGH = 0.6  # of the highest peak: those that may be a vector of the lattice
KNOWN_WITHIN = 0.35  # of an expected spacing
LARGEST_MISFIT = 0.15  # of the spacing, for peaks that the lattice is fitted to
# Largest deviation of the angle between vectors from that of the lattice.
LARGEST_SKEW_DEG = 20.0


def autocorrelation(data: np.ndarray) -> np.ndarray:
    """Correlation of a picture with itself for shifts up to half its size.

    Parameters
    ----------
    data : (rows, columns) array

    Returns
    -------
    (2 * (rows // 2) + 1, 2 * (columns // 2) + 1) float32
        No shift is in the middle, where it is 1. Shifts for which less of the picture lies on
        itself count no less than others.
    """
    from scipy import fft

    shape = [fft.next_fast_len(2 * n, real=True) for n in data.shape]
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    passed = 1.0 - np.exp(-(fx * fx + fy * fy) / (2.0 * HIGH_PASS**2))
    spectrum = fft.rfft2(prepare(data), s=shape)
    surface = np.fft.fftshift(fft.irfft2(np.abs(spectrum) ** 2 * passed, s=shape))
    reach = [n // 2 for n in data.shape]
    rows, columns = (slice(n // 2 - r, n // 2 + r + 1) for n, r in zip(shape, reach))
    surface = surface[rows, columns]
    overlap = [1.0 - np.abs(np.arange(-r, r + 1)) / n for r, n in zip(reach, data.shape)]
    surface = surface / (overlap[0][:, None] * overlap[1][None, :])
    return (surface / surface[reach[0], reach[1]]).astype(np.float32)


def peak_vectors(data: np.ndarray, spacing_px: float = 0.0, count: int = 2) -> np.ndarray | None:
    """Vectors between neighbours of a lattice that a picture shows.

    Parameters
    ----------
    data : (rows, columns) array
    spacing_px : float
        About how long they are; 0 where that is not known.
    count : int
        2 for a square lattice, 3 for a hexagonal one.

    Returns
    -------
    (count, 2) array or None
        Columns and rows, the first vector nearest to the right, the next ones counter-clockwise
        as displayed. None when the autocorrelation has no such peaks.
    """
    factor = max(1, math.ceil(max(data.shape) / LONGEST_PX))
    if spacing_px:
        factor = max(1, min(factor, int(spacing_px / LEAST_SPACING_PX)))
    peaks = _peaks(autocorrelation(bin_by(data, factor)), spacing_px / factor)
    chosen = _neighbours(peaks, 180.0 / count, count)
    if chosen is None:
        return None
    return _fitted(peaks[:, :2], chosen, count) * factor


def _peaks(surface: np.ndarray, spacing_px: float) -> np.ndarray:
    """Shifts (x, y) and heights of the peaks that may be between neighbours or further apart."""
    from skimage.feature import peak_local_max

    apart = int(max(LEAST_SPACING_PX, (1.0 - KNOWN_WITHIN) * spacing_px) / 2.0)
    found = peak_local_max(
        surface, min_distance=apart, threshold_abs=LEAST_HEIGHT, exclude_border=1
    )
    middle = [(n - 1) // 2 for n in surface.shape]
    peaks = []
    for row, column in found:
        y = row - middle[0] + _vertex(surface[row - 1 : row + 2, column])
        x = column - middle[1] + _vertex(surface[row, column - 1 : column + 2])
        length = math.hypot(x, y)
        near = not spacing_px or length > (1.0 - KNOWN_WITHIN) * spacing_px
        if length > apart and near:
            peaks.append((x, y, float(surface[row, column])))
    return np.array(peaks).reshape(-1, 3)


def _vertex(values: np.ndarray) -> float:
    before, at, after = (float(value) for value in values)
    curvature = before - 2.0 * at + after
    return 0.0 if curvature >= 0 else 0.5 * (before - after) / curvature


def _neighbours(peaks: np.ndarray, angle_deg: float, count: int) -> np.ndarray | None:
    """Shortest high peak, and those of about its length at the angles of the lattice to it."""
    if len(peaks) == 0:
        return None
    high = peaks[peaks[:, 2] >= AS_HIGH * peaks[:, 2].max()]
    lengths = np.hypot(high[:, 0], high[:, 1])
    first = high[np.argmin(lengths), :2]
    length = float(lengths.min())
    angles = np.degrees(np.arctan2(-peaks[:, 1], peaks[:, 0]))
    own = math.degrees(math.atan2(-first[1], first[0]))
    vectors = [first]
    for number in range(1, count):
        away = np.abs((angles - own - number * angle_deg + 180.0) % 360.0 - 180.0)
        ratio = np.hypot(peaks[:, 0], peaks[:, 1]) / length
        fits = (away < LARGEST_SKEW_DEG) & (np.abs(ratio - 1.0) < KNOWN_WITHIN)
        if not fits.any():
            return None
        vectors.append(peaks[fits][np.argmin(np.abs(ratio[fits] - 1.0)), :2])
    return np.array(vectors)


def _fitted(points: np.ndarray, vectors: np.ndarray, count: int) -> np.ndarray:
    """Fit the lattice to all peaks that lie on it, and name its vectors."""
    pair = vectors[:2]
    for reach in (1.6, 3.2, math.inf):
        spacing = float(np.hypot(*pair[0]))
        places = np.rint(points @ np.linalg.inv(pair))
        misfit = np.hypot(*(points - places @ pair).T)
        used = (misfit < LARGEST_MISFIT * spacing) & (np.hypot(*points.T) < reach * spacing)
        if used.sum() >= 2 and np.linalg.matrix_rank(places[used]) == 2:
            pair = np.linalg.lstsq(places[used], points[used], rcond=None)[0]
    named = np.array([pair[0], pair[1], pair[1] - pair[0]][:count])
    both = np.concatenate([named, -named])
    angles = np.degrees(np.arctan2(-both[:, 1], both[:, 0]))
    half = 90.0 / count
    right = [i for i in range(len(both)) if -half - 1e-9 <= angles[i] < 180.0 - half - 1e-9]
    return both[sorted(right, key=lambda i: angles[i])][:count]
