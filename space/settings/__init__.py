"""What a user chooses in SPACEtomo.py: declared, read, checked, saved.

`declared` has the settings, `kinds` and `lists` what they may be, `asked` reads what somebody
wrote, `checks` compares it with this computer, `saved` keeps it, `page` writes the documentation.
"""

from space.settings.asked import Asked, left_out, misspelt, parse
from space.settings.checks import check, doubted_targets, project_folder
from space.settings.declared import (
    LARGEST_SHIFT_UM,
    STEEPEST_TILT_DEG,
    WHOLE_LAMELLA,
    Result,
    Settings,
    problems_of,
    settings_of,
)
from space.settings.kinds import plain
from space.settings.lists import STAGE, ClassNames, is_priority
from space.settings.saved import SETTINGS_FILE, load, save

__all__ = [
    "LARGEST_SHIFT_UM",
    "SETTINGS_FILE",
    "STAGE",
    "STEEPEST_TILT_DEG",
    "WHOLE_LAMELLA",
    "Asked",
    "ClassNames",
    "Result",
    "Settings",
    "check",
    "doubted_targets",
    "is_priority",
    "left_out",
    "load",
    "misspelt",
    "parse",
    "plain",
    "problems_of",
    "project_folder",
    "save",
    "settings_of",
]
