"""The lines of SPACE_queue.txt and SPACE_runs.txt.

One job per line: the map's file name, the task, and a JSON object, separated by tabs. A person
may edit the files: only the name is needed, order and blank lines do not matter, lines that
begin with ``#`` stay where they are, and an unreadable third field counts as empty. A line that
cannot be a job is put aside as a comment, so that it neither stops anybody nor is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from space.files import parse_json

TASKS = ("segment", "detect")
RESULT_ENDINGS = {"segment": "_seg.png", "detect": "_boxes.json"}
STATES = ("running", "again", "done", "failed")
"""States of a job that was started; `again` failed and waits for another attempt."""

LONGEST_STEM_BYTES = 180
"""Of a map's name: results and temporary files add to it, and file systems take 255 bytes."""

_LONGEST_LINE = 8000
_LONGEST_TEXT = 500
_LONGEST_ODD = 300
_ODD = "# not understood: "
_MOST_ATTEMPTS = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Job:
    """Something to do with one map. `params` are plain JSON values."""

    map_name: str
    task: str = "segment"
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """What makes two lines the same job."""
        return (self.map_name, self.task)

    @property
    def stem(self) -> str:
        """The map's name without its ending."""
        return PurePosixPath(self.map_name).stem


@dataclass(frozen=True)
class Run:
    """What is known about a job that was started.

    Attributes
    ----------
    job : Job
    state : str
        One of `STATES`.
    attempt : int
        From 1.
    worker, device, started, reason : str
    fingerprint : str
        Mark of the map when the job was started.
    given_up : bool
        It failed without having been tried, because no worker could be had.
    """

    job: Job
    state: str
    attempt: int = 1
    worker: str = ""
    device: str = ""
    started: str = ""
    reason: str = ""
    fingerprint: str = ""
    given_up: bool = False


@dataclass(frozen=True)
class Table:
    """Content of one of the two files.

    Attributes
    ----------
    records : tuple of Job or Run
        In order.
    comments : tuple of str
        Lines that are no records; those that were not understood among them.
    odd : tuple of str
        The lines that were not understood, to be told.
    """

    records: tuple[Any, ...] = ()
    comments: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()

    def find(self, key: tuple[str, str]) -> Any:
        """Return the record of a job, or None."""
        return next((r for r in self.records if _key(r) == key), None)

    def without(self, key: tuple[str, str]) -> Table:
        """Return the table without that job."""
        return replace(self, records=tuple(r for r in self.records if _key(r) != key))

    def with_record(self, record: Any, first: bool = False) -> Table:
        """Return the table with `record`, in place of the one of the same job if there is one."""
        key = _key(record)
        if self.find(key) is not None:
            return replace(
                self, records=tuple(record if _key(r) == key else r for r in self.records)
            )
        records = (record, *self.records) if first else (*self.records, record)
        return replace(self, records=records)


def clean_map_name(text: str) -> str:
    """Return the bare file name with its ending; empty if `text` names no file.

    Folders in front are dropped (a person may paste a path of either system); the ending may
    be left out.
    """
    name = PureWindowsPath(text.strip().strip('"')).name
    if name in ("", ".", ".."):
        return ""
    return name if name.lower().endswith(".png") else f"{name}.png"


def name_problem(map_name: str) -> str:
    """Say why a map's name cannot stand in a line of the queue; empty if it can."""
    if not map_name or map_name != clean_map_name(map_name):
        return "it is not the bare name of a .png file"
    if _CONTROL.search(map_name):
        return "it holds a line break, a tab or another control character"
    if map_name.startswith("#"):
        return "it begins with #, which marks a comment in the queue"
    if len(PurePosixPath(map_name).stem.encode("utf-8", "replace")) > LONGEST_STEM_BYTES:
        return f"it is longer than {LONGEST_STEM_BYTES} bytes"
    try:
        map_name.encode("utf-8")
    except UnicodeEncodeError:
        return "it holds a character that cannot be written"
    return ""


