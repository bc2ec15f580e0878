"""Records of the runs of a kept session, in its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.keeping.layout import (
    SESSION_FOLDER,
    SessionError,
    append_lines,
    whole_lines,
)
from space.simulator.report.record import Outcome, Record, RecordError
from space.simulator.report.recorder import Recorder

if TYPE_CHECKING:
    from space.simulator.program.session import Session

RECORDS = "records.jsonl"


@contextmanager
def noted_run(folder: Path, what: str, session: Session) -> Iterator[Callable[[bool], None]]:
    """Keep a record of a run, also of one that does not end.

    Parameters
    ----------
    folder : Path
        The session's folder.
    what : str
        What runs.
    session : Session
        What it runs on.

    Yields
    ------
    callable
        Has to be told whether the run ended well.
    """
    folder = Path(folder).resolve()  # scripts run in another one
    number = max(noted(folder), default=0) + 1
    session.watcher = recorder = Recorder(session)
    outcome: Outcome = "did not end"

    def ended(well: bool) -> None:
        nonlocal outcome
        outcome = "passed" if well else "failed"

    def note() -> None:
        values = recorder.record(f"Run {number}: {what}", outcome).to_dict()
        append_lines(folder / SESSION_FOLDER / RECORDS, [json.dumps([number, values])])

    def die() -> None:
        note()
        usual_end()

    usual_end, session.faults.die = session.faults.die, die
    note()  # of several records of one run the last counts
    try:
        yield ended
    finally:
        session.watcher = None
        note()


def noted(folder: Path) -> dict[int, Record]:
    """Read the records of a session's runs by their number.

    Raises
    ------
    SessionError
        If they are damaged.
    """
    path = Path(folder) / SESSION_FOLDER / RECORDS
    try:
        return {int(number): Record.from_dict(values) for number, values in whole_lines(path)[0]}
    except (RecordError, TypeError, ValueError) as problem:
        raise SessionError(f"{path} is damaged: {problem}. Delete it to begin anew") from problem
