"""How a grid lies on the stage: each time it is loaded a bit differently.

The cartridge turns in its seat and the gripper leaves it elsewhere. Nobody has published numbers of
this; those of the instrument files are what SerialEM's own search for a grid that was loaded again
is made for (some degrees, tens of micrometres).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np

_LOADING = 16  # what random numbers are drawn for


@dataclass(frozen=True)
class LoadModel:
    """How differently a grid lies each time it is loaded.

    Attributes
    ----------
    turn_deg, shift_um : float
        Standard deviations of the rotation, and of the shift along each axis.
    far_share : float
        Part of the loads after which it lies turned by an angle in `far_turn_deg` instead, to
        either side.
    far_turn_deg : tuple of float
        Smallest and largest of these angles.
    first_too : bool
        Whether the first load is drawn as well; otherwise a grid then lies as its truth says.
    """

    turn_deg: float = 2.0
    shift_um: float = 45.0
    far_share: float = 0.0
    far_turn_deg: tuple[float, float] = (10.0, 20.0)
    first_too: bool = False


@dataclass(frozen=True)
class Lying:
    """How a grid lies: a point g of it is centred at the stage position R g + moved.

    Attributes
    ----------
    turned_deg : float
        Angle of R, counter-clockwise.
    moved_um : tuple of float
        Where the middle of the grid lies, stage frame.
    """

    turned_deg: float = 0.0
    moved_um: tuple[float, float] = (0.0, 0.0)

    @property
    def rows(self) -> np.ndarray:
        """R: directions on the grid to directions on the stage."""
        angle = math.radians(self.turned_deg)
        c, s = math.cos(angle), math.sin(angle)
        return np.array([[c, -s], [s, c]])

    def to_stage(self, points_grid_um: np.ndarray) -> np.ndarray:
        """Stage positions (..., 2) that centre points of the grid."""
        return np.asarray(points_grid_um, dtype=float) @ self.rows.T + self.moved_um

    def to_grid(self, points_stage_um: np.ndarray) -> np.ndarray:
        """Points of the grid (..., 2) that stage positions centre."""
        return (np.asarray(points_stage_um, dtype=float) - self.moved_um) @ self.rows


AS_DRAWN = Lying()


@lru_cache(maxsize=256)
def lying(model: LoadModel, seed: int, grid: str, load: int) -> Lying:
    """How a grid lies after it was loaded for the `load`-th time; the same for the same seed.

    Parameters
    ----------
    model : LoadModel
    seed : int
        Of the session.
    grid : str
        Name of the grid.
    load : int
        Counts from 1; what was on the stage at the start was loaded once.
    """
    if load <= 1 and not model.first_too:
        return AS_DRAWN
    rng = np.random.default_rng([seed, _LOADING, crc32(grid.encode()), max(1, load)])
    turned, moved = rng.normal(0.0, model.turn_deg), rng.normal(0.0, model.shift_um, 2)
    if rng.uniform() < model.far_share:
        turned = rng.choice([-1.0, 1.0]) * rng.uniform(*model.far_turn_deg)
    return Lying(float(turned), (float(moved[0]), float(moved[1])))
