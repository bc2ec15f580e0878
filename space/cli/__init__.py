"""``spacetomo``: the commands that need no microscope. One module for each family of commands."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from space import __version__
from space.cli import models, simulate
from space.errors import SpaceError

__all__ = ["INTERRUPTED", "command_line", "main"]

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def command_line() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="spacetomo", description="Commands that need no microscope."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    simulate.add_parser(commands)
    models.add_parser(commands)
    return parser


@contextmanager
def _stopped_like_ctrl_c() -> Iterator[None]:
    """Treat signals that end a process like Ctrl-C, so that it can end the processes it started."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    usual = {name: signal.getsignal(getattr(signal, name)) for name in names}
    for name in names:
        signal.signal(getattr(signal, name), signal.default_int_handler)
    try:
        yield
    finally:
        for name, handler in usual.items():
            signal.signal(getattr(signal, name), handler)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    args = command_line().parse_args(argv)
    try:
        with _stopped_like_ctrl_c():
            return int(args.do(args))
    except SpaceError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return INTERRUPTED
