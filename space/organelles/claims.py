"""Who does which block, as files: several processes, on one computer or on several, share a folder.

A claim is a file that only one can make. One whose process is gone, or that is too old, counts no
more. Should two take over the same block, both write the same values, so that nothing is lost.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from space.files import read_json_or_empty, remove_if_possible
from space.jobs import pid_alive, this_machine
from space.predicates import is_whole

LONGEST_S = 1800.0
"""Older claims count no more: no block takes so long."""


def claim(path: Path, longest_s: float = LONGEST_S) -> bool:
    """Take a block, if nobody has it; say whether it is ours now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            if not _is_void(path, longest_s):
                return False
            remove_if_possible(path)
            continue
        except PermissionError:  # Windows, while another one removes it
            return False
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump({"machine": this_machine(), "pid": os.getpid()}, stream)
        return True
    return False


def release(path: Path) -> None:
    """Give a block back."""
    remove_if_possible(path)


def _is_void(path: Path, longest_s: float) -> bool:
    told = read_json_or_empty(path)
    pid = told.get("pid")
    if told.get("machine") == this_machine() and is_whole(pid) and pid != os.getpid():
        return not pid_alive(pid)
    with contextlib.suppress(OSError):
        return _age_s(path) > longest_s
    return False


def _age_s(path: Path) -> float:
    """Return the age of a file by the clock of the computer that keeps it."""
    probe = path.with_name(f".clock-{os.getpid()}")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    finally:
        remove_if_possible(probe)
