"""``spacetomo``: what can be done without a microscope."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from space import __version__
from space.errors import SpaceError

PROJECT = Path(__file__).resolve().parent.parent


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spacetomo", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    simulate = commands.add_parser(
        "simulate",
        help="run SPACEtomo.py on a simulated microscope",
        description="Runs the unmodified text of SPACEtomo.py on a simulated microscope, with "
        "real models in real worker processes, and compares the outcome with the truth.",
    )
    simulate.add_argument("--out", type=Path, default=Path("demo"), help="folder for all files")
    simulate.add_argument("--seed", type=int, default=900_001, help="of the specimen and the noise")
    simulate.add_argument("--level", type=int, default=5, choices=range(1, 6))
    simulate.add_argument("--grids", type=int, default=1)
    simulate.add_argument("--lamellae", type=int, default=6, help="on each grid")
    simulate.add_argument(
        "--kinds", type=_names, metavar="NAME,NAME", help="categories of these lamellae"
    )
    simulate.add_argument(
        "--within", type=float, metavar="UM", help="use only this middle part of the grid (quicker)"
    )
    simulate.add_argument("--script", type=Path, help="in place of SPACEtomo.py")
    simulate.add_argument("--primary", type=Path, help="in place of the PACEtomo stand-in")
    simulate.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting"
    )
    simulate.add_argument(
        "--tilt-step", type=float, default=15.0, help="tilt step of the stand-in in degrees"
    )
    simulate.add_argument("--resume", action="store_true", help="go on with the session in --out")
    simulate.add_argument("--space-dir", type=Path, default=PROJECT, help="folder of the project")
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


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    args = _parser().parse_args(argv)
    from space.simulate import Plan, run

    try:
        plan = Plan(
            out=args.out,
            space_dir=args.space_dir,
            seed=args.seed,
            grids=args.grids,
            lamellae=args.lamellae,
            level=args.level,
            script=args.script,
            primary=args.primary,
            settings=_settings(args.set),
            tilt_step_deg=args.tilt_step,
            resume=args.resume,
            kinds=args.kinds,
            within_um=args.within,
        )
        summary = run(plan, show=lambda line: print(line, flush=True))
    except SpaceError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if summary["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
