"""Areas that image shift can serve."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# Left with more targets than this after those were put aside that follow from others, the fewest
# areas are no longer searched exactly. (1000 targets on 40 x 24 um with 15 um of image shift
# leave 3; 600 on 60 x 36 um with 6 um leave 266.)
EXACT_MAX = 300
RECENTERINGS = 10


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
    fixed : ndarray of bool (n,)
        Which targets a person has put where they are.
    """

    targets_map_px: np.ndarray
    scores: np.ndarray
    geometry_points_map_px: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    extra_tracking: bool = False
    fixed: np.ndarray = field(default_factory=lambda: np.empty(0, bool))

    def __post_init__(self) -> None:
        if not len(self.fixed):
            object.__setattr__(self, "fixed", np.zeros(len(self.targets_map_px), bool))
        counts = {len(self.targets_map_px), len(self.scores), len(self.fixed)}
        if len(counts) > 1:
            raise ValueError(f"each target needs a score and whether it is fixed, got {counts}")


def split(points_map_px: np.ndarray, limit_px: float) -> list[np.ndarray]:
    """Distribute targets on the fewest areas, each within reach of one of its own targets.

    This is a smallest set cover and is solved as such (see `EXACT_MAX` for what is too large;
    then the target that reaches most of those left is taken again and again). A target in reach
    of several centres goes to the nearest, and centres move to the middle of their targets.

    Returns
    -------
    list of ndarray
        Indices of each area's targets, the largest area first.
    """
    if not len(points_map_px):
        return []
    distance = distances(points_map_px, points_map_px)
    reach = distance <= limit_px
    np.fill_diagonal(reach, True)
    centers = _fewest_centers(reach)
    for _ in range(RECENTERINGS):
        owner = np.argmin(np.where(reach[:, centers], distance[:, centers], np.inf), axis=1)
        groups = [np.flatnonzero(owner == index) for index in range(len(centers))]
        moved = [
            group[int(np.argmin(distance[np.ix_(group, group)].max(axis=1)))] for group in groups
        ]
        if moved == centers:
            break
        centers = moved
    return sorted(groups, key=lambda group: (-len(group), int(group[0])))


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distance of every point of one array (n, 2) from every one of another (m, 2): (n, m)."""
    first, second = (np.asarray(points, dtype=float) for points in (first, second))
    return np.hypot(first[:, None, 0] - second[None, :, 0], first[:, None, 1] - second[None, :, 1])


def _fewest_centers(reach: np.ndarray) -> list[int]:
    """The fewest targets that reach all."""
    needy, able = _without_implied(reach)
    if len(able) == 1:
        return [int(able[0])]
    rest = reach[np.ix_(needy, able)]
    found = _smallest_cover(rest) if max(rest.shape) <= EXACT_MAX else None
    return [int(index) for index in able[_greedy_cover(rest) if found is None else found]]


def _without_implied(reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Targets that still have to be reached, and targets that are worth being a centre.

    A target need not be looked after if another one's possible centres are all among its own;
    a centre is needless if another one reaches all that it reaches.
    """
    needy = able = np.arange(len(reach))
    while True:
        before = len(needy) + len(able)
        needy = needy[~_redundant(reach[np.ix_(needy, able)], larger=True)]
        able = able[~_redundant(reach[np.ix_(needy, able)].T, larger=False)]
        if len(needy) + len(able) == before:
            return needy, able


def _redundant(sets: np.ndarray, larger: bool) -> np.ndarray:
    """Rows that hold another row (`larger`) or are held by one; of equal ones the first stays."""
    members = sets.astype(np.float32)
    common = members @ members.T
    size = members.sum(axis=1)
    beaten = common == (size[None, :] if larger else size[:, None])
    return (beaten & ~beaten.T).any(axis=1) | np.tril(beaten & beaten.T, -1).any(axis=1)


def _smallest_cover(reach: np.ndarray) -> np.ndarray | None:
    """Indices of the fewest columns that cover all rows; None when the solver gave up."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    count = reach.shape[1]
    found = milp(
        np.ones(count),
        constraints=LinearConstraint(reach.astype(float), lb=1),
        bounds=Bounds(0, 1),
        integrality=np.ones(count),
        options={"node_limit": 500},
    )
    return None if found.x is None else np.flatnonzero(found.x > 0.5)


def _greedy_cover(reach: np.ndarray) -> np.ndarray:
    centers, left = [], np.ones(len(reach), bool)
    while left.any():
        centers.append(int(np.argmax(reach[left].sum(axis=0))))
        left &= ~reach[:, centers[-1]]
    return np.array(centers)
