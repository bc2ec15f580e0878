"""Processes that outlive the one that starts them, and share none of its streams.

SerialEM waits for the end of a script until its standard error is closed by everybody who holds it.
So what such a process prints goes to a file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from space.files import refuse_link, share_as_folder


def start_apart(
    command: Sequence[str],
    cwd: Path,
    log_path: Path,
    most_log_bytes: int,
    is_idle: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a process that shares no stream with this one.

    Parameters
    ----------
    command : sequence of str
        The program by its full path, and its arguments.
    cwd : Path
    log_path : Path
        Its output is appended to this file.
    most_log_bytes : int
        A log that has become longer is begun anew.
    is_idle : bool
        It gets less of the processor than others (on Windows; elsewhere it sees to that itself).

    Returns
    -------
    Popen
        The process; nobody has to keep or wait for it.
    """
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        flags |= subprocess.BELOW_NORMAL_PRIORITY_CLASS if is_idle else 0
    refuse_link(log_path)
    too_long = log_path.exists() and log_path.stat().st_size > most_log_bytes
    with open(log_path, "wb" if too_long else "ab") as output:
        share_as_folder(log_path)
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=str(cwd),
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
            creationflags=flags,
            start_new_session=sys.platform != "win32",
        )
    if sys.platform != "win32":
        # Only to collect its exit status, without which a dead child looks alive.
        threading.Thread(target=process.wait, name="exit of a process", daemon=True).start()
    return process
