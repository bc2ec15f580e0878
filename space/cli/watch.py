"""``spacetomo watch``: each tilt series becomes a tomogram while the microscope runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from space import watching
from space.cli import tomogram
from space.project import project_folder
from space.series import TOMOGRAMS

_WORDS = {"queued": "waits", "running": "is being made", "failed": "FAILED"}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    watch = commands.add_parser(
        "watch",
        help="make a tomogram of each tilt series in a folder, also while a session runs",
        description="Watches the folder in which SerialEM writes tilt series, and makes a tomogram "
        f"of each one that is finished, in the folder {TOMOGRAMS} there. What waits and what "
        "is done is in files: it can be ended (Ctrl-C) and started again at any time, and several "
        "computers may watch one folder. It reads what the session writes and changes nothing.",
        epilog="Example: spacetomo watch D:/sessions/today --bin 4 --processes 2",
    )
    watch.add_argument("directory", type=Path, metavar="DIR", help="folder of the tilt series")
    tomogram.add_options(watch)
    watch.add_argument(
        "--processes", type=int, default=1, metavar="N", help="tomograms made at a time (default 1)"
    )
    watch.add_argument(
        "--settle",
        type=float,
        default=600.0,
        metavar="S",
        help="a series is finished when its files have not changed for so many seconds "
        "(default 600: scripts that take many series side by side come back to each after minutes)",
    )
    watch.add_argument("--once", action="store_true", help="end when all that are there are done")
    watch.add_argument("--again", action="store_true", help="try those again that have failed")
    watch.add_argument("--json", action="store_true", help="print a line of JSON for each event")
    watch.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    watch.set_defaults(do=_watch)


def _watch(args: argparse.Namespace) -> int:
    wish = watching.Watch(
        args.directory,
        tomogram.params_of(args),
        args.processes,
        args.settle,
        args.once,
        args.again,
    )
    if args.worker:
        return watching.serve(wish.directory, wish.folder, project_folder(), watching.WORKER_IDLE_S)
    failed: set[str] = set()
    for event in watching.watch(wish):
        if isinstance(event, watching.Told):
            (failed.add if event.state == "failed" else failed.discard)(event.name)
        print(json.dumps(_values(event)) if args.json else _line(event), flush=True)
    return 1 if failed else 0


def _line(event: watching.Told | watching.Looked) -> str:
    if isinstance(event, watching.Looked):
        return (
            f"{len(event.ready)} tilt series are finished, {len(event.growing)} are being acquired."
        )
    if event.state == "done":
        return f"{event.name}: {tomogram.summary(event.facts)}"
    reason = f": {event.reason}" if event.reason else ""
    return f"{event.name} {_WORDS.get(event.state, event.state)}{reason}"


def _values(event: watching.Told | watching.Looked) -> Mapping[str, Any]:
    if isinstance(event, watching.Looked):
        return {
            "ready": [path.name for path in event.ready],
            "growing": [path.name for path in event.growing],
        }
    return {
        "series": event.name,
        "state": event.state,
        "reason": event.reason,
        "tomogram": dict(event.facts),
    }
