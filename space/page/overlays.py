"""Segmentations as tiles that lie over a map: class colours, and nothing where no class is shown.

The pixels of a tile are labels; colours are in its palette. So one class or all of them are shown
by the same pixels.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from space.errors import SpaceError
from space.images import fingerprint, png_megapixels
from space.page.pyramid import TILE_PX, Layout, decoded
from space.plots import rgb

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = 110_000_000
"""Of segmentations that are held in memory at a time; a larger one is held alone."""


class Overlays:
    """Tiles of label maps, from those that were shown last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Image.Image] = OrderedDict()

    def tile(self, path: Path, at: tuple[int, int, int], colors: Mapping[int, str]) -> bytes:
        """Return a tile of a label map as a PNG file; empty if there is no such tile.

        Parameters
        ----------
        path : Path
            The segmentation.
        at : tuple of int
            Zoom, x and y.
        colors : mapping of int to str
            Colours ``#RRGGBB`` of the labels that are shown.

        Raises
        ------
        SpaceError
            If it cannot be read.
        """
        labels, (zoom, x, y) = self._labels(path), at
        layout = Layout((labels.height, labels.width))
        if not layout.has(zoom, x, y):
            return b""
        return _painted(labels, 1 << (layout.last_zoom - zoom), (x, y), colors)

    def _labels(self, path: Path) -> Image.Image:
        mark = fingerprint(path)
        if not mark:
            raise SpaceError("The segmentation is not there.", path.name, "Wait for it.")
        key = f"{path}|{mark}"
        with self._lock:
            if key not in self._held:
                room = MOST_PIXELS - 1e6 * png_megapixels(path)
                while self._held and sum(p.width * p.height for p in self._held.values()) > room:
                    self._held.popitem(last=False)
                self._held[key] = decoded(path)
            self._held.move_to_end(key)
            return self._held[key]


def _painted(
    labels: Image.Image, factor: int, at: tuple[int, int], colors: Mapping[int, str]
) -> bytes:
    """Return a tile of labels, of which every so many are taken, as a PNG file in colours."""
    from PIL import Image

    shown = [colors.get(label) for label in range(256)]
    free = next((label for label, color in enumerate(shown) if color is None), 0)
    left, top = (index * TILE_PX * factor for index in at)
    # The nearest pixel, since labels must not be mixed; beyond the map nothing is shown.
    part = labels.transform(
        (TILE_PX, TILE_PX),
        Image.Transform.AFFINE,
        (factor, 0, left, 0, factor, top),
        Image.Resampling.NEAREST,
        fillcolor=free,
    )
    tile = Image.frombytes("P", part.size, part.tobytes())
    tile.putpalette([value for color in shown for value in rgb(color or "#000000")])
    out = io.BytesIO()
    opaque = bytes(0 if color is None else 255 for color in shown)
    tile.save(out, "PNG", transparency=opaque, compress_level=6)
    return out.getvalue()
