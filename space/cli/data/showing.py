"""``spacetomo data show``: the pictures of a data set on one sheet, with labels in colours."""

from __future__ import annotations

import argparse
from pathlib import Path

from space.errors import SpaceError


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    show = actions.add_parser(
        "show",
        help="draw all pictures with their labels on one sheet",
        description="Draws a contact sheet: each picture small, beside it the same with its labels "
        "in the colours of the classes, and boxes.",
        epilog="Example: spacetomo data show my_set --out sheet.png",
    )
    show.add_argument("data", type=Path, metavar="DIR", help="folder of the data set")
    show.add_argument("--out", type=Path, metavar="PNG", help="picture to write (DIR/sheet.png)")
    show.add_argument(
        "--most", type=int, default=48, metavar="N", help="draw at most so many pictures (48)"
    )
    show.set_defaults(do=_run)


def _run(args: argparse.Namespace) -> int:
    from space.learning import read_data_set, show

    if not 1 <= args.most <= 500:
        raise SpaceError(f"--most {args.most} must be from 1 to 500.")
    data, problems = read_data_set(args.data, strict=False)
    for problem in problems:
        print(f"Left out: {problem}")
    out = args.out or args.data / "sheet.png"
    count = show(args.data, data, out, print, args.most)
    print(f"{count} pictures: {out}")
    return 0
