"""Where a model comes from: a folder, a zip archive or a single file, listed and read with limits.

What comes from outside may be anything: an archive may name files beside its folder, hold links,
be encrypted, or unpack to more than any disk holds. Such a one is refused before a file is read.
"""

from __future__ import annotations

import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from space.errors import SpaceError, shown
from space.models.card import CARD
from space.models.store import of_run

MOST_FILES = 20_000
LARGEST_TABLE_BYTES = 16_000_000
LARGEST_WEIGHTS_BYTES = 4_000_000_000

_DEEPEST = 8
_LARGEST_DIRECTORY_BYTES = 20_000_000
_MOST_SQUEEZED = 200
"""How many times smaller a file may be packed; weights are hardly smaller at all."""

_BLOCK_BYTES = 1 << 20
_END, _END_BYTES, _LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535
_LOCATOR, _LOCATOR_BYTES, _END_64, _END_64_BYTES = b"PK\x06\x07", 20, b"PK\x06\x06", 56
_PACK_AGAIN = "Unpack it, look at what is in it, and give the folder of the model."


@dataclass(frozen=True)
class Entry:
    """A file in a source.

    Attributes
    ----------
    parts : tuple of str
        Its way from the top of the source.
    bytes : int
    is_link : bool
    """

    parts: tuple[str, ...]
    bytes: int
    is_link: bool = False

    @property
    def folder(self) -> tuple[str, ...]:
        """The folder that it is in."""
        return self.parts[:-1]

    @property
    def name(self) -> str:
        """Its own name."""
        return self.parts[-1]

    def __str__(self) -> str:
        return "/".join(self.parts)


class Source(Protocol):
    """A folder or an archive."""

    path: Path
    entries: Sequence[Entry]

    def open(self, entry: Entry) -> IO[bytes]:
        """Open a file in it."""


class FolderSource:
    """A folder, or some files of one."""

    def __init__(self, path: Path, names: Sequence[str] = ()) -> None:
        self.path = Path(path)
        found = [self._entry((name,)) for name in names] if names else list(self._walk())
        self.entries: Sequence[Entry] = found

    def open(self, entry: Entry) -> IO[bytes]:
        """Open a file in it."""
        return open(self.path.joinpath(*entry.parts), "rb")

    def _entry(self, parts: tuple[str, ...]) -> Entry:
        kind = os.lstat(self.path.joinpath(*parts))
        is_file = stat.S_ISREG(kind.st_mode)
        return Entry(parts, kind.st_size if is_file else 0, not is_file)

    def _walk(self) -> Iterator[Entry]:
        count = 0
        for top, folders, files in os.walk(self.path):
            above = Path(top).relative_to(self.path).parts
            folders[:] = sorted(name for name in folders if not _is_hidden(name))
            if len(above) >= _DEEPEST:
                folders.clear()
            for name in sorted(files):
                count += 1
                if count > MOST_FILES:
                    raise SpaceError(
                        f"There are more than {MOST_FILES} files in this folder.",
                        str(self.path),
                        "Give the folder of one model.",
                    )
                if not _is_hidden(name):
                    yield self._entry((*above, name))


class ZipSource:
    """A zip archive."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = Path(path)
        self._archive = archive
        infos = [info for info in archive.infolist() if not info.is_dir()]
        for info in infos:
            problem = _archive_problem(info)
            if problem:
                raise SpaceError(f"This archive is refused: {problem}.", str(path), _PACK_AGAIN)
        self._infos = {tuple(info.filename.split("/")): info for info in infos}
        same = {unicodedata.normalize("NFC", "/".join(p)).casefold() for p in self._infos}
        if len(infos) > MOST_FILES or len(same) < len(infos):
            what = (
                "two files have one name" if len(same) < len(infos) else "it holds too many files"
            )
            raise SpaceError(f"This archive is refused: {what}.", str(path), _PACK_AGAIN)
        self.entries: Sequence[Entry] = [
            Entry(parts, info.file_size)
            for parts, info in self._infos.items()
            if not any(map(_is_hidden, parts))
        ]

    def open(self, entry: Entry) -> IO[bytes]:
        """Open a file in it."""
        return self._archive.open(self._infos[entry.parts])


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a folder, a zip archive, or a file of weights (with the .onnx file and card beside it).

    Raises
    ------
    SpaceError
        If there is nothing, it is damaged, or it is refused.
    """
    path = Path(path)
    if path.is_dir():
        yield FolderSource(path)
    elif not path.is_file():
        what = "This is neither a file nor a folder." if path.exists() else "There is nothing here."
        raise SpaceError(what, str(path), "Give a folder, a .zip, a .pt or an .onnx file.")
    elif path.suffix.lower() in (".pt", ".onnx"):
        beside = [path.with_suffix(".onnx").name, f"{path.stem}.card.json"]
        names = dict.fromkeys([path.name, *beside, *([CARD] if of_run(path) else [])])
        yield FolderSource(path.parent, [n for n in names if (path.parent / n).is_file()])
    elif path.suffix.lower() == ".zip":
        with _archive(path) as archive:
            yield ZipSource(path, archive)
    elif path.suffix.lower() == ".pth":
        raise SpaceError(
            "Weights of nnU-Net are used with dataset.json and plans.json.",
            str(path),
            "Give the folder that holds these and fold_0.",
        )
    else:
        raise SpaceError(
            "This is no model, or packed in a way that is not known.",
            str(path),
            "Give a folder, a .zip, a .pt or an .onnx file; unpack other archives first.",
        )


