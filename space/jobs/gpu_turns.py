"""Turns on the GPUs of a computer, so that the models of several users do not fight for memory.

Monitors of different users do not know each other, but their workers do: each takes a turn on its
GPU before it takes a job, and gives it back after that with the memory that it no longer needs.
A turn is a lock of the system on a file that all users of the computer can write, so a
worker that dies gives its turn back as well. Where that folder cannot be used, work goes on without
turns: a full GPU is better than none.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from space.errors import SpaceError
from space.files import refuse_link
from space.jobs.vitals import GPU_PROVIDERS

log = logging.getLogger("space.jobs")

#: Names a folder for the turns, or holds ``off``.
VARIABLE = "SPACETOMO_GPU_TURNS"
_FOLDER = "spacetomo_gpu_turns"
_POLL_SECONDS = 0.2
_REPORT_SECONDS = 600.0
_MOST_TURNS = 16


class GpuTurns:
    """The turns of one worker.

    Parameters
    ----------
    gpu : callable
        ``gpu()`` returns the name of the GPU that is used now; empty on the CPU.
    per_gpu : callable
        ``per_gpu()`` returns how many workers may use a GPU at the same time.
    folder : Path, optional
        Where the turns are; one for the whole computer by default.
    """

    def __init__(
        self,
        gpu: Callable[[], str],
        per_gpu: Callable[[], int] = lambda: 1,
        folder: Path | None = None,
    ) -> None:
        self._gpu = gpu
        self._per_gpu = per_gpu
        self._folder = folder or turns_folder()
        self._is_unusable = False
        self._allowed = 1

    @property
    def are_taken(self) -> bool:
        """Whether a turn has to be taken at this moment."""
        return bool(self._folder and not self._is_unusable and self._gpu())

    @contextmanager
    def turn(
        self, is_stopped: Callable[[], bool], waits: Callable[[str], None] = lambda text: None
    ) -> Iterator[bool]:
        """Hold a turn while the block runs.

        Parameters
        ----------
        is_stopped : callable
            Ends the wait.
        waits : callable
            Called with what is waited for, and with an empty text when the wait is over.

        Yields
        ------
        bool
            False if there was a stop before it was this worker's turn.
        """
        with contextlib.ExitStack() as stack:
            try:
                got = not self.are_taken or self._take(stack, is_stopped, waits)
            except (OSError, NotImplementedError, SpaceError) as error:
                self._is_unusable = True
                got = True
                log.warning(
                    "No turns on the GPU can be taken (%s), so others may use its memory at the "
                    "same time. Let %s name a folder that all users of this computer can write.",
                    error,
                    VARIABLE,
                )
            yield got

    def _take(
        self,
        stack: contextlib.ExitStack,
        is_stopped: Callable[[], bool],
        waits: Callable[[str], None],
    ) -> bool:
        folder, gpu = self._folder, _in_file_name(self._gpu())
        assert folder is not None
        _make_for_all(folder)
        numbers = range(1, self._count() + 1)
        turns = [folder / f"gpu_{gpu}_turn_{number}.lock" for number in numbers]
        # Whoever waits holds the door, so nobody who gives a turn back takes it again before.
        with contextlib.ExitStack() as door:
            doors = [folder / f"gpu_{gpu}_next.lock"]
            if not _first_free(doors, door, is_stopped, waits, gpu):
                return False
            if not _first_free(turns, stack, is_stopped, waits, gpu):
                return False
        stack.callback(free_gpu_memory)  # before the lock is let go
        return True

    def _count(self) -> int:
        """Return how many workers may use a GPU; as last known while that cannot be read."""
        try:
            self._allowed = min(_MOST_TURNS, max(1, self._per_gpu()))
        except SpaceError as error:  # somebody edits the configuration; the job itself says so
            log.warning("runs_per_gpu stays %d (%s).", self._allowed, error)
        return self._allowed


def turns_folder() -> Path | None:
    """Return the folder of the turns on this computer; None if no turns are to be taken.

    A scheduler that runs this process has given it its GPU.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if named.lower() == "off" or (not named and "SLURM_JOB_ID" in os.environ):
        return None
    if named:
        return Path(named)
    # The folder for temporary files may be each user's own; these are everybody's.
    public = Path(os.environ.get("PUBLIC", "")) if sys.platform == "win32" else Path("/tmp")
    is_there = public.is_absolute() and public.is_dir()
    return (public if is_there else Path(tempfile.gettempdir())) / _FOLDER


def gpu_in_use(device: str) -> str:
    """Return the name of the GPU that a worker on a device uses; empty on the CPU.

    No heavy package is imported for that. Before a model is loaded, a computer with the driver of
    a GPU is taken to use it.

    Parameters
    ----------
    device : str
        ``cpu``, ``auto`` or the number of a GPU.
    """
    wanted = device.strip().lower().removeprefix("cuda:")
    if wanted == "cpu" or not _has_gpu():
        return ""
    number = int(wanted) if wanted.isdigit() else 0
    visible = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    return visible[number] if number < len(visible) and visible[number] else str(number)


def free_gpu_memory() -> None:
    """Give memory of the GPU back that torch keeps for later."""
    torch = sys.modules.get("torch")
    if torch is not None:
        with contextlib.suppress(AttributeError, RuntimeError):
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()


def _has_gpu() -> bool:
    torch, onnx = sys.modules.get("torch"), sys.modules.get("onnxruntime")
    answers = []
    with contextlib.suppress(AttributeError, RuntimeError):
        if torch is not None:
            answers.append(bool(torch.cuda.is_available()))
    with contextlib.suppress(AttributeError, RuntimeError):
        if onnx is not None:
            providers = onnx.get_available_providers()
            answers.append(any(name.startswith(GPU_PROVIDERS) for name in providers))
    if answers:
        return any(answers)
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32/nvcuda.dll").exists()
    return Path("/proc/driver/nvidia/version").exists() or Path("/dev/kfd").exists()


def _first_free(
    paths: list[Path],
    stack: contextlib.ExitStack,
    is_stopped: Callable[[], bool],
    waits: Callable[[str], None],
    gpu: str,
) -> bool:
    """Lock the first of some files that is free, and wait for that; False if there is a stop."""
    import filelock

    begun_s = time.monotonic()
    next_report_s = begun_s + _REPORT_SECONDS
    has_waited = False
    try:
        while not is_stopped():
            for path in paths:
                refuse_link(path)
                lock = filelock.FileLock(str(path), timeout=0, mode=0o666)
                with contextlib.suppress(filelock.Timeout):
                    lock.acquire()
                    _share_with_all(path)
                    stack.callback(lock.release)
                    return True
            if not has_waited:
                has_waited = True
                waits(f"turn on GPU {gpu}")
            if (now_s := time.monotonic()) >= next_report_s:
                next_report_s = now_s + _REPORT_SECONDS
                log.info(
                    "Waiting for a turn on GPU %s since %.0f min: another worker on this computer "
                    "holds %s.",
                    gpu,
                    (now_s - begun_s) / 60,
                    paths[0],
                )
            time.sleep(_POLL_SECONDS)
        return False
    finally:
        if has_waited:
            waits("")


def _make_for_all(folder: Path) -> None:
    """Make the folder that all users can write.

    It has no sticky bit: Linux keeps others from opening files for writing in such folders.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        if folder.is_symlink() or not folder.is_dir():
            raise
        return
    if sys.platform != "win32":
        folder.chmod(0o777)


def _share_with_all(path: Path) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            path.chmod(0o666)


def _in_file_name(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in text[:80])
