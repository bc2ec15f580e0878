"""Options of the command line that choose a microscope and what happens at it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from space.simulator.column import FAULT_KINDS
from space.simulator.requirements import packages_missing

if TYPE_CHECKING:
    from space.simulator import Policy

FAULTS_IN_WORDS = (
    f"Faults: {', '.join(FAULT_KINDS)}. Write NAME (the first occasion), NAME@N, "
    "NAME@N-M, NAME:PROBABILITY or NAME@COMMAND:N (from the N-th call of this command on)."
)
_Value = TypeVar("_Value")


class OptionError(ValueError):
    """An option cannot be followed.

    Parameters
    ----------
    what : str
        What is wrong, in a sentence.
    where : str, optional
        The option, as it was given.
    do : str, optional
        What to do about it.
    """

    def __init__(self, what: str, where: str = "", do: str = "") -> None:
        self.what = what
        self.where = where
        self.do = do
        super().__init__(what)

    def __str__(self) -> str:
        where = f" [{self.where}]" if self.where else ""
        return f"{self.what}{where}{f' -> {self.do}' if self.do else ''}"


# --- which options there are -------------------------------------------------------------------


def add_microscope_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what a session is made of and what happens in it."""
    parser.add_argument("--seed", type=int, help="seed of the specimen and the noise")
    parser.add_argument("--grids", type=int)
    parser.add_argument("--lamellae", type=int, help="number on each grid")
    parser.add_argument(
        "--kinds", type=_names, metavar="NAME,NAME", help="categories of the lamellae on each grid"
    )
    parser.add_argument(
        "--unmilled", action="store_true", help="grids without lamellae: film with holes and cells"
    )
    parser.add_argument(
        "--within", type=float, metavar="UM", help="radius of the part of the grid to use"
    )
    parser.add_argument("--instrument", help="name of a microscope, or a .toml file")
    parser.add_argument("--serialem", metavar="VERSION", help="version, such as 4.1.25")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="SPEC", help="make this go wrong; see below"
    )
    parser.add_argument("--answer", type=Path, metavar="FILE", help="file of answers to dialogs")


def add_acquire_options(parser: argparse.ArgumentParser, otherwise: str = "none") -> None:
    """Add the scripts of Acquire at Items."""
    parser.add_argument("--primary", type=Path, help=f"primary action ({otherwise})")
    parser.add_argument("--after", type=Path, help="script after the action")


def add_session_options(parser: argparse._ActionsContainer, required: bool = False) -> None:
    """Add the options to run one script on a session that is kept on disk."""
    parser.add_argument(
        "--session", type=Path, metavar="DIR", help="the session's folder", required=required
    )
    parser.add_argument("--run", type=Path, metavar="SCRIPT", help="script to run on it")
    parser.add_argument(
        "--acquire", action="store_true", help="press GO in Acquire at Items (after the script)"
    )
    parser.add_argument(
        "--library",
        action="append",
        default=[],
        type=Path,
        metavar="SCRIPT",
        help="a script that the others can call; may be given several times",
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="page (.html) that shows all runs so far"
    )
    parser.add_argument(
        "--serve",
        type=int,
        metavar="PORT",
        help="listen at a port for Python outside of it, until Ctrl-C (SerialEM's port is 48888)",
    )
    parser.add_argument(
        "--modules",
        type=Path,
        metavar="DIR",
        help="with --serve: write the module serialem for the other process into this folder",
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


# --- what was given ----------------------------------------------------------------------------


def made_of(args: argparse.Namespace) -> dict[str, Any]:
    """Give what the session has to be made of, as far as options say so, checked.

    Raises
    ------
    OptionError
        If there is no such microscope or version, or if this Python lacks packages.
    """
    missing = packages_missing()
    if missing is not None:
        what, do = missing
        raise OptionError(what, do=do)
    if args.unmilled and (args.lamellae or args.kinds):
        raise OptionError(
            "An unmilled grid has no lamellae.", "--unmilled", "Leave out --lamellae and --kinds."
        )
    values = {
        "seed": args.seed,
        "grids": args.grids,
        "lamellae": args.lamellae,
        "kinds": args.kinds,
        "unmilled": args.unmilled or None,
        "within_um": args.within,
        "instrument": _instrument(args.instrument),
        "serialem": _serialem(args.serialem),
    }
    return {name: value for name, value in values.items() if value is not None}


def faults(specs: Sequence[str]) -> tuple[str, ...]:
    """Check faults.

    Raises
    ------
    OptionError
        If one is none.
    """
    from space.simulator.column import parse_fault

    for spec in specs:
        _checked(parse_fault, spec, "--fault")
    return tuple(specs)


def existing(path: Path | None, option: str) -> Path | None:
    """Give the path of a file back.

    Raises
    ------
    OptionError
        If there is no such file.
    """
    if path is not None and not path.is_file():
        raise OptionError("There is no such file.", f"{option} {path}", "Check the path.")
    return path


def read_answers(path: Path | None) -> Policy | None:
    """Read the answers to dialogs; None for the usual ones.

    Raises
    ------
    OptionError
        If the file holds something else.
    """
    if path is None:
        return None
    from space.simulator import Policy

    return _checked(Policy.from_file, path, "--answer")


def read_script(path: Path, option: str = "") -> str:
    """Read a script's text.

    Parameters
    ----------
    path : Path
    option : str
        Name of the option in messages, such as ``--script``.

    Raises
    ------
    OptionError
        If there is no such file, or it is not text.
    """
    where = f"{option} {path}".strip()
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise OptionError("There is no such file.", where, "Check the path.") from None
    except OSError as error:
        raise OptionError(f"The file cannot be read: {error.strerror}.", where) from None
    except UnicodeDecodeError:
        raise OptionError("The file is not UTF-8 text.", where, "Save it as UTF-8.") from None


def _instrument(name: str | None) -> str | None:
    """Check an instrument; give its present name, or its file's whole path, for later runs."""
    from space.simulator.column import load_instrument, present_name

    if name is None:
        return None
    _checked(load_instrument, name, "--instrument")
    return str(Path(name).resolve()) if name.lower().endswith(".toml") else present_name(name)


def _serialem(version: str | None) -> str | None:
    from space.simulator.column import Installation

    if version is not None:
        _checked(Installation.of, version, "--serialem")
    return version


def _checked(read: Callable[[Any], _Value], value: object, option: str) -> _Value:
    try:
        return read(value)
    except ValueError as error:
        raise OptionError(str(error), option) from None
