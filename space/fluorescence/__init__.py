"""Fluorescence beside the electron microscope's maps: channels, and where they lie (docs/clem.md).

Pure functions of arrays and points, and readers for files of other microscopes.
"""

from space.fluorescence.carrying import MAPS_APART_UM, carried, carry
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
from space.fluorescence.kept import (
    KeptFluorescence,
    channel_path,
    keep,
    kept_path,
    map_error_um,
    own_path,
    read_kept,
    read_own,
    read_signal,
    write,
)
from space.fluorescence.opening import Listed
from space.fluorescence.pairs import Registration, field_error_um, register
from space.fluorescence.ranking import signal_in_boxes_um2
from space.fluorescence.reading import SUFFIXES, list_pictures, read_channels
from space.fluorescence.searching import BEAD_UM, HOLE_UM, Features, search
from space.fluorescence.side_view import DOUBTED, Inside, SideView, fit_side_view, is_inside
from space.fluorescence.signal import (
    SIGNAL,
    Look,
    is_signal,
    likely_signal,
    on_map,
    overlaid,
    shown,
    usual_look,
)
from space.fluorescence.spots import Picture, Spots, find_spots

__all__ = [
    "BEAD_UM",
    "DOUBTED",
    "HOLE_UM",
    "KINDS",
    "MAPS_APART_UM",
    "MAXIMUM",
    "SIGNAL",
    "SUFFIXES",
    "USUAL_CLICK_UM",
    "AffineFit",
    "Candidate",
    "Channel",
    "Channels",
    "Features",
    "Inside",
    "KeptFluorescence",
    "Listed",
    "Look",
    "Picture",
    "Registration",
    "SideView",
    "Spots",
    "candidates",
    "carried",
    "carry",
    "channel_path",
    "channels_of",
    "field_error_um",
    "find_spots",
    "fit_pairs",
    "fit_side_view",
    "is_inside",
    "is_signal",
    "keep",
    "kept_path",
    "left_out_um",
    "likely_signal",
    "list_pictures",
    "map_error_um",
    "match_points",
    "on_map",
    "overlaid",
    "own_path",
    "read_channels",
    "read_kept",
    "read_own",
    "read_signal",
    "register",
    "residuals_um",
    "search",
    "shown",
    "signal_in_boxes_um2",
    "together",
    "usual_look",
    "write",
]
