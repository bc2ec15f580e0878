"""``spacetomo``: all commands. One module for each family of commands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from space import __version__
from space.cli import (
    check,
    clem,
    data,
    evaluate,
    export,
    inspect,
    judge,
    label,
    models,
    pick,
    report,
    run,
    sections,
    simulate,
    status,
    surfaces,
    targets,
    tomogram,
    train,
    volume,
    watch,
)
from space.errors import SpaceError
from space.simulator.command_line import INTERRUPTED, stopped_like_ctrl_c

__all__ = ["INTERRUPTED", "command_line", "main"]

#: Exit code when nobody reads the output any more, as of a shell's own programs (128 + SIGPIPE).
UNREAD = 141


def command_line() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="spacetomo", description="Commands that need no microscope, but for `run`."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    simulate.add_parser(commands)
    judge.add_parser(commands)
    models.add_parser(commands)
    check.add_parser(commands)
    run.add_parser(commands)
    status.add_parser(commands)
    targets.add_parser(commands)
    report.add_parser(commands)
    export.add_parser(commands)
    inspect.add_parser(commands)
    data.add_parser(commands)
    label.add_parser(commands)
    clem.add_parser(commands)
    train.add_parser(commands)
    watch.add_parser(commands)
    evaluate.add_parser(commands)
    pick.add_parser(commands)
    tomogram.add_parser(commands)
    volume.add_parser(commands)
    sections.add_parser(commands)
    surfaces.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    args = command_line().parse_args(argv)
    try:
        with stopped_like_ctrl_c():
            code = int(args.do(args))
            sys.stdout.flush()
            return code
    except SpaceError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # as by `spacetomo models list | head`
        # What is left in the buffer would raise once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    except OSError as error:
        if error.filename is None:
            raise
        what = f"A file or folder cannot be read or written ({error.strerror or error})."
        do = "Correct the path, or see who may use it and whether the disk is there."
        print(SpaceError(what, str(error.filename), do), file=sys.stderr)
        return 2
