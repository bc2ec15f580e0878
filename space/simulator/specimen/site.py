"""One milled site: the plan of a lamella and of the trenches around it."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin
from typing import TYPE_CHECKING

import numpy as np

from . import texture
from .stand import LEVEL, Stand

if TYPE_CHECKING:
    from space.simulator.specimen.appearance import Appearance
    from space.simulator.specimen.labels import LamellaKind

MARGIN_ALONG_UM = 5.0
MARGIN_ACROSS_UM = 7.5
BULK_TRANSMISSION = 0.02


@dataclass(frozen=True)
class Site:
    """Plan of a lamella site.

    The site frame has its origin in the middle of the lamella; s runs along the milling
    direction from the front edge (negative) to the back, t across it. Both run in the plane of
    the lamella, which a picture at zero tilt shows shortened by the cosine of the pretilt.

    Attributes
    ----------
    number : int
    kind : str
        One of the low-magnification categories.
    center_um : (x, y) in the grid frame
    angle_deg : float
        Direction of s in the grid frame.
    height_um : float
        Of the lamella's middle.
    seed : int
        Of everything inside the lamella.
    length_um, width_um : float
        Size along s and t.
    window_um : (front, back)
        Length of the milled windows before and behind the lamella.
    slit_gap_um, slit_width_um, slit_length_um : float
        Stress-relief slits on both sides.
    abundance : float
        Factor on how often rare things occur in the lamella; 1 is what pictures show.
    contrast : float
        Factor on how much what is in the lamella differs from its surroundings.
    looks : Appearance, optional
        How the lamella looks; without it, plain: yeast whose organelles are told by brightness.
    stand : Stand
        How the lamella stands in its trench.
    """

    number: int
    kind: LamellaKind
    center_um: tuple[float, float]
    angle_deg: float
    height_um: float
    seed: int
    length_um: float
    width_um: float
    window_um: tuple[float, float]
    slit_gap_um: float
    slit_width_um: float
    slit_length_um: float
    abundance: float = 1.0
    contrast: float = 1.0
    looks: Appearance | None = None
    stand: Stand = LEVEL

    @property
    def site_from_grid(self) -> np.ndarray:
        """(2, 3) affine map from grid (x, y, 1) to site (s, t)."""
        a = radians(self.angle_deg)
        turn = np.array([[cos(a), sin(a)], [-sin(a), cos(a)]])
        turn[0] /= cos(radians(self.stand.pretilt_deg))
        return np.column_stack([turn, -turn @ np.asarray(self.center_um)])

    def height_at_um(self, x: float, y: float) -> float:
        """Height of the lamella's plane, its bend included, at a point of the grid frame."""
        s, t = self.site_from_grid @ (x, y, 1.0)
        u = min(1.0, abs(t) / (self.width_um / 2))
        fall_um = s * sin(radians(self.stand.pretilt_deg)) + self.stand.bend_um * u**2
        return float(self.height_um - fall_um)

    def slope_at(self, x: float, y: float) -> tuple[float, float]:
        """(dz/dx, dz/dy) of the same."""
        m = self.site_from_grid
        _, t = m @ (x, y, 1.0)
        half = self.width_um / 2
        bent = 2.0 * self.stand.bend_um * t / half**2 if abs(t) < half else 0.0
        dx, dy = (-sin(radians(self.stand.pretilt_deg)), -bent) @ m[:, :2]
        return float(dx), float(dy)

    def holds(self, x: float, y: float) -> bool:
        """Whether a point of the grid frame lies on the lamella or close to it."""
        if np.hypot(x - self.center_um[0], y - self.center_um[1]) > self.reach_um:
            return False
        s, t = self.site_from_grid @ (x, y, 1.0)
        return bool(abs(s) < self.length_um / 2 + 5 and abs(t) < self.width_um / 2 + 7)

    def on_it(self, s_nm: float, t_nm: float) -> bool:
        """Whether a point of the site frame, in nm, lies within the lamella's outline."""
        return abs(s_nm) < 500.0 * self.length_um and abs(t_nm) < 500.0 * self.width_um

    @property
    def box_um(self) -> tuple[float, float, float, float]:
        """Bounding box (x0, y0, x1, y1) of lamella and slits' inner side, grid frame."""
        a = radians(self.angle_deg)
        seen_um = self.length_um * cos(radians(self.stand.pretilt_deg))
        half_s, half_t = seen_um / 2 + 1.0, self.width_um / 2 + 1.5
        dx = abs(cos(a)) * half_s + abs(sin(a)) * half_t
        dy = abs(sin(a)) * half_s + abs(cos(a)) * half_t
        x, y = self.center_um
        return x - dx, y - dy, x + dx, y + dy

    @property
    def reach_um(self) -> float:
        """Radius around the centre outside of which nothing was milled."""
        return self.length_um / 2 + max(self.window_um) + 12.0

    def surroundings(
        self, px_to_site: np.ndarray, shape: tuple[int, int], pixel_um: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bulk, windows and relief slits as if the lamella were cut away.

        Returns
        -------
        transmission, weight : (rows, columns) float32
            `weight` is 1 where the site covers what the grid was before milling.
        """
        m = np.asarray(px_to_site, dtype=np.float32)
        cols = np.arange(shape[1], dtype=np.float32)[None, :]
        rows = np.arange(shape[0], dtype=np.float32)[:, None]
        s = m[0, 0] * cols + m[0, 1] * rows + m[0, 2]
        t = m[1, 0] * cols + m[1, 1] * rows + m[1, 2]
        edge = max(pixel_um, 0.04)
        ragged = texture.sample(m, shape, 2.5, self.seed)
        fine = texture.sample(m, shape, 0.5, self.seed + 1)

        front = -self.length_um / 2 - self.window_um[0]
        back = self.length_um / 2 + self.window_um[1]
        ends = np.minimum(s - front, back - s) + 1.6 * ragged + 0.15 * fine
        sides = self.width_um / 2 - np.abs(t) + 0.015 * fine
        window = texture.smooth_step(np.minimum(ends, sides), edge)

        middle = self.width_um / 2 + self.slit_gap_um + self.slit_width_um / 2
        across = self.slit_width_um / 2 - np.abs(np.abs(t) - middle) + 0.03 * fine
        along = self.slit_length_um / 2 - np.abs(s) + 0.8 * ragged
        slit = texture.smooth_step(np.minimum(across, along), edge)

        bulk = np.maximum(np.float32(BULK_TRANSMISSION) * (1 + 0.35 * ragged), np.float32(0.003))
        clear = np.maximum(window, slit)
        transmission = bulk + (1 - bulk) * clear

        near_slit = np.minimum(middle + 2.5 - np.abs(t), self.slit_length_um / 2 + 3 - np.abs(s))
        near_window = np.minimum(ends + 1.0, sides + 1.0)
        weight = texture.smooth_step(np.maximum(near_slit, near_window) + ragged, max(edge, 1.0))
        return transmission.astype(np.float32), np.maximum(weight, clear).astype(np.float32)


def make_site(
    rng: np.random.Generator,
    number: int,
    kind: LamellaKind,
    center_um: tuple[float, float],
    angle_deg: float,
    height_um: float,
    stand: Stand = LEVEL,
) -> Site:
    """Draw the plan of a site of the given kind; sizes follow pictures of milled grids."""
    lengths = {
        "good": (20, 30),
        "thick": (28, 36),
        "wedge": (20, 32),
        "contaminated": (17, 24),
        "broken": (17, 26),
        "gone": (17, 25),
    }
    return Site(
        number=number,
        kind=kind,
        center_um=center_um,
        angle_deg=angle_deg,
        height_um=height_um,
        seed=int(rng.integers(1 << 30)),
        length_um=rng.uniform(*lengths[kind]),
        width_um=rng.uniform(13.5, 17.0),
        window_um=(rng.uniform(14, 30), rng.uniform(10, 26)),
        slit_gap_um=rng.uniform(2.5, 4.5),
        slit_width_um=rng.uniform(0.9, 1.5),
        slit_length_um=rng.uniform(20, 34),
        stand=stand,
    )
