"""What the microscope needs of a specimen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


class Specimen(Protocol):
    """Anything that can lie on the stage; `space.simulator.specimen.Grid` is one.

    (x, y) are the stage coordinates in µm that centre a point.
    """

    @property
    def name(self) -> str:
        """Name in the autoloader."""

    def height_um(self, x: float, y: float) -> float:
        """Height above the eucentric plane when stage Z is 0."""

    def transmission(
        self, px_to_grid: np.ndarray, shape: tuple[int, int], pixel_um: float
    ) -> np.ndarray:
        """Transmitted fraction of the beam, 0..1, on the pixels of a picture.

        Parameters
        ----------
        px_to_grid : (2, 3) array
            Affine map from (column, row, 1), pixel centres at +0.5, row 0 on top, to (x, y).
        shape : (rows, columns)
        pixel_um : float
            Pixel size.
        """
