"""``spacetomo models trust``: allows weights to run code."""

from __future__ import annotations

import argparse
from pathlib import Path

from space.cli.models.shared import Say, weights_in
from space.trust import MODELS_DIR, TRUSTED_FILE, trust
from space.weights import beyond_plain, names_asked_for


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    allow = actions.add_parser(
        "trust",
        help="let these weights run code when they are loaded",
        description="Lets weights run code when they are loaded, on this machine and as long as "
        "their content stays the same. Do it only if you know who made them.",
        epilog="Example: spacetomo models trust models/yeast",
    )
    allow.add_argument(
        "weights", nargs="+", type=Path, metavar="FILE", help="weights or an nnU-Net folder"
    )
    allow.set_defaults(do=lambda args: run(args, print))


def run(args: argparse.Namespace, say: Say, models_dir: Path = MODELS_DIR) -> int:
    """Run the action; return the exit code.

    Raises
    ------
    SpaceError
        If there are no weights, or the list of trusted ones cannot be written.
    """
    for path in weights_in(args.weights):
        _trust(path, say, models_dir)
    return 0


def _trust(path: Path, say: Say, models_dir: Path) -> None:
    """Add weights to the list of those that may run code, and say what that means."""
    asked = beyond_plain(names_asked_for(path))
    digest = trust(path, models_dir)
    say(f"{path}: trusted from now on, on this machine and with this content (SHA-256 {digest}).")
    if asked:
        say(f"  Loading it may run: {', '.join(map(ascii, asked[:10]))}.")
    say(f"  To withdraw this, delete its line in {models_dir / TRUSTED_FILE}.")
