"""Starting worker processes that outlive their starter, and noticing when they cannot start."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from space.errors import SpaceError
from space.files import write_text_atomic
from space.jobs.claims import read_json, remove
from space.jobs.presence import pid_alive, this_host
from space.jobs.queue import JobFolder

log = logging.getLogger("space.jobs")

WORKER_SCRIPT = "SPACEtomo_nnUNet.py"
#: Starts that fail in a row before the waiting jobs are given up.
MAX_STARTS = 3
#: A process that has not begun to work after so long is not going to.
START_SECONDS = 600.0
#: Pause between two starts.
RETRY_SECONDS = 5.0
_LOG_BYTES = 5_000_000


def ensure_worker(map_dir: Path, space_dir: Path, devices: Sequence[str] | None = None) -> None:
    """See to it that somebody works when something waits; returns at once.

    Does nothing if nothing waits or a worker of this machine lives. A worker that died is
    replaced; one that cannot even start is tried again a few times, then the waiting jobs
    fail with what it said.

    Parameters
    ----------
    map_dir : Path
        Folder with the queue.
    space_dir : Path
        Folder with SPACEtomo_nnUNet.py.
    devices : sequence of str, optional
        One worker for each: ``auto`` (default), ``cpu``, or the number of a GPU.

    Raises
    ------
    SpaceError
        If the folder, the worker script or a Python to run it is missing.
    """
    folder = JobFolder(map_dir)
    folder.reap()
    if not any(s.state in ("queued", "running") for s in folder.statuses().values()):
        return
    if folder.stop_asked():
        log.warning("SPACE_stop.txt in %s keeps workers from starting.", folder.map_dir)
        return
    busy = {w.device for w in folder.workers() if w.host == this_host()}
    for device in devices or ("auto",):
        if device not in busy:
            _start_or_give_up(folder, Path(space_dir), device)


def start_worker(
    map_dir: Path, space_dir: Path, device: str, idle_s: float | None = None
) -> subprocess.Popen[bytes]:
    """Start a worker process of its own session, its messages going to a file.

    Returns
    -------
    Popen
        The process; nobody has to keep or wait for it.
    """
    script = Path(space_dir) / WORKER_SCRIPT
    if not script.is_file():
        raise SpaceError("The worker script is missing.", str(script), "Correct SPACE_DIR")
    command = [python_executable(), str(script), "--worker", "--dir", str(map_dir)]
    command += ["--device", device]
    if idle_s is not None:
        command += ["--idle", str(idle_s)]
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    path = worker_log_path(map_dir, device)
    too_long = path.exists() and path.stat().st_size > _LOG_BYTES
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    with open(path, "wb" if too_long else "ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=str(space_dir),
            env=environment,
            creationflags=flags,
            start_new_session=sys.platform != "win32",
        )


def python_executable() -> str:
    """Return the Python that runs workers.

    The environment variable ``SPACETOMO_PYTHON`` names it where torch lives in an environment
    of its own. Else it is this Python; where that is embedded in another program,
    `sys.executable` is that program, which must not be started a second time.
    """
    named = os.environ.get("SPACETOMO_PYTHON", "").strip()
    if named:
        if not Path(named).is_file():
            raise SpaceError("SPACETOMO_PYTHON names no file.", named)
        return named
    if sys.executable and Path(sys.executable).name.lower().startswith("python"):
        return sys.executable
    names = ("python.exe",) if sys.platform == "win32" else ("bin/python3", "bin/python")
    for name in names:
        candidate = Path(sys.exec_prefix) / name
        if candidate.is_file():
            return str(candidate)
    raise SpaceError(
        "No Python to run workers was found.",
        str(sys.exec_prefix),
        "Set the environment variable SPACETOMO_PYTHON to the python executable",
    )


def worker_log_path(map_dir: Path, device: str) -> Path:
    """Return where workers of this machine on a device write their messages."""
    return Path(map_dir) / f"SPACE_worker_{this_host()}_{_safe(device)}.log"


def log_tail(path: Path, lines: int = 4) -> str:
    """Return the last lines of a file in one line."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, path.stat().st_size - 4000))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-lines:])


def forget_start(map_dir: Path, device: str) -> None:
    """Note that a worker has started well (called by the worker itself)."""
    remove(_start_path(map_dir, device))


def _start_or_give_up(folder: JobFolder, space_dir: Path, device: str) -> None:
    path = _start_path(folder.map_dir, device)
    last = read_json(path)
    failures = 0
    if last:
        # A worker that begins to work removes the note, so the start it tells of is not over
        # yet or has failed.
        age_s = abs(time.time() - _number(last.get("time")))
        starting = pid_alive(int(_number(last.get("pid"))))
        if starting and age_s < START_SECONDS:
            return
        failures = int(_number(last.get("failures"))) + 1
        if age_s < (RETRY_SECONDS if failures < MAX_STARTS else START_SECONDS) and (
            failures < MAX_STARTS or folder.workers()
        ):
            return
        said = log_tail(worker_log_path(folder.map_dir, device))
        log.error("The worker on %s did not start (%d times): %s", device, failures, said)
        if failures >= MAX_STARTS and not folder.workers():
            remove(path)
            folder.fail_waiting(f"no worker could be started: {said or 'it said nothing'}")
            return
    process = start_worker(folder.map_dir, space_dir, device)
    note = {"pid": process.pid, "time": time.time(), "failures": failures}
    write_text_atomic(path, json.dumps(note) + "\n")
    if process.poll() is None and sys.platform != "win32":
        # Only to collect its exit status, without which a dead child looks alive.
        threading.Thread(target=process.wait, name="worker exit", daemon=True).start()
    log.info("Started a worker on %s.", device)


def _start_path(map_dir: Path, device: str) -> Path:
    return Path(map_dir) / f".SPACE_start_{this_host()}_{_safe(device)}.json"


def _safe(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in text)


def _number(value: object) -> float:
    with contextlib.suppress(TypeError, ValueError):
        return float(value)  # type: ignore[arg-type]
    return 0.0
