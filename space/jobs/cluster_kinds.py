"""The kinds of clusters: processes of this computer, jobs of SLURM, a scheduler that runs."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.jobs.cluster import DaskExecutor, PlaceMaker
from space.jobs.cluster_file import ClusterJob, load_cluster_job
from space.jobs.cluster_places import LOOPBACK, NannyPlace, SlurmPlace, certificate_file

log = logging.getLogger("space.jobs")

#: A job gives back its map so long before its walltime is over.
_BEFORE_END_SECONDS = 90.0
_CONNECT_SECONDS = 20.0
_CLOSE_SECONDS = 20.0


@dataclass(frozen=True)
class Cluster:
    """Where processes of Dask are, and how one more is made.

    Attributes
    ----------
    kind : str
        ``local``, ``slurm`` or ``dask``, for names and messages.
    connect : callable
        Returns a client that is connected to the scheduler.
    make_place : callable, optional
        Makes room for a process from its name and log; None where the processes are not ours.
    threads : int
        CPU threads of each process; 0 for as many as it may use.
    lifetime_s : float
        Of each process; 0 for no limit.
    stack : ExitStack
        What is to be closed at the end.
    """

    kind: str
    connect: Callable[[], Any]
    make_place: PlaceMaker | None = None
    threads: int = 0
    lifetime_s: float = 0.0
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


def make_executor(text: str, jobs: int, space_dir: Path, map_dir: Path) -> DaskExecutor:
    """Return what runs the workers of a monitor by Dask (see `open_cluster`)."""
    cluster = open_cluster(text, jobs, space_dir, map_dir, option="--executor")
    return DaskExecutor(
        cluster.kind,
        cluster.connect,
        cluster.make_place,
        cluster.threads,
        cluster.lifetime_s,
        cluster.stack,
    )


def open_cluster(text: str, count: int, space_dir: Path, folder: Path, option: str) -> Cluster:
    """Return a cluster, whose processes have not been started yet.

    Parameters
    ----------
    text : str
        ``local``, ``slurm``, or the address of a scheduler such as ``tcp://host:8786``.
    count : int
        How many processes there may be at a time.
    space_dir : Path
        Folder of the project, with SPACEtomo_cluster.py for SLURM.
    folder : Path
        A folder that the nodes see as well.
    option : str
        Of a command, by which `text` was given; for messages.

    Raises
    ------
    SpaceError
        If packages are missing, or the cluster cannot be used.
    """
    _need_packages()
    if text == "local":
        return _local(count)
    if text == "slurm":
        return _slurm(load_cluster_job(space_dir), Path(space_dir), Path(folder))
    if text.startswith(("tcp://", "tls://")):
        return Cluster("dask", lambda: _client(text))
    raise SpaceError(
        f"{option} {text!r} is not understood.",
        do="Use local, slurm, or the address of a Dask scheduler such as tcp://host:8786",
    )


def _local(count: int) -> Cluster:
    from distributed.system import MEMORY_LIMIT

    security = _temporary_security()
    if security is None:
        log.warning(
            "Without the package cryptography, other users of this computer could give work to "
            "these processes."
        )
    stack = contextlib.ExitStack()
    cluster = _scheduler(stack, security, {"host": LOOPBACK})
    memory_bytes = MEMORY_LIMIT // max(1, count)
    return Cluster(
        "local",
        lambda: _client(cluster, security),
        lambda name, log_path: NannyPlace(cluster.scheduler_address, name, memory_bytes, security),
        threads=max(1, ((os.cpu_count() or 2) - 1) // max(1, count)),
        stack=stack,
    )


def _slurm(job: ClusterJob, space_dir: Path, folder: Path) -> Cluster:
    from distributed.utils import get_ip

    stack = contextlib.ExitStack()
    security = tls_path = None
    if job.encrypt:
        security = _temporary_security()
        if security is None:
            raise SpaceError(
                "Connections to the nodes cannot be encrypted: the package cryptography is missing "
                "for this Python.",
                do='In the folder of the project, run pip install -e ".[cluster]" (or set '
                "encrypt = False in SPACEtomo_cluster.py where all users are trusted)",
            )
        tls_path = stack.enter_context(certificate_file(security, folder))
    where = {"interface": job.interface} if job.interface else {"host": get_ip()}
    cluster = _scheduler(stack, security, {**where, "port": job.port})
    return Cluster(
        "slurm",
        lambda: _client(cluster, security),
        lambda name, log_path: SlurmPlace(
            cluster.scheduler_address, name, job, space_dir, log_path, tls_path
        ),
        threads=job.cores,
        lifetime_s=max(job.walltime_s / 2, job.walltime_s - _BEFORE_END_SECONDS),
        stack=stack,
    )


def _scheduler(stack: contextlib.ExitStack, security: Any, options: dict[str, Any]) -> Any:
    """Return a cluster that is a scheduler alone; its workers come one by one."""
    from distributed import Scheduler, SpecCluster

    usual = {
        "protocol": "tcp://" if security is None else "tls://",
        "security": security,
        "dashboard": False,
        "dashboard_address": f"{LOOPBACK}:0",
    }
    try:
        cluster = SpecCluster(
            workers={},
            scheduler={"cls": Scheduler, "options": {**usual, **options}},
            security=security,
            silence_logs=logging.ERROR,
        )
    except Exception as error:
        stack.close()
        raise SpaceError(f"The scheduler of Dask does not start: {error}.") from error
    stack.callback(cluster.close, timeout=_CLOSE_SECONDS)
    return cluster


def _client(scheduler: Any, security: Any = None) -> Any:
    from distributed import Client

    more = {} if security is None else {"security": security}
    try:
        return Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False, **more)
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        raise SpaceError(
            f"The scheduler of Dask does not answer: {error}.",
            str(scheduler),
            "Start it, or correct the address.",
        ) from None


def _temporary_security() -> Any:
    """Return a certificate of this run alone; None if the package for that is missing."""
    from distributed.security import Security

    try:
        return Security.temporary()
    except ImportError:
        return None


def _need_packages() -> None:
    try:
        import dask_jobqueue
        import distributed
    except ImportError as error:
        raise SpaceError(
            f"The packages for clusters are missing for this Python ({error}).",
            do='In the folder of the project, run pip install -e ".[cluster]"',
        ) from None
    del dask_jobqueue, distributed
    for name in ("distributed", "distributed.client"):
        # What matters is told by the monitor; Dask tells each try to connect, with a traceback.
        logging.getLogger(name).setLevel(logging.CRITICAL)
