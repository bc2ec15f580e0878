"""Coarse alignment: neighbours compared as wholes, then patch by patch.

Neighbouring pictures, stretched by 1 / cos of their tilts, look alike. As wholes they give
shifts, one after the other from the least tilted one outwards. Patches say more: a patch at
height h moves by h (tan b - tan a) across the axis from tilt a to b, and a tilt axis that is off by
d moves the patch at x by d x (cos b - cos a) along it. Heights, axis and shifts are found together
by least squares in which pairs that went wrong hardly count. The plane through the heights is the
lamella: its lean across the axis is the tilt offset.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from space.tomograms import operators
from space.tomograms.correlation import displaced, hann
from space.tomograms.geometry import Alignment, Grid, Stack, stretched

_PATCH_PART = 0.30  # of the shorter side of the pictures
_STEPS = (1, 2, 4, 7)  # from one picture to the next ones: far ones tell more of the axis
_ROUNDS = 12
_LEAST_SCALE_PX = 0.05
_RIDGE = 1e-3
_CHAIN_REACH = 0.35
_CHAIN_ROUNDS = 2
_BEFORE = 6
_AXIS_DEG = 1.0  # how well the axis is known beforehand
_CLEAR = 4.0  # standard deviations of a correlation: below, a peak is chance
_ALIKE = 1.5  # patches whose errors are not independent


@dataclass(frozen=True)
class Lamella:
    """The plane in which the specimen lies.

    Attributes
    ----------
    lean_deg : float
        dz / dx as an angle: across the tilt axis.
    along_deg : float
        dz / dy as an angle: along the tilt axis.
    uneven_nm : float
        Heights of patches about it, root mean square.
    """

    lean_deg: float
    along_deg: float
    uneven_nm: float


@dataclass(frozen=True, eq=False)
class Tracked:
    """What one round of patches found.

    Attributes
    ----------
    shifts_nm : ndarray, shape (n, 2)
        Of the better alignment.
    axis_by_deg : float
        By how much the tilt axis was off.
    lamella : Lamella
    residuals_px : ndarray, shape (n,)
        Of each picture, root mean square over its patches.
    """

    shifts_nm: np.ndarray
    axis_by_deg: float
    lamella: Lamella
    residuals_px: np.ndarray

    def allowed(self, alignment: Alignment, axis: bool, offset: bool) -> Alignment:
        """Return the better alignment; tilt axis and tilt offset only as far as they may change."""
        better = replace(alignment, shifts_nm=self.shifts_nm)
        better = better.turned_further(self.axis_by_deg) if axis else better
        return better.tilted_further(-self.lamella.lean_deg) if offset else better


def frame_grid(stack: Stack, axis_deg: float) -> Grid:
    """Return the lattice of aligned pictures: sides swapped where the axis lies across."""
    rows, columns = stack.data.shape[1:]
    if abs(math.sin(math.radians(axis_deg))) > math.sqrt(0.5):
        rows, columns = columns, rows
    return Grid(rows, columns, stack.pixel_nm)


def all_stretched(splines: np.ndarray, stack: Stack, alignment: Alignment) -> np.ndarray:
    """Return all pictures in the stretched frame."""
    grid = frame_grid(stack, alignment.axis_deg)
    return np.stack(
        [stretched(one, stack, alignment, index, grid) for index, one in enumerate(splines)]
    )


def chained(
    splines: np.ndarray, stack: Stack, alignment: Alignment, thickness_nm: float
) -> Alignment:
    """Align each picture to those done before, from the least tilted one outwards.

    The nearest `_BEFORE` pictures say together how it should look. With one alone that is the
    neighbour itself; with more, their noise is averaged.
    """
    from scipy import fft

    grid = frame_grid(stack, alignment.axis_deg)
    window = hann(grid.rows, grid.columns)
    reach = _CHAIN_REACH * min(grid.rows, grid.columns)
    layers = thickness_nm / stack.pixel_nm
    wide = int(fft.next_fast_len(grid.columns + int(2 * layers), real=True))
    k = operators.frequencies(wide)
    shifts, tilts = alignment.shifts_nm.copy(), alignment.tilts_deg
    order = sorted(range(len(tilts)), key=lambda i: abs(tilts[i] - alignment.offset_deg))
    spectra: dict[int, np.ndarray] = {}
    for index in order:
        before = sorted(spectra, key=lambda i: abs(tilts[i] - tilts[index]))[:_BEFORE]
        if before:
            shifts[index] += shifts[before[0]] - alignment.shifts_nm[before[0]]
            other = operators.expected(
                np.stack([spectra[i] for i in before]), tilts[before], tilts[index], k, layers, 1.0
            )
            first = fft.irfft(other, wide, axis=1)[:, : grid.columns]
        for _ in range(_CHAIN_ROUNDS if before else 1):
            now = replace(alignment, shifts_nm=shifts)
            picture = stretched(splines[index], stack, now, index, grid)
            if before:
                x, y = displaced(first, picture, window, reach).moved_px
                cosine = math.cos(math.radians(float(tilts[index])))
                shifts[index] -= np.array([x * cosine, y]) * stack.pixel_nm
        picture = stretched(
            splines[index], stack, replace(alignment, shifts_nm=shifts), index, grid
        )
        spectra[index] = np.asarray(fft.rfft(picture, wide, axis=1))
    return replace(alignment, shifts_nm=shifts)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Displacements of all patches between pairs of pictures, in pixels."""

    first: np.ndarray
    second: np.ndarray
    patch: np.ndarray
    moved: np.ndarray  # (m, 2)
    weight: np.ndarray


