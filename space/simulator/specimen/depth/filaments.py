"""Filaments: microtubules and actin, straight pieces of a helix of blobs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .cloud import Cloud

LONGEST_NM = 400.0
_NM3_V_PER_KDA = 1.23 * 2.1  # protein, see `particles`


@lru_cache(maxsize=4)
def piece(kind: str) -> Cloud:
    """`LONGEST_NM` of a filament along z, its middle at the origin.

    Microtubule: 13 protofilaments at a radius of 11 nm, a monomer of 55 kDa every 4 nm, which
    rise by 12 nm in a turn, to the left. Actin: a subunit of 42 kDa every 2.75 nm, each turned by
    -166.6 degrees against the one before.
    """
    if kind == "microtubule":
        n = np.arange(int(13 * LONGEST_NM / 4.0))
        angle, z = -2 * np.pi * n / 13.0, n * 4.0 * 3.0 / 13.0 / 3.0
        radius, weight = 11.0, 55.0 * _NM3_V_PER_KDA
    else:
        n = np.arange(int(LONGEST_NM / 2.75))
        angle, z = np.radians(-166.6) * n, n * 2.75
        radius, weight = 2.4, 42.0 * _NM3_V_PER_KDA
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), z - z.mean()])
    return Cloud.of(points, weight, 0 if kind == "microtubule" else 1)


def direction(rng: np.random.Generator) -> np.ndarray:
    """A rotation (3, 3) that takes z to a direction near the plane of the lamella."""
    azimuth, rise = rng.uniform(0, 2 * np.pi), np.arcsin(rng.uniform(-0.35, 0.35))
    z = np.array([np.cos(azimuth) * np.cos(rise), np.sin(azimuth) * np.cos(rise), np.sin(rise)])
    x = np.cross(z, (0.0, 0.0, 1.0))
    x /= np.linalg.norm(x)
    return np.column_stack([x, np.cross(z, x), z])
