"""``spacetomo data``: data sets of pictures and labels. One module for each action."""

from __future__ import annotations

import argparse

from space.cli.data import checking, collecting, exchange, showing, splitting

_ACTIONS = (checking, showing, splitting, exchange, collecting)
"""Each adds itself with ``add_parser(actions)`` and sets ``do``, which gets the arguments."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of ``spacetomo``."""
    data = commands.add_parser(
        "data",
        help="data sets of pictures and labels: import, collect, check, show, split, export",
        description="Makes data sets for models of one's own of pictures and labels from any "
        "program, says what is wrong with them, and hands them out in other formats. "
        "docs/data.md goes through it.",
        epilog="Example: spacetomo data import my_pictures --to my_set --pixel-nm 2.283",
    )
    actions = data.add_subparsers(dest="action", required=True)
    for action in _ACTIONS:
        action.add_parser(actions)
