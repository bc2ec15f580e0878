"""``spacetomo``: what can be done without a microscope."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from space import __version__, models_command
from space.errors import SpaceError
from space.simulator.faults import KINDS

if TYPE_CHECKING:
    from space.simulate import Plan, ScriptRun

DEMO_SEED = 900_001
PROJECT = Path(__file__).resolve().parent.parent


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spacetomo", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    simulate = commands.add_parser(
        "simulate",
        help="run SPACEtomo.py, or any SerialEM script, on a simulated microscope",
        description="Runs the unmodified text of SPACEtomo.py on a simulated microscope, with "
        "real models in real worker processes, and compares the outcome with the truth. "
        "With --session, runs one script on a session that is kept on disk, as if scripts were "
        "run one after another from the script window.",
        epilog=f"Faults: {', '.join(KINDS)}. Written NAME (the first occasion), NAME@N, NAME@N-M, "
        "NAME:PROBABILITY or NAME@COMMAND:N (from the N-th call of this command on).",
    )
    simulate.add_argument("--out", type=Path, default=Path("demo"), help="folder for all files")
    simulate.add_argument("--seed", type=int, help="of the specimen and the noise")
    simulate.add_argument("--level", type=int, default=5, choices=range(1, 6))
    simulate.add_argument("--grids", type=int)
    simulate.add_argument("--lamellae", type=int, help="on each grid")
    simulate.add_argument(
        "--kinds", type=_names, metavar="NAME,NAME", help="categories of these lamellae"
    )
    simulate.add_argument(
        "--within", type=float, metavar="UM", help="use only this middle part of the grid (quicker)"
    )
    simulate.add_argument("--instrument", help="name of the microscope or its .toml file")
    simulate.add_argument("--serialem", metavar="VERSION", help="of the program, such as 4.1.25")
    simulate.add_argument(
        "--fault", action="append", default=[], metavar="SPEC", help="let this go wrong; see below"
    )
    simulate.add_argument("--answer", type=Path, metavar="FILE", help="answers to dialogs")
    simulate.add_argument("--script", type=Path, help="in place of SPACEtomo.py")
    simulate.add_argument(
        "--primary", type=Path, help="primary action, in place of the PACEtomo stand-in"
    )
    simulate.add_argument("--after", type=Path, help="script after the action")
    simulate.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting"
    )
    simulate.add_argument(
        "--tilt-step", type=float, default=15.0, help="tilt step of the stand-in in degrees"
    )
    simulate.add_argument("--resume", action="store_true", help="go on with the session in --out")
    simulate.add_argument("--space-dir", type=Path, default=PROJECT, help="folder of the project")
    session = simulate.add_argument_group("one script on a session that is kept on disk")
    session.add_argument("--session", type=Path, metavar="DIR", help="the session's folder")
    session.add_argument("--run", type=Path, metavar="SCRIPT", help="script to run")
    session.add_argument(
        "--acquire", action="store_true", help="press GO in Acquire at Items (after the script)"
    )
    models_command.add_parser(commands)
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _settings(pairs: Sequence[str]) -> dict[str, object]:
    """Read NAME=VALUE pairs; values are Python literals, anything else is text."""
    import ast

    result: dict[str, object] = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found:
            raise SpaceError(f"'{pair}' is not NAME=VALUE.", "--set")
        try:
            result[name.strip()] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            result[name.strip()] = value
    return result


def _plan(args: argparse.Namespace) -> Plan:
    """Give the plan of a whole session; what was not said has the usual value."""
    from space.simulate import Plan

    if args.run is not None or args.acquire:
        raise SpaceError("--run and --acquire need a session.", do="Add --session DIR.")
    given = {
        "seed": args.seed if args.seed is not None else DEMO_SEED,
        "grids": args.grids,
        "lamellae": args.lamellae,
        "instrument": _instrument(args.instrument),
        "serialem": _serialem(args.serialem),
    }
    return Plan(
        out=args.out,
        space_dir=args.space_dir,
        level=args.level,
        script=args.script,
        primary=args.primary,
        after=args.after,
        settings=_settings(args.set),
        tilt_step_deg=args.tilt_step,
        resume=args.resume,
        kinds=args.kinds,
        within_um=args.within,
        faults=_faults(args.fault),
        answers=_existing(args.answer),
        **{name: value for name, value in given.items() if value is not None},
    )


def _script_run(args: argparse.Namespace) -> ScriptRun:
    """Give the order to run a script; options of a new session make a setup."""
    from space.simulate import Plan, ScriptRun, setup_of
    from space.simulator.persist import exists

    if args.run is None and not args.acquire:
        raise SpaceError("Nothing is to be run.", do="Add --run SCRIPT or --acquire.")
    given = {
        "seed": args.seed,
        "grids": args.grids,
        "lamellae": args.lamellae,
        "kinds": args.kinds,
        "within_um": args.within,
        "instrument": _instrument(args.instrument),
        "serialem": _serialem(args.serialem),
    }
    given = {name: value for name, value in given.items() if value is not None}
    setup = None
    if given or not exists(args.session):
        setup = setup_of(Plan(out=args.session, space_dir=args.space_dir, **given))
    return ScriptRun(
        session=args.session,
        setup=setup,
        script=_existing(args.run),
        acquire=args.acquire,
        primary=_existing(args.primary),
        after=_existing(args.after),
        faults=_faults(args.fault),
        answers=_existing(args.answer),
    )


def _existing(path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise SpaceError("There is no such file.", str(path))
    return path


def _instrument(name: str | None) -> str | None:
    """Check an instrument; a file is meant wherever the session is opened from later."""
    from space.simulator.instrument import InstrumentError, load_instrument

    if name is None:
        return None
    try:
        load_instrument(name)
    except InstrumentError as error:
        raise SpaceError(str(error), "--instrument") from None
    return str(Path(name).resolve()) if name.lower().endswith(".toml") else name


def _serialem(version: str | None) -> str | None:
    from space.simulator.installation import Installation

    if version is not None:
        try:
            Installation.of(version)
        except ValueError as error:
            raise SpaceError(str(error), "--serialem") from None
    return version


def _faults(specs: Sequence[str]) -> tuple[str, ...]:
    from space.simulator.faults import FaultSpecError, parse

    try:
        for spec in specs:
            parse(spec)
    except FaultSpecError as error:
        raise SpaceError(str(error), "--fault") from None
    return tuple(specs)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    args = _parser().parse_args(argv)
    show = functools.partial(print, flush=True)
    try:
        if args.command == "models":
            return models_command.run(args, show)
        if args.session is not None:
            from space.simulate import run_on_session

            return 0 if run_on_session(_script_run(args), show).ok else 1
        from space.simulate import run

        return 0 if run(_plan(args), show)["ok"] else 1
    except SpaceError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
