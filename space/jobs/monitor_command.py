"""The command line of SPACEtomo_monitor.py: what is watched, with which devices."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from space.config import load_config
from space.errors import SpaceError
from space.jobs.cluster_kinds import make_executor
from space.jobs.looking import Observer, quick_observer, watch_until_known
from space.jobs.marks import ModelMarks
from space.jobs.messages import start_logging
from space.jobs.monitor import Monitor, watch
from space.jobs.monitor_sign import MonitorSign
from space.jobs.needs import missing_here
from space.jobs.status import to_dict, verdict
from space.jobs.stopping import catch_stop_signals
from space.jobs.subfolders import DEPTH, MOST_FOLDERS, folders_below
from space.jobs.view import LiveView, can_be_live
from space.jobs.wording import lines
from space.jobs.worker import STATUS_FOLDER

log = logging.getLogger("space.jobs")

#: Exit status when something that is needed is missing here: nothing was begun.
STATUS_MISSING = 2
MOST_JOBS = 1000


def parse_devices(text: str) -> tuple[str, ...]:
    """Read ``0,1``, ``cpu`` or ``auto``.

    Raises
    ------
    SpaceError
        If a device is none of these or is named twice.
    """
    devices = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    good = all(d.isdigit() or d in ("cpu", "auto") for d in devices)
    if not devices or not good or len(set(devices)) != len(devices):
        raise SpaceError(
            f"--gpu {text!r} is not understood.", do="Use numbers of GPUs (0,1), cpu or auto"
        )
    return devices


def cluster_devices(devices: Sequence[str], executor: str, jobs: int) -> tuple[str, ...]:
    """Return the device of each worker of a cluster.

    Raises
    ------
    SpaceError
        If a number is named for a GPU that the cluster itself assigns.
    """
    if executor != "local" and any(device.isdigit() for device in devices):
        raise SpaceError(
            "A cluster assigns GPUs itself.",
            "--gpu",
            "Use auto or cpu, and gres for SLURM",
        )
    return tuple(devices[number % len(devices)] for number in range(jobs))


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the arguments."""
    parser = argparse.ArgumentParser(
        prog="SPACEtomo_monitor.py",
        description="Watch a folder for lamella maps and find what is in them.",
    )
    parser.add_argument(
        "--dir",
        type=Path,
        action="append",
        required=True,
        help="map folder to watch (may be given several times)",
    )
    parser.add_argument(
        "--subfolders",
        action="store_true",
        help="also watch folders below that hold maps, and those that appear later "
        f"(up to {DEPTH} levels and {MOST_FOLDERS} folders)",
    )
    parser.add_argument("--gpu", default="auto", help="numbers of GPUs (0,1), or cpu, or auto")
    parser.add_argument(
        "--executor",
        default="",
        help="workers by Dask: local, slurm (with SPACEtomo_cluster.py), or the address of a "
        "scheduler such as tcp://host:8786; left out, processes on this computer",
    )
    parser.add_argument(
        "--jobs", type=int, help="most workers at a time (with --executor; 1 if left out)"
    )
    parser.add_argument("--once", action="store_true", help="end when no map waits any more")
    parser.add_argument("--retry", action="store_true", help="try failed maps again")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between two checks")
    parser.add_argument(
        "--status",
        action="store_true",
        help="only say how the work in the folders goes, from any computer; the exit status is 0 "
        "if all is well, 1 if a person is needed, 2 if it cannot be told",
    )
    parser.add_argument(
        "--plain", action="store_true", help="plain lines instead of a table, also on a terminal"
    )
    parser.add_argument("--json", action="store_true", help="with --status: as JSON")
    return parser


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments; what does not fit together ends the program with status 2."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if not args.interval > 0:
        parser.error("--interval must be positive")
    if args.jobs is not None and not args.executor:
        parser.error("--jobs goes with --executor; on this computer, --gpu names the workers")
    args.jobs = 1 if args.jobs is None else args.jobs
    if not 1 <= args.jobs <= MOST_JOBS:
        parser.error(f"--jobs must be from 1 to {MOST_JOBS}")
    if args.json and not args.status:
        parser.error("--json goes with --status")
    if args.status and (args.once or args.retry):
        parser.error("--status only asks: it goes with neither --once nor --retry")
    return args


def main(argv: Sequence[str] | None = None, space_dir: Path | None = None) -> int:
    """Command line of SPACEtomo_monitor.py; returns the exit status."""
    args = parse_arguments(argv)
    if args.status:
        return show_status(args.dir, args.json, args.subfolders)
    space_dir = space_dir or Path(__file__).resolve().parents[2]
    start_logging()
    stop = threading.Event()
    catch_stop_signals(stop.set)
    try:
        devices = parse_devices(args.gpu)
        config = load_config(space_dir)
        missing = missing_here(config, space_dir)
        if missing:
            for problem in missing:
                log.error("%s", problem)
            return STATUS_MISSING
        monitor = make_monitor(args, space_dir, devices, config.runs_per_gpu)
        names = ", ".join(str(folder.map_dir) for folder in monitor.folders)
        log.info("Watching %s with --gpu %s. Press Ctrl-C to end.", names, ",".join(devices))
        monitor.retry(given_up_only=not args.retry)
        with contextlib.ExitStack() as stack:
            stack.enter_context(MonitorSign(monitor.watched, devices, lambda: monitor.last_look))
            if can_be_live(args.plain):
                stack.enter_context(_live_view(monitor, space_dir, args.subfolders))
            status = watch(monitor, args.once, args.interval, stop)
        if stop.is_set():
            log.info("Stopped. Start again at any time: nothing is lost.")
        return status
    except (SpaceError, OSError) as error:
        log.error("%s", error)
        is_away = not all(map_dir.is_dir() for map_dir in args.dir)
        return STATUS_FOLDER if is_away or isinstance(error, OSError) else STATUS_MISSING


def make_monitor(
    args: argparse.Namespace, space_dir: Path, devices: Sequence[str], per_gpu: int
) -> Monitor:
    """Return a monitor whose workers run as the arguments say.

    Raises
    ------
    SpaceError, OSError
        If a folder is missing, or the cluster cannot be used.
    """
    models, below = ModelMarks(lambda: load_config(space_dir)), args.subfolders
    if not args.executor:
        return Monitor(args.dir, space_dir, devices, per_gpu, models=models, subfolders=below)
    devices = cluster_devices(devices, args.executor, args.jobs)
    executor = make_executor(args.executor, args.jobs, space_dir, args.dir[0].resolve())
    try:
        return Monitor(
            args.dir, space_dir, devices, executor=executor, models=models, subfolders=below
        )
    except (SpaceError, OSError):
        executor.close()
        raise


def _live_view(monitor: Monitor, space_dir: Path, subfolders: bool) -> LiveView:
    marks = ModelMarks(lambda: load_config(space_dir))
    observer = Observer(monitor.watched(), models=marks, subfolders=subfolders)
    return LiveView(observer, monitor.watched)


def show_status(map_dirs: Sequence[Path], as_json: bool, subfolders: bool = False) -> int:
    """Print how the work in some folders goes; return 0 if all is well (`status.EXIT_CODES`)."""
    below = folders_below(map_dirs)[0] if subfolders else []
    observer = quick_observer([*map_dirs, *below], subfolders=subfolders)
    status = watch_until_known(observer)
    text = json.dumps(to_dict(status), indent=1) if as_json else "\n".join(lines(status))
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(text.encode(encoding, "replace").decode(encoding), flush=True)
    except BrokenPipeError:  # as by `... | head`; what is in the buffer would raise once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return verdict(status).exit_code
