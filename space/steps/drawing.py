"""Pictures for people: one that cannot be drawn is reported and ends nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from space import drawing
from space.drawing import Request
from space.microscope import Outcome, survives

log = logging.getLogger("space.workflow")

PATIENCE_S = 60.0
"""How long the end of a run waits for its last pictures; nothing else is held up by them."""


def drawn_or_reported(path: Path) -> AbstractContextManager[Outcome]:
    """Return a context in which a picture that cannot be drawn costs a warning."""
    return survives(f"{path.name} was not drawn", level=logging.WARNING)


def have_drawn(directory: Path, requests: Sequence[Request]) -> None:
    """Have pictures drawn beside this script, and report those that could not be."""
    names = ", ".join(request.path.name for request in requests)
    with survives(f"{names or 'Pictures'} will not be drawn", level=logging.WARNING):
        _report_failures(directory)
        drawing.hand_over(directory, requests)


def wait_for_pictures(directory: Path) -> None:
    """Wait until the pictures of a session are drawn, when there is nothing else to do."""
    with survives("Pictures may not be drawn yet", level=logging.WARNING):
        left = drawing.wait(directory, PATIENCE_S)
        _report_failures(directory)
        if left:
            log.warning(
                "Not drawn yet: %s. Run the script again to have missing pictures drawn; "
                "%s may say what is wrong.",
                ", ".join(left),
                directory / drawing.FOLDER / drawing.LOG,
            )


def _report_failures(directory: Path) -> None:
    for name, why in drawing.failures(directory).items():
        log.warning("%s was not drawn: %s", name, why)
