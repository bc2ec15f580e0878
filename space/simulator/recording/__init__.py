"""Tilt series of a specimen with depth, taken in a few lines, and the truth about them in files."""

from .frame import IN_WORDS, frame_at, projection_of
from .pieces import Phantom, phantom
from .sessions import FOLDER, write_session_truth
from .taking import RecordedSeries, dose_symmetric, record_series
from .truth import SUFFIX, VOLUMES, Camera, series_truth, write_truth

__all__ = [
    "FOLDER",
    "IN_WORDS",
    "SUFFIX",
    "VOLUMES",
    "Camera",
    "Phantom",
    "RecordedSeries",
    "dose_symmetric",
    "frame_at",
    "phantom",
    "projection_of",
    "record_series",
    "series_truth",
    "write_session_truth",
    "write_truth",
]
