"""What a worker says of itself in its signs of life, for the people who wait for it.

Nothing is decided by it: who is alive, and who has which job, is seen by other things. Spans are
measured by the worker's own clock, since clocks of two machines are never compared.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from space.predicates import is_number

_LONGEST_WORDS = 100
_LARGEST_NUMBER = 1e12
#: How providers of ONNX Runtime that use a GPU begin.
GPU_PROVIDERS = ("CUDA", "Tensorrt", "ROCM", "MIGraphX", "Dml")
#: The memory of a GPU is asked for not more often than this.
_MEMORY_SECONDS = 2.0


class Progressed(Protocol):
    """Called as a job comes on, with the share of its map that is done where that is known."""

    def __call__(self, share: float | None = None) -> None:
        """Take note."""


@dataclass(frozen=True)
class Vitals:
    """What a worker tells of its job, its memory and its pace.

    Attributes
    ----------
    share : float or None
        Of the map that is done, 0 to 1; None if the job does not tell, or there is none.
    megapixels : float
        Of the map.
    job_s, stalled_s : float
        How long the job has taken, and how long it has made no progress.
    since : str
        When the job began, by the worker's clock, for people.
    runtime, device : str
        What runs the model, and on what, in words.
    waits_for : str
        What keeps it from the next job, in words; empty if nothing does.
    memory_mb, gpu_memory_mb : float
        Of the process; 0 if it is not known.
    done_mpx, done_s : float
        How much it has done since it started, and how long that took (models being loaded
        left out).
    clock_s : float
        `time.monotonic` of the worker: on one machine, it shows how old a sign of life is.
    """

    share: float | None = None
    megapixels: float = 0.0
    job_s: float = 0.0
    stalled_s: float = 0.0
    since: str = ""
    runtime: str = ""
    device: str = ""
    waits_for: str = ""
    memory_mb: float = 0.0
    gpu_memory_mb: float = 0.0
    done_mpx: float = 0.0
    done_s: float = 0.0
    clock_s: float = -1.0

    @property
    def mpx_per_s(self) -> float:
        """How fast it works; 0 as long as that is not known, or if what it tells is absurd."""
        pace = self.done_mpx / self.done_s if self.done_s > 0 else 0.0
        return pace if pace < _LARGEST_NUMBER else 0.0

    def between_jobs(self) -> Vitals:
        """Return what is told in a folder in which no job is being done."""
        return replace(self, share=None, megapixels=0.0, job_s=0.0, stalled_s=0.0, since="")

    @classmethod
    def from_dict(cls, values: Any) -> Vitals:
        """Read vitals from outside; what is odd is left out, older workers give none."""
        if not isinstance(values, dict):
            return cls()
        good: dict[str, Any] = {}
        for item in fields(cls):
            value = values.get(item.name)
            if item.name in ("since", "runtime", "device", "waits_for"):
                if isinstance(value, str):
                    good[item.name] = plain_words(value)
            elif is_number(value) and 0 <= value < _LARGEST_NUMBER:
                good[item.name] = float(value)
        if good.get("share", 0.0) > 1:
            del good["share"]
        return cls(**good)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            key: round(value, 4) if isinstance(value, float) else value
            for key, value in asdict(self).items()
        }


def plain_words(text: str) -> str:
    """Return a text from outside as one short line of printable characters."""
    return "".join(c if c.isprintable() else "?" for c in text[:_LONGEST_WORDS])


class Pulse:
    """Takes note of what a worker does; one for all folders of a worker.

    The thread that does the jobs calls `begin`, `progressed` and `end`; the threads that give
    signs of life call `vitals`, which asks no GPU: a driver that hangs must not silence them.

    Parameters
    ----------
    about : callable
        ``about()`` returns the runtime and the device of the model in words.
    clock : callable
        Seconds, never going back.
    """

    def __init__(
        self,
        about: Callable[[], tuple[str, str]] = lambda: ("", ""),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._about = about
        self._clock = clock
        self._now = Vitals()
        self._is_busy = False
        self._begun_s = self._progress_s = self._share_s = 0.0
        self._first_share: float | None = None
        self._next_memory_s = -math.inf

    def begin(self, megapixels: float) -> None:
        """A job has begun."""
        self._begun_s = self._progress_s = self._clock()
        self._first_share = None
        since = datetime.now().isoformat(sep=" ", timespec="seconds")
        self._now = replace(self._now, share=None, megapixels=megapixels, since=since)
        self._is_busy = True

    def progressed(self, share: float | None = None) -> None:
        """The job has come on."""
        now_s = self._progress_s = self._clock()
        changes: dict[str, Any] = {}
        if share is not None:
            if self._first_share is None:
                self._first_share, self._share_s = share, now_s
            changes["share"] = min(1.0, max(0.0, float(share)))
        if now_s >= self._next_memory_s:
            self._next_memory_s = now_s + _MEMORY_SECONDS
            runtime, device = self._about()
            changes["runtime"], changes["device"] = plain_words(runtime), plain_words(device)
            changes["gpu_memory_mb"] = gpu_memory_mb()
        if changes:
            self._now = replace(self._now, **changes)

    def waits(self, text: str) -> None:
        """The worker waits for something that others have."""
        self._now = replace(self._now, waits_for=plain_words(text))

    def end(self) -> None:
        """The job has ended, in whatever way: what it did counts for the pace."""
        mpx, seconds = self._in_job()
        self._now = replace(
            self._now,
            share=None,
            megapixels=0.0,
            since="",
            done_mpx=self._now.done_mpx + mpx,
            done_s=self._now.done_s + seconds,
        )
        self._is_busy, self._first_share = False, None
        self._next_memory_s = -math.inf

    def vitals(self) -> Vitals:
        """Return what is known at this moment."""
        now_s = self._clock()
        mpx, seconds = self._in_job()
        return replace(
            self._now,
            job_s=now_s - self._begun_s if self._is_busy else 0.0,
            stalled_s=now_s - self._progress_s if self._is_busy else 0.0,
            memory_mb=process_memory_mb(),
            done_mpx=self._now.done_mpx + mpx,
            done_s=self._now.done_s + seconds,
            clock_s=time.monotonic(),
        )

    def _in_job(self) -> tuple[float, float]:
        """Return megapixels done in the job, and the seconds from its first share to its last."""
        first, share = self._first_share, self._now.share
        if first is None or share is None:
            return 0.0, 0.0
        return (share - first) * self._now.megapixels, self._progress_s - self._share_s


# --- memory -------------------------------------------------------------------------------------


def process_memory_mb() -> float:
    """Return the memory of this process that is in use, in MB; 0 if the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    if sys.platform == "win32":
        return _windows_memory_mb()
    with contextlib.suppress(ImportError, OSError):
        import resource

        # macOS tells the largest use so far, in bytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return 0.0


