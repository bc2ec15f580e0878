"""Signs of life of workers, and how others tell that one has died or hangs.

A worker rewrites a small file every few seconds: a counter, the job it is in, and how far it has
come. Whoever waits for it looks at whether that file *changes* during a span of the own clock:
clocks of different machines, and file times that a server stamps, are never compared. A span
counts only as far as it was watched, so neither a sleeping computer nor a step of a clock makes
a living worker look dead.

A host name and a process number are no identity: two machines, containers or WSL can share both.
Only where the worker's process table is ours (`this_machine`) does a missing process prove a
death at once. Everything else is decided by the sign of life.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import re
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from space.files import read_bytes_bounded, read_json, write_text_atomic
from space.predicates import is_whole

log = logging.getLogger("space.jobs")

_BEAT_PREFIX = ".SPACE_worker_"
_SAFE_NAME = re.compile(r"[\w.-]{1,150}", re.ASCII)
_LARGEST = 2**53


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
        What passed between two looks counts as watched only up to this.
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
class Worker:
    """Who works: an id that is used once, the process table, the process and its device."""

    name: str
    machine: str
    pid: int
    device: str = "cpu"

    @classmethod
    def this_process(cls, device: str = "cpu") -> Worker:
        """Return a new identity for a worker in this process."""
        machine = this_machine()
        return cls(f"{machine}-{os.getpid()}-{uuid.uuid4().hex[:6]}", machine, os.getpid(), device)

    @classmethod
    def from_dict(cls, values: Any) -> Worker:
        """Read a worker from outside.

        Raises
        ------
        ValueError
            If it is none: names become parts of file names here.
        """
        if not isinstance(values, dict):
            raise ValueError("not a worker")
        texts = (values.get("name"), values.get("machine", ""), values.get("device", "cpu"))
        name, machine, device = (text if isinstance(text, str) else None for text in texts)
        if name is None or machine is None or device is None:
            raise ValueError("the worker's names are no text")
        if not _SAFE_NAME.fullmatch(name) or len(machine) > 150 or len(device) > 50:
            raise ValueError(f"{name[:50]!r} is not a worker's name")
        pid = values.get("pid")
        if not is_whole(pid) or not 0 <= pid < _LARGEST:
            raise ValueError("the worker's process number is none")
        return cls(name, machine, pid, device)

    @property
    def is_here(self) -> bool:
        """Whether its process number belongs to the process table that this process sees."""
        return self.machine == this_machine()


@dataclass(frozen=True)
class Beat:
    """A sign of life.

    Attributes
    ----------
    worker : Worker
    count : int
        Grows with each sign.
    job : tuple of str or None
        Map and task; empty texts between jobs; None if it does not tell.
    progress : int
        Grows as the job comes on.
    """

    worker: Worker
    count: int = 0
    job: tuple[str, str] | None = None
    progress: int = 0

    @classmethod
    def from_dict(cls, values: Any) -> Beat:
        """Read a sign of life; ValueError if it is none."""
        worker = Worker.from_dict(values)
        job = values.get("job")
        if not (isinstance(job, list) and len(job) == 2 and all(isinstance(x, str) for x in job)):
            job = None
        return cls(
            worker,
            _whole(values.get("beat")),
            (job[0], job[1]) if job is not None else None,
            _whole(values.get("progress")),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            **asdict(self.worker),
            "beat": self.count,
            "job": list(self.job or ("", "")),
            "progress": self.progress,
        }


def _whole(value: Any) -> int:
    return value if is_whole(value) and abs(value) < _LARGEST else 0


@lru_cache(maxsize=1)
def this_machine() -> str:
    """Return the name of the process table that this process sees, fit for file names.

    The host's name for people, and a mark that differs between machines that share it. On Linux
    the mark is that of this start of the system and of the process namespace, so it differs
    between containers, too; elsewhere it is that of the network card. Where it should change
    though the machine is the same, only the sign of life is left to decide.
    """
    host = socket.gethostname() or "unknown"
    host = "".join(c if (c.isascii() and c.isalnum()) or c == "-" else "-" for c in host)[:60]
    return f"{host}-{hashlib.sha256(_process_table().encode()).hexdigest()[:8]}"


def _process_table() -> str:
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    return f"{sys.platform} {uuid.getnode():x}"


def beat_path(map_dir: Path, worker_name: str) -> Path:
    """Return the file that a worker keeps rewriting."""
    return Path(map_dir) / f"{_BEAT_PREFIX}{worker_name}.txt"


def read_beat(path: Path) -> Beat | None:
    """Return a sign of life; None if the file is gone, in use or not understood."""
    with contextlib.suppress(OSError, ValueError):
        return Beat.from_dict(read_json(path))
    return None


def all_beats(map_dir: Path) -> list[tuple[Beat, Path]]:
    """Return all signs of life in the folder, of the living and of the dead."""
    found = []
    for path in sorted(Path(map_dir).glob(f"{_BEAT_PREFIX}*.txt")):
        beat = read_beat(path)
        # A file under another name is a copy, or somebody else's.
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
        The span between two looks counts at most so much.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, look_s: float = Patience.look_s
    ) -> None:
        self._clock = clock
        self._look_s = look_s
        self._seen: dict[str, tuple[Any, float, float]] = {}

    def unchanged_s(self, key: str, content: Any) -> float:
        """Return for how long `content` has been watched unchanged; 0 at the first look."""
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

    At the first look it gets the benefit of the doubt.
    """
    if worker.is_here and not pid_alive(worker.pid):
        return False
    try:
        content: bytes | None = read_bytes_bounded(beat_path(map_dir, worker.name))
    except FileNotFoundError:
        content = None
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EFBIG):
            return True  # the network folder does not answer: that says nothing about the worker
        content = None  # no file that a worker wrote
    limit = patience.stale_s if content is not None else min(patience.missing_s, patience.stale_s)
    return watch.unchanged_s(f"worker {worker.name}", content) < limit


