"""From a tilt series to a tomogram: reading, alignment, contrast transfer, reconstruction."""

from space.tomograms.geometry import Alignment, Stack
from space.tomograms.imod_files import read as read_imod_alignment
from space.tomograms.making import (
    Tell,
    facts_path,
    finished,
    make_tomogram,
    tomogram_of,
)
from space.tomograms.options import PROGRAMS, Options
from space.tomograms.reconstruction import Plan, Reconstruction
from space.tomograms.series import Given, read

__all__ = [
    "PROGRAMS",
    "Alignment",
    "Given",
    "Options",
    "Plan",
    "Reconstruction",
    "Stack",
    "Tell",
    "facts_path",
    "finished",
    "make_tomogram",
    "read",
    "read_imod_alignment",
    "tomogram_of",
]
