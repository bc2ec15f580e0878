"""How a lamella stands in its trench: inclined, slightly bent, at a height of its own."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan, atan2, degrees, hypot

import numpy as np

Rows = tuple[tuple[float, float], tuple[float, float]]

TURNED: Rows = ((-1.0, 0.0), (0.0, -1.0))
"""Stage to specimen coordinates where nothing else is calibrated: turned by 180 degrees."""

PRETILT_DEG = (8.0, 12.0)
"""Least and largest inclination of lamellae to either side, as angles of milling are."""

LARGEST_BEND_UM = 0.1
BOW_UM = (4.0, 25.0)
_STREAM = 31


@dataclass(frozen=True)
class Stand:
    """Pose of a lamella against the film of its grid; by default level with it.

    Attributes
    ----------
    pretilt_deg : float
        Inclination along the milling direction. Positive when the front edge stands higher than
        the back, since the beam that mills comes down on the grid.
    bend_um : float
        How far the middle line along the milling direction stands above the two sides.
    off_film_um : float
        Height of the middle above the film.
    bulk_um : (above, below)
        How far the bulk around the trench reaches above and below the film.
    """

    pretilt_deg: float = 0.0
    bend_um: float = 0.0
    off_film_um: float = 0.0
    bulk_um: tuple[float, float] = (0.0, 0.0)


LEVEL = Stand()


def draw_stands(seed: int, n: int) -> tuple[float, list[Stand]]:
    """Draw the bow of a grid and how each of its lamellae stands.

    The numbers come from a stream of their own: what else a seed decides stays as it is. All
    lamellae of a grid lean to the same side, the one from which they were milled.

    Returns
    -------
    bow_um : float
        How much higher the grid stands 1 mm from its middle than in the middle.
    stands : list of Stand
    """
    rng = np.random.default_rng([_STREAM, seed])
    bow_um = float(rng.choice([-1.0, 1.0]) * rng.uniform(*BOW_UM))
    side = float(rng.choice([-1.0, 1.0]))
    stands = [
        Stand(
            pretilt_deg=side * rng.uniform(*PRETILT_DEG),
            bend_um=rng.uniform(-LARGEST_BEND_UM, LARGEST_BEND_UM),
            off_film_um=rng.uniform(0.5, 3.0),
            bulk_um=(rng.uniform(4.0, 8.0), rng.uniform(0.5, 2.0)),
        )
        for _ in range(n)
    ]
    return bow_um, stands


def inclination_deg(
    slope: tuple[float, float], stage_to_specimen: Rows = TURNED
) -> tuple[float, float]:
    """Pretilt and rotation of a plane as PACEtomo counts them.

    PACEtomo takes the height of a point that an image shift of (X, Y) specimen µm centres as
    tan(pretilt) (cos(rotation) Y - sin(rotation) X), above the point without image shift.

    Parameters
    ----------
    slope : (dz/dx, dz/dy)
        Of the plane in the grid frame.
    stage_to_specimen : 2 x 2

    Returns
    -------
    pretilt_deg, rotation_deg : float
        The rotation lies between -90 and 90 degrees, the pretilt takes the sign.
    """
    # Heights stay the same when coordinates change: the gradient goes with the inverse.
    along, across = np.linalg.inv(np.array(stage_to_specimen)).T @ slope
    side = 1.0 if across >= 0.0 else -1.0
    pretilt = side * degrees(atan(hypot(along, across)))
    return pretilt, degrees(atan2(-side * along, side * across))
