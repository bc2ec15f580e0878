"""What a session's directory says: where each grid and each lamella stands.

Everything is read from files, without a microscope, and nothing is changed. `read_session` is the
one entry; `facts` has what it returns.
"""

from space.overview.choosing import may_be_acquiring, noted_record, settings_with
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
from space.overview.pace import Rest, gap_s, in_words, level_s, time_left, total
from space.overview.plain import lamella_table, series_table
from space.overview.planned import plan_of
from space.overview.reading import read_session
from space.overview.table import closing_table
from space.overview.wording import LEVELS, attention, counts, next_step

__all__ = [
    "LAMELLA_STATES",
    "LEVELS",
    "AreaFacts",
    "GridFacts",
    "GridState",
    "LamellaFacts",
    "LamellaState",
    "Rest",
    "Segmentation",
    "SeriesFacts",
    "SessionFacts",
    "attention",
    "closing_table",
    "counts",
    "gap_s",
    "in_words",
    "lamella_table",
    "level_s",
    "may_be_acquiring",
    "next_step",
    "noted_record",
    "plan_of",
    "read_session",
    "series_table",
    "settings_with",
    "time_left",
    "total",
]
