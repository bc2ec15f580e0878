"""What a page may ask of a running session, and what the run answers: two files for each grid.

The page writes ``<grid>_review.json``, the run only reads it; the run writes
``<grid>_review_answers.json``, the page only reads it. Nothing here knows the microscope or the
web. docs/review.md describes the protocol.
"""

from space.review.answers import (
    ANSWERS_ENDING,
    Answer,
    answers_path,
    kept,
    read_answers,
    write_answers,
)
from space.review.approval import lamellae_not_approved, targets_count
from space.review.edits import (
    LARGEST_BOX_UM,
    MOST_NUMBERS,
    SMALLEST_BOX_UM,
    Edit,
    Kind,
    NotAnEditError,
    edit_to_dict,
    read_edit,
)
from space.review.review_file import (
    FORMAT,
    MOST_EDITS,
    REVIEW_ENDING,
    Review,
    StaleError,
    Unreadable,
    open_edits,
    parse_review,
    read_review,
    review_path,
    save_review,
    undo,
)
from space.review.rules import Verdict, may, verdict
from space.review.scene import LamellaSeen, Scene, State, choice_stamp, grid_stamp, targets_stamp
from space.review.ways_back import are_same, is_so, opposite, twin

__all__ = [
    "ANSWERS_ENDING",
    "FORMAT",
    "LARGEST_BOX_UM",
    "MOST_EDITS",
    "MOST_NUMBERS",
    "REVIEW_ENDING",
    "SMALLEST_BOX_UM",
    "Answer",
    "Edit",
    "Kind",
    "LamellaSeen",
    "NotAnEditError",
    "Review",
    "Scene",
    "StaleError",
    "State",
    "Unreadable",
    "Verdict",
    "answers_path",
    "are_same",
    "choice_stamp",
    "edit_to_dict",
    "grid_stamp",
    "is_so",
    "kept",
    "lamellae_not_approved",
    "may",
    "open_edits",
    "opposite",
    "parse_review",
    "read_answers",
    "read_edit",
    "read_review",
    "review_path",
    "save_review",
    "targets_count",
    "targets_stamp",
    "twin",
    "undo",
    "verdict",
    "write_answers",
]
