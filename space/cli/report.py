"""``spacetomo report``: the page that tells what became of a session."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from space import overview, report
from space.cli import given
from space.errors import SpaceError


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "report",
        help="write the page that tells what became of a session",
        description="Reads the files of a session and writes one page (HTML, without scripts, at "
        "most 5 MB) about its grids, lamellae and tilt series. SPACEtomo writes the same page "
        "during the session. Needs no microscope and changes nothing else. The exit status is 0 "
        "when the page was written, 2 when there is no session or it cannot be written.",
        epilog="Example: spacetomo report D:/sessions/today --out D:/today.html",
    )
    given.add_session(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"page to write (default: {report.REPORT_FILE} in the directory)",
    )
    parser.add_argument("--grid", metavar="NAME", help="only this grid")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the numbers as JSON; writes a page only with --out",
    )
    parser.set_defaults(do=_report)


def _report(args: argparse.Namespace) -> int:
    found = report.gather(overview.read_session(args.session, args.maps))
    if args.grid:
        found = report.only_grid(found, args.grid)
    if args.json:
        print(json.dumps(report.as_table(found), indent=1))
        if args.out is None:
            return 0
    name = report.grid_report_file(args.grid) if args.grid else report.REPORT_FILE
    path = args.out or args.session / name
    if path.is_dir() or not path.parent.is_dir():
        raise SpaceError("A page cannot be written there.", str(path), "Name a file in a folder.")
    try:
        written = report.write_report(found, path)
    except OSError as error:
        raise SpaceError(f"The page cannot be written ({error}).", str(path)) from error
    if not args.json:
        print(f"{written.path} ({written.size_bytes / 1e6:.1f} MB)")
        if written.left_out:
            print(f"No room for {len(written.left_out)} pictures: {', '.join(written.left_out)}")
    return 0
