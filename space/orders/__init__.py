"""Orders of a person to a running session: a text file in its directory.

The steps read it between lamellae, between grids and while they wait; the page and the command
line write it. Nothing here knows the microscope.
"""

from space.orders.control_file import CONTROL_FILE, DONE_FILE, finish, give, stamp, take
from space.orders.grammar import EXAMPLES, NotAnOrderError, Order, Verb, read_order, words_of
from space.orders.standing import (
    STANDING_FILE,
    Scene,
    Standing,
    StopAfter,
    applied,
    read_standing,
    write_standing,
)

__all__ = [
    "CONTROL_FILE",
    "DONE_FILE",
    "EXAMPLES",
    "STANDING_FILE",
    "NotAnOrderError",
    "Order",
    "Scene",
    "Standing",
    "StopAfter",
    "Verb",
    "applied",
    "finish",
    "give",
    "read_order",
    "read_standing",
    "stamp",
    "take",
    "words_of",
    "write_standing",
]
