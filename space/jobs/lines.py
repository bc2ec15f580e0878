"""The lines of SPACE_queue.txt and SPACE_runs.txt.

One job per line: the map's file name, the task, and a JSON object, separated by tabs. A person
may edit the files: only the name is needed, order and blank lines do not matter, lines that
begin with ``#`` stay where they are, and an unreadable third field counts as empty. A line that
cannot be a job is put aside as a comment, so that it neither stops the others nor is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from space.files import parse_json
from space.jobs.records import (
    CONTROL_CHARACTER,
    Job,
    JobState,
    Key,
    Run,
    Table,
    clean_map_name,
    name_problem,
)

STATE_WORDS: dict[str, JobState] = {
    "running": "running",
    "again": "queued",
    "done": "done",
    "failed": "failed",
}
"""The words of SPACE_runs.txt and the states: ``again`` is queued after an attempt."""

_WORDS = {state: word for word, state in STATE_WORDS.items()}
_LONGEST_LINE = 8000
_LONGEST_TEXT = 500
_LONGEST_ODD = 300
_ODD = "# not understood: "
_MOST_ATTEMPTS = 1000
_NAME_AND_REST = re.compile(r"(.*?\.(?:png|mrc)) (.*)", re.IGNORECASE | re.DOTALL)


def parse_queue(text: str) -> Table[Job]:
    """Read SPACE_queue.txt; of several lines for the same job the first counts."""
    found: dict[Key, Job] = {}
    other = _Others()
    for line in _lines(text):
        if other.takes_comment(line):
            continue
        job, values = _parse_job(line)
        if job is None:
            other.put_aside(line)
        elif job.key not in found:
            found[job.key] = replace(job, params=values)
    return Table(tuple(found.values()), tuple(other.comments), tuple(other.odd))


def parse_runs(text: str) -> Table[Run]:
    """Read SPACE_runs.txt; of several lines for a job the last counts, where the first was."""
    found: dict[Key, Run] = {}
    other = _Others()
    for line in _lines(text):
        if other.takes_comment(line):
            continue
        job, values = _parse_job(line)
        word = values.get("state", "again")
        state = STATE_WORDS.get(word) if isinstance(word, str) else None
        if job is None or state is None:
            other.put_aside(line)
            continue
        params = values.get("params")
        found[job.key] = Run(
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
    return Table(tuple(found.values()), tuple(other.comments), tuple(other.odd))


def format_queue(table: Table[Job]) -> str:
    """Return the text of SPACE_queue.txt."""
    return _join(table.comments, (_line(job, dict(job.params)) for job in table.records))


def format_runs(table: Table[Run]) -> str:
    """Return the text of SPACE_runs.txt."""

    def line(run: Run) -> str:
        values: dict[str, Any] = {"state": _WORDS[run.state], "attempt": run.attempt}
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


# --- reading a line -----------------------------------------------------------------------------


def _lines(text: str) -> Iterable[str]:
    # Only real line ends: splitlines would also split at characters that JSON may hold.
    for line in text.removeprefix("\ufeff").replace("\r", "\n").split("\n"):
        if line.strip():
            yield line


def _parse_job(line: str) -> tuple[Job | None, dict[str, Any]]:
    """Read a line; None and no values if it cannot be a job."""
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
    if CONTROL_CHARACTER.search(task) or len(task) > _LONGEST_TEXT:
        return None, {}
    if len(fields) > 2:
        try:
            values = parse_json(fields[2])
        except ValueError:
            values = {}
    return Job(name, task), values if isinstance(values, dict) else {}


def _split_at_blanks(text: str) -> list[str]:
    """Split a line that was typed with blanks: the name goes up to its ending."""
    found = _NAME_AND_REST.match(text)
    return [found[1], *found[2].strip().split(None, 1)] if found else [text]


@dataclass
class _Others:
    """Lines that are no records."""

    comments: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)

    def takes_comment(self, line: str) -> bool:
        """Keep a line if it is a comment."""
        is_comment = line.lstrip().startswith("#")
        if is_comment:
            self.comments.append(line)
        return is_comment

    def put_aside(self, line: str) -> None:
        """Keep a line that is not understood as a comment."""
        plain = CONTROL_CHARACTER.sub("?", line.strip())[:_LONGEST_ODD]
        self.comments.append(_ODD + plain)
        self.odd.append(plain)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole_number(value: object, default: int) -> int:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:
        return int(max(0, min(value, _MOST_ATTEMPTS)))
    return default


# --- writing a line -----------------------------------------------------------------------------


def _line(job: Job, values: dict[str, Any]) -> str:
    return "\t".join([job.map_name, job.task, json.dumps(values, sort_keys=True)])


def _join(comments: Iterable[str], lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in (*comments, *lines))