def copy(source: Source, entry: Entry, target: Path) -> None:
    """Copy a file, and no more of it than was announced.

    Raises
    ------
    SpaceError
        If it is a link, too large, damaged, or cannot be read.
    OSError
        If it cannot be written.
    """
    where = f"{source.path}: {entry}"
    is_table = entry.name.lower().endswith(".json")
    limit = LARGEST_TABLE_BYTES if is_table else LARGEST_WEIGHTS_BYTES
    if entry.is_link:
        raise SpaceError("A link is not followed.", where, "Put the file itself there.")
    if entry.bytes > limit:
        raise SpaceError(f"It is larger than {limit / 1e6:g} MB.", where, "Is it the right file?")
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "xb") as written:
        for block in _blocks(source, entry, where):
            written.write(block)
        written.flush()
        os.fsync(written.fileno())


def _blocks(source: Source, entry: Entry, where: str) -> Iterator[bytes]:
    left = entry.bytes
    try:
        with source.open(entry) as stream:
            while block := stream.read(_BLOCK_BYTES):
                left -= len(block)
                if left < 0:
                    raise SpaceError("It is larger than it says.", where, _PACK_AGAIN)
                yield block
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise SpaceError(
            f"It is damaged, or packed in a way that is not known ({error}).",
            where,
            "Download or copy it again.",
        ) from None
    if left:
        raise SpaceError("It is shorter than it says.", where, "Copy it again.")


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    if _directory_bytes(path) > _LARGEST_DIRECTORY_BYTES:
        raise SpaceError("This archive holds too many files.", str(path), _PACK_AGAIN)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise SpaceError(
            f"This is no zip archive, or it is cut off or damaged ({error}).",
            str(path),
            "Download or copy it again.",
        ) from None
    with archive:
        yield archive


def _directory_bytes(path: Path) -> int:
    """Return how large an archive says that its table is; Python would read all of it."""
    with open(path, "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        span = _END_BYTES + _LONGEST_COMMENT + _LOCATOR_BYTES + _END_64_BYTES
        stream.seek(max(0, size - span))
        tail = stream.read(span)
    sizes = [0]
    at = tail.rfind(_END)
    if at >= 0 and len(tail) >= at + _END_BYTES:
        sizes.append(struct.unpack_from("<L", tail, at + 12)[0])
        if tail[max(0, at - _LOCATOR_BYTES) : at].startswith(_LOCATOR):
            sizes.pop()  # the larger table follows
            start = at - _LOCATOR_BYTES - _END_64_BYTES
            if start >= 0 and tail[start:].startswith(_END_64):
                sizes.append(struct.unpack_from("<Q", tail, start + 40)[0])
    return max(sizes)


def _archive_problem(info: zipfile.ZipInfo) -> str:
    """Say why an archive with such a file is refused; empty if it is not."""
    name = info.filename
    parts = name.split("/")
    shown_name = shown(name)
    if not name.isprintable() or "\\" in info.orig_filename or ":" in name:
        return f"the name {shown_name} is not one for every system"
    if any(part in ("", ".", "..") for part in parts):
        return f"the name {shown_name} leads out of its folder"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return f"{shown_name} is a link or no file"
    if info.flag_bits & 0x1:
        return "it is encrypted"
    if info.file_size > 1_000_000 and info.file_size > _MOST_SQUEEZED * info.compress_size:
        return f"{shown_name} would become {info.file_size / 1e6:.0f} MB when unpacked"
    return ""


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in ("__MACOSX", "__pycache__")
