"""``spacetomo run``: a session from outside of SerialEM."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from space import settings as settings_module
from space.cli.given import folder
from space.errors import SpaceError
from space.files import decode, read_bytes_bounded
from space.microscope import external
from space.project import project_folder
from space.settings import Settings
from space.spelling import ALIKE_IF_MISSING, meant

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_TABLE = "external"
_LARGEST_BYTES = 200_000
_LONGEST_PATIENCE_MIN = 24 * 60


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    run = commands.add_parser(
        "run",
        help="run a session from outside of SerialEM, also from another computer",
        description="Runs what SPACEtomo.py runs, from outside of SerialEM: on the same computer "
        "or on another one, beside a computer of the camera that is too old for it. Both see the "
        "session's folder; SerialEM needs EnableExternalPython 1. The exit status is 0 if all is "
        "done, 1 if items are left or SerialEM's STOP was pressed, 2 with a problem to fix.",
        epilog='Example: spacetomo run night.toml --sem 192.168.1.10 --path "C:\\data=/mnt/data"',
    )
    run.add_argument("settings", type=Path, metavar="SETTINGS.toml", help="settings of the session")
    run.add_argument(
        "--sem", metavar="HOST[:PORT]", help="where SerialEM listens (default: here, at 48888)"
    )
    run.add_argument(
        "--path",
        action="append",
        default=[],
        metavar="THERE=HERE",
        help="a folder that both computers see: its name for SerialEM, and its name here",
    )
    run.add_argument(
        "--modules",
        type=folder,
        metavar="DIR",
        help="folder with SerialEM's Python module (its PythonModules, or a copy)",
    )
    run.add_argument(
        "--level",
        type=int,
        choices=range(6),
        help="automation level in place of that in the settings (0: only check)",
    )
    run.add_argument(
        "--patience",
        type=float,
        metavar="MINUTES",
        help="for how long SerialEM may not be reached (default 15)",
    )
    run.add_argument(
        "--acquiring",
        type=folder,
        metavar="DIR",
        help="SerialEM acquires the items of the session in this folder: go on with waiting for "
        "them, as after the end of this program meanwhile",
    )
    run.set_defaults(do=_run)


@dataclass(frozen=True)
class Order:
    """What to run where: the file with what options say in place of it.

    Attributes
    ----------
    settings : dict
        Those of SPACEtomo.py, all of them.
    address : Address
    paths : PathTranslation
    modules : Path or None
    patience_s : float
    """

    settings: dict[str, Any]
    address: external.Address
    paths: external.PathTranslation
    modules: Path | None
    patience_s: float


def _run(args: argparse.Namespace) -> int:
    from space.remote import Remote

    order = read_order(args)
    module = external.native_module(order.modules)
    line = external.Line(module, order.address, order.paths, order.patience_s, _show)
    logging.getLogger("space").addHandler(logging.StreamHandler(sys.stdout))
    return 0 if Remote(line, order.settings, _show).run(args.acquiring) else 1


def _show(text: str) -> None:
    print(text, flush=True)


def read_order(args: argparse.Namespace) -> Order:
    """Read the file of the settings, and the options that count more than it.

    Raises
    ------
    SpaceError
        With everything that is wrong with the file.
    """
    values = _read(args.settings)
    table = values.pop(_TABLE, {})
    where = str(args.settings)
    problems = settings_module.unknown(values)
    if isinstance(table, dict):
        problems += _unknown_of_table(table)
    else:
        problems.append(f"{_TABLE} is no table: write [{_TABLE}] on a line of its own.")
        table = {}
    if problems:
        raise SpaceError(" ".join(problems), where, "Correct the file.")
    if args.level is not None:
        values["automation_level"] = args.level
    defaults = {**Settings(SPACE_DIR=str(project_folder())).to_dict(), **values}
    sem = args.sem or table.get("sem", "127.0.0.1")
    return Order(
        defaults,
        external.Address.read(sem if isinstance(sem, str) else f"sem = {sem!r}"),
        _paths(args, table, where),
        _modules(args, table, where),
        60.0 * _patience_min(args, table, where),
    )


_KEYS = ("sem", "paths", "modules", "patience")


def _unknown_of_table(table: Mapping[str, Any]) -> list[str]:
    problems = []
    for name in table:
        if name not in _KEYS:
            known = meant(str(name), _KEYS, ALIKE_IF_MISSING)
            hint = f"Did you mean {known!r}?" if known else f"Known are {', '.join(_KEYS)}."
            problems.append(f"{name!r} is nothing of [{_TABLE}]. {hint}")
    return problems


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(decode(read_bytes_bounded(path, _LARGEST_BYTES, follow_links=True)))
    except OSError as error:
        what = f"The settings cannot be read ({error.strerror or error})."
        raise SpaceError(what, str(path), "Correct the path.") from None
    except ValueError as error:
        raise SpaceError(
            f"The settings are no TOML: {error}.",
            str(path),
            "Write NAME = VALUE on each line; paths of Windows in single quotes: 'C:\\data'.",
        ) from None


def _paths(
    args: argparse.Namespace, table: Mapping[str, Any], where: str
) -> external.PathTranslation:
    if args.path:
        return external.PathTranslation.of(
            external.SharedFolder.read(text, f"--path {text}") for text in args.path
        )
    given = table.get("paths", {})
    if not isinstance(given, dict):
        raise SpaceError(
            "paths is no table of folders.", where, "Write paths = {'C:\\data' = \"/mnt/data\"}"
        )
    return external.PathTranslation.of(
        external.SharedFolder.of(there, here, where) for there, here in given.items()
    )


def _modules(args: argparse.Namespace, table: Mapping[str, Any], where: str) -> Path | None:
    if args.modules is not None or "modules" not in table:
        given: Path | None = args.modules
        return given
    found = table["modules"]
    if not isinstance(found, str) or not Path(found).is_dir():
        raise SpaceError(f"modules = {found!r} is no folder.", where, "Correct the path.")
    return Path(found)


def _patience_min(args: argparse.Namespace, table: Mapping[str, Any], where: str) -> float:
    found = args.patience if args.patience is not None else table.get("patience", 15)
    is_number = isinstance(found, (int, float)) and not isinstance(found, bool)
    if not is_number or not 0 <= found <= _LONGEST_PATIENCE_MIN:
        raise SpaceError(
            f"patience = {found!r} is no number of minutes up to {_LONGEST_PATIENCE_MIN}.",
            where,
            "Correct it.",
        )
    return float(found)
