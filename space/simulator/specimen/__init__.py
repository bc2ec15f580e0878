"""The simulated specimen: grids with milled lamellae, and the truth about them."""

from .appearance import Appearance, draw_appearance
from .grid import Grid, Lamella
from .labels import KINDS, LABEL, LABELS
from .site import Site
from .stand import PRETILT_DEG, inclination_deg

__all__ = [
    "KINDS",
    "LABEL",
    "LABELS",
    "PRETILT_DEG",
    "Appearance",
    "Grid",
    "Lamella",
    "Site",
    "draw_appearance",
    "inclination_deg",
]
