"""Beam damage: what earlier exposures leave on the specimen, visible in later pictures.

Exposed places become darker, in proportion to how much matter is there and towards a limit: the
sum of what settles under the beam, of charge and of loss of mass, of which only the sum is drawn.
Vacuum stays as it is. Above `BUBBLING_DOSE_E_A2` the matter boils: bright bubbles appear.

The doses are those of the list of exposures, which is the truth and all that has to be kept; the
maps of dose here are made from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from space.simulator.specimen import texture

if TYPE_CHECKING:
    from space.simulator.imaging.pictures import Exposure

PIXEL_UM = 0.1
TILE_PX = 256
TILE_UM = PIXEL_UM * TILE_PX
SMALLEST_DOSE_E_A2 = 0.1
"""Exposures below it, such as View and Search, leave no mark."""
LARGEST_RADIUS_UM = 100.0
"""Nor do those with a beam spread beyond it."""
DARKENING = 0.2  # of the optical depth, in the limit
DARKENING_DOSE_E_A2 = 50.0
BUBBLING_DOSE_E_A2 = 300.0
BUBBLE_UM = 0.06


class DoseMap:
    """Accumulated dose on one grid, in tiles where there is any."""

    def __init__(self) -> None:
        self._tiles: dict[tuple[int, int], np.ndarray] = {}

    def add(
        self,
        center_um: tuple[float, float],
        axes_um: tuple[tuple[float, float], tuple[float, float]],
        dose_e_A2: float,
    ) -> None:
        """Add the dose of an exposure.

        Parameters
        ----------
        center_um : (x, y)
            Middle of the beam, grid frame.
        axes_um : (2, 2) matrix
            Takes the unit disc to the beam's footprint in the grid frame.
        dose_e_A2 : float
        """
        axes = np.asarray(axes_um, dtype=float)
        inverse = np.linalg.inv(axes)
        # Width of the edge in units of the radius, at least a pixel of the map.
        edge = max(0.03, PIXEL_UM / math.sqrt(abs(np.linalg.det(axes))))
        reach = np.linalg.norm(axes, axis=1) * (1.0 + edge)
        low = np.floor((np.asarray(center_um) - reach) / PIXEL_UM).astype(int)
        high = np.ceil((np.asarray(center_um) + reach) / PIXEL_UM).astype(int)
        for i in range(low[0] // TILE_PX, high[0] // TILE_PX + 1):
            for j in range(low[1] // TILE_PX, high[1] // TILE_PX + 1):
                tile = self._tiles.setdefault((i, j), np.zeros((TILE_PX, TILE_PX), np.float32))
                corner = np.array((i, j)) * TILE_PX
                (c0, r0), (c1, r1) = (np.clip(n - corner, 0, TILE_PX) for n in (low, high))
                x = (corner[0] + np.arange(c0, c1) + 0.5)[None, :] * PIXEL_UM - center_um[0]
                y = (corner[1] + np.arange(r0, r1) + 0.5)[:, None] * PIXEL_UM - center_um[1]
                u, v = (row[0] * x + row[1] * y for row in inverse)
                inside = np.clip((1.0 - np.hypot(u, v)) / edge + 0.5, 0.0, 1.0)
                tile[r0:r1, c0:c1] += np.float32(dose_e_A2) * inside

    def sample(self, px_to_grid: np.ndarray, shape: tuple[int, int]) -> np.ndarray | None:
        """Dose (e/Å²) on the pixels of a picture, None when there is none in all of it.

        Parameters
        ----------
        px_to_grid : (2, 3) array
            Affine map from (column, row, 1), pixel centres at +0.5, to the grid frame in µm.
        shape : (rows, columns)
        """
        m = np.asarray(px_to_grid, dtype=float)
        rows, columns = shape
        corners = np.array([[0, 0, 1], [columns, 0, 1], [0, rows, 1], [columns, rows, 1]]) @ m.T
        first = np.floor(corners.min(axis=0) / TILE_UM - 0.01).astype(int)
        last = np.floor(corners.max(axis=0) / TILE_UM + 0.01).astype(int)
        near = [
            key
            for key in self._tiles
            if first[0] <= key[0] <= last[0] and first[1] <= key[1] <= last[1]
        ]
        if not near:
            return None
        pixel_um = math.sqrt(abs(np.linalg.det(m[:, :2])))
        step = max(1, int(0.5 * PIXEL_UM / pixel_um))
        lattice = texture.lattice_shape(shape, step) if step > 1 else shape
        total = np.zeros(lattice, np.float32)
        to_tiles = m.copy()
        to_tiles[:, 2] += m[:, :2] @ (0.5, 0.5)  # of pixel indices
        to_tiles[:, :2] *= step
        to_tiles /= PIXEL_UM
        for i, j in near:
            self._add_tile(total, to_tiles - [[0, 0, i * TILE_PX], [0, 0, j * TILE_PX]], (i, j))
        return texture.enlarge(total, step, shape) if step > 1 else total

    def _add_tile(self, total: np.ndarray, to_tile: np.ndarray, key: tuple[int, int]) -> None:
        """Add a tile; where two tiles meet, their fading edges add up to what lies between."""
        back = np.linalg.inv(to_tile[:, :2])
        corners = np.array([[-1, -1], [TILE_PX + 1, -1], [-1, TILE_PX + 1], [TILE_PX + 1] * 2])
        seen = (corners - to_tile[:, 2]) @ back.T
        c0, r0 = np.maximum(np.floor(seen.min(axis=0)), 0).astype(int)
        c1, r1 = np.ceil(seen.max(axis=0)).astype(int) + 1
        part = total[r0 : max(r1, 0), c0 : max(c1, 0)]
        if part.size:
            matrix = to_tile[::-1, 1::-1]
            offset = to_tile[::-1, 2] - 0.5 + matrix @ (r0, c0)
            part += ndimage.affine_transform(
                self._tiles[key], matrix, offset, output_shape=part.shape, order=1,
                mode="grid-constant",
            )  # fmt: skip


class Damage:
    """Dose maps of all grids of a session, made from its list of exposures."""

    def __init__(self) -> None:
        self._maps: dict[str, DoseMap] = {}
        self._seen = 0

    def __getstate__(self) -> dict[str, object]:
        """Nothing is kept: the list of exposures has it all."""
        return {"_maps": {}, "_seen": 0}

    def dose_map(self, grid: str, exposures: Sequence[Exposure]) -> DoseMap:
        """Map of a grid after all exposures so far (see `imaging.pictures.Exposure`)."""
        if self._seen > len(exposures):
            self._maps, self._seen = {}, 0
        for exposure in exposures[self._seen :]:
            strong = exposure.dose_e_A2 >= SMALLEST_DOSE_E_A2
            if strong and exposure.radius_um <= LARGEST_RADIUS_UM:
                self._maps.setdefault(exposure.grid, DoseMap()).add(
                    exposure.beam_center_um, exposure.beam_axes_um, exposure.dose_e_A2
                )
        self._seen = len(exposures)
        return self._maps.setdefault(grid, DoseMap())


def damaged(
    transmission: np.ndarray, dose_e_A2: np.ndarray, bubbles: np.ndarray | None = None
) -> np.ndarray:
    """Transmission after a dose.

    Parameters
    ----------
    transmission, dose_e_A2 : (rows, columns) float32
    bubbles : (rows, columns) float32, optional
        Texture of mean 0 and standard deviation 1 that decides where bubbles appear.
    """
    more = -np.expm1(dose_e_A2 * np.float32(-1.0 / DARKENING_DOSE_E_A2))
    more *= np.float32(DARKENING)
    if bubbles is not None:
        boiling = dose_e_A2 > BUBBLING_DOSE_E_A2
        fraction = -np.expm1((BUBBLING_DOSE_E_A2 - dose_e_A2[boiling]) / BUBBLING_DOSE_E_A2)
        more[boiling] -= fraction * np.clip(bubbles[boiling] - 0.8, 0.0, 0.8)
    more += np.float32(1.0)
    return np.power(transmission, more)
