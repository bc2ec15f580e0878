"""Who a worker is: a name that is used once, the process and the process table that it is in.

A host name and a process number are no identity: two machines, containers or WSL can share both.
Only where the worker's process table is ours (`this_machine`) does a missing process prove a
death at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import sys
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from space.predicates import is_whole

_SAFE_NAME = re.compile(r"[\w.-]{1,150}", re.ASCII)
LARGEST_WHOLE = 2**53
"""Larger numbers are no counts of ours."""


@dataclass(frozen=True)
class Worker:
    """Who works: an id that is used once, the process table, the process and its device."""

    name: str
    machine: str
    pid: int
    device: str = "cpu"

    @classmethod
    def this_process(cls, device: str = "cpu", mark: str = "") -> Worker:
        """Return a new identity for a worker in this process.

        With a mark its name shows who has started it (see `has_mark`), on whichever computer.
        """
        machine = this_machine()
        end = f"{mark}-{uuid.uuid4().hex[:6]}" if mark else uuid.uuid4().hex[:6]
        return cls(f"{machine}-{os.getpid()}-{end}", machine, os.getpid(), device)

    @classmethod
    def from_dict(cls, values: Any) -> Worker:
        """Read a worker from outside.

        Raises
        ------
        ValueError
            If it is not valid: names become parts of file names here.
        """
        if not isinstance(values, dict):
            raise ValueError("not a worker")
        name, machine = values.get("name"), values.get("machine", "")
        device, pid = values.get("device", "cpu"), values.get("pid")
        if not (isinstance(name, str) and isinstance(machine, str) and isinstance(device, str)):
            raise ValueError("name, machine and device of a worker must be strings")
        if not _SAFE_NAME.fullmatch(name) or len(machine) > 150 or len(device) > 50:
            raise ValueError(f"{name[:50]!r} is not the name of a worker")
        if not is_whole(pid) or not 0 <= pid < LARGEST_WHOLE:
            raise ValueError("the process number of a worker must be a whole number, 0 or more")
        return cls(name, machine, pid, device)

    @property
    def is_here(self) -> bool:
        """Whether its process number belongs to the process table that this process sees."""
        return self.machine == this_machine()


def has_mark(worker_name: str, mark: str) -> bool:
    """Whether the name of a worker shows a mark, which begins with a letter."""
    parts = worker_name.split("-")
    return mark[:1].isalpha() and len(parts) >= 4 and parts[-2] == mark


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