def patch_places(grid: Grid) -> tuple[int, np.ndarray]:
    """Return the side of patches and the (row, column) where each begins."""
    side = max(16, int(_PATCH_PART * min(grid.rows, grid.columns)) // 2 * 2)
    starts = [
        np.linspace(0, n - side, max(2, round(1.6 * n / side))).astype(int)
        for n in (grid.rows, grid.columns)
    ]
    return side, np.stack(np.meshgrid(*starts, indexing="ij"), axis=-1).reshape(-1, 2)


def cut(picture: np.ndarray, places: np.ndarray, side: int) -> np.ndarray:
    """Return patches, shape (m, side, side)."""
    return np.stack([picture[row : row + side, column : column + side] for row, column in places])


def seen(stack: Stack, alignment: Alignment, grid: Grid) -> np.ndarray:
    """Return which patches lie wholly in each picture, shape (n, m)."""
    side, places = patch_places(grid)
    corners = np.array([(0, 0), (0, side), (side, 0), (side, side)])
    rows, columns = np.moveaxis(places[:, None] + corners[None], -1, 0)
    x = (columns - (grid.columns - 1) / 2) * grid.pixel_nm
    y = (rows - (grid.rows - 1) / 2) * grid.pixel_nm
    found = []
    for tilt, shift in zip(alignment.tilts_deg, alignment.shifts_nm):
        aligned = np.stack([x * math.cos(math.radians(tilt)) - shift[0], y - shift[1]], axis=-1)
        column, row = np.moveaxis(aligned @ alignment.turn, -1, 0) / stack.pixel_nm
        row, column = row + stack.middle_px[0], column + stack.middle_px[1]
        most_row, most_column = stack.data.shape[1:]
        inside = (row > -2) & (row < most_row + 1) & (column > -2) & (column < most_column + 1)
        found.append(inside.all(axis=1))
    return np.stack(found)


def tracked(
    splines: np.ndarray, stack: Stack, alignment: Alignment, noted_deg: float | None = None
) -> Tracked:
    """Improve an alignment by the patches of neighbouring pictures.

    The tilt axis stays near `noted_deg` (that of the alignment if not given), by `_AXIS_DEG`, as
    far as the patches leave room.
    """
    off_deg = 0.0 if noted_deg is None else alignment.axis_deg - noted_deg
    grid = frame_grid(stack, alignment.axis_deg)
    side, places = patch_places(grid)
    middles_px = places[:, ::-1] + side / 2 - np.array([grid.columns, grid.rows]) / 2
    pairs = _pairs(
        all_stretched(splines, stack, alignment),
        alignment,
        side,
        places,
        seen(stack, alignment, grid),
    )
    solved, residuals = _solved(pairs, alignment.tilts_deg, middles_px, math.radians(off_deg))
    n, m = len(alignment.tilts_deg), len(places)
    heights, axis, errors = solved[:m], solved[m], solved[m + 1 :].reshape(2, n).T
    known = np.bincount(pairs.patch, pairs.weight, minlength=m)
    lamella = _plane(middles_px, heights, known, stack.pixel_nm)
    shifts = alignment.shifts_nm - errors * stack.pixel_nm
    return Tracked(shifts, math.degrees(axis), lamella, residuals)


def _pairs(
    pictures: np.ndarray,
    alignment: Alignment,
    side: int,
    places: np.ndarray,
    visible: np.ndarray,
) -> _Pairs:
    order = np.argsort(alignment.tilts_deg, kind="stable")
    window = hann(side, side)
    parts = []
    for step in _STEPS:
        for first, second in zip(order[:-step], order[step:]):
            both = np.flatnonzero(visible[first] & visible[second])
            if not both.size:
                continue
            a, b = (cut(pictures[one], places[both], side) for one in (first, second))
            moved = displaced(a, b, window, side / 4)
            weight = np.clip(moved.clearness - _CLEAR, 0.0, 10.0)
            parts.append(
                (
                    np.full(both.size, first),
                    np.full(both.size, second),
                    both,
                    moved.moved_px,
                    weight,
                )
            )
    return _Pairs(*(np.concatenate(one) for one in zip(*parts)))


def _solved(
    pairs: _Pairs, tilts_deg: np.ndarray, middles_px: np.ndarray, off_rad: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return heights, axis error (radians) and shift errors, and each picture's residual."""
    n, m, count = len(tilts_deg), len(middles_px), len(pairs.first)
    tilt = np.radians(tilts_deg)
    a, b = tilt[pairs.first], tilt[pairs.second]
    x = middles_px[pairs.patch, 0]
    model = np.zeros((2, count, m + 1 + 2 * n))
    line = np.arange(count)
    model[0, line, pairs.patch] = np.tan(b) - np.tan(a)
    # Across the axis, what is in a patch changes with the tilt: only along it is the axis measured.
    model[1, line, m] = x * (np.cos(b) - np.cos(a))
    model[0, line, m + 1 + pairs.second] = 1 / np.cos(b)
    model[0, line, m + 1 + pairs.first] = -1 / np.cos(a)
    model[1, line, m + 1 + n + pairs.second] = 1.0
    model[1, line, m + 1 + n + pairs.first] = -1.0
    equations = model.reshape(2 * count, -1)
    wanted = pairs.moved.T.reshape(-1)
    trust = np.concatenate([pairs.weight, pairs.weight])
    ridge = np.full(equations.shape[1], _RIDGE * max(1.0, float(trust.sum())) / count)
    usual = float(trust.sum()) / max(1.0, float((trust > 0).sum()))
    scale = 1.0
    robust = np.ones_like(wanted)
    found = np.zeros(equations.shape[1])
    for _ in range(_ROUNDS):
        weights = trust * robust
        ridge[m] = _ALIKE * usual * (scale / math.radians(_AXIS_DEG)) ** 2
        normal = equations.T @ (equations * weights[:, None]) + np.diag(ridge)
        right = equations.T @ (weights * wanted)
        right[m] -= ridge[m] * off_rad
        found = np.linalg.lstsq(normal, right, rcond=None)[0]
        off = wanted - equations @ found
        away = np.hypot(*off.reshape(2, -1))
        good = away[pairs.weight > 0]
        scale = max(_LEAST_SCALE_PX, 2.0 * float(np.median(good)) if good.size else 1.0)
        robust = np.tile(1 / (1 + (away / scale) ** 2), 2)
    weight = np.concatenate([pairs.weight] * 2)
    owner = np.concatenate([pairs.first, pairs.second])
    away2 = np.concatenate([np.minimum(away, 3 * scale) ** 2] * 2)
    sums = np.bincount(owner, weight * away2, minlength=n)
    return found, np.sqrt(sums / np.maximum(np.bincount(owner, weight, minlength=n), 1e-9))


def _plane(
    middles_px: np.ndarray, heights_px: np.ndarray, known: np.ndarray, pixel_nm: float
) -> Lamella:
    """Fit a plane to the heights of patches; odd ones hardly count."""
    model = np.column_stack([middles_px, np.ones(len(middles_px))])
    robust = known.copy()
    for _ in range(_ROUNDS):
        root = np.sqrt(robust)[:, None]
        found = np.linalg.lstsq(model * root, heights_px * root[:, 0], rcond=None)[0]
        off = heights_px - model @ found
        scale = max(_LEAST_SCALE_PX, 2.0 * float(np.median(np.abs(off[known > 0]))))
        robust = known / (1 + (off / scale) ** 2)
    lean, along = (math.degrees(math.atan(float(slope))) for slope in found[:2])
    uneven = float(np.sqrt((robust * off**2).sum() / max(float(robust.sum()), 1e-9)))
    return Lamella(lean, along, uneven * pixel_nm)
