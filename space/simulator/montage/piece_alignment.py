"""Finds how far montage pieces are from their nominal places, from what they show.

Neighbours are compared where they overlap by normalised cross-correlation; a least squares
fit over all clear pairs gives one shift per piece. The shifts have mean zero, so the
overview as a whole stays at the stage position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from space.simulator.montage.layout import Layout, Piece

COARSE_PX = 200  # longer side of the strips in the first, coarse comparison
FINE_PX = 384  # largest side of the window in the second one
LEAST_CORRELATION = 0.25
LEAST_PROMINENCE = 3.5  # peak over the spread of the correlation in the searched range
LEAST_OVERLAP = 0.25  # part of the strip that must still be compared
RIDGE = 1e-3  # holds pieces without neighbours at their nominal place
WORST_RESIDUAL_PX = 6.0
# How far pieces may be from where they should be, against their neighbours.
TRUSTED_SHIFT_UM = 2.0
SLOPPY_SHIFT_UM = 4.0


@dataclass(frozen=True)
class Match:
    """Shift of `second` against `first` (columns, rows down) and how sure it is."""

    first: Piece
    second: Piece
    shift_px: tuple[float, float]
    correlation: float


def limit_px(very_sloppy: bool, pixel_um: float) -> float:
    """Largest shift between neighbours that is believed."""
    return (SLOPPY_SHIFT_UM if very_sloppy else TRUSTED_SHIFT_UM) / pixel_um


def align_pieces(
    pieces: Mapping[Piece, np.ndarray], layout: Layout, limit_px: float
) -> dict[Piece, tuple[float, float]]:
    """Find the shift of every piece from its nominal place.

    Parameters
    ----------
    pieces : mapping (ix, iy) -> ndarray (rows, columns)
        Images with row 0 on top.
    layout : Layout
        Nominal places.
    limit_px : float
        Largest shift between neighbours to believe.

    Returns
    -------
    dict (ix, iy) -> (dx, dy)
        Shifts in columns and rows (down), with mean zero.
    """
    return solve(sorted(pieces), match_neighbours(pieces, layout, limit_px))


def match_neighbours(
    pieces: Mapping[Piece, np.ndarray], layout: Layout, limit_px: float
) -> list[Match]:
    """Compare all neighbours; pairs without a clear match are left out."""
    matches = []
    for ix, iy in pieces:
        for neighbour in ((ix + 1, iy), (ix, iy + 1)):
            if neighbour in pieces:
                match = compare((ix, iy), neighbour, pieces, layout, limit_px)
                if match is not None:
                    matches.append(match)
    return matches


def compare(
    first: Piece,
    second: Piece,
    pieces: Mapping[Piece, np.ndarray],
    layout: Layout,
    limit_px: float,
) -> Match | None:
    """Compare two neighbours where they overlap; None when there is no clear match."""
    part, other = _overlaps(first, second, pieces, layout)
    narrow = min(part.shape)
    limit = min(limit_px, 0.75 * narrow)
    if limit < 1 or narrow < 16:
        return None
    factor = max(1, round(max(part.shape) / COARSE_PX))
    while factor > 1 and narrow // factor < 12:
        factor -= 1
    coarse = find_shift(_reduced(part, factor), _reduced(other, factor), max(2.0, limit / factor))
    if coarse is None:
        return None
    start = tuple(round(v * factor) for v in coarse[0])
    part, other = _common(part, other, start)
    fine = find_shift(part, other, factor + 2.0, judge=False)
    if fine is None:
        return None
    shift = (start[0] + fine[0][0], start[1] + fine[0][1])
    if max(abs(shift[0]), abs(shift[1])) > limit:
        return None
    return Match(first, second, shift, coarse[1])


def find_shift(
    reference: np.ndarray, image: np.ndarray, limit_px: float, judge: bool = True
) -> tuple[tuple[float, float], float] | None:
    """Find the shift of `image` that lays it on `reference`.

    Parameters
    ----------
    reference, image : ndarray of equal shape
        The two images.
    limit_px : float
        Largest shift along either axis.
    judge : bool
        Whether to refuse a peak that is low, not prominent or at the edge of the search.

    Returns
    -------
    tuple or None
        ((columns, rows down), correlation) with a parabolic sub-pixel fit, or None.
    """
    from scipy import fft

    a, b = _filtered(reference), _filtered(image)
    rows, columns = a.shape
    reach_y, reach_x = (min(int(limit_px), n - 2) for n in (rows, columns))
    if reach_x < 1 or reach_y < 1:
        return None
    size = tuple(
        fft.next_fast_len(n + r, real=True) for n, r in zip(a.shape, (reach_y + 1, reach_x + 1))
    )
    product = fft.irfft2(fft.rfft2(a, size) * np.conj(fft.rfft2(b, size)), size)
    shifts_y = np.arange(-reach_y, reach_y + 1)
    shifts_x = np.arange(-reach_x, reach_x + 1)
    sums = product[np.ix_(shifts_y, shifts_x)]
    power_a = _window_sums(a * a, shifts_y, shifts_x, 1)
    power_b = _window_sums(b * b, shifts_y, shifts_x, -1)
    overlap = np.outer(rows - np.abs(shifts_y), columns - np.abs(shifts_x)) / (rows * columns)
    correlation = sums / np.sqrt(np.maximum(power_a * power_b, 1e-12))
    correlation[overlap < LEAST_OVERLAP] = 0.0
    y, x = (int(n) for n in np.unravel_index(np.argmax(correlation), correlation.shape))
    peak = float(correlation[y, x])
    inside = 0 < y < 2 * reach_y and 0 < x < 2 * reach_x
    if judge and (peak < LEAST_CORRELATION or not inside or not _prominent(correlation, y, x)):
        return None
    fine_y = _vertex(correlation[:, x], y)
    fine_x = _vertex(correlation[y, :], x)
    return (float(shifts_x[x] + fine_x), float(shifts_y[y] + fine_y)), peak


def _overlaps(
    first: Piece, second: Piece, pieces: Mapping[Piece, np.ndarray], layout: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """Give the parts of two neighbours that show the same at nominal places."""
    part, other = pieces[first], pieces[second]
    x_px, y_px = layout.overlap_px
    if second[0] > first[0]:
        return part[:, part.shape[1] - x_px :], other[:, :x_px]
    # `second` lies above `first`: its lower rows are the upper rows of `first`.
    return part[:y_px, :], other[other.shape[0] - y_px :, :]


def _common(
    part: np.ndarray, other: np.ndarray, shift: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Cut both to what they share when `other` is shifted, at most FINE_PX wide and high."""
    windows, other_windows = [], []
    for n, move in zip(part.shape, (shift[1], shift[0])):
        start, stop = max(0, move), min(n, n + move)
        length = min(stop - start, FINE_PX)
        start += (stop - start - length) // 2
        windows.append(slice(start, start + length))
        other_windows.append(slice(start - move, start - move + length))
    return part[tuple(windows)], other[tuple(other_windows)]


