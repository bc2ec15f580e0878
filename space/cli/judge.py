"""``spacetomo judge``: the tilt series of any script on the simulated microscope, and the truth."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from space.errors import SpaceError


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    judge = commands.add_parser(
        "judge",
        help="hold the tilt series of a simulated session against the truth",
        description="Compares the tilt series that any script has taken on the simulated "
        "microscope with the truth: place, defocus, tilt of the specimen, dose, double exposure. "
        "Changes nothing in the session.",
        epilog="Example: spacetomo judge demo --out series.png",
    )
    judge.set_defaults(do=_judge)
    judge.add_argument(
        "session", type=Path, help="folder that simulate was given as --session or --out"
    )
    judge.add_argument("--out", type=Path, metavar="FILE.png", help="draw all series over tilt")
    judge.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    judge.add_argument(
        "--defocus",
        type=float,
        metavar="UM",
        help="what the defocus should have been (default: what the script set as target)",
    )
    judge.add_argument(
        "--targets",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="targets file or run file whose pretilt and rotation to compare",
    )
    judge.add_argument(
        "--measured",
        type=float,
        nargs=2,
        metavar=("PRETILT", "ROTATION"),
        help="pretilt and rotation that a script measured (degrees), to compare",
    )


def _judge(args: argparse.Namespace) -> int:
    from space.files import write_text_atomic
    from space.plots import plot_series
    from space.simulation import ScriptReport
    from space.simulator.judging import NOTHING, judge_session, title
    from space.simulator.keeping import SessionError

    _refuse_places(args)
    try:
        truth = judge_session(args.session, args.defocus)
    except SessionError as error:
        do = "Name the folder that simulate was given as --session or --out."
        raise SpaceError(f"{error}.", do=do) from error
    if not truth.series:
        raise SpaceError(NOTHING.format(truth.pictures), str(args.session))
    report = ScriptReport.of(truth, args.targets, args.measured)
    print(report)
    if args.json:
        write_text_atomic(args.json, json.dumps(report.plain(), indent=1) + "\n")
    if args.out:
        plot_series(args.out, report.lines(), f"{args.session}: {title(truth)}")
    return 0


def _refuse_places(args: argparse.Namespace) -> None:
    """Refuse a file to write that cannot be one, before anything is done."""
    for option, path in (("--out", args.out), ("--json", args.json)):
        if path is None:
            continue
        if path.is_dir():
            raise SpaceError("This is a folder.", f"{option} {path}", "Name a file.")
        if not path.parent.is_dir():
            raise SpaceError("Its folder does not exist.", f"{option} {path}", "Make it first.")
    if args.out is not None and args.out.suffix.lower() != ".png":
        raise SpaceError("A picture is a .png file.", f"--out {args.out}", "Name one.")
