"""Squares in a picture of a whole grid: mesh, classes and order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from space.errors import SpaceError
from space.pictures import block_means
from space.squares.classes import Look, classified, ranked
from space.squares.levels import Levels, levels_of
from space.squares.measures import PATCH_PX, measured, patches, usual_film
from space.squares.measures import WORKING_UM as MEASURED_UM
from space.squares.mesh import WORKING_UM as MESH_UM
from space.squares.mesh import Mesh, find_mesh

BARS_PERCENT = 20
"""Bars and what is beyond the grid take more than this of a picture."""

COARSEST_UM = 5.0
"""Coarser pixels show no mesh."""


@dataclass(frozen=True)
class Square:
    """A square of a grid.

    Attributes
    ----------
    step : tuple of int
        Its place in the mesh, in steps along the two vectors.
    center_px : tuple of float
        Row and column of its middle, in pixels of the picture, whose first is centred at 0.5.
    side_px : float
        Of its opening, between bars.
    look : Look
        What it is.
    """

    step: tuple[int, int]
    center_px: tuple[float, float]
    side_px: float
    look: Look


@dataclass(frozen=True, eq=False)
class SquaresFound:
    """The squares of a grid.

    Attributes
    ----------
    mesh : Mesh
    levels : Levels
        Grey levels of the picture, by which classes were told.
    squares : tuple of Square
        The best first.
    """

    mesh: Mesh
    levels: Levels
    squares: tuple[Square, ...]


def find_squares(picture: np.ndarray, pixel_um: float) -> SquaresFound | None:
    """Find the squares of a grid, say what each one is, and order them.

    Parameters
    ----------
    picture : ndarray (rows, columns)
        Grey picture of a grid, or of a part of one, brighter where more light comes through.
    pixel_um : float
        Its pixel, at most `COARSEST_UM`.

    Returns
    -------
    SquaresFound or None
        None where there is no mesh of at least 6 squares with light in them.

    Raises
    ------
    SpaceError
        If picture or pixel are none.
    """
    picture = np.asarray(picture)
    if picture.ndim != 2 or not 0 < pixel_um <= COARSEST_UM:
        raise SpaceError(
            f"Squares are looked for in a grey picture with pixels of at most {COARSEST_UM:g} um; "
            f"this one has the shape {picture.shape} and pixels of {pixel_um:g} um.",
            "squares",
        )
    factor = max(1, round(MESH_UM / pixel_um))
    found = find_mesh(block_means(picture, factor), pixel_um * factor)
    if found is None:
        return None
    mesh = found.scaled(factor)
    factor = max(1, round(MEASURED_UM / pixel_um))
    small = block_means(picture, factor)
    openings = patches(small - np.percentile(small, BARS_PERCENT), mesh, factor)
    usual = usual_film(openings)
    drawn_um = mesh.open_px * pixel_um / PATCH_PX
    measures = [measured(opening, usual, drawn_um) for opening in openings]
    levels = levels_of(measures, usual)
    looks = [classified(one, levels) for one in measures]
    return SquaresFound(mesh, levels, tuple(_square(mesh, k, looks[k]) for k in ranked(looks)))


def _square(mesh: Mesh, k: int, look: Look) -> Square:
    i, j = (int(n) for n in mesh.steps[k])
    row, column = (float(n) for n in mesh.centers_px[k])
    return Square((i, j), (row, column), mesh.open_px, look)
