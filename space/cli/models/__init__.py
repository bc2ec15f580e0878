"""``spacetomo models``: the models of the project. One module for each action."""

from __future__ import annotations

import argparse

from space.cli.models import adding, card, checking, converting, listing, trusting, using

_ACTIONS = (listing, adding, using, checking, converting, card, trusting)
"""Each adds itself with ``add_parser(actions)`` and sets ``do``, which gets the arguments."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of ``spacetomo``."""
    models = commands.add_parser(
        "models",
        help="list, add, choose, check and describe models, or allow weights to run code",
        description="The models of a project: those in its folder models/, and which of them "
        "SPACEtomo_config.py names. Weights (.pt, .pth) can run code on the machine that loads "
        "them: such are refused until they are trusted, on the machine of the worker.",
        epilog="Example: spacetomo models list",
    )
    actions = models.add_subparsers(dest="action", required=True)
    for action in _ACTIONS:
        action.add_parser(actions)
