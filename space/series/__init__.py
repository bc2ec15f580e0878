"""Tilt series as they are on disk: their pictures, and what became of them."""

from space.series.notes import Notes, doses_e_A2, notes_of
from space.series.pictures import Picture, TiltSeries, read_series, series_of, time_of
from space.series.places import astray_um
from space.series.plate import Plate
from space.series.quality import VERDICTS, Loss, Quality, Verdict, judge
from space.series.running import Trouble, troubles_of
from space.series.tomogram import TOMOGRAM_FACTS, TOMOGRAMS, TomogramFacts, tomogram_beside

__all__ = [
    "TOMOGRAMS",
    "TOMOGRAM_FACTS",
    "VERDICTS",
    "Loss",
    "Notes",
    "Picture",
    "Plate",
    "Quality",
    "TiltSeries",
    "TomogramFacts",
    "Trouble",
    "Verdict",
    "astray_um",
    "doses_e_A2",
    "judge",
    "notes_of",
    "read_series",
    "series_of",
    "time_of",
    "tomogram_beside",
    "troubles_of",
]
