"""How thick a part is: diameters of the largest balls inside that touch its surface.

From each point of the surface a ball shrinks, whose centre lies inwards, until no other point of
the surface lies in it (shrinking ball algorithm: Ma, Bae and Choi, "3D medial axis point
approximation using nearest neighbors and the normal field", The Visual Computer 28 (2012) 7-19).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_MOST_POINTS = 4_000
_MOST_STEPS = 40
_LEAST_ANGLE = np.deg2rad(75.0)
"""Points of the surface that are seen closer together from the centre are roughness."""


@dataclass(frozen=True)
class Thickness:
    """Diameters of balls in a part, by the area that each stands for.

    Attributes
    ----------
    mean_nm, median_nm : float
    thin_nm, thick_nm : float
        Of 5 % and 95 % of the surface.
    """

    mean_nm: float
    median_nm: float
    thin_nm: float
    thick_nm: float


def thickness_of(vertices_nm: np.ndarray, normals: np.ndarray, areas_nm2: np.ndarray) -> Thickness:
    """Return how thick a closed surface is.

    Parameters
    ----------
    vertices_nm : ndarray, shape (n, 3)
    normals : ndarray, shape (n, 3)
        Outwards, of length 1.
    areas_nm2 : ndarray, shape (n,)
        That each vertex stands for.
    """
    every = -(-len(vertices_nm) // _MOST_POINTS)
    diameters = 2 * ball_radii_nm(vertices_nm, normals, slice(None, None, every))
    weights = areas_nm2[::every]
    order = np.argsort(diameters)
    shares = np.cumsum(weights[order]) / weights.sum()
    at = [diameters[order[np.searchsorted(shares, share)]] for share in (0.05, 0.5, 0.95)]
    mean = np.average(diameters, weights=weights)
    return Thickness(float(mean), float(at[1]), float(at[0]), float(at[2]))


def ball_radii_nm(vertices_nm: np.ndarray, normals: np.ndarray, which: slice) -> np.ndarray:
    """Return the radius of the largest ball inside that touches each of these vertices."""
    from scipy.spatial import KDTree

    tree: Any = KDTree(vertices_nm)
    points, inwards = vertices_nm[which], -normals[which]
    own = np.arange(len(vertices_nm))[which]
    # No ball inside is wider than the box around it.
    radii = np.full(len(points), 0.51 * float(np.ptp(vertices_nm, axis=0).min()))
    moving = np.arange(len(points))
    for _ in range(_MOST_STEPS):
        start, toward = points[moving], inwards[moving]
        centres = start + toward * radii[moving, None]
        distances, nearest = tree.query(centres)
        across = vertices_nm[nearest] - start
        length2 = np.einsum("ij,ij->i", across, across)
        inside = np.einsum("ij,ij->i", across, toward)
        with np.errstate(divide="ignore", invalid="ignore"):
            smaller = length2 / (2 * inside)
            # The ball of this radius touches both; half the angle between them from its centre:
            angle = 2 * np.arcsin(np.clip(np.sqrt(length2) / (2 * smaller), 0, 1))
        shrinks = (
            (nearest != own[moving])
            & (distances < radii[moving] * (1 - 1e-4))
            & (inside > 0)
            & (smaller < radii[moving])
            & (angle > _LEAST_ANGLE)
        )
        moving = moving[shrinks]
        radii[moving] = smaller[shrinks]
        if not len(moving):
            break
    return radii
