"""Where tilt series go: from a label map to targets, tracking targets and geometry points.

The one entry point is `select_targets`. It takes arrays and plain values, touches no file and
no microscope, and gives equal answers to equal questions. `review_targets` judges targets that a
person has put somewhere in the same way. docs/targeting.md shows how to call them.
"""

from __future__ import annotations

from space.targeting.broad import DoseRule, Stated
from space.targeting.by_hand import KINDS as AREA_CHANGES
from space.targeting.by_hand import AreaChange, inherited_series
from space.targeting.choice import Choice, Counts, TargetArea
from space.targeting.choice_file import (
    SERIES,
    ChoiceFile,
    Take,
    count_points,
    read_areas,
    read_choice,
    take_no_more_than_fixed,
    write_choice,
)
from space.targeting.clicks import Clicks, merged_clicks, read_clicks, write_clicks
from space.targeting.exposure import Exposed, dose_at, shares_at
from space.targeting.geometry_points import lever_arm_um
from space.targeting.holes import HoleLattice, find_holes
from space.targeting.options import (
    MANUAL_CLASSES,
    MANUAL_DARK,
    MANUAL_WANTED,
    ExposureOptics,
    TargetingOptions,
)
from space.targeting.polygons import inside
from space.targeting.report import describe
from space.targeting.room import AREA_SHARE
from space.targeting.scoring import (
    KnownMap,
    Memory,
    class_tables,
    signals_of,
    wanted_mask,
    with_learned,
)
from space.targeting.selection import (
    change_areas,
    prepare,
    review_targets,
    select_broad,
    select_targets,
    total_score,
)
from space.targeting.series_settings import MEASURED, SERIES_SETTINGS
from space.targeting.signals import with_signals_of_map

__all__ = [
    "AREA_CHANGES",
    "AREA_SHARE",
    "MANUAL_CLASSES",
    "MANUAL_DARK",
    "MANUAL_WANTED",
    "MEASURED",
    "SERIES",
    "SERIES_SETTINGS",
    "AreaChange",
    "Choice",
    "ChoiceFile",
    "Clicks",
    "Counts",
    "DoseRule",
    "Exposed",
    "ExposureOptics",
    "HoleLattice",
    "KnownMap",
    "Memory",
    "Stated",
    "Take",
    "TargetArea",
    "TargetingOptions",
    "change_areas",
    "class_tables",
    "count_points",
    "describe",
    "dose_at",
    "find_holes",
    "inherited_series",
    "inside",
    "lever_arm_um",
    "merged_clicks",
    "prepare",
    "read_areas",
    "read_choice",
    "read_clicks",
    "review_targets",
    "select_broad",
    "select_targets",
    "shares_at",
    "signals_of",
    "take_no_more_than_fixed",
    "total_score",
    "wanted_mask",
    "with_learned",
    "with_signals_of_map",
    "write_choice",
    "write_clicks",
]
