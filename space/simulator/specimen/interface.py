"""What the microscope needs of a specimen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np


class Specimen(Protocol):
    """Anything that can lie on the stage; `space.simulator.specimen.Grid` is one.

    (x, y) are the stage coordinates in µm that centre a point. A specimen may also tell its slope
    and what shades it (`InclinedSpecimen`); without, it counts as level and throws no shadows.
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


@runtime_checkable
class InclinedSpecimen(Protocol):
    """What a specimen tells when it is not level."""

    def slope_at(self, x: float, y: float) -> tuple[float, float]:
        """(dz/dx, dz/dy) at a point."""

    def shade(
        self,
        px_to_grid: np.ndarray,
        shape: tuple[int, int],
        pixel_um: float,
        lean: tuple[float, float],
    ) -> np.ndarray | None:
        """Largest transmission that other parts of the specimen leave to a picture's pixels.

        `lean` (dx, dy) is how far the beam's path goes sideways for each micrometre that it
        rises; None means that nothing is shaded.
        """


DEPTH_BELOW_UM = 0.0025
"""Pixels below which a picture shows what is inside a specimen, and not its painted plane."""


@dataclass(frozen=True)
class Inside:
    """A specimen with depth, seen along the beam.

    Attributes
    ----------
    transmission : (rows, columns) float32
        As of `Specimen.transmission`, with everything painted drawn out through the thickness.
    potential : (rows, columns) float32
        Of particles, membranes and the like along the beam, above that of their surroundings:
        V nm.
    grain : (rows, columns) float32
        White noise of power density 1 nm² from all of the thickness.
    """

    transmission: np.ndarray
    potential: np.ndarray
    grain: np.ndarray


@runtime_checkable
class DeepSpecimen(Protocol):
    """What a specimen shows that is no plane."""

    def inside(
        self, to_px: np.ndarray, shape: tuple[int, int], pixel_um: float, seed: int
    ) -> Inside | None:
        """What a picture shows, or None where there is nothing inside.

        Parameters
        ----------
        to_px : (2, 4) array
            From (x, y, height, 1) in µm, heights as `Specimen.height_um`, to (column, row),
            pixel centres at +0.5.
        shape : (rows, columns)
        pixel_um : float
        seed : int
            Of the grain.
        """


def slope_at(specimen: Specimen | None, x: float, y: float) -> tuple[float, float]:
    """(dz/dx, dz/dy) of any specimen at a point."""
    return specimen.slope_at(x, y) if isinstance(specimen, InclinedSpecimen) else (0.0, 0.0)
