"""How well the pieces of a montage fit where they overlap.

SerialEM moves pieces so that neighbours fit and notes where they are (AlignedPieceCoords). Where it
found no fit, or a piece shows another place than the stage says, the map has a step: a lamella is
cut in two there, and targets near it are misplaced. Each pair of neighbours is compared once more
where both show the same: the highest correlation belongs at no shift.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.microscope import mdoc, mrc
from space.pictures import block_means
from space.registration import smoothed

MISFIT_UM = 0.5
"""From this step on a seam does not fit. Good maps stay below 0.1 um."""

CLEAR = 0.3
"""A correlation from which on a comparison tells anything; vacuum and noise stay below."""

_BESIDE_UM = 2.0
"""Seams count this far around the part that matters, since it is not quite in the middle."""

_LEAST_SHARE = 0.04  # of the frame: narrower strips are no overlap to compare
_LONG_SHARE = 0.4  # of the other side: corners that touch are no neighbours
_LONGEST_PX = 320  # of a strip that is compared
_NARROWEST_PX = 12
_SMOOTH_PX, _FLAT_PX = 1.0, 12.0
_MUCH_LESS = 0.4  # of a correlation; of pieces that do not fit hardly any is left
_MOST_STEPS = 8  # uphill; _NARROWEST_PX leaves room for them
_SURELY = 1.0 - _MUCH_LESS  # no correlation is above 1: pieces that agree by so much fit
_FLOOR = 1e-3  # of the spread: flat parts tell nothing
_STEPS = ("AlignedPieceCoords", "AlignedPieceCoordsVS", "PieceCoordinates")


@dataclass(frozen=True)
class Seam:
    """Two neighbouring pieces.

    Attributes
    ----------
    pieces : tuple of int
        Their sections in the file.
    correlation, here : float
        The highest within the strips, from -1 to 1, and that where the pieces lie.
    step_um : float
        How far from its place in the montage the second one fits best.
    """

    pieces: tuple[int, int]
    correlation: float
    here: float
    step_um: float

    @property
    def clear(self) -> bool:
        """Whether the strips show enough to be compared."""
        return self.correlation >= CLEAR

    @property
    def fits(self) -> bool:
        """Whether the pieces lie where they fit best, or nearly as well (as in a regular film)."""
        return self.step_um <= MISFIT_UM or self.here > self.correlation - _MUCH_LESS


@dataclass(frozen=True)
class _Placed:
    section: int
    left_px: int
    bottom_px: int


def seams_of(
    path: Path, pixel_nm: float, within_um: tuple[float, float] | None = None
) -> tuple[Seam, ...]:
    """Compare neighbouring pieces of a montage.

    Parameters
    ----------
    path : Path
        Image file with an mdoc beside it; none is compared without one, or if either is odd.
    pixel_nm : float
        Of its pieces.
    within_um : tuple of float, optional
        Sides, along x and y of the camera, of the part around the middle that matters; without it,
        all of the montage does. A step where nothing is exposed does no harm.
    """
    import mrcfile

    try:
        placed = _placed(path)
        if len(placed) < 2:
            return ()
        mrc.read_header(path)  # refuses a file that was cut off
        with mrcfile.mmap(path, "r", permissive=True) as opened:
            data = opened.data
            if data is None or data.ndim != 3 or max(p.section for p in placed) >= len(data):
                return ()
            shape = data.shape[1:]
            part = _part_of_interest(placed, shape, pixel_nm, within_um)
            return tuple(
                seam
                for first, second in _neighbours(placed, shape)
                if part.touches_strip_of(first, second, shape)
                and (seam := _compare(data, first, second, pixel_nm)) is not None
            )
    except (OSError, ValueError, SpaceError):
        return ()


def misfits(seams: Sequence[Seam]) -> tuple[Seam, ...]:
    """Return the seams at which pieces clearly do not fit, the worst first."""
    off = [seam for seam in seams if seam.clear and not seam.fits]
    return tuple(sorted(off, key=lambda seam: -seam.step_um))


def in_words(seams: Sequence[Seam]) -> str:
    """Say what is wrong with a montage; empty if nothing is, or nothing can be told."""
    off = misfits(seams)
    if not off:
        return ""
    clear = sum(seam.clear for seam in seams)
    return f"pieces do not fit at {len(off)} of {clear} seams, by up to {off[0].step_um:.1f} um"


def _placed(path: Path) -> list[_Placed]:
    """Return where the pieces lie in the montage: as aligned, if SerialEM has aligned them."""
    sections = [one for one in mdoc.images(mdoc.read(mdoc.path_of(path))) if one.name.isdecimal()]
    for key in _STEPS:
        found = [(int(section.name), section.numbers(key)) for section in sections]
        placed = [_Placed(number, int(at[0]), int(at[1])) for number, at in found if len(at) >= 2]
        if placed and len(placed) == len(sections):
            return placed
    return []


def _neighbours(placed: Sequence[_Placed], shape: tuple[int, ...]) -> list[tuple[_Placed, _Placed]]:
    """Return pairs of pieces that share a strip along most of a side."""
    rows, columns = shape
    pairs = []
    for at, first in enumerate(placed):
        for second in placed[at + 1 :]:
            wide = columns - abs(first.left_px - second.left_px)
            high = rows - abs(first.bottom_px - second.bottom_px)
            shares = sorted((wide / columns, high / rows))
            if (
                shares[0] > _LEAST_SHARE
                and shares[1] > _LONG_SHARE
                and shares[0] < 1 - _LEAST_SHARE
            ):
                pairs.append((first, second))
    return pairs


@dataclass(frozen=True)
class _Part:
    """A rectangle of a montage, in pixels from its lower left corner."""

    left_px: float = -math.inf
    right_px: float = math.inf
    bottom_px: float = -math.inf
    top_px: float = math.inf

    def touches_strip_of(self, first: _Placed, second: _Placed, shape: tuple[int, ...]) -> bool:
        """Whether what two pieces of this shape share reaches into the rectangle."""
        rows, columns = shape
        return (
            max(first.left_px, second.left_px) < self.right_px
            and min(first.left_px, second.left_px) + columns > self.left_px
            and max(first.bottom_px, second.bottom_px) < self.top_px
            and min(first.bottom_px, second.bottom_px) + rows > self.bottom_px
        )


def _part_of_interest(
    placed: Sequence[_Placed],
    shape: tuple[int, ...],
    pixel_nm: float,
    within_um: tuple[float, float] | None,
) -> _Part:
    if within_um is None:
        return _Part()
    rows, columns = shape
    # The mean: one piece that SerialEM has moved far away hardly shifts it.
    x_px = columns / 2 + float(np.mean([one.left_px for one in placed]))
    y_px = rows / 2 + float(np.mean([one.bottom_px for one in placed]))
    half_x_px, half_y_px = ((side / 2 + _BESIDE_UM) * 1000 / pixel_nm for side in within_um)
    return _Part(x_px - half_x_px, x_px + half_x_px, y_px - half_y_px, y_px + half_y_px)


def _compare(data: np.ndarray, first: _Placed, second: _Placed, pixel_nm: float) -> Seam | None:
    strips = _strips(data, first, second)
    binning = max(1, round(max(strips[0].shape) / _LONGEST_PX))
    binning = max(1, min(binning, min(strips[0].shape) // _NARROWEST_PX))
    small = [_flattened(block_means(strip.astype(np.float32), binning)) for strip in strips]
    if min(small[0].shape) < _NARROWEST_PX:
        return None
    pieces, pitch_um = (first.section, second.section), binning * pixel_nm / 1000
    near = _nearby(*small)
    if near is not None:
        return Seam(pieces, near.correlation, near.here, math.hypot(*near.shift_px) * pitch_um)
    score = _correlations(*small)
    at = np.unravel_index(int(np.argmax(score)), score.shape)
    shift_px = [int(p) - n if p > n // 2 else int(p) for p, n in zip(at, score.shape)]
    here = float(score[np.ix_((-1, 0, 1), (-1, 0, 1))].max())
    return Seam(pieces, float(score[at]), here, math.hypot(*shift_px) * pitch_um)


def _strips(data: np.ndarray, first: _Placed, second: _Placed) -> tuple[np.ndarray, np.ndarray]:
    """Cut what both show out of both; rows of the file go up, as its coordinates do."""
    rows, columns = data.shape[1:]
    left, right = sorted((first.left_px, second.left_px))
    bottom, top = sorted((first.bottom_px, second.bottom_px))

    def cut(piece: _Placed) -> np.ndarray:
        x = slice(right - piece.left_px, left + columns - piece.left_px)
        y = slice(top - piece.bottom_px, bottom + rows - piece.bottom_px)
        return np.asarray(data[piece.section][y, x])

    return cut(first), cut(second)


def _flattened(strip: np.ndarray) -> np.ndarray:
    """Return a strip without slow changes of brightness, which differ from piece to piece."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(strip, _SMOOTH_PX) - smoothed(strip, _FLAT_PX))


