"""``python -m space.simulator``: scripts on a session that is kept on disk.

Where the simulator is installed alone, the command is called ``spacetomo-simulator``.
"""

from __future__ import annotations

import argparse
import functools
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from space.simulator.options import (
    FAULTS_IN_WORDS,
    OptionError,
    add_acquire_options,
    add_microscope_options,
    add_session_options,
)
from space.simulator.script_runs import run_on_session, script_run, write_report

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def command_line() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        prog="spacetomo-simulator",
        description="Runs SerialEM scripts one after another on a simulated microscope, as from "
        "the script window of SerialEM. The session is kept in a folder; the first run defines "
        "of what it is made.",
        epilog=FAULTS_IN_WORDS,
    )
    add_session_options(parser, required=True)
    parser.add_argument(
        "--judge",
        action="store_true",
        help="hold all tilt series of the session against the truth (after the script, if any)",
    )
    add_acquire_options(parser)
    add_microscope_options(parser)
    return parser


@contextmanager
def stopped_like_ctrl_c() -> Iterator[None]:
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


def run_script(args: argparse.Namespace) -> int:
    """Run one script on a session, or show what ran; return 0 if it ended well, else 1.

    Raises
    ------
    OptionError
        If options cannot be followed.
    """
    ok = True
    asks = args.run is not None or args.acquire or args.serve is not None
    if asks or args.report is None:
        ok = run_on_session(script_run(args), functools.partial(print, flush=True)).ok
    if args.report is not None:
        write_report(args.session, args.report)
    return 0 if ok else 1


def judge(session: Path) -> None:
    """Show the truth about the tilt series of a session, which stays as it is.

    Raises
    ------
    OptionError
        If the session cannot be read.
    """
    from space.simulator.judging import judge_session, report
    from space.simulator.keeping import SessionError

    try:
        print(report(judge_session(session)))
    except SessionError as error:
        raise OptionError(f"{error}.", f"--session {session}") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns 0 if the script ended well, 1 if not, 2 if nothing could be run."""
    args = command_line().parse_args(argv)
    try:
        with stopped_like_ctrl_c():
            asks_only = args.judge and not (args.run or args.acquire or args.report)
            code = 0 if asks_only else run_script(args)
            if args.judge:
                judge(args.session)
            return code
    except OptionError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return INTERRUPTED
