"""Text files that scripts read and write through the program, and folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.program.workbench import TextFile

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

MODES = ("R", "W", "A", "O")


def open_text_file(session: Session, name: str, mode: str, persistent: int, path: str) -> None:
    """Open a text file under a name of the script's own.

    Modes: R read, W write a new file, O write and replace an old one, A append; a T or B behind
    the letter is accepted. A non-zero flag keeps the file open after the script.
    """
    key, kind = name.upper(), mode.strip().upper()[:1]
    if kind not in MODES:
        raise SEMerror(f"{mode!r} is not a mode for opening a text file")
    if key in session.workbench.text_files:
        raise SEMerror(f"There is already an open text file {name}")
    place = session.resolve(path)
    if kind == "R" and not place.is_file():
        raise SEMerror(f"The text file {path} does not exist")
    if kind == "W" and place.exists():
        raise SEMerror(f"The text file {path} exists already")
    if kind != "R":
        _append(place, "", truncate=kind != "A")
    session.workbench.text_files[key] = TextFile(place, kind != "R", 0, bool(persistent))


def _append(path: Path, text: str, truncate: bool = False) -> None:
    try:
        with open(path, "w" if truncate else "a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as problem:
        raise SEMerror(f"The text file {path.name} cannot be written: {problem}") from problem


def _file(session: Session, name: str, writing: bool) -> TextFile:
    file = session.workbench.text_files.get(name.upper())
    if file is None:
        raise SEMerror(f"There is no open text file {name}")
    if file.writing != writing:
        raise SEMerror(f"The text file {name} was opened {'to read' if writing else 'to write'}")
    return file


def write_line_to_file(session: Session, name: str, text: str | None = None) -> None:
    """Write a line to a text file opened for writing."""
    _append(_file(session, name, True).path, (text or "") + "\n")


def _next_line(session: Session, name: str) -> str | None:
    file = _file(session, name, False)
    lines = read_lines(file.path)
    if file.position >= len(lines):
        return None
    file.position += 1
    return lines[file.position - 1]


def read_lines(path: Path) -> list[str]:
    """Lines of a text file.

    Raises
    ------
    SEMerror
        If it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise SEMerror(f"The text file {path} cannot be read: {problem}") from problem


def read_line_to_array(session: Session, name: str, variable: str) -> float:
    """Words of the next line in a variable; 1, or 0 at the end of the file."""
    line = _next_line(session, name)
    if line is None:
        return 0.0
    session.variables.set(variable, "\n".join(line.split()))
    return 1.0


def read_line_to_string(session: Session, name: str, variable: str) -> float:
    """Next line in a variable; 1, or 0 at the end of the file."""
    line = _next_line(session, name)
    if line is None:
        return 0.0
    session.variables.set(variable, line)
    return 1.0


def close_text_file(session: Session, name: str) -> None:
    """Close a text file."""
    if session.workbench.text_files.pop(name.upper(), None) is None:
        raise SEMerror(f"There is no open text file {name}")


def flush_text_file(session: Session, name: str) -> None:
    """Lines are on disk at once; the file must be open for writing."""
    _file(session, name, True)


def is_text_file_open(session: Session, name: str, path: str | None = None) -> float:
    """Whether a text file is open under a name, and, with a path, whether it is that file."""
    file = session.workbench.text_files.get(name.upper())
    same = file is not None and (path is None or file.path == session.resolve(path))
    return float(same)


def read_text_file(session: Session, variable: str, path: str) -> None:
    """All words of a file in a variable."""
    lines = _lines_of(session, path)
    session.variables.set(variable, "\n".join(word for line in lines for word in line.split()))


def read_strings_from_file(session: Session, variable: str, path: str) -> None:
    """The lines of a file, each one value, in a variable."""
    session.variables.set(variable, "\n".join(_lines_of(session, path)))


def _lines_of(session: Session, path: str) -> list[str]:
    place = session.resolve(path)
    if not place.is_file():
        raise SEMerror(f"The text file {path} does not exist")
    return [line for line in read_lines(place) if line.strip()]


# --- folders ----------------------------------------------------------------------------------


def make_directory(session: Session, name: str) -> None:
    """Make a folder; one that exists already is not an error."""
    try:
        session.resolve(name).mkdir(exist_ok=True)
    except OSError as problem:
        raise SEMerror(f"The folder {name} cannot be made: {problem}") from problem


def make_date_time_dir(session: Session) -> None:
    """Make a folder named for date and time and go there."""
    now = session.clock.now
    name = f"{now:%Y%m%d-%H%M%S}"
    make_directory(session, name)
    session.directory = session.resolve(name)
    os.chdir(session.directory)


def remove_file(session: Session, name: str) -> None:
    """Delete a file that is not open."""
    place = session.resolve(name)
    if session.files.find(place) is not None:
        raise SEMerror(f"{name} is open and cannot be removed")
    if not place.is_file():
        raise SEMerror(f"There is no file {name} to remove")
    try:
        place.unlink()
    except OSError as problem:
        raise SEMerror(f"{name} cannot be removed: {problem}") from problem


def is_directory_writable(session: Session, name: str) -> float:
    """Whether files can be made in a folder."""
    place = session.resolve(name)
    return float(place.is_dir() and os.access(place, os.W_OK))


COMMANDS: Commands = {
    "OpenTextFile": open_text_file,
    "WriteLineToFile": write_line_to_file,
    "ReadLineToArray": read_line_to_array,
    "ReadLineToString": read_line_to_string,
    "CloseTextFile": close_text_file,
    "FlushTextFile": flush_text_file,
    "IsTextFileOpen": is_text_file_open,
    "ReadTextFile": read_text_file,
    "ReadStringsFromFile": read_strings_from_file,
    "MakeDirectory": make_directory,
    "MakeDateTimeDir": make_date_time_dir,
    "RemoveFile": remove_file,
    "IsDirectoryWritable": is_directory_writable,
}
