"""Points at which PACEtomo measures how the lamella lies.

It focuses at each of them, with the Record beam at zero tilt, and fits a plane through what it
finds. A point is therefore of use only where nearly the whole beam falls on lamella that
has contrast to focus on, and points tell a plane only if they span it along both axes: with a
lever arm of 1.5 µm, errors of 0.1 µm in defocus turn the plane by 4 degrees. Where there are not
three such points there are none: a plane measured on a crack is worse than none.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from space.targeting.options import Optics
from space.targeting.scoring import Coverage

LEAST, MOST = 3, 10
CANDIDATES_MAX = 3000
CLEAN = 0.9
# Least share of the beam that falls on lamella, and what its reckoning may be wrong by.
ON_GROUND, SLACK = 0.9, 0.01
# A point whose own beam reaches a neighbour's would not add to the spread, only dose.
SPACING_BEAMS = 2.0
LEAST_LEVER_ARM_UM = 1.5
EXCHANGES = 10
# Places of which every three are tried for a beginning.
TRIED = 40
CHORDS = 48


def geometry_points(
    cover: Coverage, targets_map_px: np.ndarray, tracking_map_px: np.ndarray, optics: Optics
) -> np.ndarray:
    """Choose 3 to 10 well spread points (m, 2) as (row, column) in map pixels, or none.

    They lie on surface (see `masks`), at least 90 % of their beam at zero tilt on lamella with
    contrast (`ground`), within the image-shift limit of the tracking target, under no target's beam
    and two beam diameters apart; where at least three such places exist, there is surface
    all around and the point's own beam does not touch a target's either. Among these they span the
    plane along both axes as widely as possible: the smallest singular value of their centred
    positions is the largest that exchanging them one by one leads to. If it is below
    `LEAST_LEVER_ARM_UM` they cannot tell a plane and none is returned (the caller warns).

    Parameters
    ----------
    targets_map_px : ndarray (n, 2)
        All targets of the map, also those of other areas.
    tracking_map_px : ndarray (2,)
        The area's tracking target.
    """
    shape, factor = cover.surface.shape, cover.factor
    beam_px = optics.beam_diameter_um / optics.pixel_um
    limit_px = optics.image_shift_limit_um / optics.pixel_um
    tracking = np.asarray(tracking_map_px, dtype=float)

    def window(reach_px: float) -> tuple[slice, ...]:
        low = np.clip((tracking - reach_px) // factor, 0, shape).astype(int)
        high = np.clip((tracking + reach_px) // factor + 1, 0, shape).astype(int)
        return tuple(slice(*ends) for ends in zip(low, high))

    rows, columns = window(limit_px)
    clean = np.zeros(shape, bool)
    clean[rows, columns] = cover.surface[rows, columns] >= CLEAN
    stride = max(1, int(np.ceil(np.sqrt(clean.sum() / (4 * CANDIDATES_MAX)))))
    first = np.zeros(shape, bool)
    first[stride // 2 :: stride, stride // 2 :: stride] = True
    cells = np.argwhere(clean & first)
    places = (cells + 0.5) * factor
    places = places[np.hypot(*(places - tracking).T) <= limit_px]
    places = places[(places <= np.array(cover.map_shape)).all(axis=1)]
    if not len(places):
        return np.empty((0, 2))
    from scipy.spatial import cKDTree

    gap = np.asarray(cKDTree(np.asarray(targets_map_px, dtype=float)).query(places)[0])
    free = gap >= beam_px / 2
    places, gap = places[free], gap[free]
    # With all that beams and pictures at the places reach.
    reach_px = max(beam_px / 2, min(optics.field_um) / optics.pixel_um) + 2 * factor
    around = window(limit_px + reach_px)
    corner = [part.start for part in around]
    share = disc_share(cover.ground[around], places / factor - corner, beam_px / 2 / factor)
    held = share >= ON_GROUND + SLACK
    places, gap = places[held], gap[held]
    from scipy.ndimage import uniform_filter

    # An image there should show surface all over, not what is wanted or avoided.
    size = 2 * round(min(optics.field_um) / 2 / optics.pixel_um / factor) + 1
    filled = uniform_filter(cover.surface[around], size, mode="constant")
    index = np.minimum((places / factor).astype(int), np.array(shape) - 1) - corner
    inner = filled[index[:, 0], index[:, 1]] >= CLEAN
    for good in ((gap >= beam_px) & inner, inner, np.ones(len(places), bool)):
        chosen = _spread(places[good], SPACING_BEAMS * beam_px)
        if len(chosen) >= LEAST and lever_arm_um(chosen, optics) >= LEAST_LEVER_ARM_UM:
            return chosen
    return np.empty((0, 2))


def lever_arm_um(points_map_px: np.ndarray, optics: Optics) -> float:
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


def _spread(places: np.ndarray, spacing_px: float) -> np.ndarray:
    """Up to `MOST` points, `spacing_px` apart, that fix a plane as well as possible."""
    if len(places) > CANDIDATES_MAX:
        places = places[:: -(-len(places) // CANDIDATES_MAX)]
    chosen = _beginning(places, spacing_px)
    if not chosen:
        return places[:0]
    chosen = _farthest(places, chosen, spacing_px)
    return places[_widened(places, chosen, spacing_px)]


def _beginning(places: np.ndarray, spacing_px: float) -> list[int]:
    """The three of some well distributed places that fix a plane best; empty if there are none."""
    if len(places) < LEAST:
        return []
    some = np.array(
        _farthest(places, [int(np.argmax(_away(places, places.mean(axis=0))))], 0, TRIED)
    )
    a, b, c = np.array(list(combinations(range(len(some)), LEAST))).T
    apart = np.hypot(*(places[some][:, None] - places[some][None]).transpose(2, 0, 1))
    near = np.minimum(np.minimum(apart[a, b], apart[a, c]), apart[b, c])
    three = places[some[np.stack([a, b, c])]]
    centered = three - three.mean(axis=0)
    (rows, columns), mixed = (centered**2).sum(axis=0).T, centered.prod(axis=2).sum(axis=0)
    value = (rows + columns - np.hypot(rows - columns, 2 * mixed)) / 2
    value[near < spacing_px] = -1
    best = int(np.argmax(value))
    return some[[a[best], b[best], c[best]]].tolist() if value[best] > 0 else []


def _farthest(
    places: np.ndarray, chosen: list[int], spacing_px: float, most: int = MOST
) -> list[int]:
    """Add always the place farthest from all before, as long as it is `spacing_px` away."""
    chosen = list(chosen)
    distance = np.min([_away(places, places[index]) for index in chosen], axis=0)
    while len(chosen) < most:
        index = int(np.argmax(distance))
        if distance[index] < spacing_px or distance[index] == 0:
            break
        chosen.append(index)
        distance = np.minimum(distance, _away(places, places[index]))
    return chosen


def _away(places: np.ndarray, place: np.ndarray) -> np.ndarray:
    return np.hypot(*(places - place).T)


def _widened(places: np.ndarray, chosen: list[int], spacing_px: float) -> list[int]:
    """Exchange points one by one for the place that gives the largest smallest singular value.

    The singular values of the centred positions tell how far the points span the plane along its
    two axes; their squares are the eigenvalues of the 2 x 2 scatter matrix. Points
    stay at least half as far apart as they are, so that they do not all gather in the corners.
    """
    centered = places - places.mean(axis=0)
    nearest = min(
        np.hypot(*(centered[chosen[:k]] - centered[chosen[k]]).T).min()
        for k in range(1, len(chosen))
    )
    apart = max(spacing_px, nearest / 2)
    best = 0.0
    for _ in range(EXCHANGES):
        before = list(chosen)
        for k in range(len(chosen)):
            others = centered[chosen[:k] + chosen[k + 1 :]]
            value = _smallest_eigenvalue(others, centered)
            away = np.hypot(*(centered[:, None] - others[None]).transpose(2, 0, 1)).min(axis=1)
            value[away < apart] = -1
            # What is there must win against equals, or rounding would go in circles.
            index = int(np.argmax(value))
            if value[index] > best * (1 + 1e-9):
                best, chosen[k] = value[index], index
        if chosen == before:
            break
    return chosen


def _smallest_eigenvalue(others: np.ndarray, places: np.ndarray) -> np.ndarray:
    """That of the scatter matrix of `others` (n, 2) and each one of `places` (m, 2): (m,)."""
    count = len(others) + 1
    total = others.sum(axis=0) + places
    rows = (others[:, 0] ** 2).sum() + places[:, 0] ** 2 - total[:, 0] ** 2 / count
    columns = (others[:, 1] ** 2).sum() + places[:, 1] ** 2 - total[:, 1] ** 2 / count
    mixed = (others[:, 0] * others[:, 1]).sum() + places[:, 0] * places[:, 1]
    mixed = mixed - total[:, 0] * total[:, 1] / count
    return (rows + columns - np.hypot(rows - columns, 2 * mixed)) / 2
