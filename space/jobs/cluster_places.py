"""Where a worker of Dask runs: a process on this computer, or a job of SLURM.

Each place holds one worker process of Dask, with a nanny that starts it again when it dies, and
offers one resource with the name of the place, so that exactly one task goes there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

from space.errors import SpaceError
from space.jobs.cluster_file import ClusterJob
from space.jobs.launch import python_executable

log = logging.getLogger("space.jobs")

PlaceState = Literal["waits", "there", "gone"]

LOOPBACK = "127.0.0.1"
#: A node that does not reach the scheduler within this time gives up.
DEATH_SECONDS = 120
_CLOSE_SECONDS = 15.0
_LOOK_SECONDS = 20.0
_COMMAND_SECONDS = 30.0
_WAITING = frozenset(
    "PENDING CONFIGURING REQUEUED REQUEUE_FED REQUEUE_HOLD RESV_DEL_HOLD SPECIAL_EXIT STOPPED "
    "SUSPENDED".split()
)
_GONE = frozenset(
    "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED REVOKED "
    "TIMEOUT".split()
)


class Place(Protocol):
    """Room for one worker process of Dask."""

    @property
    def title(self) -> str:
        """What people know it by."""

    async def open(self) -> None:
        """Have it made."""

    async def close(self) -> None:
        """End what runs there."""

    def state(self) -> PlaceState:
        """Whether it waits for a computer, is there, or is gone."""


class NannyPlace:
    """A process on this computer.

    Parameters
    ----------
    address : str
        Of the scheduler.
    name : str
    memory_bytes : int
        The process is started again when it takes more.
    security : Security of Dask, or None
    """

    def __init__(self, address: str, name: str, memory_bytes: int, security: Any) -> None:
        self._address = address
        self._name = name
        self._memory_bytes = memory_bytes
        self._security = security
        self._nanny: Any = None

    @property
    def title(self) -> str:
        """Name it as one of this computer."""
        return f"Dask process {self._name}"

    async def open(self) -> None:
        """Start the nanny, and by it the process."""
        from distributed import Nanny

        self._nanny = Nanny(
            self._address,
            nthreads=1,
            name=self._name,
            resources={self._name: 1},
            memory_limit=self._memory_bytes,
            security=self._security,
            host=LOOPBACK,
            dashboard_address=f"{LOOPBACK}:0",
            dashboard=False,
            silence_logs=logging.ERROR,
        )
        await self._nanny

    async def close(self) -> None:
        """End the process."""
        if self._nanny is not None:
            await self._nanny.close(timeout=_CLOSE_SECONDS, reason="no work")

    def state(self) -> PlaceState:
        """Look at the nanny."""
        status = self._nanny.status.name if self._nanny is not None else "init"
        if status in ("created", "init", "starting"):
            return "waits"
        return "gone" if status in ("closed", "failed") else "there"


class SlurmPlace:
    """A job of SLURM.

    Parameters
    ----------
    address : str
        Of the scheduler of Dask.
    name : str
    job : ClusterJob
    space_dir : Path
    log_path : Path
        The messages of the job are appended to it.
    tls_path : Path or None
        The certificate and its key, where the nodes can read it; None without encryption.
    """

    def __init__(
        self,
        address: str,
        name: str,
        job: ClusterJob,
        space_dir: Path,
        log_path: Path,
        tls_path: Path | None,
    ) -> None:
        from dask_jobqueue.slurm import SLURMJob

        extra = [
            f"--chdir={_quoted(space_dir)}",
            f"--output={_quoted(log_path, is_pattern=True)}",
            "--open-mode=append",
            *([f"--gres={job.gres}"] if job.gres else []),
            *job.extra,
        ]
        arguments = ["--resources", f"{name}=1", "--no-dashboard"]
        arguments += ["--dashboard-address", f"{LOOPBACK}:0"]
        arguments += ["--protocol", address.partition("://")[0] + "://"]
        if tls_path is not None:
            for option in ("--tls-ca-file", "--tls-cert", "--tls-key"):
                arguments += [option, shlex.quote(str(tls_path))]
        self._job: Any = SLURMJob(
            address,
            name=name,
            queue=job.queue or None,
            account=job.account or None,
            walltime=job.walltime,
            cores=1,  # one task at a time, which uses all cores of the job itself
            memory=f"{round(job.memory_gb * 1024)} MiB",
            processes=1,
            nanny=True,
            interface=job.interface or None,
            death_timeout=DEATH_SECONDS,
            worker_extra_args=arguments,
            job_extra_directives=extra,
            job_script_prologue=list(job.setup),
            python=shlex.quote(job.python or python_executable()),
            job_name="SPACEtomo",
            job_cpu=job.cores,
        )
        self._state: PlaceState = "waits"
        self._next_look_s = 0.0

    @property
    def title(self) -> str:
        """Name the job."""
        return f"SLURM job {self._job.job_id}" if self._job.job_id else "SLURM job"

    def script(self) -> str:
        """Return the script of the job."""
        return str(self._job.job_script())

    async def open(self) -> None:
        """Submit the job.

        Raises
        ------
        SpaceError
            With what SLURM says, if it refuses.
        """
        try:
            await asyncio.wait_for(self._job.start(), _COMMAND_SECONDS)
        except (RuntimeError, OSError, ValueError, asyncio.TimeoutError) as error:
            raise SpaceError(
                f"SLURM has not taken the job: {_said(error)}.",
                "sbatch",
                "Correct SPACEtomo_cluster.py, or start the monitor where sbatch works.",
            ) from None

    async def close(self) -> None:
        """Cancel the job."""
        await asyncio.wait_for(self._job.close(), _COMMAND_SECONDS)

    def state(self) -> PlaceState:
        """Ask SLURM, but not more often than every 20 s; what it said last counts if it is mute."""
        now_s = time.monotonic()
        if self._job.job_id and now_s >= self._next_look_s:
            self._next_look_s = now_s + _LOOK_SECONDS
            self._state = slurm_state(self._job.job_id, self._state)
        return self._state


def slurm_state(job_id: str, last: PlaceState) -> PlaceState:
    """Return the state of a job of SLURM; `last` if SLURM does not answer."""
    command = ["squeue", "--noheader", "--format=%T", f"--jobs={job_id}"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("squeue does not answer: %s", error)
        return last
    text = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode != 0:
        # A job that has been over for long is not known any more; anything else is an outage.
        is_unknown = b"Invalid job id" in done.stderr
        return "gone" if is_unknown else last
    words = text.split()
    if not words or words[0] in _GONE:
        return "gone"
    return "waits" if words[0] in _WAITING else "there"


def _said(error: BaseException) -> str:
    """Return the last line of what a command wrote to its standard error."""
    text = str(error) or type(error).__name__
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else text


def _quoted(path: Path, is_pattern: bool = False) -> str:
    """Return a path for an option of sbatch; ``%`` begins a pattern in names of logs.

    Raises
    ------
    SpaceError
        If it cannot be written in a line of the job.
    """
    text = str(path)
    if not text.isprintable() or any(sign in text for sign in "\"'\\`$"):
        raise SpaceError(
            "This path cannot be written into the script of a job.", text, "Rename the folder."
        )
    return '"' + (text.replace("%", "%%") if is_pattern else text) + '"'


@contextlib.contextmanager
def certificate_file(security: Any, folder: Path) -> Iterator[Path]:
    """Put the temporary certificate of Dask and its key into a file that only its owner can read.

    Nodes find it over the shared folder. It is worth nothing once the scheduler has ended.
    """
    pem = f"{security.tls_client_cert.strip()}\n{security.tls_client_key.strip()}\n"
    number, name = tempfile.mkstemp(prefix=".SPACE_tls_", suffix=".pem", dir=folder)
    try:
        with os.fdopen(number, "w", encoding="ascii", newline="\n") as stream:
            stream.write(pem)
        yield Path(name)
    finally:
        with contextlib.suppress(OSError):
            Path(name).unlink()
