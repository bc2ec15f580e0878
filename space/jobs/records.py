"""The lines of SPACE_queue.txt and SPACE_runs.txt.

One job per line: the map's file name, the task, and a JSON object, separated by tabs. A person
may edit the files: only the name is needed, order and blank lines do not matter, lines that
begin with ``#`` stay where they are, and an unreadable third field counts as empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

TASKS = ("segment", "detect")
RESULT_ENDINGS = {"segment": "_seg.png", "detect": "_boxes.json"}


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

    `state` is ``running``, ``again`` (failed, waits for another attempt), ``done`` or
    ``failed``.
    """

    job: Job
    state: str
    attempt: int = 1
    worker: str = ""
    device: str = ""
    started: str = ""
    reason: str = ""
    fingerprint: str = ""


@dataclass(frozen=True)
class Table:
    """Content of one of the two files: records in order, and the lines that are no records."""

    records: tuple[Any, ...] = ()
    comments: tuple[str, ...] = ()

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


def parse_queue(text: str) -> Table:
    """Read SPACE_queue.txt; of several lines for the same job the first counts."""
    table = Table()
    comments = []
    for line in _lines(text):
        if line.lstrip().startswith("#"):
            comments.append(line)
            continue
        job, values = _parse_job(line)
        if job is not None and table.find(job.key) is None:
            table = table.with_record(replace(job, params=values))
    return replace(table, comments=tuple(comments))


def parse_runs(text: str) -> Table:
    """Read SPACE_runs.txt; of several lines for the same job the last counts."""
    table = Table()
    comments = []
    for line in _lines(text):
        if line.lstrip().startswith("#"):
            comments.append(line)
            continue
        job, values = _parse_job(line)
        if job is None:
            continue
        params = values.get("params")
        table = table.with_record(
            Run(
                job=replace(job, params=params if isinstance(params, dict) else {}),
                state=str(values.get("state", "again")),
                attempt=_whole_number(values.get("attempt"), 1),
                worker=str(values.get("worker", "")),
                device=str(values.get("device", "")),
                started=str(values.get("started", "")),
                reason=str(values.get("reason", "")),
                fingerprint=str(values.get("map", "")),
            )
        )
    return replace(table, comments=tuple(comments))


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
            ("reason", run.reason),
            ("map", run.fingerprint),
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
    fields = [part.strip() for part in line.strip().split("\t") if part.strip()]
    if len(fields) == 1:
        fields = _split_at_blanks(fields[0])
    name = clean_map_name(fields[0])
    if not name:
        return None, {}
    task = fields[1].lower() if len(fields) > 1 else "segment"
    values: Any = {}
    if task.startswith("{"):
        fields.insert(1, "segment")
        task = "segment"
    if len(fields) > 2:
        try:
            values = json.loads(fields[2])
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
        return int(max(0, min(value, 1e6)))
    return default
