"""Points at which PACEtomo measures how the lamella lies."""

from __future__ import annotations

import numpy as np

from space.targeting.masks import Coverage
from space.targeting.options import Optics

LEAST, MOST = 3, 10
CANDIDATES_MAX = 3000
CLEAN = 0.9
# A point whose own beam reaches a neighbour's would not add to the spread, only dose.
SPACING_BEAMS = 2.0
EXCHANGES = 10


def geometry_points(
    cover: Coverage, targets_map_px: np.ndarray, tracking_map_px: np.ndarray, optics: Optics
) -> np.ndarray:
    """Choose up to 10 well spread points (m, 2) as (row, column) in map pixels.

    They lie on surface (see `masks`), within the image-shift limit of the tracking target and
    under no target's beam at zero tilt; where at least three such places exist, there is surface
    all around and the point's own beam does not touch a target's either. Among these they span the
    plane along both axes as widely as possible: the smallest singular value of their centred
    positions is the largest that exchanging them one by one leads to. Fewer than three cannot
    tell a plane, but are returned all the same (the caller warns).

    Parameters
    ----------
    targets_map_px : ndarray (n, 2)
        All targets of the map, also those of other areas.
    tracking_map_px : ndarray (2,)
        The area's tracking target.
    """
    shape, factor = cover.surface.shape, cover.factor
    clean = cover.surface >= CLEAN
    beam_px = optics.beam_diameter_um / optics.pixel_um
    limit_px = optics.image_shift_limit_um / optics.pixel_um
    stride = max(1, int(np.ceil(np.sqrt(clean.sum() / (10 * CANDIDATES_MAX)))))
    first = np.zeros(shape, bool)
    first[stride // 2 :: stride, stride // 2 :: stride] = True
    cells = np.argwhere(clean & first)
    places = (cells + 0.5) * factor
    tracking = np.asarray(tracking_map_px, dtype=float)
    places = places[np.hypot(*(places - tracking).T) <= limit_px]
    places = places[(places <= np.array(cover.map_shape)).all(axis=1)]
    if not len(places):
        return np.empty((0, 2))
    from scipy.spatial import cKDTree

    gap = cKDTree(np.asarray(targets_map_px, dtype=float)).query(places)[0]
    from scipy.ndimage import uniform_filter

    # An image there should show surface all over, not the lamella's rim.
    size = 2 * round(min(optics.field_um) / 2 / optics.pixel_um / factor) + 1
    filled = uniform_filter(cover.surface, size, mode="constant")
    index = np.minimum((places / factor).astype(int), np.array(shape) - 1)
    inner = filled[index[:, 0], index[:, 1]] >= CLEAN
    best = np.empty((0, 2))
    for good in ((gap >= beam_px) & inner, (gap >= beam_px / 2) & inner, gap >= beam_px / 2):
        chosen = _spread(places[good], SPACING_BEAMS * beam_px)
        if len(chosen) >= LEAST:
            return chosen
        if len(chosen) > len(best):
            best = chosen
    return best


def _spread(places: np.ndarray, spacing_px: float) -> np.ndarray:
    """Up to `MOST` points, `spacing_px` apart, that fix a plane as well as possible."""
    if len(places) > CANDIDATES_MAX:
        places = places[:: -(-len(places) // CANDIDATES_MAX)]
    if not len(places):
        return places
    chosen = _farthest(places, spacing_px)
    return places[_widened(places, chosen, spacing_px)] if len(chosen) >= LEAST else places[chosen]


def _farthest(places: np.ndarray, spacing_px: float) -> list[int]:
    """Always the place farthest from all before; beyond the first three `spacing_px` apart."""
    distance = np.hypot(*(places - places.mean(axis=0)).T)
    chosen = [int(np.argmax(distance))]
    distance = np.hypot(*(places - places[chosen[0]]).T)
    while len(chosen) < MOST:
        index = int(np.argmax(distance))
        if distance[index] <= (spacing_px if len(chosen) >= LEAST else 0):
            break
        chosen.append(index)
        distance = np.minimum(distance, np.hypot(*(places - places[index]).T))
    return chosen


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
    apart = max(min(spacing_px, nearest), nearest / 2)
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
