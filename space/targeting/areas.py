"""Areas that image shift can serve, each with its tracking target."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from space.targeting.masks import Coverage
from space.targeting.options import Optics
from space.targeting.score import ScoreMap
from space.targeting.tilt import TOUCH_UM, TiltFrame

# The tracking target is chosen among this share of an area's targets, those nearest its middle.
MIDDLE_SHARE = 0.25
MIDDLE_LEAST = 3
# Above this number of targets the split is no longer solved exactly.
EXACT_MAX = 600
# How an extra tracking target weighs bad surface (share of its field), nearness to the middle
# (share of the image-shift limit) and wanted class that it would expose.
BAD_WEIGHT, FAR_WEIGHT, WANTED_WEIGHT, CONTRAST_WEIGHT = 4.0, 1.0, 0.3, 0.3


@dataclass(frozen=True, eq=False)
class Area:
    """Targets that one tracking target serves.

    Parameters
    ----------
    targets_map_px : ndarray (n, 2)
        (row, column); the first is the tracking target.
    scores : ndarray (n,)
        Their scores.
    geometry_points_map_px : ndarray (m, 2)
        (row, column) of points to measure the lamella's geometry at.
    extra_tracking : bool
        Whether the first target is there for tracking alone (its score may be anything).
    """

    targets_map_px: np.ndarray
    scores: np.ndarray
    geometry_points_map_px: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    extra_tracking: bool = False


def split(points_map_px: np.ndarray, limit_px: float) -> list[np.ndarray]:
    """Distribute targets on the fewest areas, each within reach of one of its own targets.

    Up to `EXACT_MAX` targets the number of areas is the least possible; with more it is found by
    taking again and again the target that reaches most of those left. A target in
    reach of several goes to the nearest.

    Returns
    -------
    list of ndarray
        Indices of each area's targets, the largest area first.
    """
    count = len(points_map_px)
    if not count:
        return []
    distance = _distances(points_map_px, points_map_px)
    reach = distance <= limit_px
    np.fill_diagonal(reach, True)
    centers = _centers(reach, distance)
    owner = np.argmin(np.where(reach[:, centers], distance[:, centers], np.inf), axis=1)
    groups = [np.flatnonzero(owner == index) for index in range(len(centers))]
    return sorted((g for g in groups if len(g)), key=lambda g: (-len(g), int(g[0])))


def tracking_index(points_map_px: np.ndarray, cover: Coverage, optics: Optics) -> int:
    """Choose the tracking target of an area.

    Of the targets that reach all others and lie nearest the middle (a quarter of them, at least
    three) the one whose field, widened for tilt, holds least of the avoided classes; among equals
    the one nearest the middle.
    """
    points = np.asarray(points_map_px, dtype=float)
    limit_px = optics.image_shift_limit_um / optics.pixel_um
    reach = _distances(points, points) <= limit_px
    np.fill_diagonal(reach, True)
    able = np.flatnonzero(reach.all(axis=1))
    if not len(able):
        able = np.arange(len(points))
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    far = np.hypot(*(points[able] - middle).T)
    nearest = np.argsort(far, kind="stable")
    nearest = nearest[: max(MIDDLE_LEAST, math.ceil(MIDDLE_SHARE * len(points)))]
    avoided = [
        round(field_mean(cover.avoided, cover, points[able[index]], optics, widened=True), 3)
        for index in nearest
    ]
    return int(able[nearest[int(np.argmin(avoided))]])


def place_extra_tracking(
    points_map_px: np.ndarray,
    blocked_map_px: np.ndarray,
    cover: Coverage,
    scores: ScoreMap,
    optics: Optics,
) -> np.ndarray | None:
    """Find a place for a target that serves tracking alone.

    Its beam is in conflict with none of `blocked_map_px`, its field is inside the map and within
    the image-shift limit of all `points_map_px`. Best is a field (widened for tilt) on
    the lamella without avoided classes, near the middle, with several classes in it to track on,
    and with little of the wanted class (which others may still want to look at).

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
    good &= (_distances(places, points) <= limit_px).all(axis=1)
    cells, places = cells[good], places[good]
    if not len(places):
        return None
    gap = _distances(frame.from_map(places), frame.from_map(blocked_map_px)).min(axis=1)
    free = gap >= optics.beam_diameter_um - TOUCH_UM
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
    # What changes within the field is what a tracking image can be aligned on.
    cost -= CONTRAST_WEIGHT * np.minimum(1, 4 * wanted * (1 - wanted))
    nearest = np.argsort(cost, kind="stable")[:50]
    bad = np.array(
        [field_mean(cover.avoided, cover, places[index], optics, widened=True) for index in nearest]
    )
    best = nearest[int(np.argmin(cost[nearest] + BAD_WEIGHT * bad))]
    if clean[best] < 0.5:
        return None
    return places[best]


