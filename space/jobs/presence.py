"""Signs of life of workers, and how others see that a worker has died or hangs.

A worker rewrites a small file every few seconds: a counter, the job it is in, and how far it has
come. A program that waits for it checks whether that file *changes* during a span of its own clock:
clocks of different machines, and file times that a server stamps, are never compared. A span
counts only as far as it was watched, so neither a sleeping computer nor a step of a clock makes
a living worker look dead.

A missing process proves a death at once where the worker runs on this machine (`workers`).
Everything else is decided by the sign of life.
"""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from space.files import read_bytes_bounded, read_json
from space.jobs.vitals import Vitals
from space.jobs.workers import LARGEST_WHOLE, Worker, pid_alive
from space.predicates import is_whole

_BEAT_PREFIX = ".SPACE_worker_"
LARGEST_BEAT_BYTES = 100_000
"""Larger files are no signs of life."""


@dataclass(frozen=True)
class Patience:
    """How long the programs on a folder wait for one another, in seconds.

    Attributes
    ----------
    beat_s : float
        Between two signs of life.
    stale_s : float
        No sign of life for so long means dead.
    missing_s : float
        A file that is missing for so long is really missing (network folders show files late).
    look_s : float
        Time between two checks counts as watched only up to this.
    stall_s : float
        A worker whose job makes no progress for so long hangs.
    job_s, job_per_mpx_s : float
        A job that takes longer than the first, and so much more for each million pixels of its
        map, hangs as well.
    """

    beat_s: float = 4.0
    stale_s: float = 60.0
    missing_s: float = 15.0
    look_s: float = 20.0
    stall_s: float = 900.0
    job_s: float = 1800.0
    job_per_mpx_s: float = 180.0

    def longest_job_s(self, megapixels: float) -> float:
        """Return how long a job on a map of this size may take."""
        return self.job_s + self.job_per_mpx_s * max(0.0, megapixels)


@dataclass(frozen=True)
class Beat:
    """A sign of life.

    Attributes
    ----------
    worker : Worker
    count : int
        Grows with each sign.
    job : tuple of str or None
        Map and task; empty strings between jobs; None if it is not reported.
    progress : int
        Grows as the job comes on.
    vitals : Vitals
        What it tells people; nothing is decided by it.
    """

    worker: Worker
    count: int = 0
    job: tuple[str, str] | None = None
    progress: int = 0
    vitals: Vitals = field(default_factory=Vitals)

    @classmethod
    def from_dict(cls, values: Any) -> Beat:
        """Read a sign of life; ValueError if it is not valid."""
        worker = Worker.from_dict(values)
        job = values.get("job")
        if not (isinstance(job, list) and len(job) == 2 and all(isinstance(x, str) for x in job)):
            job = None
        return cls(
            worker,
            _whole(values.get("beat")),
            (job[0], job[1]) if job is not None else None,
            _whole(values.get("progress")),
            Vitals.from_dict(values.get("vitals")),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            **asdict(self.worker),
            "beat": self.count,
            "job": list(self.job or ("", "")),
            "progress": self.progress,
            "vitals": self.vitals.to_dict(),
        }


def _whole(value: Any) -> int:
    return value if is_whole(value) and abs(value) < LARGEST_WHOLE else 0


def beat_path(map_dir: Path, worker_name: str) -> Path:
    """Return the file that a worker keeps rewriting."""
    return Path(map_dir) / f"{_BEAT_PREFIX}{worker_name}.txt"


def read_beat(path: Path) -> Beat | None:
    """Return a sign of life; None if the file is gone, in use or not understood."""
    with contextlib.suppress(OSError, ValueError):
        return Beat.from_dict(read_json(path, LARGEST_BEAT_BYTES))
    return None


def all_beats(map_dir: Path) -> list[tuple[Beat, Path]]:
    """Return all signs of life in the folder, of the living and of the dead."""
    found = []
    for path in sorted(Path(map_dir).glob(f"{_BEAT_PREFIX}*.txt")):
        beat = read_beat(path)
        # A file under another name is a copy, or no sign of life.
        if beat is not None and beat_path(map_dir, beat.worker.name) == path:
            found.append((beat, path))
    return found


class Watch:
    """Remembers what was seen, and for how long it was watched without a change.

    Parameters
    ----------
    clock : callable
        Seconds, never going back.
    look_s : float
        The time between two checks counts at most so much.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, look_s: float = Patience.look_s
    ) -> None:
        self._clock = clock
        self._look_s = look_s
        self._seen: dict[str, tuple[Any, float, float]] = {}

    def unchanged_s(self, key: str, content: Any) -> float:
        """Return for how long `content` has been watched unchanged; 0 at first."""
        now = self._clock()
        last = self._seen.get(key)
        if last is None or last[0] != content:
            self._seen[key] = (content, now, 0.0)
            return 0.0
        watched_s = last[2] + min(max(0.0, now - last[1]), self._look_s)
        self._seen[key] = (content, now, watched_s)
        return watched_s


def is_alive(map_dir: Path, worker: Worker, watch: Watch, patience: Patience) -> bool:
    """Tell whether a worker lives, as far as can be seen from here.

    A worker that is seen for the first time is taken to be alive.
    """
    return shows_life(beat_path(map_dir, worker.name), worker, watch, patience)


def shows_life(path: Path, worker: Worker, watch: Watch, patience: Patience) -> bool:
    """Tell whether a process that keeps rewriting a file lives, as `is_alive` does."""
    if worker.is_here and not pid_alive(worker.pid):
        return False
    try:
        content: bytes | None = read_bytes_bounded(path)
    except FileNotFoundError:
        content = None
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EFBIG):
            return True  # the network folder does not answer: the worker may well be alive
        content = None  # no file that a worker wrote
    limit = patience.stale_s if content is not None else min(patience.missing_s, patience.stale_s)
    return watch.unchanged_s(f"worker {path}", content) < limit
