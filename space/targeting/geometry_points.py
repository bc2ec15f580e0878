"""Points at which PACEtomo measures the lamella's geometry.

It focuses at each of them, with the Record beam at zero tilt, and fits a plane to the heights. A
point is therefore useful only where nearly the whole beam falls on lamella that has contrast to
focus on, and points define a plane only if they span it along both axes: with a lever arm of
1.5 µm, errors of 0.1 µm in defocus turn the plane by 4 degrees. Where there are not three such
points, none are chosen: a plane measured on a crack is worse than none.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from space.pictures import block_means
from space.targeting.options import ExposureOptics
from space.targeting.scoring import Coverage

LEAST, MOST = 3, 10
CANDIDATES_MAX = 3000
CLEAN = 0.9
# Least share of the beam that falls on lamella, and the error of its calculation.
ON_LAMELLA, SLACK = 0.9, 0.01
# A beam of so many cells' radius is counted to far less than the SLACK.
RADIUS_CELLS = 24
# A point whose own beam reaches a neighbour's would not add to the spread, only dose.
SPACING_BEAMS = 2.0
LEAST_LEVER_ARM_UM = 1.5
EXCHANGES = 10
# Every three of TRIED positions are tried first.
TRIED = 40
CHORDS = 48


def geometry_points(
    cover: Coverage, targets_map_px: np.ndarray, tracking_map_px: np.ndarray, optics: ExposureOptics
) -> np.ndarray:
    """Choose 3 to 10 well spread points (m, 2) as (row, column) in map pixels, or none.

    They lie on surface (see `masks`), at least 90 % of their beam at zero tilt on lamella with
    contrast (`focusable`), within the image-shift limit of the tracking target, under no target's
    beam and two beam diameters apart; where at least three such positions exist, there is surface
    all around and the point's own beam does not touch a target's either. Among these they span the
    plane along both axes as widely as possible: the smallest singular value of their centred
    positions is the largest that exchanging them one by one leads to. If it is below
    `LEAST_LEVER_ARM_UM` they define no plane and none is returned (the caller warns).

    Parameters
    ----------
    targets_map_px : ndarray (n, 2)
        All targets of the map, also those of other areas.
    tracking_map_px : ndarray (2,)
        The area's tracking target.
    """
    beam_px = optics.beam_diameter_um / optics.pixel_um
    tracking = np.asarray(tracking_map_px, dtype=float)
    positions = _surface_positions(cover, tracking, optics)
    if not len(positions):
        return np.empty((0, 2))
    from scipy.spatial import cKDTree

    gap_px = np.asarray(cKDTree(np.asarray(targets_map_px, dtype=float)).query(positions)[0])
    free = gap_px >= beam_px / 2
    positions, gap_px = positions[free], gap_px[free]
    inner = _field_held(cover, positions, tracking, optics)
    for good in ((gap_px >= beam_px) & inner, inner, np.ones(len(positions), bool)):
        held = _beam_held(cover, positions[good], tracking, optics)
        chosen = _spread(positions[good][held], SPACING_BEAMS * beam_px)
        if len(chosen) >= LEAST and lever_arm_um(chosen, optics) >= LEAST_LEVER_ARM_UM:
            return chosen
    return np.empty((0, 2))


def _window(cover: Coverage, center_map_px: np.ndarray, reach_px: float) -> tuple[slice, ...]:
    """The cells within a distance of a point along both axes."""
    shape, factor = cover.surface.shape, cover.factor
    low = np.clip((center_map_px - reach_px) // factor, 0, shape).astype(int)
    high = np.clip((center_map_px + reach_px) // factor + 1, 0, shape).astype(int)
    return tuple(slice(*ends) for ends in zip(low, high))


def _surface_positions(cover: Coverage, tracking: np.ndarray, optics: ExposureOptics) -> np.ndarray:
    """Positions (n, 2) on surface in reach of image shift, thinned out evenly."""
    shape, factor = cover.surface.shape, cover.factor
    limit_px = optics.image_shift_limit_um / optics.pixel_um
    rows, columns = _window(cover, tracking, limit_px)
    clean = np.zeros(shape, bool)
    clean[rows, columns] = cover.surface[rows, columns] >= CLEAN
    stride = max(1, int(np.ceil(np.sqrt(clean.sum() / (4 * CANDIDATES_MAX)))))
    sampled = np.zeros(shape, bool)
    sampled[stride // 2 :: stride, stride // 2 :: stride] = True
    positions = (np.argwhere(clean & sampled) + 0.5) * factor
    positions = positions[np.hypot(*(positions - tracking).T) <= limit_px]
    return positions[(positions <= np.array(cover.map_shape)).all(axis=1)]


def _beam_held(
    cover: Coverage, positions: np.ndarray, tracking: np.ndarray, optics: ExposureOptics
) -> np.ndarray:
    """At which positions (n,) the beam falls on lamella."""
    around, corner = _around(cover, tracking, optics)
    radius = optics.beam_diameter_um / 2 / optics.pixel_um / cover.factor
    step = max(1, int(radius / RADIUS_CELLS))
    cells = cover.focusable[around]
    cells = block_means(np.pad(cells, [(0, -side % step) for side in cells.shape]), step)
    share = disc_share(cells, (positions / cover.factor - corner) / step, radius / step)
    return share >= ON_LAMELLA + SLACK


def _field_held(
    cover: Coverage, positions: np.ndarray, tracking: np.ndarray, optics: ExposureOptics
) -> np.ndarray:
    """At which positions (n,) surface fills an image.

    The image should show surface all over, not what is wanted or avoided.
    """
    from scipy.ndimage import uniform_filter

    shape, factor = cover.surface.shape, cover.factor
    around, corner = _around(cover, tracking, optics)
    size = 2 * round(min(optics.field_um) / 2 / optics.pixel_um / factor) + 1
    filled = uniform_filter(cover.surface[around], size, mode="constant")
    index = np.minimum((positions / factor).astype(int), np.array(shape) - 1) - corner
    return np.asarray(filled[index[:, 0], index[:, 1]] >= CLEAN)


def _around(
    cover: Coverage, tracking: np.ndarray, optics: ExposureOptics
) -> tuple[tuple[slice, ...], np.ndarray]:
    """The cells that beams and images in reach of image shift touch, and the first of them."""
    most_px = max(optics.beam_diameter_um / 2, min(optics.field_um)) / optics.pixel_um
    limit_px = optics.image_shift_limit_um / optics.pixel_um
    around = _window(cover, tracking, limit_px + most_px + 2 * cover.factor)
    return around, np.array([part.start for part in around])


def lever_arm_um(points_map_px: np.ndarray, optics: ExposureOptics) -> float:
    """How far points (n, 2) reach across the line that fits them best.

    The smaller singular value of the centred positions, that is, the root of the summed squares of
    their distances from that line.
    """
    if len(points_map_px) < 2:
        return 0.0
    centered = np.asarray(points_map_px, dtype=float) - np.mean(points_map_px, axis=0)
    return float(np.linalg.svd(centered, compute_uv=False)[-1]) * optics.pixel_um


def disc_share(cells: np.ndarray, centers: np.ndarray, radius: float) -> np.ndarray:
    """Mean of `cells` over discs; what lies outside of the array counts as 0.

    Parameters
    ----------
    centers : ndarray (n, 2)
        Row and column in units of cells; the first cell spans 0 to 1.
    radius : float
        In cells.
    """
    rows, columns = cells.shape
    before = np.zeros((rows, columns + 1))
    np.cumsum(cells, axis=1, out=before[:, 1:])
    count = max(CHORDS, math.ceil(4 * radius))
    total = np.zeros(len(centers))
    for height in (np.arange(count) + 0.5) / count * 2 - 1:
        row = np.floor(centers[:, 0] + height * radius).astype(int)
        half = math.sqrt(1 - height**2) * radius
        inside = (row >= 0) & (row < rows)
        row = row[inside]
        left, right = (np.clip(centers[inside, 1] + side, 0, columns) for side in (-half, half))
        total[inside] += _up_to(before, row, right) - _up_to(before, row, left)
    return total * (2 * radius / count) / (math.pi * radius**2)


def _up_to(before: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Sum of a row's cells left of a column, which need not be whole."""
    whole = np.minimum(column.astype(int), before.shape[1] - 2)
    start = before[row, whole]
    return start + (before[row, whole + 1] - start) * (column - whole)


