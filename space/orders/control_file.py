"""The file that orders are written into, and the one where they go when they were read.

A person writes it with any editor, by `echo`, or another program by `give`. It is read by renaming
it first: what is written later comes into a new file, so that no line is lost and none is read
twice.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from space.files import (
    decode,
    move_aside,
    read_bytes_bounded,
    refuse_link,
    remove_if_possible,
)

CONTROL_FILE = "SPACE_control.txt"
"""Where orders are written, one per line."""

DONE_FILE = "SPACE_control_done.txt"
"""Orders that were read, with the time and the answer."""

_TAKEN_FILE = "SPACE_control_taken.txt"
_LARGEST_BYTES = 64 * 1024
_MOST_LINES = 200


def give(directory: Path, *lines: str) -> None:
    """Add orders to the file, each on a line of its own.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    path = Path(directory) / CONTROL_FILE
    refuse_link(path)
    with open(path, "ab+", buffering=0) as stream:
        start = b""
        if stream.seek(0, os.SEEK_END):
            stream.seek(-1, os.SEEK_END)
            start = b"" if stream.read(1) == b"\n" else b"\n"
        stream.write(start + "".join(f"{line}\n" for line in lines).encode("utf-8"))


def stamp(directory: Path) -> tuple[int, int] | None:
    """Return size and time of the file with orders; None when there is none."""
    for name in (CONTROL_FILE, _TAKEN_FILE):
        try:
            return _stamp(Path(directory) / name)
        except OSError:
            continue
    return None


def _stamp(path: Path) -> tuple[int, int]:
    kind = os.lstat(path)
    return kind.st_size, kind.st_mtime_ns


@dataclass(frozen=True)
class Taken:
    """What was taken out of the file.

    Attributes
    ----------
    lines : tuple of str
        Without empty ones and remarks.
    problem : str
        What is wrong with the whole file; empty if nothing is.
    stamp : tuple of int, optional
        Size and time of the file; None when nothing was taken.
    """

    lines: tuple[str, ...] = ()
    problem: str = ""
    stamp: tuple[int, int] | None = None


def take(directory: Path, read_before: tuple[int, int] | None = None) -> Taken:
    """Take the orders out of the file.

    They stay in a file of another name until `finish` is called, so that orders of a program that
    is ended in between are read once more. A file that is in use is left for the next look.

    Parameters
    ----------
    directory : Path
        Directory of the session.
    read_before : tuple of int, optional
        Stamp of the file that was read last: one that could not be removed is not read again.
    """
    taken = Path(directory) / _TAKEN_FILE
    try:
        if not os.path.lexists(taken):
            os.replace(Path(directory) / CONTROL_FILE, taken)
        seen = _stamp(taken)
        if seen == read_before:
            remove_if_possible(taken)
            return Taken()
        text = decode(read_bytes_bounded(taken, _LARGEST_BYTES))
    except OSError:
        return _refused(taken)
    lines = tuple(line for line in text.splitlines() if line.split("#", 1)[0].strip())
    return _refused(taken, True) if len(lines) > _MOST_LINES else Taken(lines, "", seen)


def _refused(taken: Path, too_long: bool = False) -> Taken:
    """Rename what is no file of orders; leave what is only in use, or not there."""
    try:
        kind = os.lstat(taken)
        if stat.S_ISREG(kind.st_mode) and kind.st_size <= _LARGEST_BYTES and not too_long:
            return Taken()
        kept = move_aside(taken)
    except OSError:
        return Taken()
    return Taken(
        (), f"{CONTROL_FILE} was no short text file. It is kept as {kept.name}; write it anew."
    )


def finish(directory: Path, answers: list[tuple[str, str]]) -> None:
    """Note orders with their answers in the file of those that were read, and forget them.

    Never raises: an order that was obeyed must not stop the session because its note fails.
    """
    when = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
    text = "".join(f"{when}  {_one_line(line)}  ->  {_one_line(a)}\n" for line, a in answers)
    done = Path(directory) / DONE_FILE
    try:
        refuse_link(done)
        with open(done, "ab", buffering=0) as stream:
            stream.write(text.encode("utf-8", "replace"))
    except OSError:
        pass
    remove_if_possible(Path(directory) / _TAKEN_FILE)


def _one_line(text: str) -> str:
    plain = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(plain.split())[:1000]
