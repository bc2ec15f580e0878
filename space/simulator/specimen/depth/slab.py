"""The body of a lamella: how thick it is, and how what is in it leans.

The frame of the slab is (s, t, w) in nm: s and t as in `Site`, w along the normal of the lamella
from the middle of its thickness, upwards (towards the source at zero tilt). It is right-handed.

What a label map shows is the cut at w = 0. Away from it everything is displaced sideways by a
field that changes slowly from place to place, so that walls lean one way here and another way
there, as those of things that were cut at random do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import cos, radians, sin

import numpy as np

from space.simulator.specimen.site import Site

THICKNESS_NM = {
    "good": (80.0, 200.0),
    "thick": (220.0, 300.0),
    "wedge": (120.0, 280.0),
    "contaminated": (90.0, 220.0),
    "broken": (80.0, 200.0),
    "gone": (80.0, 200.0),
}
"""Range that the thickness of a lamella is drawn from, by its kind."""

_LEAN = 0.16  # amplitude of each wave of the tangent; three of them reach 25 degrees
_WAVE_NM = (1500.0, 4000.0)


@dataclass(frozen=True)
class Slab:
    """A lamella's body.

    Attributes
    ----------
    site : Site
    thickness_nm : float
    waves : tuple of (tan_s, tan_t, k_s, k_t, phase)
        Of the field by which things lean: displacement (s, t) for each nm of w, and wave vector
        (rad/nm).
    """

    site: Site
    thickness_nm: float
    waves: tuple[tuple[float, float, float, float, float], ...]

    @property
    def half_nm(self) -> float:
        """Half the thickness."""
        return self.thickness_nm / 2.0

    def lean(self, st_nm: np.ndarray) -> np.ndarray:
        """Sideways displacement (n, 2) for each nm of w at points (n, 2)."""
        st = np.asarray(st_nm, np.float32)
        total = np.zeros_like(st)
        for tan_s, tan_t, k_s, k_t, phase in self.waves:
            wave = np.sin(st @ np.array([k_s, k_t], np.float32) + np.float32(phase))
            total[:, 0] += np.float32(tan_s) * wave
            total[:, 1] += np.float32(tan_t) * wave
        return total

    def at_middle(self, points_nm: np.ndarray) -> np.ndarray:
        """Places (n, 2) on the middle plane that points (n, 3) belong to."""
        points = np.asarray(points_nm, np.float32)
        w = points[:, 2:3]
        guess: np.ndarray = points[:, :2]
        for _ in range(3):  # the field changes by a few per cent over the displacement
            guess = points[:, :2] - self.lean(guess) * w
        return guess

    def to_grid(self) -> np.ndarray:
        """(3, 4) map from (s, t, w, 1) in nm to (x, y, height) of the grid frame in µm.

        The bend of the lamella is left out; see `bent_um`.
        """
        a, p = radians(self.site.angle_deg), radians(self.site.stand.pretilt_deg)
        along = (cos(a) * cos(p), sin(a) * cos(p), -sin(p))
        across = (-sin(a), cos(a), 0.0)
        turn = np.column_stack([along, across, np.cross(along, across)])
        x, y = self.site.center_um
        return np.column_stack([1e-3 * turn, [x, y, self.site.height_um]])

    def tangent(self, st_nm: tuple[float, float]) -> np.ndarray:
        """The same with the bend at a place, as the plane that touches the lamella there."""
        m = self.to_grid()
        x, y, _ = m @ (*st_nm, 0.0, 1.0)
        slope = np.array(self.site.slope_at(x, y))
        flat = -sin(radians(self.site.stand.pretilt_deg)) * self.site.site_from_grid[0, :2]
        # The bend raises points; it shears by a few milliradians, which turns nothing visibly.
        bend = slope - flat
        m[2] += bend @ m[:2]
        m[2, 3] += self.site.height_at_um(x, y) - (m[2] @ (*st_nm, 0.0, 1.0))
        return m


@lru_cache(maxsize=256)
def slab_of(site: Site) -> Slab:
    """The body of the lamella on a site; the same each time."""
    rng = np.random.default_rng([41, site.seed])
    thickness = rng.uniform(*THICKNESS_NM[site.kind])
    waves = []
    for _ in range(4):
        towards, across = rng.uniform(0, 2 * np.pi, 2)
        k = 2 * np.pi / rng.uniform(*_WAVE_NM)
        waves.append(
            (
                float(_LEAN * np.cos(towards)),
                float(_LEAN * np.sin(towards)),
                float(k * np.cos(across)),
                float(k * np.sin(across)),
                float(rng.uniform(0, 2 * np.pi)),
            )
        )
    return Slab(site, float(thickness), tuple(waves))
