"""Whole-grid map to boxes to lamellae.

The names below are for the rest of the program. `detector` and `network` use torch and are imported
by workers only.
"""

from space.lamellae.boxes import Box
from space.lamellae.marks import (
    FINAL_LABEL,
    FIRST_LABEL,
    Mark,
    lamella_note,
    lamella_number,
    mark_of,
    without_again,
)
from space.lamellae.select import (
    LEFT_OUT,
    Lamella,
    Match,
    best_match,
    drop_close,
    filter_lamellae,
    renumbered,
    shifted,
    stays_unseen,
    why_left_out,
)

__all__ = [
    "FINAL_LABEL",
    "FIRST_LABEL",
    "LEFT_OUT",
    "Box",
    "Lamella",
    "Mark",
    "Match",
    "best_match",
    "drop_close",
    "filter_lamellae",
    "lamella_note",
    "lamella_number",
    "mark_of",
    "renumbered",
    "shifted",
    "stays_unseen",
    "why_left_out",
    "without_again",
]
