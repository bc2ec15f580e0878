"""Areas moved apart, each as a whole and all by as little as possible.

Each area is tracked on its own, so the remaining error differs between areas, though by much less
than what a tracking target misses. Moving an area costs only what it loses at the rim of the map,
while a gap made by dropping targets costs a row of them.

Two beams are far enough apart if they are so along the line that joined them before. That makes
every pair a linear condition on the movements of two areas, and the least movements are a linear
programme. Conditions that cannot be fulfilled (areas held from both sides) are missed by as little
as possible; the caller has to check what is left (`space.targeting.room.crowded`).
"""

from __future__ import annotations

import numpy as np

from space.targeting.options import ExposureOptics
from space.targeting.packing import TOUCH_UM, TiltFrame, conflicts
from space.targeting.room import needed_um

# Pairs up to NEAR_BEAMS beam diameters beyond the limit are constraints from the beginning. Others
# are added if they come too near, in at most ROUNDS rounds.
NEAR_BEAMS, ROUNDS = 0.5, 10
# Cost of a µm that two beams stay too near against that of a µm by which all areas move.
SHORT_COST = 10.0


def areas_apart(
    points_map_px: np.ndarray,
    area: np.ndarray,
    held: np.ndarray,
    optics: ExposureOptics,
    tracking: np.ndarray | None = None,
) -> np.ndarray:
    """Points (n, 2) with areas moved as a whole such that beams of two areas keep their distance.

    Parameters
    ----------
    area : ndarray of int (n,)
        Number of each target's area.
    held : ndarray of bool (n,)
        Targets that stay, and their areas with them.
    tracking : ndarray of bool (n,), optional
        Tracking targets: two of them keep the whole margin. (Others in the way of one can be
        dropped.)
    """
    frame = TiltFrame.of(optics)
    before = frame.from_map(points_map_px)
    stays = np.array([held[area == number].any() for number in range(area.max() + 1)])
    if tracking is None:
        tracking = np.zeros(len(area), bool)
    shifts = np.zeros((len(stays), 2))
    pairs = np.empty((0, 2), int)
    reach_um = NEAR_BEAMS * optics.beam_diameter_um
    for _ in range(ROUNDS):
        found = _too_near(before + shifts[area], area, stays, tracking, optics, reach_um)
        known = len(pairs)
        pairs = np.unique(np.concatenate([pairs, found]), axis=0)
        if len(pairs) == known:
            break
        away = before[pairs[:, 0]] - before[pairs[:, 1]]
        gap_um = np.hypot(away[:, 0], away[:, 1])
        away[gap_um == 0] = (1.0, 0.0)
        direction = away / np.hypot(away[:, 0], away[:, 1])[:, None]
        short_um = _needed_um(pairs, tracking, optics) + TOUCH_UM - gap_um
        shifts = _least_shifts(area[pairs], direction, short_um, stays)
        reach_um = 0.0
    moved = np.any(np.abs(shifts) > TOUCH_UM, axis=1)[area]
    return np.where(moved[:, None], frame.to_map(before + shifts[area]), points_map_px)


def _needed_um(pairs: np.ndarray, tracking: np.ndarray, optics: ExposureOptics) -> np.ndarray:
    """Distance that the pairs of targets of different areas should have."""
    return needed_um(np.ones(len(pairs), bool), tracking[pairs].all(axis=1), optics)


def _too_near(
    points_tilt_um: np.ndarray,
    area: np.ndarray,
    stays: np.ndarray,
    tracking: np.ndarray,
    optics: ExposureOptics,
    reach_um: float,
) -> np.ndarray:
    """Pairs (k, 2) of different areas, of which one can move, that are too near or nearly so."""
    most_um = optics.beam_diameter_um + optics.beam_margin_um
    pairs = conflicts(points_tilt_um, most_um + reach_um)
    first, second = area[pairs].T
    pairs = pairs[(first != second) & ~(stays[first] & stays[second])]
    away = points_tilt_um[pairs[:, 0]] - points_tilt_um[pairs[:, 1]]
    limit_um = _needed_um(pairs, tracking, optics) + reach_um - TOUCH_UM
    return pairs[np.hypot(away[:, 0], away[:, 1]) < limit_um]


def _least_shifts(
    areas: np.ndarray, direction: np.ndarray, short_um: np.ndarray, stays: np.ndarray
) -> np.ndarray:
    """Shifts (n, 2) of areas that bring pairs further apart along their directions.

    The sum of the shifts' components and the largest one are minimised, the latter weighted by the
    number of areas: so two areas share a movement, and none moves far.

    Parameters
    ----------
    areas : ndarray of int (k, 2)
        Both areas of every pair.
    direction : ndarray (k, 2)
        From the second to the first.
    short_um : ndarray (k,)
        By how much further.
    stays : ndarray of bool (n,)
        Areas that do not move.
    """
    from scipy.optimize import linprog
    from scipy.sparse import bmat, coo_matrix, identity

    pairs, sides = len(areas), 2 * len(stays)
    # Unknowns: positive and negative parts of the shifts' components; the largest; what is missing.
    row = np.repeat(np.arange(pairs), 2)
    columns = [(2 * areas[:, [end]] + np.arange(2)).ravel() for end in (0, 1)]
    apart = coo_matrix(
        (
            np.concatenate([direction.ravel(), -direction.ravel()]),
            (np.concatenate([row, row]), np.concatenate(columns)),
        ),
        shape=(pairs, sides),
    )
    each, largest = identity(sides), coo_matrix(np.ones((sides, 1)))
    limits = bmat(
        [[-apart, apart, None, -identity(pairs)], [each, each, -largest, None]], format="csr"
    )
    free = np.repeat(np.where(stays, 0, np.inf), 2)
    highest = np.concatenate([free, free, np.full(1 + pairs, np.inf)])
    cost = np.concatenate(
        [np.ones(2 * sides), [len(stays)], np.full(pairs, SHORT_COST * len(stays))]
    )
    found = linprog(  # type: ignore[call-overload]  # the stubs know no sparse matrix here
        cost,
        limits,
        np.concatenate([-short_um, np.zeros(sides)]),
        bounds=np.column_stack([np.zeros(len(highest)), highest]),
        method="highs",
    )
    return (found.x[:sides] - found.x[sides : 2 * sides]).reshape(-1, 2)
