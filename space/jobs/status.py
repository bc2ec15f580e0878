"""What is seen in one or several map folders, and whether that is as it should be.

Values and decisions only: who looks at the folders is `looking`, who shows it is `view`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from space.jobs.vitals import Vitals

FORMAT = 1
"""Of the JSON; a new number means that something was renamed or left out."""

HANGS_SECONDS = 300.0
"""A worker without progress, or a monitor that has not looked, for so long needs a person's eye."""

_MOST_NAMED = 3

MapState = Literal["new", "copying", "waiting", "running", "done", "failed", "broken"]
"""``new`` is in no queue, ``copying`` is not whole (yet), ``broken`` will never be whole."""

Life = Literal["alive", "hanging", "silent", "dead"]
"""``hanging`` lives without progress, ``silent`` shows no life, ``dead`` has no process."""

Word = Literal["healthy", "idle", "stopped", "failed", "hanging", "dead", "unknown"]

EXIT_CODES: dict[Word, int] = {
    "healthy": 0,
    "idle": 0,
    "stopped": 1,
    "failed": 1,
    "hanging": 1,
    "dead": 1,
    "unknown": 2,
}
"""0: nobody is needed. 1: a person is needed. 2: cannot be told from here."""


@dataclass(frozen=True)
class MapSeen:
    """A map: where it is, what becomes of it, and why."""

    folder: str
    name: str
    state: MapState
    task: str = "segment"
    reason: str = ""
    megapixels: float = 0.0
    worker: str = ""
    attempt: int = 0


@dataclass(frozen=True)
class WorkerSeen:
    """A worker: who, where, whether it lives, what it tells, and the map that it is in."""

    name: str
    machine: str
    pid: int
    device: str
    life: Life
    vitals: Vitals = field(default_factory=Vitals)
    map_name: str = ""
    task: str = ""


@dataclass(frozen=True)
class MonitorSeen:
    """A monitor: who, where, whether it lives, and when it last looked."""

    name: str
    machine: str
    pid: int
    life: Life
    devices: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    workers: int = 0
    looked: str = ""
    looked_s: float = 0.0


@dataclass(frozen=True)
class FolderSeen:
    """A folder: whether it can be read, was stopped by a person, and somebody works in it."""

    path: str
    problem: str = ""
    is_stopped: bool = False
    is_served: bool = True


@dataclass(frozen=True)
class Status:
    """Everything that is seen at one moment."""

    folders: tuple[FolderSeen, ...]
    maps: tuple[MapSeen, ...] = ()
    workers: tuple[WorkerSeen, ...] = ()
    monitors: tuple[MonitorSeen, ...] = ()

    def of(self, *states: MapState) -> list[MapSeen]:
        """Return the maps in some states, in their order."""
        return [seen for seen in self.maps if seen.state in states]

    @property
    def counts(self) -> dict[str, int]:
        """How many maps are in each state."""
        found = Counter(seen.state for seen in self.maps)
        states: tuple[MapState, ...] = (
            "new", "copying", "waiting", "running", "done", "failed", "broken",
        )  # fmt: skip
        return {state: found[state] for state in states}

    def worker_of(self, seen: MapSeen) -> WorkerSeen | None:
        """Return who has a map."""
        return next((w for w in self.workers if w.name == seen.worker), None)

    def share_of(self, seen: MapSeen) -> float | None:
        """Return the share of a running map that is done; None if it is not told."""
        worker = self.worker_of(seen)
        in_it = worker is not None and worker.map_name == seen.name and worker.task == seen.task
        return worker.vitals.share if in_it and worker is not None else None

    def end_of_map_s(self, seen: MapSeen) -> float | None:
        """Return how long a running map will take, at the pace of its worker."""
        worker, share = self.worker_of(seen), self.share_of(seen)
        if worker is None or share is None or worker.vitals.mpx_per_s <= 0:
            return None
        return (1 - share) * seen.megapixels / worker.vitals.mpx_per_s

    @property
    def mpx_per_s(self) -> float:
        """How fast the living workers are together."""
        return sum(w.vitals.mpx_per_s for w in self.workers if w.life == "alive")

    @property
    def end_s(self) -> float | None:
        """How long all that waits and runs will take; None if that cannot be told."""
        left = sum(seen.megapixels for seen in self.of("new", "waiting") if seen.task == "segment")
        for seen in self.of("running"):
            if seen.task == "segment":
                left += (1 - (self.share_of(seen) or 0.0)) * seen.megapixels
        if not self.of("new", "waiting", "running"):
            return 0.0
        return left / self.mpx_per_s if self.mpx_per_s > 0 else None


