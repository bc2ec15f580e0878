"""The simulated specimen: grids with milled lamellae or without, and the truth about them."""

from .appearance import Appearance, draw_appearance
from .grid import Grid, Lamella
from .labels import KINDS, LABEL, LABELS
from .rasters import painted
from .site import Site
from .stand import PRETILT_DEG, inclination_deg
from .unmilled import SQUARE_KINDS, Square, UnmilledFilm, make_unmilled_film, unmilled_grid

__all__ = [
    "KINDS",
    "LABEL",
    "LABELS",
    "PRETILT_DEG",
    "SQUARE_KINDS",
    "Appearance",
    "Grid",
    "Lamella",
    "Site",
    "Square",
    "UnmilledFilm",
    "draw_appearance",
    "inclination_deg",
    "make_unmilled_film",
    "painted",
    "unmilled_grid",
]
