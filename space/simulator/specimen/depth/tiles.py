"""What is in a slab, laid out in square tiles when they are first looked at.

A tile depends on the lamella's seed and on its own place only, so that pictures of one place
agree whatever was looked at before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from space.simulator.specimen.labels import LABEL

from . import census, filaments, pores, shells
from .cloud import Cloud, random_rotations
from .ground import EMPTY, Ground
from .layout import (
    PARTICLE,
    TILE_NM,
    candidates,
    corners,
    ground,
    label_at,
    own,
    particles,
    tile_rng,
)
from .particles import shapes
from .slab import Slab

OVERHANG_NM = 110.0
"""How far what belongs to a tile can reach out of it."""

_KEPT_BYTES = 200e6  # all fields of a lamella's targets, so that each tilt finds its tiles
_MARGIN_NM = 220.0  # around a tile that is looked at, so that what reaches into it is whole
_FROST_NM = (4.0, 10.0)
_FROST_V_NM3 = 4.5 * 4.0 / 3.0 * np.pi


@dataclass(frozen=True)
class Tile:
    """The contents of a tile, in the frame of the slab.

    Attributes
    ----------
    cloud : Cloud
        All that is there.
    particles : (n,) array of `PARTICLE`
    membranes : Cloud
        The membranes alone.
    """

    cloud: Cloud
    particles: np.ndarray
    membranes: Cloud

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.cloud.nbytes + self.membranes.nbytes + self.particles.nbytes


class _Tiles:
    """Tiles that were looked at last, as many as memory is given to them."""

    def __init__(self) -> None:
        self._tiles: OrderedDict[tuple[Slab, int, int], Tile] = OrderedDict()
        self._nbytes = 0

    def at(self, slab: Slab, i: int, j: int) -> Tile:
        key = (slab, i, j)
        if key not in self._tiles:
            self._tiles[key] = made = _made(slab, i, j)
            self._nbytes += made.nbytes
            while self._nbytes > _KEPT_BYTES and len(self._tiles) > 1:
                self._nbytes -= self._tiles.popitem(last=False)[1].nbytes
        self._tiles.move_to_end(key)
        return self._tiles[key]

    def clear(self) -> None:
        self._tiles.clear()
        self._nbytes = 0


_tiles = _Tiles()


def tile(slab: Slab, i: int, j: int) -> Tile:
    """The tile with s from i to i + 1 and t from j to j + 1, in units of `TILE_NM`."""
    return _tiles.at(slab, i, j)


def tiles_near(low_nm: np.ndarray, high_nm: np.ndarray) -> Iterator[tuple[int, int]]:
    """Numbers of the tiles that can reach into a rectangle (s, t)."""
    first = np.floor((np.asarray(low_nm) - OVERHANG_NM) / TILE_NM).astype(int)
    last = np.floor((np.asarray(high_nm) + OVERHANG_NM) / TILE_NM).astype(int)
    for i in range(first[0], last[0] + 1):
        for j in range(first[1], last[1] + 1):
            yield i, j


def forget() -> None:
    """Give the memory of all tiles back."""
    _tiles.clear()
    ground.cache_clear()
    candidates.cache_clear()


def _made(slab: Slab, i: int, j: int) -> Tile:
    low, high = (corner.tolist() for corner in corners(i, j))
    margin = _MARGIN_NM
    around = ground(slab).cut(
        (low[0] - margin, low[1] - margin), (high[0] + margin, high[1] + margin)
    )
    if np.isin(around.labels, [LABEL[name] for name in EMPTY]).all():
        nothing = Cloud.joined([])
        return Tile(nothing, np.zeros(0, PARTICLE), nothing)
    walls, holes = _walls(slab, around, i, j)
    found = particles(slab, walls, i, j)
    round_ones = _painted_vesicles(around, i, j)
    gold = _gold(slab, i, j)
    everything = np.concatenate([found, holes, round_ones, gold])
    is_vesicle = everything["kind"] == "vesicle"
    balls = [
        shells.sphere(one["radius_nm"]).placed(one["rotation"][None], one["center_nm"][None])
        for one in everything[is_vesicle]
    ]
    membranes = _cut(slab, Cloud.joined([walls.only(own(walls.points_nm, i, j)), *balls]))
    inside = Cloud.joined([_bodies(np.concatenate([found, holes])), *_filaments(slab, i, j)])
    on_faces = Cloud.joined([_bodies(gold), _frost(slab, i, j)])
    cloud = Cloud.joined([membranes, _cut(slab, inside), on_faces])
    return Tile(cloud, everything, membranes)


def _cut(slab: Slab, cloud: Cloud) -> Cloud:
    """What milling left of a cloud."""
    return cloud.only(np.abs(cloud.points_nm[:, 2]) <= slab.half_nm)


def _walls(slab: Slab, around: Ground, i: int, j: int) -> tuple[Cloud, np.ndarray]:
    """Membranes on outlines in a tile and around it, and the pores in the tile."""
    rng = tile_rng(slab, 44, i, j)
    lines = shells.outlines(around, slab.site.seed)
    walls = Cloud.joined([shells.curtain(line, slab, rng) for line in lines])
    # Of each two membranes around a nucleus the outer one comes first.
    envelope = [line for line in lines if line.what == "nucleus"][::2]
    holes = pores.pores(slab, envelope, rng, i, j)
    return pores.opened(walls, holes), holes


def _bodies(some: np.ndarray) -> Cloud:
    clouds = []
    for kind in np.unique(some["kind"]):
        if kind != "vesicle":
            alike = some[some["kind"] == kind]
            body = pores.body() if kind == "nuclear_pore" else shapes()[str(kind)].cloud
            clouds.append(body.placed(alike["rotation"], alike["center_nm"]))
    return Cloud.joined(clouds)


def _painted_vesicles(around: Ground, i: int, j: int) -> np.ndarray:
    """Balls whose largest circle is the painted one."""
    found = [
        ("vesicle", (s, t, 0.0), np.eye(3), radius)
        for s, t, radius in shells.round_things(around, "vesicles")
    ]
    every = np.array(found, PARTICLE) if found else np.zeros(0, PARTICLE)
    return every[own(every["center_nm"], i, j)]


def _filaments(slab: Slab, i: int, j: int) -> Iterator[Cloud]:
    """Parts in this tile of the filaments whose middles are here or beside."""
    volume_um3 = TILE_NM**2 * slab.thickness_nm * 1e-9
    for kind, density in census.FILAMENTS_PER_UM3.items():
        for di, dj in np.ndindex(3, 3):
            a, b = i + di - 1, j + dj - 1
            rng = tile_rng(slab, 46 if kind == "actin" else 47, a, b)
            low, high = corners(a, b)
            for _ in range(rng.poisson(density * volume_um3)):
                center = [*rng.uniform(low, high), rng.uniform(-1, 1) * 0.8 * slab.half_nm]
                turn = filaments.direction(rng)
                cloud = filaments.piece(kind).placed(turn[None], np.array([center]))
                cloud = cloud.only(own(cloud.points_nm, i, j))
                yield cloud.only(label_at(slab, cloud.points_nm) == LABEL["cell"])


def _on_faces(
    slab: Slab, rng: np.random.Generator, above_nm: np.ndarray, i: int, j: int
) -> np.ndarray:
    """Places (n, 3) on either face where there is a lamella, so far above it."""
    low, high = corners(i, j)
    count = len(above_nm)
    st = rng.uniform(low, high, (count, 2))
    up = rng.choice([-1.0, 1.0], count)
    places = np.column_stack([st, up * slab.half_nm])
    labels = label_at(slab, places)
    places[:, 2] += up * above_nm
    return places[~np.isin(labels, [LABEL[name] for name in EMPTY])]


def _gold(slab: Slab, i: int, j: int) -> np.ndarray:
    rng = tile_rng(slab, 48, i, j)
    count = rng.poisson(census.GOLD_PER_UM2 * TILE_NM**2 * 1e-6)
    places = _on_faces(slab, rng, np.full(count, 5.0), i, j)
    gold = np.zeros(len(places), PARTICLE)
    gold["kind"], gold["center_nm"], gold["radius_nm"] = "gold", places, 5.0
    gold["rotation"] = random_rotations(rng, len(places))
    return gold


def _frost(slab: Slab, i: int, j: int) -> Cloud:
    """Lumps of ice, each of some blobs."""
    rng = tile_rng(slab, 49, i, j)
    count = rng.poisson(2 * census.FROST_PER_UM2 * TILE_NM**2 * 1e-6)
    places = _on_faces(slab, rng, rng.uniform(1.0, 5.0, count), i, j)
    clouds = []
    for place in places:
        radius = rng.uniform(*_FROST_NM)
        n = int(rng.integers(3, 7))
        points = place + rng.normal(0, radius / 2, (n, 3)) * (1.0, 1.0, 0.5)
        clouds.append(Cloud.of(points, _FROST_V_NM3 * radius**3 / n, 2))
    return Cloud.joined(clouds)
