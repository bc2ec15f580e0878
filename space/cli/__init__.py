"""``spacetomo``: the commands that need no microscope. One module for each family of commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from space import __version__
from space.cli import judge, models, simulate
from space.errors import SpaceError
from space.simulator.command_line import INTERRUPTED, stopped_like_ctrl_c

__all__ = ["INTERRUPTED", "command_line", "main"]


def command_line() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="spacetomo", description="Commands that need no microscope."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    simulate.add_parser(commands)
    judge.add_parser(commands)
    models.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    args = command_line().parse_args(argv)
    try:
        with stopped_like_ctrl_c():
            return int(args.do(args))
    except SpaceError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return INTERRUPTED
