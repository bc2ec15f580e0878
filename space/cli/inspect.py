"""``spacetomo inspect``: the page in the browser that shows a session and takes corrections."""

from __future__ import annotations

import argparse

from space import page
from space.cli import given
from space.project import project_folder


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    inspect = commands.add_parser(
        "inspect",
        help="see a session in the browser, and correct it",
        description="Shows a session live in a browser on this computer, and takes corrections, "
        "which the running script picks up. The page is served to this computer alone, and only "
        "to who has the address that is printed. It speaks to the run by files, so that the run "
        "does not depend on it. Ctrl-C ends it.",
        epilog="Example: spacetomo inspect D:/sessions/today --open",
    )
    given.add_session(inspect)
    given.add_port(inspect)
    inspect.add_argument(
        "--read-only",
        action="store_true",
        help=f"only show: nothing can be changed, and no folder {page.CACHE_FOLDER} is made",
    )
    inspect.add_argument("--open", action="store_true", help="open the browser")
    inspect.add_argument(
        "--space-dir",
        type=given.folder,
        metavar="DIR",
        help="folder of the project (default: this one)",
    )
    inspect.set_defaults(do=_inspect)


def _inspect(args: argparse.Namespace) -> int:
    port = given.port(args)
    space_dir = args.space_dir or project_folder()
    page.serve(page.Wish(args.session, space_dir, args.maps, port, args.read_only, args.open))
    return 0