@dataclass(frozen=True)
class _Near:
    """The top of the correlation beside where two strips lie, and the best within a pixel there."""

    shift_px: tuple[int, int]
    correlation: float
    here: float


def _nearby(one: np.ndarray, other: np.ndarray) -> _Near | None:
    """Compare two strips as they lie, and from there uphill.

    None unless they surely fit: all shifts have to be compared then, which takes much longer.
    """
    known: dict[tuple[int, int], float] = {}
    flat = _FLOOR * float(one.var() * other.var())

    def score(shift: tuple[int, int]) -> float:
        if shift not in known:
            known[shift] = _correlation_at(one, other, shift, flat)
        return known[shift]

    here = max(score((down, right)) for down in (-1, 0, 1) for right in (-1, 0, 1))
    if here <= _SURELY:
        return None
    at = (0, 0)
    for _ in range(_MOST_STEPS):
        around = [(at[0] + down, at[1] + right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        best = max(around, key=score)
        if score(best) <= score(at):
            return _Near(at, score(at), here)
        at = best
    return None


def _correlation_at(
    one: np.ndarray, other: np.ndarray, shift_px: tuple[int, int], flat: float
) -> float:
    """Return the correlation at one shift; parts of less spread than `flat` tell nothing."""
    (down, right), (rows, columns) = shift_px, one.shape
    a = one[max(down, 0) : rows + min(down, 0), max(right, 0) : columns + min(right, 0)]
    b = other[max(-down, 0) : rows - max(down, 0), max(-right, 0) : columns - max(right, 0)]
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.vdot(a, a) * np.vdot(b, b))
    return float(np.vdot(a, b)) / math.sqrt(max(spread, flat * a.size**2 + 1e-12))


def _correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the correlation of two strips at each shift, in the order of a transform.

    Each shift is judged by the part that both strips still show.
    """
    from scipy import fft

    shape = [fft.next_fast_len(2 * side - 1, real=True) for side in one.shape]

    def correlated(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        spectrum = fft.rfft2(a, shape) * np.conj(fft.rfft2(b, shape))
        return np.asarray(fft.irfft2(spectrum, shape))

    full = np.ones_like(one)
    common = np.maximum(correlated(full, full), 1.0)
    sums = correlated(one, full), correlated(full, other)
    squares = correlated(one**2, full), correlated(full, other**2)
    spread = [np.maximum(sq - s**2 / common, 0) for s, sq in zip(sums, squares)]
    floor = _FLOOR * float(one.var() * other.var()) * common**2
    score = (correlated(one, other) - sums[0] * sums[1] / common) / np.sqrt(
        np.maximum(spread[0] * spread[1], floor + 1e-12)
    )
    score[common < 0.4 * one.size] = -1.0
    return np.asarray(score)
