"""Pictures for people: one that cannot be drawn is reported and ends nothing."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from pathlib import Path

from space.microscope import Outcome, survives


def drawn_or_reported(path: Path) -> AbstractContextManager[Outcome]:
    """Return a context in which a picture that cannot be drawn costs a warning."""
    return survives(f"{path.name} was not drawn", level=logging.WARNING)
