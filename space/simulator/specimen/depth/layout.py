"""Where particles lie in a slab: drawn tile by tile, without overlaps."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from space.simulator.specimen.labels import LABELS

from . import census
from .cloud import Cloud, random_rotations
from .ground import Ground
from .particles import shapes
from .slab import Slab

TILE_NM = 400.0

_OFF_MEMBRANE_NM = 2.0

PARTICLE = np.dtype(
    [
        ("kind", "U16"),
        ("center_nm", "f8", 3),
        ("rotation", "f8", (3, 3)),
        ("radius_nm", "f8"),
    ]
)
"""A particle in the frame of the slab; `rotation` takes directions of its own frame there."""


def tile_rng(slab: Slab, what: int, i: int, j: int) -> np.random.Generator:
    """Random numbers for one thing in one tile."""
    return np.random.default_rng([what, slab.site.seed, i + 1000, j + 1000])


def corners(i: int, j: int) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest (s, t) of a tile, nm."""
    low = TILE_NM * np.array([i, j], float)
    return low, low + TILE_NM


def own(points_nm: np.ndarray, i: int, j: int) -> np.ndarray:
    """Which of points (n, 2) or (n, 3) lie in a tile."""
    low, high = corners(i, j)
    s, t = points_nm[:, 0], points_nm[:, 1]
    return np.asarray((s >= low[0]) & (s < high[0]) & (t >= low[1]) & (t < high[1]))


@lru_cache(maxsize=4)
def ground(slab: Slab) -> Ground:
    """The painted cut of a slab."""
    return Ground.of(slab.site)


def label_at(slab: Slab, points_nm: np.ndarray) -> np.ndarray:
    """Labels (n,) uint8 at points (n, 3) in the frame of the slab; 0 outside of it."""
    points = np.asarray(points_nm)
    found = ground(slab).at(slab.at_middle(points))
    return np.where(np.abs(points[:, 2]) <= slab.half_nm, found, np.uint8(0))


@lru_cache(maxsize=256)
def candidates(slab: Slab, i: int, j: int) -> np.ndarray:
    """What would be in a tile if nothing were in the way: (kind, place, rank) of each."""
    low, _ = corners(i, j)
    rng = tile_rng(slab, 45, i, j)
    volume_um3 = TILE_NM**2 * slab.thickness_nm * 1e-9
    made = []
    for rank, kind in enumerate(census.ORDER):
        numbers = np.array([census.PER_UM3.get(name, {}).get(kind, 0.0) for name in LABELS])
        count = rng.poisson(numbers.max() * volume_um3)
        places = np.column_stack(
            [
                rng.uniform(low[0], low[0] + TILE_NM, count),
                rng.uniform(low[1], low[1] + TILE_NM, count),
                rng.uniform(-slab.half_nm, slab.half_nm, count),
            ]
        )
        chance, order = rng.random((2, count))
        radii = _radii(kind, rng, count)
        turns = random_rotations(rng, count)
        labels = label_at(slab, places)
        kept = chance * numbers.max() < numbers[labels]
        some = np.zeros(int(kept.sum()), [("of", PARTICLE), ("rank", "f8")])
        some["of"]["kind"], some["of"]["center_nm"] = kind, places[kept]
        some["of"]["rotation"], some["of"]["radius_nm"] = turns[kept], radii[kept]
        some["rank"] = rank + order[kept]
        made.append(some)
    return np.concatenate(made)


def _radii(kind: str, rng: np.random.Generator, count: int) -> np.ndarray:
    if kind == "vesicle":
        return rng.uniform(18.0, 32.0, count)
    return np.full(count, shapes()[kind].radius_nm)


def particles(slab: Slab, walls: Cloud, i: int, j: int) -> np.ndarray:
    """Particles of a tile: of two that would overlap, that with the lower rank stays."""
    every = np.concatenate(
        [candidates(slab, i + di, j + dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)]
    )
    mine = np.flatnonzero(own(every["of"]["center_nm"], i, j))
    if not len(mine):
        return np.zeros(0, PARTICLE)
    centers, radii, rank = every["of"]["center_nm"], every["of"]["radius_nm"], every["rank"]
    tree = cKDTree(centers)
    pairs = tree.query_pairs(2 * float(radii.max()), output_type="ndarray")
    a, b = pairs[:, 0], pairs[:, 1]
    close = np.linalg.norm(centers[a] - centers[b], axis=1) < radii[a] + radii[b]
    a, b = a[close], b[close]
    stays = np.ones(len(every), bool)
    stays[np.where(rank[a] > rank[b], a, b)] = False
    mine = mine[stays[mine]]
    if len(walls) and len(mine):
        needs = radii[mine] * 0.85 + _OFF_MEMBRANE_NM
        mine = mine[_away_nm(walls, centers[mine], float(needs.max())) > needs]
    chosen: np.ndarray = every["of"][mine]
    return chosen


def _away_nm(walls: Cloud, places_nm: np.ndarray, most_nm: float) -> np.ndarray:
    """How far places (n, 3) are from the nearest wall; infinite where it is farther than asked."""
    low, high = places_nm.min(axis=0) - most_nm, places_nm.max(axis=0) + most_nm
    is_near = np.ones(len(walls), bool)
    for values, least, most in zip(walls.points_nm.T, low, high):
        is_near &= (values >= least) & (values <= most)
    near = walls.points_nm[is_near]
    # Walls have a hundred times as many points as there are places: a tree made fast is the faster.
    tree = cKDTree(near, balanced_tree=False, compact_nodes=False)
    away, _ = tree.query(places_nm, distance_upper_bound=most_nm * (1 + 1e-9))
    return np.asarray(away)