def _spread(positions: np.ndarray, spacing_px: float) -> np.ndarray:
    """Up to `MOST` points, `spacing_px` apart, that fix a plane as well as possible."""
    if len(positions) > CANDIDATES_MAX:
        positions = positions[:: -(-len(positions) // CANDIDATES_MAX)]
    chosen = _first_three(positions, spacing_px)
    if not chosen:
        return positions[:0]
    chosen = _farthest(positions, chosen, spacing_px)
    return positions[_widened(positions, chosen, spacing_px)]


def _first_three(positions: np.ndarray, spacing_px: float) -> list[int]:
    """Of some well distributed positions the three that fix a plane best; none: empty."""
    if len(positions) < LEAST:
        return []
    tried = np.array(
        _farthest(positions, [int(np.argmax(_away(positions, positions.mean(axis=0))))], 0, TRIED)
    )
    a, b, c = np.array(list(combinations(range(len(tried)), LEAST))).T
    apart = np.hypot(*(positions[tried][:, None] - positions[tried][None]).transpose(2, 0, 1))
    near = np.minimum(np.minimum(apart[a, b], apart[a, c]), apart[b, c])
    three = positions[tried[np.stack([a, b, c])]]
    centered = three - three.mean(axis=0)
    (rows, columns), mixed = (centered**2).sum(axis=0).T, centered.prod(axis=2).sum(axis=0)
    value = (rows + columns - np.hypot(rows - columns, 2 * mixed)) / 2
    value[near < spacing_px] = -1
    best = int(np.argmax(value))
    return tried[[a[best], b[best], c[best]]].tolist() if value[best] > 0 else []


def _farthest(
    positions: np.ndarray, chosen: list[int], spacing_px: float, max_points: int = MOST
) -> list[int]:
    """Add the position farthest from all before, again and again while it is `spacing_px` away."""
    chosen = list(chosen)
    distance = np.min([_away(positions, positions[index]) for index in chosen], axis=0)
    while len(chosen) < max_points:
        index = int(np.argmax(distance))
        if distance[index] < spacing_px or distance[index] == 0:
            break
        chosen.append(index)
        distance = np.minimum(distance, _away(positions, positions[index]))
    return chosen


def _away(positions: np.ndarray, position: np.ndarray) -> np.ndarray:
    return np.hypot(*(positions - position).T)


def _widened(positions: np.ndarray, chosen: list[int], spacing_px: float) -> list[int]:
    """Exchange points one by one for the position that gives the largest smallest singular value.

    The singular values of the centred positions measure how far the points span the plane along its
    two axes; their squares are the eigenvalues of the 2 x 2 scatter matrix. Points
    stay at least half as far apart as they are, so that they do not all gather in the corners.
    """
    centered = positions - positions.mean(axis=0)
    nearest = min(
        np.hypot(*(centered[chosen[:k]] - centered[chosen[k]]).T).min()
        for k in range(1, len(chosen))
    )
    apart = max(spacing_px, nearest / 2)
    away = np.stack([_away(centered, centered[index]) for index in chosen])
    best = 0.0
    for _ in range(EXCHANGES):
        before = list(chosen)
        for k in range(len(chosen)):
            others = centered[chosen[:k] + chosen[k + 1 :]]
            value = _smallest_eigenvalue(others, centered)
            value[np.delete(away, k, axis=0).min(axis=0) < apart] = -1
            # The present point wins against equals, or rounding would exchange points for ever.
            index = int(np.argmax(value))
            if value[index] > best * (1 + 1e-9):
                best, chosen[k], away[k] = value[index], index, _away(centered, centered[index])
        if chosen == before:
            break
    return chosen


def _smallest_eigenvalue(others: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """That of the scatter matrix of `others` (n, 2) and each one of `positions` (m, 2): (m,)."""
    count = len(others) + 1
    total = others.sum(axis=0) + positions
    rows = (others[:, 0] ** 2).sum() + positions[:, 0] ** 2 - total[:, 0] ** 2 / count
    columns = (others[:, 1] ** 2).sum() + positions[:, 1] ** 2 - total[:, 1] ** 2 / count
    mixed = (others[:, 0] * others[:, 1]).sum() + positions[:, 0] * positions[:, 1]
    mixed = mixed - total[:, 0] * total[:, 1] / count
    return (rows + columns - np.hypot(rows - columns, 2 * mixed)) / 2
