"""The target that tracking is done on.

Criteria: little of the avoided classes in the field as widened by tilting (they come into view
at high tilt and mislead tracking), contrast to track on (variety of classes in the field), and
nearness to the middle of the area (short image shifts for all).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from space.targeting.areas import distances
from space.targeting.options import Optics
from space.targeting.packing import TOUCH_UM, TiltFrame
from space.targeting.polygons import inside
from space.targeting.scoring import Coverage, ScoreMap, class_contrast, field_mean

# The tracking target is chosen among this share of an area's targets, those nearest its middle.
MIDDLE_SHARE = 0.25
MIDDLE_LEAST = 3
# Shares of avoided classes that differ by less are alike: a percent of the field.
AVOIDED_DIGITS = 2
# How an extra tracking target weighs bad surface (share of its field), nearness to the middle
# (share of the image-shift limit), wanted class that it would expose and contrast.
BAD_WEIGHT, FAR_WEIGHT, WANTED_WEIGHT, CONTRAST_WEIGHT = 4.0, 1.0, 0.3, 0.6
EXTRA_TRIED = 100


def tracking_index(points_map_px: np.ndarray, cover: Coverage, optics: Optics) -> int:
    """Choose the tracking target of an area.

    Of the targets that reach all others and lie nearest the middle (a quarter of them, at least
    three) those whose field, widened for tilt, holds least of the avoided classes (to a
    percent of the field); among these the one of greatest contrast - distance, the distance
    from the middle counted in image-shift limits.
    """
    points = np.asarray(points_map_px, dtype=float)
    limit_px = optics.image_shift_limit_um / optics.pixel_um
    reach = distances(points, points) <= limit_px
    np.fill_diagonal(reach, True)
    able = np.flatnonzero(reach.all(axis=1))
    if not len(able):
        able = np.arange(len(points))
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    far = np.hypot(*(points[able] - middle).T)
    nearest = np.argsort(far, kind="stable")
    nearest = nearest[: max(MIDDLE_LEAST, math.ceil(MIDDLE_SHARE * len(points)))]
    avoided = [avoided_in_view(points[able[index]], cover, optics) for index in nearest]
    clean = nearest[np.array(avoided) == min(avoided)]
    worth = [
        class_contrast(cover, points[able[index]], optics) - far[index] / max(limit_px, 1e-9)
        for index in clean
    ]
    return int(able[clean[int(np.argmax(np.round(worth, 6)))]])


def avoided_in_view(point_map_px: np.ndarray, cover: Coverage, optics: Optics) -> float:
    """Share of the avoided classes in the field at a point, widened for tilt, to a percent."""
    share = field_mean(cover.avoided, cover, point_map_px, optics, widened=True)
    return round(share, AVOIDED_DIGITS)


def place_extra_tracking(
    points_map_px: np.ndarray,
    blocked_map_px: np.ndarray,
    cover: Coverage,
    scores: ScoreMap,
    optics: Optics,
    polygons: Sequence[np.ndarray] = (),
) -> np.ndarray | None:
    """Find a place for a target that serves tracking alone.

    Its beam keeps the margin from those of `blocked_map_px`, its field is inside the map, its
    centre in one of the polygons, if there are any, and within the image-shift limit of all
    `points_map_px`. Best is a field (widened for tilt) on the lamella without avoided classes,
    near the middle, with a variety of classes in it to track on, and with little of the wanted
    class (which others may still want to look at).

    Returns
    -------
    ndarray (2,) or None
        (row, column), or None when there is no room.
    """
    points = np.asarray(points_map_px, dtype=float)
    frame = TiltFrame.of(optics)
    limit_px = optics.image_shift_limit_um / optics.pixel_um
    step = max(1, round(min(optics.field_um) / 4 / optics.pixel_um / cover.factor))
    rows, columns = (np.arange(step // 2, size, step) for size in cover.wanted.shape)
    cells = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    places = (cells + 0.5) * cover.factor
    good = scores.holds_field(places)
    if polygons:
        good &= inside(places, polygons)
    good &= (distances(places, points) <= limit_px).all(axis=1)
    cells, places = cells[good], places[good]
    if not len(places):
        return None
    gap = distances(frame.from_map(places), frame.from_map(blocked_map_px)).min(axis=1)
    free = gap >= optics.beam_diameter_um + optics.beam_margin_um - TOUCH_UM
    cells, places = cells[free], places[free]
    if not len(places):
        return None
    half = max(1, round(max(optics.field_um) / 2 / optics.pixel_um / cover.factor))
    from scipy.ndimage import uniform_filter

    size = 2 * half + 1
    at = (cells[:, 0], cells[:, 1])
    ground = np.maximum(cover.surface, cover.wanted)
    clean = uniform_filter(ground, size, mode="constant")[at]
    avoided = uniform_filter(cover.avoided, size, mode="constant")[at]
    wanted = uniform_filter(cover.wanted, size, mode="constant")[at]
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    far = np.hypot(*(places - middle).T) / max(limit_px, 1e-9)
    cost = BAD_WEIGHT * (1 - clean + avoided) + FAR_WEIGHT * far + WANTED_WEIGHT * wanted
    # What takes longer to look at is looked at where the rest is good.
    good = np.argsort(cost, kind="stable")[:EXTRA_TRIED]
    for index in good:
        bad = field_mean(cover.avoided, cover, places[index], optics, widened=True)
        contrast = class_contrast(cover, places[index], optics)
        cost[index] += BAD_WEIGHT * bad - CONTRAST_WEIGHT * contrast
    best = good[int(np.argmin(cost[good]))]
    if clean[best] < 0.5:
        return None
    return places[best]
