"""Room around the beam of a tracking target.

All targets of an area follow its tracking target: what the stage moves by while it tilts is
measured there and taken off for the others, so their beams keep their places among one another and
may touch. The tracking target itself is exposed before that, at every tilt, and misses its place
by as much as the stage moved. `Optics.beam_margin_um` is therefore kept around its beam.

In a dense pattern a target touches six others, which would all have to go. Moved into the gap
between three beams, of which one was its own, it has a margin of 0.15 beam diameters once two
others have gone, and in the middle between two beams one of 0.32 once three have. So the tracking
target is moved to where it and those that can stay score most together.
"""

from __future__ import annotations

import numpy as np

from space.targeting.areas import distances
from space.targeting.options import Optics
from space.targeting.tilt import TOUCH_UM, TiltFrame, conflicts

# How far a tracking target may be moved and in what steps, in beam diameters.
REACH_BEAMS = 0.62
STEP_BEAMS = 1 / 48
# What twice the margin is worth against the margin, in scores: places are often alike otherwise.
SPARE_WORTH = 0.01

# Areas keep this share of the margin from one another.
AREA_SHARE = 0.2
PUSHES = 200


def areas_apart(
    points_map_px: np.ndarray, area: np.ndarray, held: np.ndarray, optics: Optics
) -> np.ndarray:
    """Points (n, 2) with areas moved as a whole such that beams of two areas do not touch.

    Each area is tracked for itself, so what is left of the stage's movement differs between
    them, though by much less than what a tracking target misses.

    Parameters
    ----------
    area : ndarray of int (n,)
        Number of each target's area.
    held : ndarray of bool (n,)
        Targets that stay, and their areas with them.
    """
    frame = TiltFrame.of(optics)
    begun = frame.from_map(points_map_px)
    stays = np.array([held[area == number].any() for number in range(area.max() + 1)])
    shifts = np.zeros((len(stays), 2))
    needed_um = optics.beam_diameter_um + AREA_SHARE * optics.beam_margin_um
    pairs = conflicts(begun, needed_um + optics.beam_diameter_um)
    first, second = area[pairs].T
    useful = (first != second) & ~(stays[first] & stays[second])
    pairs, first, second = pairs[useful], first[useful], second[useful]
    start = begun[pairs[:, 0]] - begun[pairs[:, 1]]
    for _ in range(PUSHES if len(pairs) else 0):
        away = start + shifts[first] - shifts[second]
        gap_um = np.hypot(away[:, 0], away[:, 1])
        worst = int(np.argmin(gap_um))
        short_um = needed_um - gap_um[worst]
        if short_um <= TOUCH_UM:
            break
        push = away[worst] * ((short_um + TOUCH_UM) / max(gap_um[worst], TOUCH_UM))
        moving = [(first[worst], 1), (second[worst], -1)]
        moving = [(index, sign) for index, sign in moving if not stays[index]]
        for index, sign in moving:
            shifts[index] += sign * push / len(moving)
    moved = shifts.any(axis=1)[area]
    return np.where(moved[:, None], frame.to_map(begun + shifts[area]), points_map_px)


def places_around(point_map_px: np.ndarray, optics: Optics) -> np.ndarray:
    """Where a tracking target may be moved to: points (n, 2), itself first, then the nearest."""
    frame = TiltFrame.of(optics)
    count = round(REACH_BEAMS / STEP_BEAMS)
    steps = np.arange(-count, count + 1) * STEP_BEAMS
    offsets = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    far = np.hypot(*offsets.T)
    order = np.argsort(far, kind="stable")
    offsets = offsets[order[far[order] <= REACH_BEAMS]] * optics.beam_diameter_um
    places = frame.to_map(frame.from_map(point_map_px) + offsets)
    places[0] = point_map_px  # exactly
    return places


def make_room(
    places_map_px: np.ndarray,
    place_scores: np.ndarray,
    others_map_px: np.ndarray,
    other_scores: np.ndarray,
    stays: np.ndarray,
    optics: Optics,
) -> tuple[np.ndarray, np.ndarray]:
    """Order places for a tracking target by what it and all that can stay with it score.

    Parameters
    ----------
    places_map_px : ndarray (n, 2)
        Where it may be; the first is where it is.
    place_scores : ndarray (n,)
        Its scores there; below 0 where it may not be, which the first one always may.
    others_map_px, other_scores : ndarray (m, 2), (m,)
        All other targets.
    stays : ndarray of bool (m,)
        Which of them cannot be given up.
    optics : Optics

    Returns
    -------
    place : ndarray of int (k,)
        Indices of the places, the best first; up to the one where it is, which ends the list.
    there : ndarray of bool (k, m)
        Which of the others can stay.
    """
    frame = TiltFrame.of(optics)
    if not len(others_map_px):
        return np.zeros(1, int), np.ones((1, 0), bool)
    gap_um = distances(frame.from_map(places_map_px), frame.from_map(others_map_px))
    needed_um = optics.beam_diameter_um + optics.beam_margin_um
    room = gap_um >= needed_um - TOUCH_UM
    able = (place_scores >= 0) & (room | ~stays).all(axis=1)
    able[0] = True
    if room[0].all():
        return np.zeros(1, int), room[:1]
    spare_um = np.where(room, gap_um, np.inf).min(axis=1) - needed_um
    spare = np.clip(spare_um / optics.beam_margin_um, 0, 1)
    room |= stays
    total = place_scores + room @ np.maximum(other_scores, 0) + SPARE_WORTH * spare
    order = np.argsort(-np.where(able, total.round(9), -np.inf), kind="stable")
    order = order[: int(np.argmax(order == 0)) + 1]
    return order, room[order]
