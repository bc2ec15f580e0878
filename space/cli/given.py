"""What several commands are given in the same way."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Sequence
from pathlib import Path

from space.errors import SpaceError


def add_session(parser: argparse.ArgumentParser) -> None:
    """Add the directory of a session, and the folder of its maps on this computer."""
    parser.add_argument("session", type=Path, help="directory of the session (with the .nav files)")
    parser.add_argument(
        "--maps",
        type=Path,
        metavar="DIR",
        help="folder of the maps, where external_map_dir is another path on this computer",
    )


def named_values(pairs: Sequence[str]) -> dict[str, object]:
    """Read NAME=VALUE pairs; a value that is not a Python literal is a string.

    Raises
    ------
    SpaceError
        When a pair has no ``=``.
    """
    found: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise SpaceError(f"'{pair}' is not NAME=VALUE.", "--set", "Write --set max_targets=4")
        try:
            found[name.strip()] = ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            found[name.strip()] = value
    return found
