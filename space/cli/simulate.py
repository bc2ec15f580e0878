"""``spacetomo simulate``: a whole session, or one script, on the simulated microscope."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from space.cli.given import named_values
from space.errors import SpaceError
from space.project import project_folder
from space.simulator import options
from space.simulator.command_line import run_script
from space.simulator.options import (
    FAULTS_IN_WORDS,
    add_acquire_options,
    add_microscope_options,
    add_session_options,
)
from space.simulator.script_runs import write_report

if TYPE_CHECKING:
    from space.simulation import Plan

DEMO_SEED = 900_001


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    simulate = commands.add_parser(
        "simulate",
        help="run SPACEtomo.py, or any SerialEM script, on a simulated microscope",
        description="Runs the text of SPACEtomo.py on a simulated microscope, with "
        "real models in real worker processes, and compares the result with the truth. "
        "With --session, runs one script on a session that is kept on disk, as from the script "
        "window of SerialEM.",
        epilog=f"{FAULTS_IN_WORDS} Example: spacetomo simulate --out demo --level 4 --lamellae 2",
    )
    simulate.set_defaults(do=_simulate)
    simulate.add_argument(
        "--out", type=Path, default=Path("demo"), help="folder of all files (demo)"
    )
    simulate.add_argument("--level", type=int, choices=range(6), help="automation level (5)")
    simulate.add_argument("--script", type=Path, help="script to run instead of SPACEtomo.py")
    add_microscope_options(simulate)
    add_acquire_options(simulate, otherwise="the stand-in for PACEtomo")
    simulate.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting"
    )
    simulate.add_argument(
        "--tomograms",
        action="store_true",
        help="tilt series that can be reconstructed (one lamella, two targets, tilts by 3 "
        "degrees, unless other options say otherwise), and after the session what comes of them, "
        "judged: tomograms, membranes, surfaces, particles",
    )
    simulate.add_argument("--tilt-step", type=float, help="degrees, for the stand-in (15)")
    simulate.add_argument(
        "--series-binning",
        type=int,
        help="for the stand-in (default: that of Record)",
    )
    simulate.add_argument(
        "--resume",
        action="store_true",
        help="continue the session in --out as it was begun; options given now replace former ones",
    )
    simulate.add_argument("--verbose", action="store_true", help="show every line of the log")
    simulate.add_argument(
        "--space-dir", type=Path, help="folder of the project (default: the one of this program)"
    )
    session = simulate.add_argument_group("one script on a session that is kept on disk")
    add_session_options(session)


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """Give the fields of a plan that options set; others keep their default or former values."""
    values = {
        "space_dir": args.space_dir,
        "level": args.level,
        "script": args.script,
        "primary": args.primary,
        "after": args.after,
        "settings": named_values(args.set) or None,
        "tilt_step_deg": args.tilt_step,
        "series_binning": args.series_binning,
        "tomograms": args.tomograms or None,
        "answers": options.existing(args.answer, "--answer"),
        "faults": options.faults(args.fault) or None,
    }
    return options.made_of(args) | {
        name: value for name, value in values.items() if value is not None
    }


def _plan(args: argparse.Namespace) -> Plan:
    """Give the plan of a whole session."""
    from space.simulation import FOR_TOMOGRAMS, Plan, resumed

    if args.run is not None or args.acquire or args.library:
        raise SpaceError("--run, --acquire and --library need a session.", do="Add --session DIR.")
    given = _given(args)
    if args.resume:
        return resumed(args.out, given)
    usual = {"seed": DEMO_SEED, "space_dir": args.space_dir or project_folder()}
    if args.tomograms:
        usual = {**usual, **FOR_TOMOGRAMS}
        if "lamellae" in given:  # of all sorts, wherever there is room
            usual = {name: usual[name] for name in usual if name not in ("kinds", "within_um")}
        given["settings"] = {**FOR_TOMOGRAMS["settings"], **given.get("settings", {})}
    return Plan(out=args.out, **{**usual, **given})


def _simulate(args: argparse.Namespace) -> int:
    """Run the command; return 0 if the script ended well, else 1."""
    from space.simulation import problems_of_the_simulator

    with problems_of_the_simulator():
        if args.session is not None:
            return run_script(args)
        plan = _plan(args)
    status = _session(plan, args.verbose)
    if args.report is not None:
        with problems_of_the_simulator():
            write_report(plan.out, args.report)
    return status


def _session(plan: Plan, verbose: bool) -> int:
    """Run a whole session, show its progress and how it compares with the truth."""
    from space.cli.screen import Screen
    from space.simulation import (
        LOG,
        Progress,
        pictures_to_open,
        processed_table,
        run_plan,
        summary_table,
    )

    # Scripts run in the session's folder, where a relative path would lead elsewhere.
    screen = Screen(sys.stdout, Progress(plan.out.resolve(), plan.level), verbose)
    try:
        with closing(screen):
            summary = run_plan(plan, screen.hear)
    except KeyboardInterrupt:
        print(f"To continue: spacetomo simulate --out {plan.out} --resume", file=sys.stderr)
        raise
    print(summary_table(summary))
    if summary.get("processed"):
        print("", *processed_table(summary["processed"]), sep="\n")
    if summary["faults"]:
        print("", *summary["faults"], sep="\n")
    if not summary["ok"]:
        print(f"The script failed: {summary['error']}")
    print(f"\nThe whole log: {plan.out / LOG}")
    pictures = pictures_to_open(plan.out)
    if pictures:
        print("Pictures to open:", *pictures, sep="\n  ")
    return 0 if summary["ok"] else 1
