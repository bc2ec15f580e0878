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


def geometry_points(
    cover: Coverage, targets_map_px: np.ndarray, tracking_map_px: np.ndarray, optics: Optics
) -> np.ndarray:
    """Choose up to 10 well spread points (m, 2) as (row, column) in map pixels.

    They lie on surface (see `masks`), within the image-shift limit of the tracking target and
    under no target's beam at zero tilt; where at least three such places exist, there is surface
    all around and the point's own beam does not touch a target's either. Spread: the first
    three span the plane widely, every further point is the one farthest from all before. Fewer
    than three cannot tell a plane, but are returned all the same (the caller warns).

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
    """Up to `MOST` points: a wide triangle, then always the farthest, `spacing_px` apart."""
    if len(places) > CANDIDATES_MAX:
        places = places[:: -(-len(places) // CANDIDATES_MAX)]
    if not len(places):
        return places
    middle = places.mean(axis=0)
    chosen = [int(np.argmax(((places - middle) ** 2).sum(axis=1)))]
    distance = np.hypot(*(places - places[chosen[0]]).T)
    chosen.append(int(np.argmax(distance)))
    baseline = places[chosen[1]] - places[chosen[0]]
    offset = places - places[chosen[0]]
    # The third is the one farthest from the line through the first two.
    height = np.abs(offset[:, 0] * baseline[1] - offset[:, 1] * baseline[0])
    chosen.append(int(np.argmax(height)))
    chosen = list(dict.fromkeys(chosen))
    distance = np.min([np.hypot(*(places - places[index]).T) for index in chosen], axis=0)
    while len(chosen) < MOST:
        index = int(np.argmax(distance))
        needed = spacing_px if len(chosen) >= LEAST else 0
        if distance[index] <= needed:
            break
        chosen.append(index)
        distance = np.minimum(distance, np.hypot(*(places - places[index]).T))
    return places[chosen]
