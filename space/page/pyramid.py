"""A map as tiles of 256 pixels at all zooms, so that a large one opens at once.

Zoom 0 shows the whole map in one tile; each further one shows it twice as large, and the last one
pixel by pixel. A picture is decoded once, halved until it fits into a tile, and its tiles are then
kept in one file (a ZIP file that is not packed: every program reads it).
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from space.errors import SpaceError
from space.images import LARGEST_PICTURE_MPX, ends_as_png, file_state, png_megapixels

if TYPE_CHECKING:
    from PIL import Image

TILE_PX = 256
_QUALITY = 80
_UNREADABLE = (OSError, SyntaxError, ValueError, struct.error, zlib.error, MemoryError, EOFError)


@dataclass(frozen=True)
class Layout:
    """How a picture is divided.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the picture.
    """

    shape: tuple[int, int]

    @property
    def last_zoom(self) -> int:
        """The zoom at which a pixel of the picture is a pixel of a tile."""
        return max(0, math.ceil(math.log2(max(1, *self.shape) / TILE_PX)))

    def shape_at(self, zoom: int) -> tuple[int, int]:
        """Return rows and columns of the picture at a zoom."""
        factor = 1 << (self.last_zoom - zoom)
        return -(-self.shape[0] // factor), -(-self.shape[1] // factor)

    def tiles_at(self, zoom: int) -> tuple[int, int]:
        """Return how many tiles there are at a zoom, down and across."""
        rows, columns = self.shape_at(zoom)
        return -(-rows // TILE_PX), -(-columns // TILE_PX)

    def has(self, zoom: int, x: int, y: int) -> bool:
        """Tell whether there is such a tile."""
        if not 0 <= zoom <= self.last_zoom:
            return False
        down, across = self.tiles_at(zoom)
        return 0 <= x < across and 0 <= y < down


def tile_name(zoom: int, x: int, y: int) -> str:
    """Return what a tile is called in the file of tiles."""
    return f"{zoom}/{x}/{y}.jpg"


def decoded(path: Path) -> Image.Image:
    """Return a whole 8-bit picture in grey, decoded while it is read.

    Unlike `space.images.read_png` it never holds the packed file and the pixels twice.

    Raises
    ------
    SpaceError
        If it is missing, not whole, too large, or changes meanwhile.
    """
    from PIL import PngImagePlugin

    before = file_state(path)
    if before is None or not ends_as_png(path):
        raise SpaceError("The picture is not there, or not whole.", path.name, "Wait for it.")
    if png_megapixels(path) > LARGEST_PICTURE_MPX:
        raise SpaceError("The picture is too large to be shown.", path.name)
    try:
        # The class itself, not Image.open: maps may be larger than PIL's general size limit.
        with PngImagePlugin.PngImageFile(str(path)) as picture:
            if picture.mode not in ("L", "P", "1", "RGB", "RGBA", "LA"):
                raise SpaceError("The picture does not have 8 bits per pixel.", path.name)
            if png_megapixels(path) * len(picture.getbands()) > LARGEST_PICTURE_MPX:
                raise SpaceError("The picture is too large to be shown.", path.name)
            picture.load()
            grey = picture if picture.mode == "L" else picture.convert("L")
    except _UNREADABLE as error:
        raise SpaceError(f"The picture cannot be decoded ({error}).", path.name) from None
    if file_state(path) != before:
        raise SpaceError("The picture changed while it was read.", path.name, "Wait for it.")
    return grey


class Pyramid:
    """A picture at all zooms, in memory.

    Parameters
    ----------
    picture : Image
        8-bit, grey.
    """

    def __init__(self, picture: Image.Image) -> None:
        self.layout = Layout((picture.height, picture.width))
        levels = [picture]
        while len(levels) <= self.layout.last_zoom:
            levels.append(levels[-1].reduce(2))
        self._levels = levels[::-1]

    @property
    def pixels(self) -> int:
        """How many pixels, and bytes, it takes."""
        return sum(level.width * level.height for level in self._levels)

    def tile(self, zoom: int, x: int, y: int) -> bytes:
        """Return a tile as a JPEG file; what lies beyond the picture is black."""
        level, left, top = self._levels[zoom], x * TILE_PX, y * TILE_PX
        # Pillow fills what a crop has beyond the picture with zeros.
        part = level.crop((left, top, left + TILE_PX, top + TILE_PX))
        out = io.BytesIO()
        part.save(out, "JPEG", quality=_QUALITY)
        return out.getvalue()

    def names(self) -> Iterator[tuple[int, int, int]]:
        """Give zoom, x and y of all tiles."""
        for zoom in range(self.layout.last_zoom + 1):
            down, across = self.layout.tiles_at(zoom)
            yield from ((zoom, x, y) for y in range(down) for x in range(across))

    def write(self, path: Path) -> None:
        """Write all tiles into one file.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for zoom, x, y in self.names():
                archive.writestr(tile_name(zoom, x, y), self.tile(zoom, x, y))
