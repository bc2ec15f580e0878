"""The tiles of all maps of a session: made when they are asked for, then kept in a folder.

The folder (`CACHE_FOLDER` in the session's directory) holds nothing else and may be deleted at any
time. If it cannot be written, tiles are made again each time the server starts.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import zipfile
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from space.errors import SpaceError
from space.files import atomic_path, clear_remains, remove_if_possible
from space.images import fingerprint, png_megapixels
from space.page.pyramid import Pyramid, decoded, tile_name

CACHE_FOLDER = "SPACE_page"
"""Where tiles are kept, in the session's directory."""

MOST_PIXELS = 160_000_000
"""Of maps that are held in memory at a time, all zooms together."""

_MOST_OPEN = 16
_SUFFIX = ".tiles"

log = logging.getLogger("space.page")


class Tiles:
    """Tiles of grey pictures.

    Parameters
    ----------
    folder : Path
        Where tiles are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._decoding = threading.Lock()
        self._pyramids: OrderedDict[str, Pyramid] = OrderedDict()
        self._open: OrderedDict[str, zipfile.ZipFile] = OrderedDict()
        self._look = threading.Lock()
        self._to_write: set[str] = set()
        self._writer = ThreadPoolExecutor(1, "tiles")
        self._decoder = ThreadPoolExecutor(1, "decoding")
        self._is_closed = False

    def tile(self, picture: Path, zoom: int, x: int, y: int) -> bytes:
        """Return a tile of a picture as a JPEG file.

        Raises
        ------
        SpaceError
            If the picture cannot be read.
        """
        key = self._key(picture)
        kept = self._kept(key, tile_name(zoom, x, y))
        if kept is not None:
            return kept
        pyramid = self._pyramid(key, picture)
        self._write_later(key, picture)
        return pyramid.tile(zoom, x, y)

    def begin(self, picture: Path) -> None:
        """Decode a picture, unless its tiles are kept: they are asked for next."""
        with contextlib.suppress(RuntimeError):  # it is being closed
            self._decoder.submit(self._decode, picture)

    def wait(self) -> None:
        """Wait until what was begun is written."""
        with contextlib.suppress(RuntimeError):  # it is being closed
            self._writer.submit(lambda: None).result()

    def close(self) -> None:
        """Begin no further file, and close those that are open."""
        self._is_closed = True
        for worker in (self._decoder, self._writer):
            worker.shutdown(wait=True, cancel_futures=True)
        with self._look:
            while self._open:
                self._open.popitem()[1].close()

    def _key(self, picture: Path) -> str:
        mark = fingerprint(picture)
        if not mark:
            raise SpaceError("The picture is not there.", picture.name, "Wait for it.")
        return f"{picture.stem}.{mark}"

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    # --- in the folder ------------------------------------------------------------------------

    def _kept(self, key: str, name: str) -> bytes | None:
        with self._look:
            archive = self._open.get(key) or self._opened(key)
            if archive is None:
                return None
            self._open.move_to_end(key)
            try:
                return archive.read(name)
            except (KeyError, OSError, ValueError, zipfile.BadZipFile, EOFError):
                # It was damaged: made anew.
                self._open.pop(key).close()
                remove_if_possible(self._file(key))
                return None

    def _opened(self, key: str) -> zipfile.ZipFile | None:
        try:
            archive = zipfile.ZipFile(self._file(key))
        except (OSError, zipfile.BadZipFile, ValueError):
            return None
        self._open[key] = archive
        while len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        return archive

    def _write_later(self, key: str, picture: Path) -> None:
        with self._look:
            if self._is_closed or key in self._to_write:
                return
            self._to_write.add(key)
        with contextlib.suppress(RuntimeError):  # it is being closed
            self._writer.submit(self._write, key, picture)

    def _write(self, key: str, picture: Path) -> None:
        """Write the file of a picture; a failure costs time at the next start, and nothing else."""
        if self._is_closed:
            return
        try:
            self.folder.mkdir(exist_ok=True)
            clear_remains(self.folder)
            with atomic_path(self._file(key)) as temporary:
                self._pyramid(key, picture).write(temporary)
        except (OSError, SpaceError, ValueError) as error:
            log.warning("Tiles of %s were not kept: %s", picture.name, error)
            return
        with self._decoding:
            self._pyramids.pop(key, None)
        for path in self.folder.glob(f"*{_SUFFIX}"):
            if path.name.startswith(f"{picture.stem}.") and path != self._file(key):
                self._forget(path)

    def _forget(self, path: Path) -> None:
        """Remove the file of an earlier picture of the same name."""
        key = path.name[: -len(_SUFFIX)]
        with self._look:
            if key in self._open:
                self._open.pop(key).close()
        remove_if_possible(path)

    def _decode(self, picture: Path) -> None:
        with contextlib.suppress(SpaceError, OSError):  # who asks for a tile is told
            key = self._key(picture)
            if self._kept(key, tile_name(0, 0, 0)) is None:
                self._pyramid(key, picture)

    # --- in memory ----------------------------------------------------------------------------

    def _pyramid(self, key: str, picture: Path) -> Pyramid:
        """Return a picture at all zooms; one at a time is decoded, so that memory is bounded."""
        with self._decoding:
            found = self._pyramids.get(key)
            if found is None:
                self._make_room(1.4e6 * png_megapixels(picture))
                found = self._pyramids[key] = Pyramid(decoded(picture))
            self._pyramids.move_to_end(key)
            return found

    def _make_room(self, pixels: float) -> None:
        while self._pyramids and pixels + sum(p.pixels for p in self._pyramids.values()) > (
            MOST_PIXELS
        ):
            self._pyramids.popitem(last=False)
