"""Tiles that lie over a map: segmentations in class colours, and channels of fluorescence.

The pixels of a tile are labels; colours are in its palette. So one class or all of them are shown
by the same pixels.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from space.page.pyramid import TILE_PX, Layout
from space.plots import rgb

if TYPE_CHECKING:
    from PIL import Image


def overlay_tile(labels: np.ndarray, at: tuple[int, int, int], colors: Mapping[int, str]) -> bytes:
    """Return a tile of a label map as a PNG file; empty if there is no such tile.

    Parameters
    ----------
    labels : ndarray of uint8
        The segmentation.
    at : tuple of int
        Zoom, x and y.
    colors : mapping of int to str
        Colours ``#RRGGBB`` of the labels that are shown.
    """
    from PIL import Image

    zoom, x, y = at
    layout = Layout((labels.shape[0], labels.shape[1]))
    if not layout.has(zoom, x, y):
        return b""
    factor = 1 << (layout.last_zoom - zoom)
    return _painted(Image.fromarray(labels), factor, (x, y), colors)


def channel_tile(values: np.ndarray, at: tuple[int, int, int], color: str) -> bytes:
    """Return a tile of a channel as a PNG file: one colour, the more opaque the brighter.

    Parameters
    ----------
    values : ndarray of uint8
        The channel on the pixels of the map.
    at : tuple of int
        Zoom, x and y; empty if there is no such tile.
    color : str
        ``#RRGGBB``.
    """
    from PIL import Image

    zoom, x, y = at
    layout = Layout((values.shape[0], values.shape[1]))
    if not layout.has(zoom, x, y):
        return b""
    factor = 1 << (layout.last_zoom - zoom)
    part = _part(Image.fromarray(values), factor, (x, y), Image.Resampling.BILINEAR, 0)
    tile = Image.frombytes("P", part.size, part.tobytes())
    tile.putpalette(list(rgb(color)) * 256)
    out = io.BytesIO()
    tile.save(out, "PNG", transparency=bytes(range(256)), compress_level=6)
    return out.getvalue()


def _part(
    picture: Image.Image,
    factor: int,
    at: tuple[int, int],
    resampling: Image.Resampling,
    beyond: int,
) -> Image.Image:
    """Return a tile of a picture, of whose pixels every so many are taken."""
    from PIL import Image

    left, top = (index * TILE_PX * factor for index in at)
    return picture.transform(
        (TILE_PX, TILE_PX),
        Image.Transform.AFFINE,
        (factor, 0, left, 0, factor, top),
        resampling,
        fillcolor=beyond,
    )


def _painted(
    labels: Image.Image, factor: int, at: tuple[int, int], colors: Mapping[int, str]
) -> bytes:
    """Return a tile of labels, of which every so many are taken, as a PNG file in colours."""
    from PIL import Image

    shown = [colors.get(label) for label in range(256)]
    free = next((label for label, color in enumerate(shown) if color is None), 0)
    # The nearest pixel, since labels must not be mixed; beyond the map nothing is shown.
    part = _part(labels, factor, at, Image.Resampling.NEAREST, free)
    tile = Image.frombytes("P", part.size, part.tobytes())
    tile.putpalette([value for color in shown for value in rgb(color or "#000000")])
    out = io.BytesIO()
    opaque = bytes(0 if color is None else 255 for color in shown)
    tile.save(out, "PNG", transparency=opaque, compress_level=6)
    return out.getvalue()
