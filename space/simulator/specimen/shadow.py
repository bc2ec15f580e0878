"""What the walls of a trench take away from a lamella when the beam comes at an angle.

Simplified: only the walls before and behind the lamella count. They are upright and reach as far
above and below the film as the bulk is thick, their rims are as ragged as from above, and the
lamella's edges throw no shadow on each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import radians, sin

import numpy as np

from . import texture
from .site import BULK_TRANSMISSION, Site

_RAGGED_UM = 8.0  # rims come no farther into the window
_BESIDE_UM = 0.3  # the soft sides of windows are shaded too


@dataclass(frozen=True)
class Wall:
    """A wall of a trench.

    Attributes
    ----------
    rim_um : float
        Where it stands, along s.
    reach_um : float
        How far its shadow reaches beyond that.
    side : float
        1 when the lamella lies at larger s, -1 at smaller.
    """

    rim_um: float
    reach_um: float
    side: float


def reach_um(site: Site, lean: tuple[float, float]) -> tuple[float, float]:
    """How far the shadows of the front and the back wall reach beyond their rims, along s.

    Parameters
    ----------
    site : Site
    lean : (dx, dy)
        How far the beam's path goes sideways in the grid frame for each micrometre that it rises.
    """
    fall = sin(radians(site.stand.pretilt_deg))
    aside = float(site.site_from_grid[0, :2] @ lean)
    if 1.0 + fall * aside <= 0.0:  # the lamella is seen from its underside
        return 0.0, 0.0
    per_um = aside / (1.0 + fall * aside)  # for each micrometre above the lamella's plane
    front, back = ends_um(site)
    above, below = site.stand.bulk_um

    def farthest(rim_um: float, side: float) -> float:
        # Where film and plane of the lamella are from each other at the rim.
        film_um = fall * rim_um - site.stand.off_film_um
        paths = [-side * (film_um + edge) * per_um for edge in (above, -below)]
        return max(0.0, *paths)

    if above == below == 0.0:
        return 0.0, 0.0
    return farthest(front, 1.0), farthest(back, -1.0)


def ends_um(site: Site) -> tuple[float, float]:
    """Where the windows before and behind the lamella end, along s."""
    half = site.length_um / 2
    return -half - site.window_um[0], half + site.window_um[1]


def walls_seen(
    site: Site, px_to_site: np.ndarray, shape: tuple[int, int], lean: tuple[float, float]
) -> list[Wall]:
    """Walls whose shadow may fall into a picture.

    Parameters
    ----------
    site : Site
    px_to_site : (2, 3) array
        Affine map from (column, row, 1) of a pixel to (s, t).
    shape : (rows, columns)
    lean : (dx, dy)
        As in `reach_um`.
    """
    rows, columns = shape
    corners = np.array([[0, 0, 1], [columns, 0, 1], [0, rows, 1], [columns, rows, 1]])
    s = corners @ np.asarray(px_to_site)[0]
    walls = map(Wall, ends_um(site), reach_um(site, lean), (1.0, -1.0))
    return [
        wall
        for wall in walls
        if wall.reach_um > 0.0
        and (wall.side * (s - wall.rim_um)).min() < wall.reach_um + _RAGGED_UM
    ]


def passing(
    site: Site,
    px_to_site: np.ndarray,
    shape: tuple[int, int],
    pixel_um: float,
    walls: Sequence[Wall],
) -> np.ndarray:
    """Largest transmission (rows, columns) that walls leave to the pixels of a picture."""
    free = np.full(shape, np.inf, np.float32)
    for wall in walls:
        # Each pixel sees the point of the rim from which its shadow would come.
        m = np.array(px_to_site, dtype=np.float32)
        m[0, 2] -= wall.side * wall.reach_um
        outline = 1.6 * texture.sample(m, shape, 2.5, site.seed)
        outline += 0.15 * texture.sample(m, shape, 0.5, site.seed + 1)
        outline += np.float32(wall.side) * (_plane(m[0], shape) - np.float32(wall.rim_um))
        np.minimum(free, outline, out=free)
    # Beside the trench there is bulk, which is dark already.
    across = np.abs(_plane(np.asarray(px_to_site, np.float32)[1], shape))
    np.maximum(free, across - np.float32(site.width_um / 2 + _BESIDE_UM), out=free)
    lit = texture.smooth_step(free, max(pixel_um, 0.04))
    return (BULK_TRANSMISSION + (1.0 - BULK_TRANSMISSION) * lit).astype(np.float32)


def _plane(row: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    columns = np.arange(shape[1], dtype=np.float32)[None, :]
    rows = np.arange(shape[0], dtype=np.float32)[:, None]
    return np.asarray(row[0] * columns + row[1] * rows + row[2])
