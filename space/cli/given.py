"""What several commands are given in the same way."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Sequence
from pathlib import Path

from space.errors import SpaceError
from space.jobs.spreading import Scheduler
from space.project import project_folder

_LARGEST_PORT = 65535


def folder(text: str) -> Path:
    """Return the path of a folder that is there, for an option.

    Raises
    ------
    argparse.ArgumentTypeError
        When there is none.
    """
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(
            f"there is no folder {text}: correct the path, or connect the drive"
        )
    return path


def add_session(parser: argparse.ArgumentParser) -> None:
    """Add the directory of a session, and the folder of its maps on this computer."""
    parser.add_argument("session", type=Path, help="directory of the session (with the .nav files)")
    parser.add_argument(
        "--maps",
        type=folder,
        metavar="DIR",
        help="folder of the maps, where external_map_dir is another path on this computer",
    )


def add_port(parser: argparse.ArgumentParser) -> None:
    """Add the port of a server."""
    parser.add_argument(
        "--port", type=int, default=0, help="port (default: the first free one from 8765 on)"
    )


def add_scheduler(parser: argparse.ArgumentParser, what: str) -> None:
    """Add where pieces of work are done; `what` names them."""
    group = parser.add_argument_group("many computers")
    group.add_argument(
        "--scheduler",
        default="",
        metavar="WHERE",
        help=f"do the {what} by Dask: local (processes of this computer), slurm (jobs, as "
        "SPACEtomo_cluster.py says), or the address of a scheduler (default: one after the other, "
        "here)",
    )
    group.add_argument(
        "--processes", type=int, default=2, metavar="N", help=f"{what} at a time (default 2)"
    )


def scheduler(args: argparse.Namespace, folder: Path) -> Scheduler:
    """Return where pieces of work are done.

    Parameters
    ----------
    args : Namespace
    folder : Path
        Of the results, for messages; all computers have to see it.
    """
    return Scheduler(args.scheduler, args.processes, project_folder(), Path(folder).absolute())


def port(args: argparse.Namespace) -> int:
    """Return the port that is given; 0 for any.

    Raises
    ------
    SpaceError
        When it is none.
    """
    number = int(args.port)
    if not 0 <= number <= _LARGEST_PORT:
        raise SpaceError(f"{number} is no port.", "--port", f"Name one up to {_LARGEST_PORT}.")
    return number


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
