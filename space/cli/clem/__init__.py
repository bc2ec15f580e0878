"""``spacetomo clem``: fluorescence of other microscopes on the maps of a session."""

from __future__ import annotations

import argparse

from space.cli.clem import carrying, depth, listing, ranking, registering, showing

_ACTIONS = (listing, registering, carrying, showing, ranking, depth)
"""Each adds itself with ``add_parser(actions)`` and sets ``do``, which gets the arguments."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of ``spacetomo``."""
    clem = commands.add_parser(
        "clem",
        help="fluorescence on maps: list, register, carry, show, rank, depth",
        description="Puts fluorescence pictures of another microscope onto the maps of a session, "
        "so that targets can be chosen by signal: target_list = {'fm:mCherry': 1}. docs/clem.md "
        "goes through it.",
        epilog="Example: spacetomo clem register G1_L03.png lamella3.ome.tif --pairs pairs.csv",
    )
    actions = clem.add_subparsers(dest="action", required=True)
    for action in _ACTIONS:
        action.add_parser(actions)
