"""The command line of SPACEtomo_monitor.py: what is watched, with which devices."""

from __future__ import annotations

import argparse
import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from space.config import load_config
from space.errors import SpaceError
from space.jobs.marks import ModelMarks
from space.jobs.monitor import Monitor, watch
from space.jobs.monitor_sign import MonitorSign
from space.jobs.needs import missing_here
from space.jobs.stopping import catch_stop_signals
from space.jobs.worker import start_logging

log = logging.getLogger("space.jobs")

#: Exit status when something that is needed is missing here: nothing was begun.
STATUS_MISSING = 2


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


def main(argv: Sequence[str] | None = None, space_dir: Path | None = None) -> int:
    """Command line of SPACEtomo_monitor.py; returns the exit status."""
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
    parser.add_argument("--gpu", default="auto", help="numbers of GPUs (0,1), or cpu, or auto")
    parser.add_argument("--once", action="store_true", help="end when no map waits any more")
    parser.add_argument("--retry", action="store_true", help="try failed maps again")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between two checks")
    args = parser.parse_args(argv)
    if not args.interval > 0:
        parser.error("--interval must be positive")
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
        monitor = Monitor(
            args.dir,
            space_dir,
            devices,
            config.runs_per_gpu,
            models=ModelMarks(lambda: load_config(space_dir)),
        )
        names = ", ".join(str(folder.map_dir) for folder in monitor.folders)
        log.info("Watching %s with %s. Press Ctrl-C to end.", names, ", ".join(devices))
        monitor.retry(given_up_only=not args.retry)
        folders = [folder.map_dir for folder in monitor.folders]
        with MonitorSign(lambda: folders, devices, lambda: monitor.last_look):
            status = watch(monitor, args.once, args.interval, stop)
        if stop.is_set():
            log.info("Stopped. Start again at any time: nothing is lost.")
        return status
    except (SpaceError, OSError) as error:
        log.error("%s", error)
        return STATUS_MISSING
