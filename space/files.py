"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

LARGEST_TEXT_BYTES = 16_000_000
"""Larger text files were not made by this program: they are not read."""

_FULL_ERRNO = (errno.ENOSPC, errno.EDQUOT)
_FULL_ON_WINDOWS = (39, 112)  # ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.part(\..*)?")
_READ_WRITE = 0o666
_LONGEST_NAME = 100


def says_full(error: OSError) -> bool:
    """Tell whether an error says that a disk or a quota is full."""
    return error.errno in _FULL_ERRNO or getattr(error, "winerror", None) in _FULL_ON_WINDOWS


def is_name(text: str) -> bool:
    """Tell whether a text from outside can stand for a class: short, and on one line.

    It ends up in Navigator notes, file names of plots, and messages.
    """
    return 0 < len(text) <= _LONGEST_NAME and text.isprintable()


# --- reading ------------------------------------------------------------------------------------


def read_bytes_bounded(
    path: Path, limit: int = LARGEST_TEXT_BYTES, follow_links: bool = False
) -> bytes:
    """Read a regular file of at most `limit` bytes.

    A folder that others write into may hold anything: a pipe or a device would be read for ever,
    a link may lead out of it. Where nobody else writes, a link may be followed: it is meant.

    Raises
    ------
    OSError
        If it is missing or in use, too large, no regular file, or a link out of its folder.
    """
    path = Path(path)
    kind = os.lstat(path)
    if stat.S_ISLNK(kind.st_mode):
        if not follow_links and path.resolve().parent != path.parent.resolve():
            raise OSError(errno.EINVAL, "a link out of its folder is not read", str(path))
        kind = os.stat(path)
    if not stat.S_ISREG(kind.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if kind.st_size > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes", str(path))
    with open(path, "rb") as stream:
        # Memory is taken for as much as is asked for: no more than there is, unless it has grown.
        data = stream.read(kind.st_size + 1)
        if len(data) > kind.st_size:
            data += stream.read(max(0, limit + 1 - len(data)))
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes", str(path))
    return data


def decode(data: bytes) -> str:
    """Decode a text file that a person may have edited: UTF-8, or what old editors make of it.

    UTF-16 is recognised by its mark; bytes that are not UTF-8 are replaced.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")


def read_json(path: Path, limit: int = LARGEST_TEXT_BYTES, follow_links: bool = False) -> Any:
    """Read a JSON file from outside.

    Raises
    ------
    OSError
        As for `read_bytes_bounded`.
    ValueError
        If it is incomplete, not JSON, nested too deeply, or holds NaN or infinity.
    """
    return parse_json(read_bytes_bounded(path, limit, follow_links).decode("utf-8-sig"))


def read_json_or_empty(path: Path) -> dict[str, Any]:
    """Return the table in a JSON file; empty if there is no file, or nothing whole in it."""
    try:
        values = read_json(path)
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def parse_json(text: str, odd_numbers: bool = False) -> Any:
    """Read JSON from outside; everything that is wrong with it is a ValueError.

    Parameters
    ----------
    text : str
    odd_numbers : bool
        Whether NaN and numbers too large for a float are let through, as NaN and infinity, for
        a caller that reports where they stand.
    """
    try:
        if odd_numbers:
            return json.loads(text, parse_int=_integer)
        return json.loads(
            text, parse_constant=_no_number, parse_float=_finite, parse_int=_finite_integer
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:30]} is too large for a number")
    return value


def _finite_integer(text: str) -> int:
    _finite(text)
    return int(text)


def _integer(text: str) -> float:
    value = float(text)
    return value if value in (float("inf"), float("-inf")) else int(text)


# --- writing ------------------------------------------------------------------------------------


def refuse_link(path: Path) -> None:
    """Raise an OSError if there is anything but a file of its own at `path`.

    What is written through a link lands elsewhere, and a pipe keeps its writer waiting.
    """
    with contextlib.suppress(FileNotFoundError):
        kind = os.lstat(path)
        if stat.S_ISLNK(kind.st_mode):
            raise OSError(errno.EINVAL, "a link is not written through", str(path))
        if not stat.S_ISREG(kind.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))


def share_as_folder(path: Path) -> None:
    """Give a file the read and write rights that its folder has.

    Else a folder that two users share would hold files that only one of them can replace.
    """
    if sys.platform == "win32":
        return  # files inherit the folder's rights there
    with contextlib.suppress(OSError):
        wanted = os.stat(path.parent).st_mode & _READ_WRITE
        if os.stat(path).st_mode & 0o777 != wanted:
            os.chmod(path, wanted)


def replace_patiently(source: Path, target: Path, seconds: float = 5.0) -> None:
    """Rename `source` over `target`, waiting for readers that hold it open.

    Windows refuses to replace a file while another process has it open; on network
    folders such a moment is common and short.

    Raises
    ------
    OSError
        If the file is still refused after `seconds`.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.05)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target` that replaces it when the block succeeds.

    The temporary name keeps the suffix, because many writers choose the format by it.
    """
    target = Path(target)
    temporary = target.with_name(f".{target.stem}.{uuid4().hex[:8]}.part{target.suffix}")
    try:
        yield temporary
        share_as_folder(temporary)
        replace_patiently(temporary, target)
        sync_folder(target.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def sync_folder(folder: Path) -> None:
    """Have a rename written to disk where the system allows it (a power cut may undo it else)."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def clear_remains(folder: Path, older_than_s: float = 3600.0) -> int:
    """Remove temporary files of writers that died; return how many.

    Ages are measured with the folder's own clock, that of a file written now: the machine that
    keeps the folder may have another one.
    """
    found = [path for path in Path(folder).glob(".*.part*") if _TEMPORARY.fullmatch(path.name)]
    if not found:
        return 0
    probe = Path(folder) / f".clock.{uuid4().hex[:8]}.part"
    removed = 0
    try:
        probe.touch()
        now = probe.stat().st_mtime
        for path in found:
            with contextlib.suppress(OSError):
                if now - path.lstat().st_mtime > older_than_s:
                    path.unlink()
                    removed += 1
    finally:
        with contextlib.suppress(FileNotFoundError):
            probe.unlink()
    return removed


def write_bytes_atomic(target: Path, data: bytes) -> None:
    """Write `data` to `target`; readers see the old file or the new one, never a part."""
    with atomic_path(target) as temporary:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())


def write_text_atomic(target: Path, text: str, newline: str = "\n") -> None:
    """Write `text` as UTF-8 with the given line ending, whole or not at all."""
    body = text.replace("\r\n", "\n").replace("\n", newline)
    write_bytes_atomic(target, body.encode("utf-8"))


def remove_if_possible(path: Path) -> None:
    """Remove a file; one that is missing or in use is left as it is."""
    with contextlib.suppress(OSError):
        Path(path).unlink()


def move_aside(path: Path) -> Path:
    """Rename a file to `<stem>_earlier<suffix>`, with a number when there is one; return it."""
    path = Path(path)
    number, free = 1, path.with_name(f"{path.stem}_earlier{path.suffix}")
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}_earlier_{number}{path.suffix}")
    replace_patiently(path, free)
    return free
