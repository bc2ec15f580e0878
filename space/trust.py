"""Weights that may run code: those shipped with the project, and those that the user allowed.

Both lists are plain text in the format of the command ``sha256sum``.
"""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from space.errors import SpaceError
from space.files import decode, read_bytes_bounded, refuse_link, write_text_atomic
from space.images import FileState, file_state
from space.project import models_folder

log = logging.getLogger("space.trust")

MODELS_DIR = models_folder()
SHIPPED_FILE = "SHA256SUMS"
TRUSTED_FILE = "trusted_weights.txt"
ON_WORKER = "On the machine where the worker runs"

_LARGEST_LIST_BYTES = 1_000_000
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class HashList:
    """A list of hashes.

    Attributes
    ----------
    names : dict of str to str
        SHA-256 in 64 hexadecimal digits -> name of the file.
    odd : tuple of str
        A sentence for each line that is not understood.
    """

    names: dict[str, str]
    odd: tuple[str, ...] = ()


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file; it is read again only if its size or time has changed.

    Weights have up to a gigabyte, and every question about a job may need their hash.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    state = file_state(path)
    if state is None:
        raise FileNotFoundError(str(path))
    return _hash(Path(path), state)


@lru_cache(maxsize=64)
def _hash(path: Path, state: FileState) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def read_hashes(path: Path) -> HashList:
    """Read a list in the format of sha256sum; a missing file is an empty list.

    A line that is not understood trusts nothing.
    """
    try:
        text = decode(read_bytes_bounded(path, _LARGEST_LIST_BYTES))
    except FileNotFoundError:
        return HashList({})
    except OSError as error:
        return HashList({}, (f"{path} cannot be read: {error}.",))
    names: dict[str, str] = {}
    odd = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match:
            names[match[1].lower()] = match[2]
        else:
            odd.append(f"Line {number} of {path} is not a hash with a name: {line[:80]!r}.")
    return HashList(names, tuple(odd))


def is_trusted(path: Path, models_dir: Path = MODELS_DIR) -> bool:
    """Tell whether a file may run code; lines that are not understood are logged.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    digest = file_hash(path)
    lists = [read_hashes(Path(models_dir) / name) for name in (SHIPPED_FILE, TRUSTED_FILE)]
    for problem in (text for found in lists for text in found.odd):
        log.warning("%s", problem)
    return any(digest in found.names for found in lists)


def trust(path: Path, models_dir: Path = MODELS_DIR) -> str:
    """Allow a file to run code when it is loaded; return its hash.

    Raises
    ------
    SpaceError
        If it cannot be read, or the list cannot be written.
    """
    try:
        digest = file_hash(path)
    except OSError as error:
        raise SpaceError(f"The weights cannot be read ({error}).", str(path)) from error
    target = Path(models_dir) / TRUSTED_FILE
    line = f"{digest}  {_on_one_line(Path(path).resolve().as_posix())}"
    found = read_hashes(target)
    if digest in found.names:
        return digest
    if found.odd:
        raise SpaceError(found.odd[0], str(target), "Correct the line, or delete it.")
    try:
        refuse_link(target)
        before = decode(read_bytes_bounded(target, _LARGEST_LIST_BYTES)) if target.exists() else ""
        if before and not before.endswith("\n"):
            before += "\n"
        write_text_atomic(target, f"{before}{line}\n")
    except OSError as error:
        raise SpaceError(
            f"The list of trusted weights cannot be written ({error}).",
            str(target),
            f"Run this as a user who may write there, or have this line added: {line}",
        ) from error
    return digest


def _on_one_line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