def pid_alive(pid: int) -> bool:
    """Tell whether a process of this machine runs (a zombie does not)."""
    if not 0 < pid < 2**31:
        return False
    if sys.platform == "win32":
        return _pid_alive_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError, IndexError):
        text = stat.read_text(encoding="utf-8", errors="replace")
        return text.rsplit(")", 1)[1].split()[0] != "Z"
    return True


def _pid_alive_windows(pid: int) -> bool:
    import ctypes

    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel32.OpenProcess.restype = ctypes.c_void_p
    query_limited, still_active, access_denied = 0x1000, 259, 5
    handle = kernel32.OpenProcess(query_limited, False, pid)
    if not handle:
        return ctypes.get_last_error() == access_denied  # type: ignore[attr-defined]
    code = ctypes.c_ulong()
    kernel32.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(code))
    kernel32.CloseHandle(ctypes.c_void_p(handle))
    return code.value == still_active


class Heartbeat:
    """Context manager: a thread that gives signs of life while the block runs.

    Parameters
    ----------
    map_dir : Path
    worker : Worker
    patience : Patience
    hanging : callable
        Called, once, when the job has made no progress for too long or takes too long. A worker
        process ends itself then; its starter replaces it.
    """

    def __init__(
        self,
        map_dir: Path,
        worker: Worker,
        patience: Patience | None = None,
        hanging: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._path = beat_path(map_dir, worker.name)
        self._worker = worker
        self._patience = patience or Patience()
        self._hanging = hanging
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._count = 0
        self._progress = 0
        self._job = ("", "")
        self._jobs = 0
        self._longest_s = 0.0
        self._watch = Watch(look_s=self._patience.look_s)

    def __enter__(self) -> Heartbeat:
        self._beat()  # the first one here: an unusable folder must be noticed at once
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join(timeout=30.0)
        with contextlib.suppress(OSError):
            self._path.unlink()

    def begin(self, map_name: str, task: str, megapixels: float) -> None:
        """Note that a job has begun."""
        self._longest_s = self._patience.longest_job_s(megapixels)
        self._job = (map_name, task)
        self._jobs += 1
        self._progress += 1

    def progressed(self) -> None:
        """Note that the job has come on."""
        self._progress += 1

    def end(self) -> None:
        """Note that no job is being done."""
        self._job = ("", "")

    def _beat(self) -> None:
        self._count += 1
        beat = Beat(self._worker, self._count, self._job, self._progress)
        write_text_atomic(self._path, json.dumps(beat.to_dict()) + "\n")

    def _run(self) -> None:
        while not self._stop.wait(self._patience.beat_s):
            try:
                self._beat()
            except OSError as error:
                log.warning("Sign of life could not be written: %s", error)
            reason = self._hangs()
            if reason:
                self._hanging(reason)
                return

    def _hangs(self) -> str:
        stalled_s = self._watch.unchanged_s("progress", self._progress)
        taking_s = self._watch.unchanged_s("job", self._jobs)
        if not self._job[0]:
            return ""
        if stalled_s >= self._patience.stall_s:
            return f"no progress for {stalled_s / 60:.0f} min"
        if taking_s >= self._longest_s:
            return f"still not done after {taking_s / 60:.0f} min"
        return ""
