"""The simulated specimen: grids with milled lamellae, and the truth about them."""

from .appearance import Appearance, draw_appearance
from .grid import Grid, Lamella
from .labels import KINDS, LABEL, LABELS
from .site import Site

__all__ = [
    "KINDS",
    "LABEL",
    "LABELS",
    "Appearance",
    "Grid",
    "Lamella",
    "Site",
    "draw_appearance",
]
