"""Labels of maps, corrected by hand: what a person draws, what becomes of it, and which count.

Nothing here knows the microscope or the web. docs/inspect.md describes the files.
"""

from space.labelling.corrections import (
    Correction,
    Counted,
    OutdatedError,
    correction_path,
    hash_of,
    labels_that_count,
    read_correction,
    save_correction,
)
from space.labelling.drawing import Drawing, Region, connected, covered
from space.labelling.strokes import (
    LARGEST_RADIUS_PX,
    MOST_FILLS,
    MOST_POINTS,
    MOST_STROKES,
    SMALLEST_RADIUS_PX,
    NotStrokesError,
    Shape,
    Stroke,
    plain_strokes,
    read_strokes,
)

__all__ = [
    "LARGEST_RADIUS_PX",
    "MOST_FILLS",
    "MOST_POINTS",
    "MOST_STROKES",
    "SMALLEST_RADIUS_PX",
    "Correction",
    "Counted",
    "Drawing",
    "NotStrokesError",
    "OutdatedError",
    "Region",
    "Shape",
    "Stroke",
    "connected",
    "correction_path",
    "covered",
    "hash_of",
    "labels_that_count",
    "plain_strokes",
    "read_correction",
    "read_strokes",
    "save_correction",
]
