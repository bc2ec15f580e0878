"""Pores of the nuclear envelope."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from . import census, shells
from .cloud import Cloud
from .layout import PARTICLE, corners
from .slab import Slab

RADIUS_NM = 42.0
_MDA = 25.0  # less than the half of it that the ring of eight is seen as


def pores(
    slab: Slab, envelope: list[shells.Outline], rng: np.random.Generator, i: int, j: int
) -> np.ndarray:
    """Nuclear pores of a tile, (n,) array of `PARTICLE`.

    Those at the edge of a tile are left out, since the wall there is its neighbour's.

    Parameters
    ----------
    envelope : list of Outline
        Outer membranes of nuclei.
    """
    low, high = corners(i, j)
    found: list[tuple[str, np.ndarray, np.ndarray, float]] = []
    for outline in envelope:
        length_nm = len(outline.points_nm) * shells.ALONG_NM
        count = rng.poisson(census.PORES_PER_UM2 * length_nm * slab.thickness_nm * 1e-6)
        for k in rng.integers(0, len(outline.points_nm), count):
            w = rng.uniform(-slab.half_nm, slab.half_nm)
            inwards = np.array([*outline.normals[k], 0.0])
            st = outline.points_nm[k] + outline.normals[k] * shells.NUCLEUS_GAP_NM / 2
            center = np.array([*(st + slab.lean(st[None])[0] * w), w])
            near = any(np.linalg.norm(center - other[1]) < 2.2 * RADIUS_NM for other in found)
            edge = (center[:2] < low + RADIUS_NM).any() or (center[:2] > high - RADIUS_NM).any()
            if not near and not edge:
                side = np.cross(inwards, (0.0, 0.0, 1.0))
                turn = np.column_stack([side, np.cross(inwards, side), inwards])
                found.append(("nuclear_pore", center, turn, RADIUS_NM))
    return np.array(found, PARTICLE) if found else np.zeros(0, PARTICLE)


def opened(walls: Cloud, holes: np.ndarray) -> Cloud:
    """Membranes without what lies in pores."""
    if not len(holes) or not len(walls):
        return walls
    tree = cKDTree(walls.points_nm)
    keep = np.ones(len(walls), bool)
    for inside in tree.query_ball_point(holes["center_nm"], RADIUS_NM):
        keep[inside] = False
    return walls.only(keep)


@lru_cache(maxsize=1)
def body() -> Cloud:
    """Three rings of eight: some 80 nm wide, smaller towards the inside of the nucleus."""
    points = [
        (r * np.cos(a), r * np.sin(a), z)
        for r, z, turn in ((38.0, -13.0, 0.0), (33.0, 0.0, 0.2), (30.0, 15.0, 0.4))
        for a in np.arange(8) * np.pi / 4 + turn
    ]
    return Cloud.of(np.array(points), _MDA * 1230.0 * 2.1 / len(points), 2)
