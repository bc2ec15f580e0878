"""The microscope's hands: the only place that talks to SerialEM.

Commands are in modules by subject (`from space.microscope import navigator, stage`). The names
below are what these return and raise, and what a script needs around them.
"""

from space.microscope.attempts import DoubtfulError, SpoiltError
from space.microscope.failures import Outcome, failure_text, survives
from space.microscope.log import (
    forget_warnings,
    log_to_serialem,
    open_log_file,
    save_log_file,
    warn_once,
)
from space.microscope.mail import send_mail
from space.microscope.montage import MapImage
from space.microscope.navfile import SavedItem, read_navigator_file
from space.microscope.navigator import Item
from space.microscope.requirements import check_program
from space.microscope.scope import Picture, RecordOptics
from space.microscope.sem import LineLostError, is_exit
from space.microscope.virtual_map import ViewConditions, view_conditions
from space.microscope.waiting import StoppedByUserError, key_pressed, pause, wait_for, yes

__all__ = [
    "DoubtfulError",
    "Item",
    "LineLostError",
    "MapImage",
    "Outcome",
    "Picture",
    "RecordOptics",
    "SavedItem",
    "SpoiltError",
    "StoppedByUserError",
    "ViewConditions",
    "check_program",
    "failure_text",
    "forget_warnings",
    "is_exit",
    "key_pressed",
    "log_to_serialem",
    "open_log_file",
    "pause",
    "read_navigator_file",
    "save_log_file",
    "send_mail",
    "survives",
    "view_conditions",
    "wait_for",
    "warn_once",
    "yes",
]
