"""Which spots of two pictures are the same: patterns of points matched, or refused.

Three spots near each other make a triangle whose sides have the same ratios in both pictures, also
in the mirror. Equal triangles propose how the pictures lie; each proposal is judged by how many
spots of one picture fall on spots of the other one. A proposal is believed if that many cannot
happen by chance, and if no other proposal does nearly as well: the holes of a film are a lattice
that lies on itself in many ways, and only what breaks the lattice tells one from another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from space.errors import SpaceError

_NEIGHBOURS = 7
_LIKE = 0.03  # of ratios of sides
_MOST_PROPOSALS = 6000
_BATCH = 200
_MOST_JUDGED = 200
_LEAST_MATCHED = 8
_SUREST_LOG10 = -8.0
_RIVAL = 0.7
_BESIDE = 16
_RIVALS = 12
_WHERE = "registration"


@dataclass(frozen=True, eq=False)
class Candidate:
    """One way in which two sets of points may lie on each other.

    Attributes
    ----------
    matrix : ndarray, shape (2, 3)
        From points of the first set to those of the second.
    first, second : ndarray, shape (n,)
        Numbers of the points that are the same by it.
    log10_chance : float
        Logarithm of how often chance alone would match so many.
    """

    matrix: np.ndarray
    first: np.ndarray
    second: np.ndarray
    log10_chance: float

    @property
    def is_likely(self) -> bool:
        """Whether so many points cannot have been matched by chance."""
        return len(self.first) >= _LEAST_MATCHED and self.log10_chance <= _SUREST_LOG10


def match_points(
    first: np.ndarray,
    second: np.ndarray,
    tolerance: float,
    scales: tuple[float, float] = (0.25, 4.0),
) -> Candidate:
    """Match two sets of points that differ by a similarity, mirrored or not.

    Parameters
    ----------
    first, second : ndarray, shape (n, 2) and (m, 2)
    tolerance : float
        How far a point may lie beside its partner, in units of `second`.
    scales : tuple of float
        Smallest and largest distance in `second` for one of 1 in `first`.

    Raises
    ------
    SpaceError
        If they do not match, or match in several ways.
    """
    found = candidates(first, second, tolerance, scales, _RIVALS)
    if not found or not found[0].is_likely:
        matched = len(found[0].first) if found else 0
        raise SpaceError(
            f"Of {len(first)} and {len(second)} spots, {matched} may be the same, which is too few "
            "to be sure.",
            _WHERE,
            "Give pairs of points.",
        )
    rival = len(found[1].first) / len(found[0].first) if len(found) > 1 else 0.0
    if rival > _RIVAL:
        raise SpaceError(
            f"The pattern fits in several ways (another one: {100 * rival:.0f} % as many spots).",
            _WHERE,
            "Use beads beside the holes, a larger field with broken squares, or pairs of points.",
        )
    return found[0]


def candidates(
    first: np.ndarray,
    second: np.ndarray,
    tolerance: float,
    scales: tuple[float, float] = (0.25, 4.0),
    most: int = 12,
) -> list[Candidate]:
    """Return the ways in which two sets of points may lie on each other, the best first.

    Parameters as for `match_points`; of ways that end at the same place one is told.
    """
    a, b = (np.asarray(points, float).reshape(-1, 2) for points in (first, second))
    if min(len(a), len(b)) < _LEAST_MATCHED:
        return []
    proposals = _proposals(a, b, scales)
    if not len(proposals):
        return []
    left = proposals[np.argsort(-_judged(a, b, proposals, tolerance), kind="stable")]
    found: list[Candidate] = []
    for _ in range(4 * most):
        if not len(left) or len(found) >= most:
            break
        refined = _refined(a, b, left[0], tolerance)
        if all(_elsewhere(a, refined[None], one.matrix, tolerance)[0] for one in found):
            found.append(_candidate(a, b, refined, tolerance, len(proposals)))
        left = left[1:][_elsewhere(a, left[1:], left[0], tolerance)]
        left = left[_elsewhere(a, left, refined, tolerance)]
    return sorted(found, key=lambda one: -len(one.first))


def _candidate(
    a: np.ndarray, b: np.ndarray, matrix: np.ndarray, tolerance: float, tried: int
) -> Candidate:
    pairs = _partners(a, b, matrix, tolerance)
    moved = _apply(matrix, a)
    low, high = b.min(axis=0) - tolerance, b.max(axis=0) + tolerance
    within = moved[((moved >= low) & (moved <= high)).all(axis=1)]
    # Spots are not spread evenly: chance is what is met a little beside.
    turns = np.arange(_BESIDE) * 2 * math.pi / _BESIDE
    beside = 3 * tolerance * np.stack([np.cos(turns), np.sin(turns)], 1)
    away, _ = tree_of(b).query(within[None] + beside[:, None], distance_upper_bound=tolerance)
    met = float(np.isfinite(away).mean()) if len(within) else 1.0
    even = 1 - math.exp(-len(b) * math.pi * tolerance**2 / float(np.prod(high - low)))
    log10 = _log10_tail(len(within), len(pairs[0]), max(met, even)) + math.log10(tried + 1.0)
    return Candidate(matrix, *pairs, log10)


def tree_of(points: np.ndarray) -> Any:
    """Return what finds the nearest of some points; SciPy's types know no arrays here."""
    from scipy.spatial import cKDTree

    return cKDTree(points)


