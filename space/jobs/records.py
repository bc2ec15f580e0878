"""What the queue remembers: jobs that wait, runs of jobs that were started, and their states."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Generic, Literal, Protocol, TypeVar

from space.series import TOMOGRAM_FACTS

TASKS = ("segment", "detect")
"""What is asked for in every session."""

HEAT = "heat"
"""The task of learned targets, asked for where ``target_list`` names them."""

TOMOGRAM = "tomogram"
"""The task of tilt series, in a queue of their own (`spacetomo watch`)."""

MAP_TASKS = (*TASKS, HEAT)
EVERY_TASK = (*MAP_TASKS, TOMOGRAM)
RESULT_ENDINGS = {
    "segment": "_seg.png",
    "detect": "_boxes.json",
    HEAT: "_heat.png",
    TOMOGRAM: TOMOGRAM_FACTS,
}
_ENDINGS = (".png", ".mrc")
"""Of maps, and of tilt series."""

JobState = Literal["absent", "queued", "running", "done", "failed"]
"""The states of a job; docs/queue.md describes each state and the transitions."""

Key = tuple[str, str]
"""Map and task, which make two lines the same job."""

LONGEST_STEM_BYTES = 180
"""Of a map's name: results and temporary files add to it, and file systems take 255 bytes."""

CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Job:
    """A task for one map. `params` are plain JSON values."""

    map_name: str
    task: str = "segment"
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What makes two lines the same job."""
        return (self.map_name, self.task)

    @property
    def stem(self) -> str:
        """The map's name without its ending."""
        return PurePosixPath(self.map_name).stem


@dataclass(frozen=True)
class Run:
    """The last attempt at a job.

    Attributes
    ----------
    job : Job
    state : JobState
        ``running``, ``done`` or ``failed``; ``queued`` if the attempt ended without a result and
        another one follows. Never ``absent``.
    attempt : int
        From 1.
    worker, device, started, reason : str
    fingerprint : str
        Mark of the map when the job was started.
    given_up : bool
        It failed without an attempt, because no worker could be started.
    """

    job: Job
    state: JobState
    attempt: int = 1
    worker: str = ""
    device: str = ""
    started: str = ""
    reason: str = ""
    fingerprint: str = ""
    given_up: bool = False

    @property
    def key(self) -> Key:
        """The key of its job."""
        return self.job.key


class _Keyed(Protocol):
    @property
    def key(self) -> Key: ...


Record = TypeVar("Record", bound=_Keyed)


@dataclass(frozen=True)
class Table(Generic[Record]):
    """Content of one of the two files.

    Attributes
    ----------
    records : tuple of Job or Run
        In order.
    comments : tuple of str
        Lines that are no records, with those that were not understood.
    odd : tuple of str
        The lines that were not understood, to be reported.
    """

    records: tuple[Record, ...] = ()
    comments: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()

    def find(self, key: Key) -> Record | None:
        """Return the record of a job, or None."""
        return self._by_key.get(key)

    @cached_property
    def _by_key(self) -> dict[Key, Record]:
        return {record.key: record for record in reversed(self.records)}  # the first one counts

    def without(self, key: Key) -> Table[Record]:
        """Return the table without that job."""
        return replace(self, records=tuple(r for r in self.records if r.key != key))

    def with_record(self, record: Record, first: bool = False) -> Table[Record]:
        """Return the table with `record`, in place of the one of the same job if there is one."""
        if self.find(record.key) is not None:
            records = tuple(record if r.key == record.key else r for r in self.records)
        else:
            records = (record, *self.records) if first else (*self.records, record)
        return replace(self, records=records)


@lru_cache(maxsize=4096)
def clean_map_name(text: str) -> str:
    """Return the bare file name with its ending; empty if `text` names no file.

    Folders in front are dropped (a person may paste a path of either system); the ending may
    be left out.
    """
    name = PureWindowsPath(text.strip().strip('"')).name
    if name in ("", ".", ".."):
        return ""
    return name if name.lower().endswith(_ENDINGS) else f"{name}.png"


def ending_of(task: str) -> str:
    """Return the ending of the files that a task is for."""
    return ".mrc" if task == TOMOGRAM else ".png"


def name_problem(map_name: str) -> str:
    """Return why a map's name cannot be written in a line of the queue; empty if it can."""
    if not map_name or map_name != clean_map_name(map_name):
        return "it is not the bare name of a .png or .mrc file"
    if CONTROL_CHARACTER.search(map_name):
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
