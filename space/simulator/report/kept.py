"""Records of the runs of a kept session, in its folder."""

from __future__ import annotations

import json
from pathlib import Path

from space.simulator.keeping.layout import (
    SESSION_FOLDER,
    SessionError,
    append_lines,
    whole_lines,
)
from space.simulator.report.record import Record, RecordError

RECORDS = "records.jsonl"


def note(session: Path, number: int, record: Record) -> None:
    """Write down the record of a run; what was written of the same run before no longer counts.

    Parameters
    ----------
    session : Path
        The session's folder.
    number : int
        The run's number, from 1.
    record : Record
    """
    append_lines(Path(session) / SESSION_FOLDER / RECORDS, [json.dumps([number, record.to_dict()])])


def noted(session: Path) -> dict[int, Record]:
    """Read the records of a session's runs by their number.

    Raises
    ------
    SessionError
        If they are damaged.
    """
    path = Path(session) / SESSION_FOLDER / RECORDS
    try:
        return {int(number): Record.from_dict(values) for number, values in whole_lines(path)[0]}
    except (RecordError, TypeError, ValueError) as problem:
        raise SessionError(f"{path} is damaged: {problem}") from problem
