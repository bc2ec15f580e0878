"""Beads that both microscopes see: bright in every colour, and dark in electrons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BEAD_UM = 1.0


@dataclass(frozen=True)
class Beads:
    """Beads on the film.

    Attributes
    ----------
    places_um : tuple of (x, y)
        Grid frame.
    diameter_um : float
    """

    places_um: tuple[tuple[float, float], ...]
    diameter_um: float = BEAD_UM

    def shadow(self, px_to_grid: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """What they let through of the beam on the pixels of a picture, (rows, columns), 0..1.

        `px_to_grid` maps (column, row, 1), pixel centres at +0.5, to the grid frame.
        """
        return 1.0 - 0.95 * np.minimum(self.drawn(px_to_grid, shape), 1.0)

    def drawn(
        self, px_to_grid: np.ndarray, shape: tuple[int, int], weights: np.ndarray | None = None
    ) -> np.ndarray:
        """Balls of height 1 on the pixels of a picture, each with a weight."""
        matrix = np.asarray(px_to_grid, float)
        back = np.linalg.inv(matrix[:, :2])
        pixel_um = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
        radius = self.diameter_um / 2 / pixel_um
        result = np.zeros(shape, np.float32)
        reach = int(np.ceil(radius)) + 2
        places = np.array(self.places_um).reshape(-1, 2)
        for index, (column, row) in enumerate((places - matrix[:, 2]) @ back.T):
            c0, r0 = int(column) - reach, int(row) - reach
            c1, r1 = min(c0 + 2 * reach + 1, shape[1]), min(r0 + 2 * reach + 1, shape[0])
            c0, r0 = max(c0, 0), max(r0, 0)
            if c0 >= c1 or r0 >= r1:
                continue
            away = np.hypot(
                np.arange(c0, c1)[None, :] + 0.5 - column, np.arange(r0, r1)[:, None] + 0.5 - row
            )
            ball = np.clip(radius - away + 0.5, 0, 1)
            result[r0:r1, c0:c1] += ball * (1.0 if weights is None else weights[index])
        return result


def draw_beads(
    seed: int,
    center_um: tuple[float, float],
    half_um: float,
    per_1000_um2: float = 1.2,
    keep_off_um: tuple[tuple[float, float, float], ...] = (),
) -> Beads:
    """Scatter beads over a square of the grid; some lie close to each other.

    Parameters
    ----------
    seed : int
    center_um : tuple of float
    half_um : float
        Half the side of the square.
    per_1000_um2 : float
        How many there are.
    keep_off_um : tuple of (x, y, radius)
        Where nothing is left of them: what was milled.
    """
    rng = np.random.default_rng([32, seed])
    count = rng.poisson(per_1000_um2 * (2 * half_um) ** 2 / 1000)
    places = rng.uniform(-half_um, half_um, (count, 2)) + center_um
    for x, y, radius in keep_off_um:
        places = places[np.hypot(places[:, 0] - x, places[:, 1] - y) > radius]
    return Beads(tuple((float(x), float(y)) for x, y in places))
