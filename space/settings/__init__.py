"""What a user chooses in SPACEtomo.py: declared, read, checked, saved.

`declared` has the settings, `kinds` and `lists` what they may be, `parsing` reads what a user
wrote, `checks` compares it with this computer, `saved` keeps it, `page` writes the documentation.
"""

from space.settings.checks import check, doubted_targets, project_folder
from space.settings.declared import (
    AFTER,
    BEFORE,
    DEFAULT_SCORE_THRESHOLD,
    LAMELLA,
    LARGEST_SHIFT_UM,
    NO_BROAD,
    NOT_INSPECTED,
    POSITIONS,
    SQUARES,
    STEEPEST_TILT_DEG,
    WAIT,
    WHOLE_LAMELLA,
    Result,
    Settings,
    declaration,
    settings_of,
)
from space.settings.kinds import plain
from space.settings.lists import (
    BEST,
    SCRIPTS,
    STAGE,
    STITCHINGS,
    ClassNames,
    MapAgain,
    StitchedAs,
    is_priority,
    map_again,
    stitched_as,
)
from space.settings.notify import OCCASIONS
from space.settings.parsing import ParsedSettings, left_out, misspelt, parse, unknown
from space.settings.saved import SETTINGS_FILE, load, save

__all__ = [
    "AFTER",
    "BEFORE",
    "BEST",
    "DEFAULT_SCORE_THRESHOLD",
    "LAMELLA",
    "LARGEST_SHIFT_UM",
    "NOT_INSPECTED",
    "NO_BROAD",
    "OCCASIONS",
    "POSITIONS",
    "SCRIPTS",
    "SETTINGS_FILE",
    "SQUARES",
    "STAGE",
    "STEEPEST_TILT_DEG",
    "STITCHINGS",
    "WAIT",
    "WHOLE_LAMELLA",
    "ClassNames",
    "MapAgain",
    "ParsedSettings",
    "Result",
    "Settings",
    "StitchedAs",
    "check",
    "declaration",
    "doubted_targets",
    "is_priority",
    "left_out",
    "load",
    "map_again",
    "misspelt",
    "parse",
    "plain",
    "project_folder",
    "save",
    "settings_of",
    "stitched_as",
    "unknown",
]
