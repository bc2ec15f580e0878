"""``spacetomo pick``: particles in tomograms. One module for each action."""

from __future__ import annotations

import argparse

from space.cli.pick import demo, evaluating, exploring, predicting, training

_ACTIONS = (demo, exploring, training, predicting, evaluating)
"""Each adds itself with ``add_parser(actions)`` and sets ``do``, which gets the arguments."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of ``spacetomo``."""
    pick = commands.add_parser(
        "pick",
        help="particles in tomograms: explore, train from a few, predict, evaluate",
        description="Finds particles in tomograms with a network that is trained from a few which "
        "a person marked, or that were found by exploring. docs/picking.md goes through it.",
        epilog="Example: spacetomo pick train tomograms.txt --coordinates few.txt "
        "--diameter-nm 25 --out picker",
    )
    actions = pick.add_subparsers(dest="action", required=True)
    for action in _ACTIONS:
        action.add_parser(actions)
