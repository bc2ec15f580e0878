"""Starting worker processes, and noticing when they cannot start.

They outlive the script that starts them, and so share none of its streams: SerialEM waits for the
end of a script until its standard error is closed by everybody who holds it. They do not outlive
SerialEM, which ends all processes that it or its scripts have started when it is closed. The
next script finds their maps unfinished and starts again (`JobFolder.reap`).
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from space.errors import SpaceError
from space.files import (
    read_json_or_empty,
    remove_if_possible,
    write_text_atomic,
)
from space.jobs.folder import JobFolder
from space.jobs.workers import pid_alive, this_machine
from space.predicates import is_number
from space.processes import start_apart

log = logging.getLogger("space.jobs")

WORKER_SCRIPT = "SPACEtomo_nnUNet.py"
#: Starts that fail in a row before the waiting jobs are given up.
MAX_STARTS = 3
#: A process that has not begun to work after so long is not going to.
START_SECONDS = 600.0
#: Pause between two starts.
RETRY_SECONDS = 5.0
_LOG_BYTES = 5_000_000
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(,\d+)? [A-Z]+ ")


def ensure_worker(folder: JobFolder, space_dir: Path, devices: Sequence[str] | None = None) -> None:
    """Ensure that a worker runs when a job waits; return at once.

    Does nothing if nothing waits or a worker of this machine lives and makes progress. A worker
    that died is replaced; one that cannot even start is tried again a few times, then the waiting
    jobs are given up with the last message of its log.

    Parameters
    ----------
    folder : JobFolder
        The folder with the queue. Keep it while waiting: it remembers which workers are silent.
    space_dir : Path
        Folder with SPACEtomo_nnUNet.py.
    devices : sequence of str, optional
        One worker for each: ``auto`` (default), ``cpu``, or the number of a GPU.

    Raises
    ------
    SpaceError
        If the worker script or a Python to run it is missing.
    """
    folder.reap()
    if not folder.has_open_jobs():
        return
    if folder.stop_asked():
        log.warning("SPACE_stop.txt in %s keeps workers from starting.", folder.map_dir)
        return
    hanging = folder.hanging()
    busy = {w.device for w in folder.workers() if w.is_here and w.name not in hanging}
    for device in devices or ("auto",):
        if device not in busy:
            _start_or_give_up(folder, Path(space_dir), device)


def start_worker(
    map_dirs: Sequence[Path], space_dir: Path, device: str, idle_s: float | None = None
) -> subprocess.Popen[bytes]:
    """Start a worker process that shares no stream with this one.

    Its messages go to a file in the first folder.

    Returns
    -------
    Popen
        The process; nobody has to keep or wait for it.
    """
    space_dir = Path(space_dir).absolute()  # the process starts in another folder
    script = space_dir / WORKER_SCRIPT
    if not script.is_file():
        raise SpaceError("The worker script is missing.", str(script), "Correct SPACE_DIR")
    command = [python_executable(), str(script), "--worker", "--device", device]
    for map_dir in map_dirs:
        command += ["--dir", str(Path(map_dir).absolute())]
    if idle_s is not None:
        command += ["--idle", str(idle_s)]
    log_path = worker_log_path(map_dirs[0], device)
    return start_apart(command, space_dir, log_path, _LOG_BYTES)


def python_executable() -> str:
    """Return the Python that runs workers.

    It is this Python (SerialEM runs scripts by a python.exe, too). Where the models live in an
    environment of their own, the environment variable ``SPACETOMO_PYTHON`` names theirs.
    """
    named = os.environ.get("SPACETOMO_PYTHON", "").strip()
    if named and not Path(named).is_file():
        raise SpaceError(
            "SPACETOMO_PYTHON names no file.", named, "Give the full path of a Python executable."
        )
    return named or sys.executable


def worker_log_path(map_dir: Path, device: str) -> Path:
    """Return where workers of this machine on a device write their messages."""
    return Path(map_dir) / f"SPACE_worker_{this_machine()}_{_in_file_name(device)}.log"


def last_message(path: Path) -> str:
    """Return the last line of a log without its time, which after a crash is the error."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, path.stat().st_size - 4000))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _STAMP.sub("", lines[-1])[:300].rstrip(".") if lines else ""


def no_worker_reason(log_path: Path) -> str:
    """Return why jobs are given up: no worker starts, and what its log says about that."""
    message = last_message(log_path)
    why = f": {message}" if message else ""
    return f"no worker starts on this computer{why} (see {log_path.name})"


# --- the last start on a device -----------------------------------------------------------------


@dataclass(frozen=True)
class StartNote:
    """The last start on a device: its process, when, and how many starts failed before.

    A worker that begins to work removes its note, so the start is not over yet or has failed.
    """

    pid: int
    time_s: float
    failures: int


def next_move(
    note: StartNote | None, age_s: float, is_starting: bool, has_workers: bool
) -> tuple[Literal["wait", "start", "give up"], int]:
    """Return what to do on a device without a worker, and how many starts have failed.

    Parameters
    ----------
    note : StartNote or None
        Of the last start, unless it went well.
    age_s : float
        How long ago that was.
    is_starting : bool
        Its process runs.
    has_workers : bool
        A worker lives, here or on another computer.
    """
    if note is None:
        return "start", 0
    if is_starting and age_s < START_SECONDS:
        return "wait", note.failures
    failures = note.failures + 1
    if failures < MAX_STARTS:
        return ("wait" if age_s < RETRY_SECONDS else "start"), failures
    if has_workers:
        return ("wait" if age_s < START_SECONDS else "start"), failures
    return "give up", failures


def clear_start_note(map_dir: Path, device: str) -> None:
    """Note that a worker has started well (called by the worker itself)."""
    remove_if_possible(_start_path(map_dir, device))


def read_start_note(path: Path) -> StartNote | None:
    """Return the note of the last start; None if there is none."""
    values = read_json_or_empty(path)
    if not values:
        return None
    pid, time_s, failures = (_number(values.get(name)) for name in ("pid", "time", "failures"))
    return StartNote(int(pid), time_s, int(failures))


def _start_or_give_up(folder: JobFolder, space_dir: Path, device: str) -> None:
    path = _start_path(folder.map_dir, device)
    log_path = worker_log_path(folder.map_dir, device)
    note = read_start_note(path)
    age_s = abs(time.time() - note.time_s) if note is not None else 0.0
    is_starting = note is not None and pid_alive(note.pid)
    move, failures = next_move(note, age_s, is_starting, bool(folder.workers()))
    if move == "wait":
        return
    if failures:
        log.error(
            "The worker on %s did not start (%d times): %s",
            device,
            failures,
            last_message(log_path),
        )
    if move == "give up" and folder.takes_files():
        remove_if_possible(path)
        folder.give_up_waiting(no_worker_reason(log_path))
        return
    process = start_worker([folder.map_dir], space_dir, device)
    values = {"pid": process.pid, "time": time.time(), "failures": failures}
    write_text_atomic(path, json.dumps(values) + "\n")
    log.info("Started a worker on %s.", device)


def _start_path(map_dir: Path, device: str) -> Path:
    return Path(map_dir) / f".SPACE_start_{this_machine()}_{_in_file_name(device)}.json"


def _in_file_name(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in text)


def _number(value: object) -> float:
    return float(value) if is_number(value) and abs(value) < 1e12 else 0.0
