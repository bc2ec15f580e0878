"""Particles in tomograms, learnt from a few that a person marked.

A small network makes a heat map of a tomogram, and its peaks are the picks (`docs/picking.md`).
torch, scikit-image and imodmodel are imported where they are used (the extras ``predict`` and
``tomo``).
"""

from space.picking.config import LOSSES, PLAIN, PU, PickConfig
from space.picking.evaluate import Scores, average_precision, matched, over_distance, scores_of
from space.picking.explored_pictures import write_explored
from space.picking.exploring import Explored, explore
from space.picking.filaments import Filament, filaments, write_curves
from space.picking.files import (
    KINDS,
    ORDERS,
    Listed,
    Tomogram,
    open_tomogram,
    read_coordinates,
    read_list,
    write_model,
    write_picks,
)
from space.picking.model import MODEL, Picker, load_picker
from space.picking.peaks import Picks, no_picks, peaks_of
from space.picking.pictures import draw_curves, draw_sections
from space.picking.predicting import Choice, hash_of, heat_map, picks_of, predict, read_heat
from space.picking.training import prior_from_share, train

__all__ = [
    "KINDS",
    "LOSSES",
    "MODEL",
    "ORDERS",
    "PLAIN",
    "PU",
    "Choice",
    "Explored",
    "Filament",
    "Listed",
    "PickConfig",
    "Picker",
    "Picks",
    "Scores",
    "Tomogram",
    "average_precision",
    "draw_curves",
    "draw_sections",
    "explore",
    "filaments",
    "hash_of",
    "heat_map",
    "load_picker",
    "matched",
    "no_picks",
    "open_tomogram",
    "over_distance",
    "peaks_of",
    "picks_of",
    "predict",
    "prior_from_share",
    "read_coordinates",
    "read_heat",
    "read_list",
    "scores_of",
    "train",
    "write_curves",
    "write_explored",
    "write_model",
    "write_picks",
]
