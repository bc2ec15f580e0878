"""What a session's directory says: where each grid and each lamella stands.

Everything is read from files, without a microscope, and nothing is changed. `read_session` is the
one entry; `facts` has what it returns.
"""

from space.overview.facts import (
    LAMELLA_STATES,
    AreaFacts,
    GridFacts,
    GridState,
    LamellaFacts,
    LamellaState,
    Segmentation,
    SeriesFacts,
    SessionFacts,
)
from space.overview.reading import read_session

__all__ = [
    "LAMELLA_STATES",
    "AreaFacts",
    "GridFacts",
    "GridState",
    "LamellaFacts",
    "LamellaState",
    "Segmentation",
    "SeriesFacts",
    "SessionFacts",
    "read_session",
]
