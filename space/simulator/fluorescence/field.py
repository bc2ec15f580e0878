"""What a light microscope's picture shows of a grid: its place, and how its lens distorts it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_WAVES = 4
_ROUNDS = 12


@dataclass(frozen=True)
class Field:
    """Where a picture lies on the grid.

    A pixel at (column, row), centres at +0.5, shows the place A · (p - D(p)) of the grid: A is
    affine, and D a sum of long waves. Nothing of this is known to the other half.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns.
    px_to_grid : tuple
        A: 2 x 3, from (column, row, 1) without distortion to (x, y) of the grid in µm.
    waves : tuple of tuple of float
        Of D: amplitudes along columns and rows in pixels, two components of the wave vector in
        radians per pixel, phase.
    """

    shape: tuple[int, int]
    px_to_grid: tuple[tuple[float, float, float], tuple[float, float, float]]
    waves: tuple[tuple[float, float, float, float, float], ...] = ()

    @property
    def matrix(self) -> np.ndarray:
        """A, 2 x 3."""
        return np.array(self.px_to_grid)

    @property
    def pixel_um(self) -> float:
        """Mean size of a pixel."""
        return math.sqrt(abs(float(np.linalg.det(self.matrix[:, :2]))))

    def displaced(self, points_px: np.ndarray) -> np.ndarray:
        """D at points (..., 2) (column, row): (..., 2) pixels."""
        points = np.asarray(points_px, float)
        found = np.zeros(points.shape)
        for along, across, u, v, phase in self.waves:
            wave = np.sin(points[..., 0] * u + points[..., 1] * v + phase)
            found[..., 0] += along * wave
            found[..., 1] += across * wave
        return found

    def to_grid(self, points_px: np.ndarray) -> np.ndarray:
        """Places (n, 2) (x, y) that points (n, 2) (column, row) show."""
        points = np.asarray(points_px, float).reshape(-1, 2)
        plain = points - self.displaced(points)
        return plain @ self.matrix[:, :2].T + self.matrix[:, 2]

    def from_grid(self, places_um: np.ndarray) -> np.ndarray:
        """Points (n, 2) (column, row) that show places (n, 2) (x, y)."""
        places = np.asarray(places_um, float).reshape(-1, 2) - self.matrix[:, 2]
        plain = places @ np.linalg.inv(self.matrix[:, :2]).T
        points = plain
        for _ in range(_ROUNDS):
            points = plain + self.displaced(points)
        return points

    def holds(self, places_um: np.ndarray, margin_px: float = 0.0) -> np.ndarray:
        """Which places (n, 2) the picture shows."""
        points = self.from_grid(places_um)
        end = np.array(self.shape[::-1]) - margin_px
        return np.asarray(((points >= margin_px) & (points <= end)).all(axis=1))


def draw_field(
    seed: int,
    center_um: tuple[float, float],
    shape: tuple[int, int] = (1000, 1000),
    pixel_um: float = 0.2,
    shear: float = 0.01,
    distortion_um: float = 0.1,
    turned_deg: float | None = None,
    flipped: bool | None = None,
) -> Field:
    """Draw how a grid lies under the light microscope.

    Parameters
    ----------
    seed : int
    center_um : tuple of float
        Place of the grid in the middle of the picture.
    shape : tuple of int
    pixel_um : float
        On average; the true one differs by some per cent.
    shear : float
        Standard deviation of stretch and shear.
    distortion_um : float
        Root mean square of D.
    turned_deg : float, optional
        None: any.
    flipped : bool, optional
        None: as it happens.
    """
    rng = np.random.default_rng([31, seed])
    angle = math.radians(rng.uniform(0, 360) if turned_deg is None else turned_deg)
    mirrored = bool(rng.random() < 0.5) if flipped is None else flipped
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    other = np.eye(2) + rng.normal(0, shear, (2, 2))
    linear = pixel_um * rng.normal(1, 0.02) * turn @ np.diag([1.0, -1.0 if mirrored else 1.0])
    linear = linear @ other
    middle = np.array([shape[1] / 2, shape[0] / 2])
    offset = np.array(center_um) - linear @ middle
    a, b = np.column_stack([linear, offset]).tolist()
    waves = []
    for _ in range(_WAVES):
        direction, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 2.0) * max(shape)
        size = rng.normal(0, 1, 2) * distortion_um / pixel_um / math.sqrt(_WAVES)
        vector = 2 * np.pi / length * np.array([math.cos(direction), math.sin(direction)])
        waves.append((*size.tolist(), *vector.tolist(), float(rng.uniform(0, 2 * np.pi))))
    return Field(shape, (tuple(a), tuple(b)), tuple(waves))
