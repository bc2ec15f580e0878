"""Labels of maps, corrected by hand: what a person draws, what becomes of it, and which count.

Nothing here knows the microscope or the web. docs/inspect.md describes the files.
"""

from space.labelling.corrections import (
    Correction,
    Counted,
    OutdatedError,
    hash_of,
    labels_that_count,
    read_correction,
    save_correction,
)
from space.labelling.drawing import Drawing, Mask, Masks, Region, connected, covered, region_of
from space.labelling.masks import mask_name, read_mask
from space.labelling.places import correction_path
from space.labelling.strokes import (
    LARGEST_RADIUS_PX,
    MOST_FILLS,
    MOST_MASKS,
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
    "MOST_MASKS",
    "MOST_POINTS",
    "MOST_STROKES",
    "SMALLEST_RADIUS_PX",
    "Correction",
    "Counted",
    "Drawing",
    "Mask",
    "Masks",
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
    "mask_name",
    "plain_strokes",
    "read_correction",
    "read_mask",
    "read_strokes",
    "region_of",
    "save_correction",
]
