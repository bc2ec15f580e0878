"""Fluorescence pictures of a simulated grid by another microscope, and the truth about them."""

from .beads import Beads, draw_beads
from .field import Field, draw_field
from .staining import Stain, stained
from .taking import CHANNELS, Light, Taken, take
from .truth import TRUTH_FILE, write_taken

__all__ = [
    "CHANNELS",
    "TRUTH_FILE",
    "Beads",
    "Field",
    "Light",
    "Stain",
    "Taken",
    "draw_beads",
    "draw_field",
    "stained",
    "take",
    "write_taken",
]
