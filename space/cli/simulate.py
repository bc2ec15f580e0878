"""``spacetomo simulate``: a whole session, or one script, on the simulated microscope."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from space.errors import SpaceError
from space.project import project_folder
from space.simulator.column import FAULT_KINDS

if TYPE_CHECKING:
    from space.simulation import Plan, ScriptRun

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
        epilog=f"Faults: {', '.join(FAULT_KINDS)}. Write NAME (the first occasion), NAME@N, "
        "NAME@N-M, NAME:PROBABILITY or NAME@COMMAND:N (from the N-th call of this command on).",
    )
    simulate.set_defaults(do=_simulate)
    simulate.add_argument(
        "--out", type=Path, default=Path("demo"), help="folder of all files (demo)"
    )
    simulate.add_argument("--seed", type=int, help="seed of the specimen and the noise")
    simulate.add_argument("--level", type=int, choices=range(1, 6), help="automation level (5)")
    simulate.add_argument("--grids", type=int)
    simulate.add_argument("--lamellae", type=int, help="number on each grid")
    simulate.add_argument(
        "--kinds", type=_names, metavar="NAME,NAME", help="categories of the lamellae on each grid"
    )
    simulate.add_argument(
        "--within",
        type=float,
        metavar="UM",
        help="radius of the part of the grid to use",
    )
    simulate.add_argument("--instrument", help="name of a microscope, or a .toml file")
    simulate.add_argument("--serialem", metavar="VERSION", help="version, such as 4.1.25")
    simulate.add_argument(
        "--fault", action="append", default=[], metavar="SPEC", help="make this go wrong; see below"
    )
    simulate.add_argument("--answer", type=Path, metavar="FILE", help="file of answers to dialogs")
    simulate.add_argument("--script", type=Path, help="script to run instead of SPACEtomo.py")
    simulate.add_argument(
        "--primary", type=Path, help="primary action, instead of the stand-in for PACEtomo"
    )
    simulate.add_argument("--after", type=Path, help="script after the action")
    simulate.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting"
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
    session.add_argument("--session", type=Path, metavar="DIR", help="the session's folder")
    session.add_argument("--run", type=Path, metavar="SCRIPT", help="script to run on it")
    session.add_argument(
        "--acquire",
        action="store_true",
        help="press GO in Acquire at Items (after the script)",
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _settings(pairs: Sequence[str]) -> dict[str, object]:
    """Read NAME=VALUE pairs; a value that is not a Python literal is a string."""
    import ast

    result: dict[str, object] = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found:
            raise SpaceError(f"'{pair}' is not NAME=VALUE.", "--set", "Write --set max_targets=4")
        try:
            result[name.strip()] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            result[name.strip()] = value
    return result


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """Give the fields of a plan that options set; others keep their default or former values."""
    values = {
        "seed": args.seed,
        "grids": args.grids,
        "lamellae": args.lamellae,
        "kinds": args.kinds,
        "within_um": args.within,
        "instrument": _instrument(args.instrument),
        "serialem": _serialem(args.serialem),
        "space_dir": args.space_dir,
        "level": args.level,
        "script": args.script,
        "primary": args.primary,
        "after": args.after,
        "settings": _settings(args.set) or None,
        "tilt_step_deg": args.tilt_step,
        "series_binning": args.series_binning,
        "answers": _existing(args.answer),
        "faults": _faults(args.fault) or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _plan(args: argparse.Namespace) -> Plan:
    """Give the plan of a whole session."""
    from space.simulation import Plan, resumed

    if args.run is not None or args.acquire:
        raise SpaceError("--run and --acquire need a session.", do="Add --session DIR.")
    given = _given(args)
    if args.resume:
        return resumed(args.out, given)
    usual = {"seed": DEMO_SEED, "space_dir": args.space_dir or project_folder()}
    return Plan(out=args.out, **{**usual, **given})


def _script_run(args: argparse.Namespace) -> ScriptRun:
    """Make the order to run a script; for a new session, the options define its setup."""
    from space.simulation import MADE_OF, Plan, ScriptRun, refuse_contradictions, setup_of
    from space.simulator.keeping import is_session

    if args.run is None and not args.acquire:
        raise SpaceError("There is nothing to run.", do="Add --run SCRIPT or --acquire.")
    made_of = {name: value for name, value in _given(args).items() if name in MADE_OF}
    if is_session(args.session):
        refuse_contradictions(args.session, made_of)
        setup = None
    else:
        setup = setup_of(Plan(out=args.session, space_dir=Path(), **made_of))
    return ScriptRun(
        session=args.session,
        setup=setup,
        script=args.run,
        acquire=args.acquire,
        primary=args.primary,
        after=args.after,
        faults=_faults(args.fault),
        answers=_existing(args.answer),
    )


def _existing(path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise SpaceError("There is no such file.", f"--answer {path}", "Check the path.")
    return path


def _instrument(name: str | None) -> str | None:
    """Check an instrument; give its present name, or its file's whole path, for later runs."""
    from space.simulator.column import InstrumentError, load_instrument, present_name

    if name is None:
        return None
    try:
        load_instrument(name)
    except InstrumentError as error:
        raise SpaceError(str(error), "--instrument") from None
    return str(Path(name).resolve()) if name.lower().endswith(".toml") else present_name(name)


def _serialem(version: str | None) -> str | None:
    from space.simulator.column import Installation

    if version is not None:
        try:
            Installation.of(version)
        except ValueError as error:
            raise SpaceError(str(error), "--serialem") from None
    return version


def _faults(specs: Sequence[str]) -> tuple[str, ...]:
    from space.simulator.column import FaultSpecError, parse_fault

    try:
        for spec in specs:
            parse_fault(spec)
    except FaultSpecError as error:
        raise SpaceError(str(error), "--fault") from None
    return tuple(specs)


def _simulate(args: argparse.Namespace) -> int:
    """Run the command; return 0 if the script ended well, else 1."""
    from space.cli.screen import Screen
    from space.simulation import (
        LOG,
        Progress,
        pictures_to_open,
        run_on_session,
        run_plan,
        summary_table,
    )

    if args.session is not None:
        show = functools.partial(print, flush=True)
        return 0 if run_on_session(_script_run(args), show).ok else 1
    plan = _plan(args)
    # Scripts run in the session's folder, where a relative path would lead elsewhere.
    screen = Screen(sys.stdout, Progress(plan.out.resolve(), plan.level), args.verbose)
    try:
        with closing(screen):
            summary = run_plan(plan, screen.hear)
    except KeyboardInterrupt:
        print(f"To continue: spacetomo simulate --out {plan.out} --resume", file=sys.stderr)
        raise
    print(summary_table(summary))
    if summary["faults"]:
        print("", *summary["faults"], sep="\n")
    if not summary["ok"]:
        print(f"The script failed: {summary['error']}")
    print(f"\nThe whole log: {plan.out / LOG}")
    pictures = pictures_to_open(plan.out)
    if pictures:
        print("Pictures to open:", *pictures, sep="\n  ")
    return 0 if summary["ok"] else 1
