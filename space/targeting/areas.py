"""Distribution of targets on areas that image shift reaches."""

from __future__ import annotations

import numpy as np

# Up to COMPARED_MAX targets, redundant ones are removed before the set cover is solved: exactly if
# at most EXACT_MAX are left, with the solver's first answer if at most WHOLE_MAX. (1000 targets on
# 40 x 24 um with 15 um of image shift leave 3; 600 on 60 x 36 um with 6 um leave 266.)
COMPARED_MAX, EXACT_MAX, WHOLE_MAX = 1500, 120, 300
NODES_MAX = 500  # of the solver's search tree
# With more targets than these, only about CENTERS of them, spread evenly, may be centres.
CENTERS = 120
RECENTERINGS = 10
STRIP_PAIRS = 4_000_000


def split(points_map_px: np.ndarray, limit_px: float) -> list[np.ndarray]:
    """Distribute targets on the fewest areas, each within reach of one of its own targets.

    This is a smallest set cover and is solved as such (above `EXACT_MAX` approximately). A target
    in reach of several centres belongs to the nearest, and centres move to the middle of their
    targets.

    Returns
    -------
    list of ndarray
        Indices of each area's targets, the largest area first.
    """
    if not len(points_map_px):
        return []
    points = np.asarray(points_map_px, dtype=float)
    reach = _within(points, limit_px)
    centers = _fewest_centers(reach, points)
    for _ in range(RECENTERINGS):
        distance = distances(points, points[centers])
        owner = np.argmin(np.where(reach[:, centers], distance, np.inf), axis=1)
        groups = [np.flatnonzero(owner == index) for index in range(len(centers))]
        moved = [
            group[int(np.argmin(distances(points[group], points[group]).max(axis=1)))]
            for group in groups
        ]
        if moved == centers:
            break
        centers = moved
    return sorted(groups, key=lambda group: (-len(group), int(group[0])))


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distance of every point of one array (n, 2) from every one of another (m, 2): (n, m)."""
    first, second = (np.asarray(points, dtype=float) for points in (first, second))
    square = (first[:, None, 0] - second[None, :, 0]) ** 2
    square += (first[:, None, 1] - second[None, :, 1]) ** 2
    return np.sqrt(square, out=square)


def _within(points: np.ndarray, limit: float) -> np.ndarray:
    """Which points (n, n) reach which; each reaches itself."""
    strip = max(1, STRIP_PAIRS // len(points))
    reach = np.concatenate(
        [
            distances(points[start : start + strip], points) <= limit
            for start in range(0, len(points), strip)
        ]
    )
    np.fill_diagonal(reach, True)
    return reach


def _fewest_centers(reach: np.ndarray, points: np.ndarray) -> list[int]:
    """The fewest targets that reach all."""
    found = None
    candidates = np.arange(len(points))
    if len(points) <= COMPARED_MAX:
        required, candidates = _without_redundant(reach)
        if len(candidates) == 1:
            return [int(candidates[0])]
        if max(len(required), len(candidates)) <= WHOLE_MAX:
            found = _smallest_cover(reach[np.ix_(required, candidates)])
    if found is None:
        candidates = candidates[_thinned_out(points[candidates])]
        found = _cover_of_most(reach[:, candidates])
    centers = candidates[found]
    uncovered = ~np.any(reach[:, centers], axis=1)
    return [int(index) for index in (*centers, *_greedy_cover(reach, uncovered))]


def _without_redundant(reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the targets that a cover must reach, and of the candidates for centres.

    A target is reached anyway if another one's possible centres are all among its own; a candidate
    is redundant if another one reaches all that it reaches.
    """
    required = candidates = np.arange(len(reach))
    while True:
        before = len(required) + len(candidates)
        required = required[~_redundant(reach[np.ix_(required, candidates)], larger=True)]
        candidates = candidates[~_redundant(reach[np.ix_(required, candidates)].T, larger=False)]
        if len(required) + len(candidates) == before:
            return required, candidates


def _redundant(sets: np.ndarray, larger: bool) -> np.ndarray:
    """Rows that hold another row (`larger`) or are held by one; of equal ones the first stays."""
    members = sets.astype(np.float32)
    common = members @ members.T
    size = members.sum(axis=1)
    beaten = common == (size[None, :] if larger else size[:, None])
    return (beaten & ~beaten.T).any(axis=1) | np.tril(beaten & beaten.T, -1).any(axis=1)


def _thinned_out(points: np.ndarray) -> np.ndarray:
    """Indices of the points nearest the middles of about `CENTERS` squares."""
    extent = np.ptp(points, axis=0)
    side = max(float(np.sqrt(np.prod(extent) / CENTERS)), float(extent.max()) / CENTERS, 1e-9)
    square = np.floor((points - points.min(axis=0)) / side)
    off = ((points - points.min(axis=0) - (square + 0.5) * side) ** 2).sum(axis=1)
    order = np.lexsort((off, square[:, 1], square[:, 0]))
    return order[np.unique(square[order], axis=0, return_index=True)[1]]


def _cover_of_most(reach: np.ndarray) -> np.ndarray:
    """Columns that cover all rows that any column covers, as few as found with moderate effort."""
    rows = np.unique(reach[reach.any(axis=1)], axis=0)
    found = _smallest_cover(rows[~_redundant(rows, larger=True)])
    return np.empty(0, int) if found is None else found


def _smallest_cover(reach: np.ndarray) -> np.ndarray | None:
    """Indices of the fewest columns that cover all rows; None when the solver gave up.

    Of more than `EXACT_MAX` rows or columns there may be fewer.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    count, exact = reach.shape[1], max(reach.shape) <= EXACT_MAX
    found = milp(
        np.ones(count),
        constraints=LinearConstraint(reach.astype(float), lb=1),
        bounds=Bounds(0, 1),
        integrality=np.ones(count, int),
        options={"node_limit": NODES_MAX if exact else 1},
    )
    return None if found.x is None else np.flatnonzero(found.x > 0.5)


def _greedy_cover(reach: np.ndarray, uncovered: np.ndarray) -> list[int]:
    """Columns that cover the rows that are uncovered, each the one that covers most of them."""
    centers = []
    while uncovered.any():
        centers.append(int(np.argmax(reach[uncovered].sum(axis=0))))
        uncovered = uncovered & ~reach[:, centers[-1]]
    return centers
