"""Fluorescence beside the electron microscope's maps: channels, and where they lie (docs/clem.md).

Pure functions of arrays and points, and readers for files of other microscopes.
"""

from space.fluorescence.channels import MAXIMUM, Channel, Channels, channels_of, together
from space.fluorescence.constellations import Candidate, candidates, match_points
from space.fluorescence.fits import (
    KINDS,
    USUAL_CLICK_UM,
    AffineFit,
    fit_pairs,
    left_out_um,
    residuals_um,
)
from space.fluorescence.opening import Listed
from space.fluorescence.pairs import Registration, field_error_um, register
from space.fluorescence.reading import SUFFIXES, list_pictures, read_channels
from space.fluorescence.searching import BEAD_UM, HOLE_UM, Features, search
from space.fluorescence.spots import Picture, Spots, find_spots

__all__ = [
    "BEAD_UM",
    "HOLE_UM",
    "KINDS",
    "MAXIMUM",
    "SUFFIXES",
    "USUAL_CLICK_UM",
    "AffineFit",
    "Candidate",
    "Channel",
    "Channels",
    "Features",
    "Listed",
    "Picture",
    "Registration",
    "Spots",
    "candidates",
    "channels_of",
    "field_error_um",
    "find_spots",
    "fit_pairs",
    "left_out_um",
    "list_pictures",
    "match_points",
    "read_channels",
    "register",
    "residuals_um",
    "search",
    "together",
]
