"""Room around the beam of a tracking target.

All targets of an area follow its tracking target: what the stage moves by while it tilts is
measured there and taken off for the others, so their beams keep their places among one another and
may touch. The tracking target itself is exposed before that, at every tilt, and misses its place
by as much as the stage moved. `Optics.beam_margin_um` is kept around its beam therefore: others
nearby are moved a little, without overlapping, or given up where that is not enough.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from space.targeting.options import Optics
from space.targeting.tilt import TOUCH_UM, TiltFrame

# Targets this far (in beam diameters) from a tracking target may give way.
NEARBY_BEAMS = 4.0
# Targets are moved this much farther than they need to be, which the search may fall short of.
SURPLUS_UM = 1e-4
STEPS = 200
# Rounds of moving, each followed by holding those that are worth nothing where they came to.
ROUNDS = 4


def make_room(
    points_map_px: np.ndarray,
    tracking: int,
    stays: np.ndarray,
    optics: Optics,
    worth: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Move targets out of the margin around a tracking target's beam, give up what has no room.

    All that are too near are taken out and, the best first, put back if moving those nearby makes
    room for it and raises the total.

    Parameters
    ----------
    points_map_px : ndarray (n, 2)
        Targets of all areas.
    tracking : int
        Index of the tracking target.
    stays : ndarray of bool (n,)
        Which targets are neither moved nor given up.
    optics : Optics
    worth : callable
        Gives the scores of points (k, 2), which stand for the targets of given indices (k,); 0
        where one may not be.

    Returns
    -------
    points_map_px : ndarray (n, 2)
        Where the targets are now; what was not moved is exactly where it was.
    there : ndarray of bool (n,)
        False for those given up.
    """
    frame = TiltFrame.of(optics)
    points = frame.from_map(points_map_px)
    gap_um = np.hypot(*(points - points[tracking]).T)
    rivals = gap_um < optics.beam_diameter_um + optics.beam_margin_um - TOUCH_UM
    rivals = np.flatnonzero(rivals & ~stays)
    there = np.ones(len(points), bool)
    if not len(rivals):
        return points_map_px, there
    near = (gap_um < NEARBY_BEAMS * optics.beam_diameter_um) & ~stays

    def total(placed: np.ndarray, members: np.ndarray) -> float:
        index = np.flatnonzero(members)
        values = worth(frame.to_map(placed[index]), index)
        return float(values.sum()) if values.all() else 0.0

    there[rivals] = False
    best = total(points, near & there)
    scores = worth(frame.to_map(points[rivals]), rivals)
    wishes = [rivals, *rivals[np.argsort(-scores, kind="stable")][:, None]]
    for wish in wishes:
        tried = there.copy()
        tried[wish] = True
        placed = _settled(points, tracking, tried, near & tried, optics, worth)
        value = 0.0 if placed is None else total(placed, near & tried)
        if value > best:
            points, there, best = placed, tried, value
        if there.all():
            break
    moved = (points != frame.from_map(points_map_px)).any(axis=1)
    return np.where(moved[:, None], frame.to_map(points), points_map_px), there


def _settled(points, tracking: int, there, free, optics: Optics, worth) -> np.ndarray | None:
    """Points with all beams apart and none worth nothing, those that are `free` moved, or None."""
    frame = TiltFrame.of(optics)
    begun, free = points, free.copy()
    for _ in range(ROUNDS):
        points, short_um = _pushed(points, tracking, there, free, optics)
        if short_um > TOUCH_UM:
            return None
        index = np.flatnonzero(free)
        astray = index[worth(frame.to_map(points[index]), index) <= 0]
        if not len(astray):
            return points
        free[astray] = False
        points = points.copy()
        points[astray] = begun[astray]
    return None


def _pushed(points, tracking: int, there, free, optics: Optics) -> tuple[np.ndarray, float]:
    """Points moved so that the squares of what lacks between beams become least; the worst lack."""
    from scipy.optimize import minimize
    from scipy.spatial import cKDTree

    index, moving = np.flatnonzero(there), np.flatnonzero(free)
    reach_um = optics.beam_diameter_um + 3 * optics.beam_margin_um
    pairs = cKDTree(points[index]).query_pairs(reach_um, output_type="ndarray")
    pairs = index[pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]].reshape(-1, 2)
    first, second = pairs[free[pairs].any(axis=1)].T
    need_um = np.full(len(first), optics.beam_diameter_um)
    need_um[(first == tracking) | (second == tracking)] += optics.beam_margin_um

    def apart(values: np.ndarray):
        placed = points.copy()
        placed[moving] = values.reshape(-1, 2)
        away = placed[first] - placed[second]
        return placed, away, np.maximum(np.hypot(away[:, 0], away[:, 1]), TOUCH_UM)

    def lack(values: np.ndarray) -> tuple[float, np.ndarray]:
        _, away, distance_um = apart(values)
        short_um = np.maximum(need_um + SURPLUS_UM - distance_um, 0)
        push = away * (-short_um / distance_um)[:, None]
        slope = [
            np.bincount(first, part, len(points)) - np.bincount(second, part, len(points))
            for part in push.T
        ]
        return float((short_um**2).sum()) / 2, np.stack(slope, axis=1)[moving].ravel()

    options = {"maxiter": STEPS, "ftol": 0.0, "gtol": SURPLUS_UM / 10}
    found = minimize(lack, points[moving].ravel(), jac=True, method="L-BFGS-B", options=options)
    placed, _, distance_um = apart(found.x)
    return placed, float((need_um - distance_um).max(initial=0.0))