def field_mean(
    share: np.ndarray, cover: Coverage, point_map_px: np.ndarray, optics: Optics, widened: bool
) -> float:
    """Mean of a share over the Record field at a point, optionally as seen up to max_tilt.

    Tilting brings what lies further from the axis into the field: seen from above the field is
    stretched by 1/cos(max_tilt) perpendicular to the tilt axis. What lies outside of the map
    counts as 0.
    """
    stretch = optics.stretch if widened else 1.0
    cell_um = cover.factor * optics.pixel_um
    reach = math.hypot(*optics.field_um) / 2 * stretch / cell_um
    center = np.asarray(point_map_px, dtype=float) / cover.factor - 0.5
    low = np.floor(center - reach).astype(int)
    high = np.ceil(center + reach).astype(int) + 1
    row = ((np.arange(low[0], high[0]) - center[0]) * cell_um)[:, None]
    column = ((np.arange(low[1], high[1]) - center[1]) * cell_um)[None, :]
    inside = in_field(row, column, optics, stretch)
    if not inside.any():
        return 0.0
    keep_low = np.clip(low, 0, share.shape)
    keep_high = np.clip(high, keep_low, share.shape)
    window = share[keep_low[0] : keep_high[0], keep_low[1] : keep_high[1]]
    cut = inside[
        keep_low[0] - low[0] : keep_high[0] - low[0], keep_low[1] - low[1] : keep_high[1] - low[1]
    ]
    return float((window * cut).sum() / inside.sum())


def in_field(
    row_um: np.ndarray, column_um: np.ndarray, optics: Optics, stretch: float = 1.0
) -> np.ndarray:
    """Whether offsets from the centre are in the field stretched across the tilt axis."""
    axis = math.radians(optics.tilt_axis_deg)
    across = row_um * math.cos(axis) - column_um * math.sin(axis)
    shrink = across * (1 / stretch - 1)
    row_um = row_um + shrink * math.cos(axis)
    column_um = column_um - shrink * math.sin(axis)
    turn = math.radians(optics.field_rotation_deg)
    wide = np.abs(column_um * math.cos(turn) + row_um * math.sin(turn))
    high = np.abs(row_um * math.cos(turn) - column_um * math.sin(turn))
    return (wide <= optics.field_um[0] / 2) & (high <= optics.field_um[1] / 2)


def _centers(reach: np.ndarray, distance: np.ndarray) -> list[int]:
    everything = np.flatnonzero(reach.all(axis=1))
    if len(everything):
        return [int(everything[0])]
    count = len(reach)
    if count <= EXACT_MAX:
        missing = (~reach).astype(np.float32)
        pairs = np.argwhere(np.triu(missing @ missing.T == 0, 1))
        if len(pairs):
            # Of the pairs that serve all, the one with the shortest image shifts.
            shifts = np.minimum(distance[pairs[:, 0]], distance[pairs[:, 1]]).max(axis=1)
            return [int(index) for index in pairs[int(np.argmin(shifts))]]
        return _cover(reach, distance)
    centers, left = [], np.ones(count, bool)
    while left.any():
        gain = reach[:, left].sum(axis=1)
        best = int(np.argmax(gain))
        centers.append(best)
        left &= ~reach[best]
    return centers


def _cover(reach: np.ndarray, distance: np.ndarray) -> list[int]:
    """Exact smallest set cover: the fewest targets that reach all."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    count = len(reach)
    # Among equally many the compact ones; too small to make up for one more area.
    spread = np.where(reach, distance, 0).sum(axis=1)
    cost = 1 + 0.5 / count * spread / max(spread.max(), 1e-9)
    found = milp(
        cost,
        constraints=LinearConstraint(reach.astype(float), lb=1),
        bounds=Bounds(0, 1),
        integrality=np.ones(count),
        options={"node_limit": 500},
    )
    if found.x is None:
        return list(range(count))
    return [int(index) for index in np.flatnonzero(found.x > 0.5)]


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = (np.asarray(points, dtype=float) for points in (first, second))
    return np.hypot(first[:, None, 0] - second[None, :, 0], first[:, None, 1] - second[None, :, 1])