def parse_queue(text: str) -> Table:
    """Read SPACE_queue.txt; of several lines for the same job the first counts."""
    table = Table()
    for line in _lines(text):
        if line.lstrip().startswith("#"):
            table = replace(table, comments=(*table.comments, line))
            continue
        job, values = _parse_job(line)
        if job is None:
            table = _put_aside(table, line)
        elif table.find(job.key) is None:
            table = table.with_record(replace(job, params=values))
    return table


def parse_runs(text: str) -> Table:
    """Read SPACE_runs.txt; of several lines for the same job the last counts."""
    table = Table()
    for line in _lines(text):
        if line.lstrip().startswith("#"):
            table = replace(table, comments=(*table.comments, line))
            continue
        job, values = _parse_job(line)
        state = values.get("state", "again")
        if job is None or state not in STATES:
            table = _put_aside(table, line)
            continue
        params = values.get("params")
        table = table.with_record(
            Run(
                job=replace(job, params=params if isinstance(params, dict) else {}),
                state=state,
                attempt=_whole_number(values.get("attempt"), 1),
                worker=_text(values.get("worker")),
                device=_text(values.get("device")),
                started=_text(values.get("started")),
                reason=_text(values.get("reason")),
                fingerprint=_text(values.get("map")),
                given_up=values.get("given_up") is True,
            )
        )
    return table


def _put_aside(table: Table, line: str) -> Table:
    plain = _CONTROL.sub("?", line.strip())[:_LONGEST_ODD]
    return replace(table, comments=(*table.comments, _ODD + plain), odd=(*table.odd, plain))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def format_queue(table: Table) -> str:
    """Return the text of SPACE_queue.txt."""
    return _join(table.comments, (_line(job, dict(job.params)) for job in table.records))


def format_runs(table: Table) -> str:
    """Return the text of SPACE_runs.txt."""

    def line(run: Run) -> str:
        values: dict[str, Any] = {"state": run.state, "attempt": run.attempt}
        for key, value in (
            ("worker", run.worker),
            ("device", run.device),
            ("started", run.started),
            ("reason", run.reason[:_LONGEST_TEXT]),
            ("map", run.fingerprint),
            ("given_up", run.given_up),
            ("params", dict(run.job.params)),
        ):
            if value:
                values[key] = value
        return _line(run.job, values)

    return _join(table.comments, (line(run) for run in table.records))


def _key(record: Any) -> tuple[str, str]:
    return record.job.key if isinstance(record, Run) else record.key


def _lines(text: str) -> Iterable[str]:
    # Only real line ends: splitlines would also split at characters that JSON may hold.
    for line in text.removeprefix("\ufeff").replace("\r", "\n").split("\n"):
        if line.strip():
            yield line


def _parse_job(line: str) -> tuple[Job | None, dict[str, Any]]:
    """Read a line; no job where it cannot be one."""
    if len(line) > _LONGEST_LINE:
        return None, {}
    fields = [part.strip() for part in line.strip().split("\t") if part.strip()]
    if len(fields) == 1:
        fields = _split_at_blanks(fields[0])
    name = clean_map_name(fields[0])
    if name_problem(name):
        return None, {}
    task = fields[1].lower() if len(fields) > 1 else "segment"
    values: Any = {}
    if task.startswith("{"):
        fields.insert(1, "segment")
        task = "segment"
    if _CONTROL.search(task) or len(task) > _LONGEST_TEXT:
        return None, {}
    if len(fields) > 2:
        try:
            values = parse_json(fields[2])
        except ValueError:
            values = {}
    return Job(name, task), values if isinstance(values, dict) else {}


def _split_at_blanks(text: str) -> list[str]:
    """Split a line that was typed with blanks: the name goes up to its ending."""
    end = text.lower().find(".png ")
    if end < 0:
        return [text]
    name, rest = text[: end + 4], text[end + 5 :].strip()
    return [name, *rest.split(None, 1)]


def _line(job: Job, values: dict[str, Any]) -> str:
    return "\t".join([job.map_name, job.task, json.dumps(values, sort_keys=True)])


def _join(comments: Iterable[str], lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in (*comments, *lines))


def _whole_number(value: object, default: int) -> int:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:
        return int(max(0, min(value, _MOST_ATTEMPTS)))
    return default
