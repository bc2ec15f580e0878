"""Signs of life of workers, and how others tell that one has died.

A worker rewrites a small file with a counter every few seconds. Whoever waits for it looks at
whether that file *changes* during a span of the own clock: clocks of different machines, and
file times that a server stamps, are never compared. On the same machine the process is also
asked for directly, so a crash there is noticed at once; and there the time in the file is of
the own clock, which tells a process that only got the number of one from before a restart.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from space.files import write_text_atomic

log = logging.getLogger("space.jobs")

BEAT_SECONDS = 4.0
#: No sign of life for so long means dead.
STALE_SECONDS = 60.0
#: A file that is missing for so long is really missing (network folders show files late).
MISSING_SECONDS = 15.0
_BEAT_PREFIX = ".SPACE_worker_"


@dataclass(frozen=True)
class Worker:
    """Who works: an id that is used once, the machine, the process and its device."""

    name: str
    host: str
    pid: int
    device: str = "cpu"

    @classmethod
    def this_process(cls, device: str = "cpu") -> Worker:
        """Return a new identity for a worker in this process."""
        host = this_host()
        return cls(f"{host}-{os.getpid()}-{uuid4().hex[:6]}", host, os.getpid(), device)


def this_host() -> str:
    """Return the name of this machine, fit for file names."""
    name = socket.gethostname() or "unknown"
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)


def beat_path(map_dir: Path, worker_name: str) -> Path:
    """Return the file that a worker keeps rewriting."""
    return Path(map_dir) / f"{_BEAT_PREFIX}{worker_name}.txt"


def read_worker(path: Path) -> Worker | None:
    """Return who wrote a sign of life; None if the file is gone or not readable."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Worker(
            str(values["name"]), str(values["host"]), int(values["pid"]), str(values["device"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def all_workers(map_dir: Path) -> list[tuple[Worker, Path]]:
    """Return all workers that have a sign of life in the folder, living or not."""
    found = []
    for path in sorted(Path(map_dir).glob(f"{_BEAT_PREFIX}*.txt")):
        if ".part" in path.name:
            continue
        worker = read_worker(path)
        if worker is not None:
            found.append((worker, path))
    return found


class Watch:
    """Remembers what was seen and since when it has not changed, by the own clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[Any, float]] = {}

    def unchanged_s(self, key: str, content: Any) -> float:
        """Return for how long `content` has been seen unchanged; 0 at the first look."""
        now = self._clock()
        last = self._seen.get(key)
        if last is None or last[0] != content:
            self._seen[key] = (content, now)
            return 0.0
        return now - last[1]


def is_alive(
    map_dir: Path,
    worker: Worker,
    watch: Watch,
    stale_s: float = STALE_SECONDS,
    missing_s: float = MISSING_SECONDS,
) -> bool:
    """Tell whether a worker lives, as far as can be seen from here.

    At the first look a worker on another machine gets the benefit of the doubt.
    """
    here = worker.host == this_host()
    if here and not pid_alive(worker.pid):
        return False
    try:
        content: bytes | None = beat_path(map_dir, worker.name).read_bytes()
    except FileNotFoundError:
        content = None
    except OSError:
        return True  # the network folder does not answer: that says nothing about the worker
    if here and content is not None and abs(time.time() - _beat_time(content)) > 3 * stale_s:
        return False
    limit = stale_s if content is not None else min(missing_s, stale_s)
    return watch.unchanged_s(f"worker {worker.name}", content) < limit


def _beat_time(content: bytes) -> float:
    try:
        return float(json.loads(content)["time"])
    except (ValueError, KeyError, TypeError):
        return time.time()


def pid_alive(pid: int) -> bool:
    """Tell whether a process of this machine runs (a zombie does not)."""
    if pid <= 0:
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
    """Context manager: a thread that gives signs of life while the block runs."""

    def __init__(self, map_dir: Path, worker: Worker, every_s: float = BEAT_SECONDS) -> None:
        self._path = beat_path(map_dir, worker.name)
        self._worker = worker
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._count = 0

    def __enter__(self) -> Heartbeat:
        self._beat()  # the first one here: an unusable folder must be noticed at once
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join(timeout=30.0)
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _beat(self) -> None:
        self._count += 1
        values = {**asdict(self._worker), "beat": self._count, "time": time.time()}
        write_text_atomic(self._path, json.dumps(values) + "\n")

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._beat()
            except OSError as error:
                log.warning("Sign of life could not be written: %s", error)