def _windows_memory_mb() -> float:
    if sys.platform != "win32":
        return 0.0
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        _fields_ = [
            ("cb", wintypes.DWORD),
            ("PageFaultCount", wintypes.DWORD),
            *[(name, ctypes.c_size_t) for name in ("PeakWorkingSetSize", "WorkingSetSize")],
            *[(f"other_{i}", ctypes.c_size_t) for i in range(6)],
        ]

    counters = Counters(cb=ctypes.sizeof(Counters))
    kernel = ctypes.WinDLL("kernel32")
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    ask = kernel.K32GetProcessMemoryInfo
    ask.argtypes = (wintypes.HANDLE, ctypes.c_void_p, wintypes.DWORD)
    if not ask(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
        return 0.0
    return float(counters.WorkingSetSize) / 1e6


def gpu_memory_mb() -> float:
    """Return the memory of the GPU that this process holds, in MB; 0 if nothing tells."""
    torch = sys.modules.get("torch")  # where it was not imported, it holds none
    if torch is not None:
        with contextlib.suppress(AttributeError, RuntimeError):
            if torch.cuda.is_initialized():
                count = torch.cuda.device_count()
                return sum(torch.cuda.memory_reserved(i) for i in range(count)) / 1e6
    return _nvml_memory_mb() if "onnxruntime" in sys.modules else 0.0


def _nvml_memory_mb() -> float:
    """Return what NVIDIA's library tells of this process, where its Python package is there."""
    try:
        pynvml = importlib.import_module("pynvml")
    except ImportError:
        return 0.0
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        used = [
            process.usedGpuMemory or 0
            for handle in handles
            for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
            if process.pid == os.getpid()
        ]
        return float(sum(used)) / 1e6
    except pynvml.NVMLError:
        return 0.0


# --- words --------------------------------------------------------------------------------------


def words_of_torch(wanted: str) -> tuple[str, str]:
    """Return runtime and device of a model that torch runs, in words.

    Parameters
    ----------
    wanted : str
        ``cpu``, ``auto`` or the number of a GPU, as the worker was told.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return "", ""
    runtime = f"torch {torch.__version__}"
    with contextlib.suppress(RuntimeError, ValueError, AttributeError):
        if torch.cuda.is_initialized():
            number = int(wanted) if wanted.isdigit() else 0
            return runtime, str(torch.cuda.get_device_name(number))
    return runtime, _cpu_words(torch.get_num_threads())


def _cpu_words(threads: int) -> str:
    return f"CPU, {threads} thread" + ("s" if threads != 1 else "")
