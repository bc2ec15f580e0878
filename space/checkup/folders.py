"""Folders that a session writes into: rights, speed, clock and space."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from space.checkup.finding import Finding, fail, ok, warn
from space.checkup.size import Expected, gigabytes
from space.files import remove_if_possible

PROBE = "SPACE_check_"
"""What the names of probe files begin with; they are removed again."""

_PROBE_BYTES = 16_000_000
_SLOW_MB_PER_S = 10.0
_CLOCK_OFF_S = 60.0
_CERTAIN = 0.5  # how much is expected is a guess before the lamellae are known


def of_folder(subject: str, folder: Path, clock: Callable[[], float] = time.time) -> list[Finding]:
    """Return what a folder allows: create, rename and delete a file; its speed and clock.

    Parameters
    ----------
    subject : str
        What the folder is, for the lines.
    folder : Path
    clock : callable
        Seconds since 1970 on this computer.
    """
    try:
        there = folder.is_dir()
    except OSError:
        there = False
    if not there:
        return [
            fail(subject, f"{folder} is no folder that can be reached.", "Connect or create it.")
        ]
    probe = folder / f"{PROBE}{uuid4().hex[:8]}.tmp"
    renamed = probe.with_suffix(".txt")
    step = "created"
    try:
        seconds = _written(probe)
        off_s = probe.stat().st_mtime - clock()
        step = "renamed"
        os.replace(probe, renamed)
        step = "read"
        same = renamed.stat().st_size == _PROBE_BYTES
        step = "deleted"
        renamed.unlink()
    except OSError as error:
        return [_not_allowed(subject, folder, step, error)]
    finally:
        for left in (probe, renamed):
            remove_if_possible(left)
    if not same:
        return [
            fail(subject, f"A file in {folder} was cut off.", "Check the disk and the network.")
        ]
    return [
        ok(subject, f"files can be created, renamed and deleted in {folder}."),
        _speed(subject, seconds),
        _clock(subject, off_s),
    ]


def _written(path: Path) -> float:
    """Write a file to the disk; return how long it took."""
    data = os.urandom(_PROBE_BYTES)
    began = time.perf_counter()
    with open(path, "xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    return max(time.perf_counter() - began, 1e-6)


def _not_allowed(subject: str, folder: Path, step: str, error: OSError) -> Finding:
    return fail(
        subject,
        f"A file in {folder} cannot be {step} ({error.strerror or error}).",
        "Give this user the right to create, rename and delete files there, or free some space.",
    )


def _speed(subject: str, seconds: float) -> Finding:
    rate = _PROBE_BYTES / 1e6 / seconds
    if rate < _SLOW_MB_PER_S:
        return warn(
            f"{subject}, speed",
            f"{rate:.1f} MB/s when writing; a map of 50 MB takes {50 / rate:.0f} s.",
            "Use a faster connection, or another folder.",
        )
    return ok(f"{subject}, speed", f"{rate:.0f} MB/s when writing.")


def _clock(subject: str, off_s: float) -> Finding:
    if abs(off_s) > _CLOCK_OFF_S:
        ahead = "ahead of" if off_s > 0 else "behind"
        return warn(
            f"{subject}, clock",
            f"It is {abs(off_s):.0f} s {ahead} the clock of this computer.",
            "Set both by the same time server: times in logs and reports do not agree otherwise.",
        )
    return ok(f"{subject}, clock", f"{abs(off_s):.1f} s from that of this computer.")


def of_space(
    subject: str,
    folder: Path,
    expected: Expected,
    free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
) -> list[Finding]:
    """Return whether a session has room in a folder."""
    count = None
    with contextlib.suppress(OSError):
        count = free(folder)
    if count is None:
        return [fail(subject, f"The free space of {folder} cannot be read.", "Connect the disk.")]
    seen = f"{gigabytes(count)} are free in {folder}; a session takes about {expected}."
    if count < _CERTAIN * expected.bytes:
        return [fail(subject, seen, "Free some space, or use another disk.")]
    if count < expected.bytes:
        return [warn(subject, seen, "Free some space, unless fewer targets are expected.")]
    return [ok(subject, seen)]