# --- the verdict --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """Something that needs a person: which kind, what it is, and what to do."""

    word: Word
    what: str
    do: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether all is well: a word for it, a sentence, and what needs a person."""

    word: Word
    text: str
    problems: tuple[Problem, ...] = ()

    @property
    def exit_code(self) -> int:
        """For health checks (`EXIT_CODES`)."""
        return EXIT_CODES[self.word]


_SEVERITY: tuple[Word, ...] = ("dead", "hanging", "stopped", "failed", "unknown")


def verdict(status: Status) -> Verdict:
    """Return whether all is well; the most severe problem gives the word."""
    problems = (
        *_dead(status),
        *_hanging(status),
        *_stopped(status),
        *_failed(status),
        *_unknown(status),
    )
    counts = status.counts
    words = [problem.word for problem in problems]
    worst = next((word for word in _SEVERITY if word in words), None)
    if worst is not None:
        return Verdict(worst, next(p.what for p in problems if p.word == worst), problems)
    if counts["running"]:
        return Verdict("healthy", f"{maps(counts['running'])} being worked on.")
    if counts["waiting"] or counts["new"]:
        return Verdict("healthy", "The next map will begin in a moment.")
    if counts["copying"]:
        return Verdict("healthy", f"{maps(counts['copying'])} still being copied.")
    watched = "A monitor watches." if _living(status.monitors) else "Nobody watches."
    if not (status.maps or status.workers or status.monitors):
        # A folder in which nothing has ever been done looks like this, and so does a wrong one.
        return Verdict("idle", f"There are no maps yet. {watched} Is this the folder of the maps?")
    return Verdict("idle", f"Nothing waits. {watched}")


def maps(count: int, verb: bool = True) -> str:
    """Return ``1 map is`` or ``3 maps are``."""
    noun, is_are = ("map", "is") if count == 1 else ("maps", "are")
    return f"{count} {noun} {is_are}" if verb else f"{count} {noun}"


def _living(seen: Sequence[WorkerSeen] | Sequence[MonitorSeen]) -> list[Any]:
    return [one for one in seen if one.life == "alive"]


def _dead(status: Status) -> list[Problem]:
    found = []
    stopped = {folder.path for folder in status.folders if folder.is_stopped}
    # One that hangs is a problem of its own.
    lives = [*(one.life for one in status.workers), *(one.life for one in status.monitors)]
    is_anybody_there = bool({"alive", "hanging"} & set(lives))
    # Who works in one folder does nothing for the maps in another one.
    served = {folder.path for folder in status.folders if is_anybody_there and folder.is_served}
    waiting = [m for m in status.of("new", "waiting") if m.folder not in stopped | served]
    if waiting:
        where = sorted({seen.folder for seen in waiting})
        found.append(
            Problem(
                "dead",
                f"{len(waiting)} {'maps wait' if len(waiting) > 1 else 'map waits'} and nobody "
                "works.",
                "Start a monitor: python SPACEtomo_monitor.py "
                + " ".join(f'--dir "{folder}"' for folder in where),
            )
        )
    if not _living(status.monitors):
        found += [
            Problem(
                "dead",
                f"The monitor {one.name} on {one.machine} was killed, or its computer is down or "
                "out of reach.",
                "Start it again there",
            )
            for one in status.monitors
            if one.life in ("dead", "silent")
        ]
    return found


def _hanging(status: Status) -> list[Problem]:
    found = []
    for worker in status.workers:
        doing = f" with {worker.map_name}" if worker.map_name else ""
        who = f"The worker {worker.name} (process {worker.pid} on {worker.machine}){doing}"
        if worker.life == "hanging":
            found.append(
                Problem(
                    "hanging",
                    f"{who} has made no progress for {worker.vitals.stalled_s / 60:.0f} min.",
                    "It ends itself after 15 min and the map runs again; if that happens again, "
                    "look into the logs in the map folder",
                )
            )
        elif worker.life == "silent" and worker.map_name:
            found.append(
                Problem(
                    "hanging",
                    f"{who} gives no sign of life.",
                    "Others take its map after a minute. If the process was stopped (Ctrl-Z), "
                    "continue or end it",
                )
            )
    for monitor in status.monitors:
        if monitor.life == "hanging":
            found.append(
                Problem(
                    "hanging",
                    f"The monitor {monitor.name} on {monitor.machine} has not looked for "
                    f"{monitor.looked_s / 60:.0f} min.",
                    "Look whether its folder answers there; else start it again",
                )
            )
    return found


def _stopped(status: Status) -> list[Problem]:
    found = []
    for folder in status.folders:
        count = sum(
            seen.folder == folder.path and seen.state in ("new", "waiting") for seen in status.maps
        )
        if folder.is_stopped and count:
            found.append(
                Problem(
                    "stopped",
                    f"SPACE_stop.txt in {folder.path} stops all work, and {maps(count)} waiting.",
                    "Remove it and start the monitor again",
                )
            )
    return found


def _failed(status: Status) -> list[Problem]:
    found = []
    for state, text, do in (
        ("failed", "failed", "Mend the reason and start the monitor with --retry"),
        ("broken", "cannot be processed", "Save or copy again what is named"),
    ):
        seen = [one for one in status.maps if one.state == state]
        if seen:
            named = "; ".join(f"{one.name}: {one.reason}" for one in seen[:_MOST_NAMED])
            more = f"; and {len(seen) - _MOST_NAMED} more" if len(seen) > _MOST_NAMED else ""
            found.append(Problem("failed", f"{maps(len(seen), False)} {text} ({named}{more}).", do))
    return found


def _unknown(status: Status) -> list[Problem]:
    return [
        Problem(
            "unknown",
            f"{folder.path} cannot be looked at: {folder.problem}.",
            "Connect the network drive, or correct --dir",
        )
        for folder in status.folders
        if folder.problem
    ]


# --- for programs -------------------------------------------------------------------------------


def to_dict(status: Status) -> dict[str, Any]:
    """Return plain values for JSON: the verdict, and everything that was seen."""
    judged = verdict(status)
    return {
        "format": FORMAT,
        "verdict": judged.word,
        "exit_code": judged.exit_code,
        "text": judged.text,
        "problems": [asdict(problem) for problem in judged.problems],
        "counts": status.counts,
        "mpx_per_s": round(status.mpx_per_s, 4),
        "end_s": None if status.end_s is None else round(status.end_s, 1),
        "folders": [asdict(folder) for folder in status.folders],
        "maps": [{**asdict(seen), "share": status.share_of(seen)} for seen in status.maps],
        "workers": [
            {**asdict(one), "vitals": one.vitals.to_dict(), "mpx_per_s": one.vitals.mpx_per_s}
            for one in status.workers
        ],
        "monitors": [
            {**asdict(one), "devices": list(one.devices), "folders": list(one.folders)}
            for one in status.monitors
        ],
    }
