"""``spacetomo volume``: volumes, and what is in them. One module for each kind of action."""

from __future__ import annotations

import argparse

from space.cli.volume import changing, evaluating, predicting, training, viewing

_ACTIONS = (changing, training, predicting, evaluating, viewing)
"""Each adds its actions with ``add_parser(actions)`` and sets ``do``, which gets the arguments."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of ``spacetomo``."""
    volume = commands.add_parser(
        "volume",
        help="volumes: import, even contrast, learn what is in them, predict, evaluate, export",
        description="Reads volumes of any kind, trains networks on labelled parts of them, looks "
        "through volumes that are larger than memory, and says how good that was. "
        "docs/volumes.md goes through it.",
        epilog="Example: spacetomo volume import sections/ --to cell.zarr --voxel-nm 10,4,4",
    )
    actions = volume.add_subparsers(dest="action", required=True)
    for action in _ACTIONS:
        action.add_parser(actions)
