"""Room around the beam of a tracking target.

All targets of an area follow its tracking target: the stage's movement while it tilts is measured
there and corrected for the others, so their beams keep their distances from one another and may
touch. The tracking target itself is exposed before that, at every tilt, and misses its position by
as much as the stage moved. `ExposureOptics.beam_margin_um` is therefore kept around its beam.

In a dense pattern a target touches six others, which would all have to be dropped. Moved into the
gap between three beams, of which one was its own, it has a margin of 0.15 beam diameters once two
others are dropped, and in the middle between two beams one of 0.32 once three are. So the tracking
target is moved to where it and those that can stay have the highest total score.
"""

from __future__ import annotations

import numpy as np

from space.targeting.areas import distances
from space.targeting.options import ExposureOptics
from space.targeting.packing import TOUCH_UM, TiltFrame, conflicts

# How far a tracking target may be moved and in what steps, in beam diameters.
REACH_BEAMS = 0.62
STEP_BEAMS = 1 / 48
# Score of twice the margin against the margin: positions are often equal otherwise.
SPARE_SCORE = 0.01

# Areas keep this share of the margin from one another.
AREA_SHARE = 0.2


def needed_um(apart: np.ndarray, tracking: np.ndarray, optics: ExposureOptics) -> np.ndarray:
    """Least distance of pairs of targets in the tilt-compressed frame.

    Parameters
    ----------
    apart : ndarray of bool (k,)
        Whether they belong to different areas.
    tracking : ndarray of bool (k,)
        Whether one of them is a tracking target.
    """
    margin_um = np.where(tracking, 1.0, np.where(apart, AREA_SHARE, 0.0)) * optics.beam_margin_um
    return optics.beam_diameter_um + margin_um


def crowded(
    points_tilt_um: np.ndarray, area: np.ndarray, tracking: np.ndarray, optics: ExposureOptics
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (k, 2) of targets that are nearer than they should be, and their distances (k,).

    Parameters
    ----------
    area : ndarray of int (n,)
        Number of each target's area.
    tracking : ndarray of bool (n,)
        Which are tracking targets.
    """
    pairs = conflicts(points_tilt_um, optics.beam_diameter_um + optics.beam_margin_um)
    away = points_tilt_um[pairs[:, 0]] - points_tilt_um[pairs[:, 1]]
    gap_um = np.hypot(away[:, 0], away[:, 1])
    apart = area[pairs[:, 0]] != area[pairs[:, 1]]
    near = gap_um < needed_um(apart, tracking[pairs].any(axis=1), optics) - TOUCH_UM
    return pairs[near], gap_um[near]


def without_crowded(
    points_tilt_um: np.ndarray,
    scores: np.ndarray,
    area: np.ndarray,
    tracking: np.ndarray,
    fixed: np.ndarray,
    optics: ExposureOptics,
) -> np.ndarray:
    """Which targets (n,) stay when of two that are too near the one of lower score is dropped.

    A fixed target always stays. A tracking target is dropped only where its beam overlaps with
    that of a fixed target or of another tracking target.
    """
    pairs, gap_um = crowded(points_tilt_um, area, tracking, optics)
    overlap = gap_um < optics.beam_diameter_um - TOUCH_UM
    protected = fixed | tracking
    decided = ~fixed[pairs].all(axis=1) & (overlap | ~protected[pairs].all(axis=1))
    rank = np.empty(len(scores), int)
    rank[np.lexsort((-scores, ~tracking, ~fixed))] = np.arange(len(scores))
    pairs = pairs[decided]
    swapped = rank[pairs[:, 0]] > rank[pairs[:, 1]]
    pairs[swapped] = pairs[swapped, ::-1]
    stays = np.ones(len(scores), bool)
    for better, worse in pairs[np.argsort(rank[pairs[:, 0]], kind="stable")].tolist():
        if stays[better]:
            stays[worse] = False
    return stays


def positions_around(point_map_px: np.ndarray, optics: ExposureOptics) -> np.ndarray:
    """Where a tracking target may be moved to: points (n, 2), its own first, then the nearest."""
    frame = TiltFrame.of(optics)
    count = round(REACH_BEAMS / STEP_BEAMS)
    steps = np.arange(-count, count + 1) * STEP_BEAMS
    offsets = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    far = np.hypot(*offsets.T)
    order = np.argsort(far, kind="stable")
    offsets = offsets[order[far[order] <= REACH_BEAMS]] * optics.beam_diameter_um
    positions = frame.to_map(frame.from_map(point_map_px) + offsets)
    positions[0] = point_map_px  # exactly
    return positions


def make_room(
    positions_map_px: np.ndarray,
    position_scores: np.ndarray,
    others_map_px: np.ndarray,
    other_scores: np.ndarray,
    stays: np.ndarray,
    optics: ExposureOptics,
) -> tuple[np.ndarray, np.ndarray]:
    """Order positions for a tracking target by the total score of it and all that can stay.

    Parameters
    ----------
    positions_map_px : ndarray (n, 2)
        Where it may be; the first is where it is.
    position_scores : ndarray (n,)
        Its scores there; below 0 where it may not be. The first position is always allowed.
    others_map_px, other_scores : ndarray (m, 2), (m,)
        All other targets.
    stays : ndarray of bool (m,)
        Which of them must not be dropped.
    optics : ExposureOptics

    Returns
    -------
    order : ndarray of int (k,)
        Indices of the positions, the best first; up to the one where it is, which ends the list.
    can_stay : ndarray of bool (k, m)
        Which of the others can stay then.
    """
    frame = TiltFrame.of(optics)
    if not len(others_map_px):
        return np.zeros(1, int), np.ones((1, 0), bool)
    positions, others = frame.from_map(positions_map_px), frame.from_map(others_map_px)
    needed_um = optics.beam_diameter_um + optics.beam_margin_um
    # Most targets are too far away to matter.
    reach_um = float(np.hypot(*(positions - positions[0]).T).max()) + needed_um
    near = np.flatnonzero(np.hypot(*(others - positions[0]).T) < reach_um)
    gap_um = distances(positions, others[near])
    room = gap_um >= needed_um - TOUCH_UM
    possible = (position_scores >= 0) & (room | ~stays[near]).all(axis=1)
    possible[0] = True
    if room[0].all():
        return np.zeros(1, int), np.ones((1, len(others)), bool)
    spare_um = np.where(room, gap_um, np.inf).min(axis=1) - needed_um
    spare = np.clip(spare_um / optics.beam_margin_um, 0, 1)
    room |= stays[near]
    total = position_scores + room @ np.maximum(other_scores[near], 0) + SPARE_SCORE * spare
    order = np.argsort(-np.where(possible, total.round(9), -np.inf), kind="stable")
    order = order[: int(np.argmax(order == 0)) + 1]
    can_stay = np.ones((len(order), len(others)), bool)
    can_stay[:, near] = room[order]
    return order, can_stay