def mutual(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of points that are each other's nearest and near enough."""
    away, to = tree_of(theirs).query(ours)
    _, back = tree_of(ours).query(theirs)
    same = (away <= tolerance) & (back[to] == np.arange(len(ours)))
    return np.flatnonzero(same), to[same]


def affine_through(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the affine map (2, 3) that takes points to others, by least squares."""
    basis = np.column_stack([source, np.ones(len(source))])
    return np.asarray(np.linalg.lstsq(basis, target, rcond=None)[0].T)


def _triangles(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of corners, ordered by the sides opposite of them, and ratios of sides."""
    near = min(_NEIGHBOURS + 1, len(points))
    _, around = tree_of(points).query(points, near)
    found = {
        tuple(sorted((int(row[0]), int(row[i]), int(row[j]))))
        for row in around
        for i in range(1, near)
        for j in range(i + 1, near)
    }
    corners = np.array(sorted(found))
    at = points[corners]
    sides = np.stack(
        [np.linalg.norm(at[:, (k + 1) % 3] - at[:, (k + 2) % 3], axis=1) for k in range(3)], 1
    )
    order = np.argsort(sides, axis=1)
    corners, sides = np.take_along_axis(corners, order, 1), np.take_along_axis(sides, order, 1)
    long = sides[:, 2]
    ratios = sides[:, :2] / np.maximum(long, 1e-12)[:, None]
    # Nearly equal sides are not ordered reliably, flat triangles say nothing across.
    clear = (
        (long > 0)
        & (ratios[:, 1] < 1 - _LIKE)
        & (ratios[:, 1] - ratios[:, 0] > _LIKE)
        & (ratios.sum(axis=1) > 1.05)
    )
    return corners[clear], ratios[clear]


def _proposals(a: np.ndarray, b: np.ndarray, scales: tuple[float, float]) -> np.ndarray:
    """Return maps (k, 2, 3) from a to b by triangles that are alike, the likest first."""
    (corners_a, ratios_a), (corners_b, ratios_b) = _triangles(a), _triangles(b)
    if not len(corners_a) or not len(corners_b):
        return np.empty((0, 2, 3))
    near = min(12, len(corners_b))
    away, which = tree_of(ratios_b).query(ratios_a, near, distance_upper_bound=_LIKE)
    away, which = away.reshape(len(ratios_a), -1), which.reshape(len(ratios_a), -1)
    from_a, place = np.nonzero(np.isfinite(away))
    to_b = which[from_a, place]
    three_a, three_b = a[corners_a[from_a]], b[corners_b[to_b]]
    maps, misfit, scale = _similarities(three_a, three_b)
    usable = (scale >= scales[0]) & (scale <= scales[1])
    order = np.argsort(misfit[usable])[:_MOST_PROPOSALS]
    return maps[usable][order]


def _similarities(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the similarities (k, 2, 3) between triples of points (k, 3, 2), misfit and scale."""
    mean_a, mean_b = a.mean(axis=1), b.mean(axis=1)
    za = _complex(a - mean_a[:, None])
    zb = _complex(b - mean_b[:, None])
    power = (np.abs(za) ** 2).sum(axis=1)
    straight = (zb * za.conj()).sum(axis=1) / power
    mirrored = (zb * za).sum(axis=1) / power
    is_mirrored = np.abs(mirrored) > np.abs(straight)
    z = np.where(is_mirrored, mirrored, straight)
    sign = np.where(is_mirrored, -1.0, 1.0)
    maps = np.empty((len(a), 2, 3))
    # z = x + iy of (row, column): the mirrored one takes the conjugate first.
    maps[:, 0, 0], maps[:, 0, 1] = z.real, -sign * z.imag
    maps[:, 1, 0], maps[:, 1, 1] = z.imag, sign * z.real
    maps[:, :, 2] = mean_b - np.einsum("kij,kj->ki", maps[:, :, :2], mean_a)
    seen = np.where(is_mirrored[:, None], za.conj(), za) * z[:, None]
    misfit = np.abs(seen - zb).max(axis=1) / np.maximum(np.abs(zb).max(axis=1), 1e-12)
    return maps, misfit, np.abs(z)


def _complex(points: np.ndarray) -> np.ndarray:
    return points[..., 0] + 1j * points[..., 1]


def _apply(map_: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.asarray(points @ map_[:, :2].T + map_[:, 2])


def _judged(a: np.ndarray, b: np.ndarray, maps: np.ndarray, tolerance: float) -> np.ndarray:
    """Return how many points of a, or of some of them, fall on points of b, for each map."""
    tree = tree_of(b)
    if len(a) > _MOST_JUDGED:  # spread over all, which are sorted by how clear they are
        a = a[np.linspace(0, len(a) - 1, _MOST_JUDGED).astype(int)]
    counts = np.empty(len(maps), int)
    for begin in range(0, len(maps), _BATCH):
        part = maps[begin : begin + _BATCH]
        moved = a @ part[:, :, :2].transpose(0, 2, 1) + part[:, None, :, 2]
        away, _ = tree.query(moved, distance_upper_bound=tolerance)
        counts[begin : begin + _BATCH] = np.isfinite(away).sum(axis=1)
    return counts


def _partners(
    a: np.ndarray, b: np.ndarray, map_: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    return mutual(_apply(map_, a), b, tolerance)


def _refined(a: np.ndarray, b: np.ndarray, map_: np.ndarray, tolerance: float) -> np.ndarray:
    """Return an affine map through the pairs that a proposal finds, some times over."""
    for wide in (1.5, 1.2, 1.0, 1.0):
        first, second = _partners(a, b, map_, wide * tolerance)
        if len(first) < 4:
            break
        map_ = affine_through(a[first], b[second])
    return map_


def _elsewhere(a: np.ndarray, maps: np.ndarray, best: np.ndarray, tolerance: float) -> np.ndarray:
    """Return which maps put the points of a somewhere else than the best one does."""
    ends = a[[a[:, 0].argmin(), a[:, 0].argmax(), a[:, 1].argmin(), a[:, 1].argmax()]]
    wanted = _apply(best, ends)
    there = np.einsum("kij,nj->kni", maps[:, :, :2], ends) + maps[:, None, :, 2]
    moved = np.abs(there.mean(axis=1) - wanted.mean(axis=0)).max(axis=1)
    turned = np.abs(there - wanted).max(axis=(1, 2))
    size = float(np.linalg.norm(np.ptp(wanted, axis=0)))
    return np.asarray((moved > 2 * tolerance) | (turned > 0.3 * size))


def _log10_tail(count: int, hits: int, chance: float) -> float:
    """Return the logarithm of the probability of so many hits or more by chance."""
    from scipy import stats

    if hits <= 0:
        return 0.0
    return float(stats.binom.logsf(hits - 1, max(count, hits), min(chance, 0.999)) / math.log(10))