def _reduced(image: np.ndarray, factor: int) -> np.ndarray:
    if factor == 1:
        return image
    rows, columns = (n // factor * factor for n in image.shape)
    blocks = image[:rows, :columns].reshape(rows // factor, factor, columns // factor, factor)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def _filtered(image: np.ndarray) -> np.ndarray:
    """Remove shading and noise of single pixels, and tame very bright spots."""
    from scipy import ndimage

    data = image.astype(np.float32)
    wide = max(5, min(image.shape) // 3)
    data = ndimage.uniform_filter(data, 3) - ndimage.uniform_filter(data, wide)
    spread = float(data.std())
    if spread > 0:
        data = np.clip(data / spread, -3.0, 3.0)
    return data - data.mean()


def _window_sums(
    values: np.ndarray, shifts_y: np.ndarray, shifts_x: np.ndarray, sign: int
) -> np.ndarray:
    """Sum over the part of an image that is compared, for every shift."""
    rows, columns = values.shape
    table = np.zeros((rows + 1, columns + 1))
    table[1:, 1:] = values.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    y0, y1 = _bounds(shifts_y * sign, rows)
    x0, x1 = _bounds(shifts_x * sign, columns)
    return (
        table[np.ix_(y1, x1)]
        - table[np.ix_(y0, x1)]
        - table[np.ix_(y1, x0)]
        + table[np.ix_(y0, x0)]
    )


def _bounds(shifts: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    return np.maximum(0, shifts), np.minimum(length, length + shifts)


def _prominent(correlation: np.ndarray, y: int, x: int) -> bool:
    others = correlation.copy()
    others[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4] = np.nan
    others = others[np.isfinite(others)]
    if others.size < 25:  # the search was too small for this test; the height has to do
        return True
    return correlation[y, x] - others.mean() > LEAST_PROMINENCE * others.std()


def _vertex(values: np.ndarray, index: int) -> float:
    """Offset of a parabola's top from the highest sample."""
    if not 0 < index < len(values) - 1:
        return 0.0
    before, top, after = values[index - 1 : index + 2]
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))


def solve(names: list[Piece], matches: list[Match]) -> dict[Piece, tuple[float, float]]:
    """Fit one shift per piece; pairs that contradict the rest are dropped one by one."""
    index = {name: number for number, name in enumerate(names)}
    shifts: np.ndarray = np.zeros((len(names), 2))
    while matches:
        weights = np.array([m.correlation for m in matches])
        rows = np.zeros((len(matches) + len(names), len(names)))
        wanted = np.zeros((len(rows), 2))
        for number, match in enumerate(matches):
            rows[number, index[match.second]] = weights[number]
            rows[number, index[match.first]] = -weights[number]
            wanted[number] = weights[number] * np.asarray(match.shift_px)
        rows[len(matches) :] = RIDGE * np.eye(len(names))
        shifts = np.linalg.lstsq(rows, wanted, rcond=None)[0]
        misfit = np.abs(rows @ shifts - wanted)[: len(matches)].max(axis=1) / weights
        worst = int(np.argmax(misfit))
        if misfit[worst] <= WORST_RESIDUAL_PX:
            break
        matches = matches[:worst] + matches[worst + 1 :]
    if not matches:
        shifts = np.zeros((len(names), 2))
    shifts = shifts - shifts.mean(axis=0)
    return {name: (float(shifts[i, 0]), float(shifts[i, 1])) for name, i in index.items()}
