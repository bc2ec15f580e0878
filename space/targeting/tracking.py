"""The target that tracking is done on.

Criteria: little of the avoided classes in the field as widened by tilting (they come into view
at high tilt and mislead tracking), contrast to track on (variety of classes in the field), and
nearness to the middle of the area (short image shifts for all).
"""

from __future__ import annotations

import math

import numpy as np

from space.targeting.areas import distances
from space.targeting.options import ExposureOptics
from space.targeting.packing import TOUCH_UM, TiltFrame
from space.targeting.polygons import inside
from space.targeting.problem import Problem
from space.targeting.scoring import Coverage, class_contrast, field_mean

# The tracking target is chosen among this share of an area's targets, those nearest its middle.
MIDDLE_SHARE = 0.25
MIDDLE_LEAST = 3
# Shares of avoided classes that differ by less are alike: a percent of the field.
AVOIDED_DIGITS = 2
# How an extra tracking target weighs bad surface (share of its field), nearness to the middle
# (share of the image-shift limit), wanted class that it would expose and contrast.
BAD_WEIGHT, FAR_WEIGHT, WANTED_WEIGHT, CONTRAST_WEIGHT = 4.0, 1.0, 0.3, 0.6
EXTRA_TRIED = 100
# An extra tracking target needs this share of its surroundings to be lamella.
LEAST_LAMELLA = 0.5


def tracking_index(points_map_px: np.ndarray, cover: Coverage, optics: ExposureOptics) -> int:
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
    central = np.flatnonzero(reach.all(axis=1))
    if not len(central):
        central = np.arange(len(points))
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    from_middle_px = np.hypot(*(points[central] - middle).T)
    nearest = np.argsort(from_middle_px, kind="stable")
    nearest = nearest[: max(MIDDLE_LEAST, math.ceil(MIDDLE_SHARE * len(points)))]
    avoided = [avoided_in_view(points[central[index]], cover, optics) for index in nearest]
    clean = nearest[np.array(avoided) == min(avoided)]
    merit = [
        class_contrast(cover, points[central[index]], optics)
        - from_middle_px[index] / max(limit_px, 1e-9)
        for index in clean
    ]
    return int(central[clean[int(np.argmax(np.round(merit, 6)))]])


def avoided_in_view(point_map_px: np.ndarray, cover: Coverage, optics: ExposureOptics) -> float:
    """Share of the avoided classes in the field at a point, widened for tilt, to a percent."""
    share = field_mean(cover.avoided, cover, point_map_px, optics, widened=True)
    return round(share, AVOIDED_DIGITS)


def place_extra_tracking(
    points_map_px: np.ndarray, blocked_map_px: np.ndarray, problem: Problem
) -> np.ndarray | None:
    """Find a position for a target that serves tracking alone.

    Its beam keeps the margin from those of `blocked_map_px`, its field is inside the map, its
    centre on the lamella, in one of the polygons, if there are any, and within the image-shift
    limit of all `points_map_px`. Best is a field (widened for tilt) on the lamella without avoided
    classes, near the middle, with a variety of classes in it to track on, and with little of the
    wanted class (which others may still want to look at).

    Returns
    -------
    ndarray (2,) or None
        (row, column), or None when there is no room.
    """
    cover, optics = problem.cover, problem.optics
    points = np.asarray(points_map_px, dtype=float)
    limit_px = optics.image_shift_limit_um / optics.pixel_um
    cells = _free_cells(points, blocked_map_px, problem)
    if not len(cells):
        return None
    positions = (cells + 0.5) * cover.factor
    from scipy.ndimage import uniform_filter

    half = max(1, round(max(optics.field_um) / 2 / optics.pixel_um / cover.factor))
    lamella, avoided, wanted = (
        uniform_filter(share, 2 * half + 1, mode="constant")[cells[:, 0], cells[:, 1]]
        for share in (np.maximum(cover.surface, cover.wanted), cover.avoided, cover.wanted)
    )
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    far = np.hypot(*(positions - middle).T) / max(limit_px, 1e-9)
    cost = BAD_WEIGHT * (1 - lamella + avoided) + FAR_WEIGHT * far + WANTED_WEIGHT * wanted
    # The expensive terms are evaluated for the best candidates only.
    tried = np.argsort(cost, kind="stable")[:EXTRA_TRIED]
    for index in tried:
        bad = field_mean(cover.avoided, cover, positions[index], optics, widened=True)
        contrast = class_contrast(cover, positions[index], optics)
        cost[index] += BAD_WEIGHT * bad - CONTRAST_WEIGHT * contrast
    best = tried[int(np.argmin(cost[tried]))]
    if lamella[best] < LEAST_LAMELLA:
        return None
    return positions[best]


def _free_cells(
    points_map_px: np.ndarray, blocked_map_px: np.ndarray, problem: Problem
) -> np.ndarray:
    """Cells (k, 2) of a coarse grid where an extra tracking target has room and reaches all."""
    cover, optics = problem.cover, problem.optics
    frame = TiltFrame.of(optics)
    step = max(1, round(min(optics.field_um) / 4 / optics.pixel_um / cover.factor))
    rows, columns = (np.arange(step // 2, size, step) for size in cover.wanted.shape)
    cells = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    positions = (cells + 0.5) * cover.factor
    good = problem.scores.holds_field(positions) & problem.is_centred(positions)
    if problem.polygons:
        good &= inside(positions, problem.polygons)
    limit_px = optics.image_shift_limit_um / optics.pixel_um
    good &= (distances(positions, points_map_px) <= limit_px).all(axis=1)
    cells, positions = cells[good], positions[good]
    if not len(cells):
        return cells
    gap_um = distances(frame.from_map(positions), frame.from_map(blocked_map_px)).min(axis=1)
    return cells[gap_um >= optics.beam_diameter_um + optics.beam_margin_um - TOUCH_UM]
