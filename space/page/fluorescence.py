"""Fluorescence of maps for the page: its channels as tiles over the map, and how sure they lie."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from space.errors import SpaceError
from space.fluorescence import channel_path, kept_path, read_kept
from space.images import fingerprint, read_png
from space.page.overlays import channel_tile
from space.page.places import tiles_table
from space.page.refusal import unknown

CHANNEL = "_fm"
"""What the addresses of tiles of channels end in."""

_MOST_HELD = 4


def fluorescence_table(
    map_png: Path | None, place: str, shape: tuple[int, int]
) -> dict[str, Any] | None:
    """Return what the page shows of a map's fluorescence; None if it has none.

    Parameters
    ----------
    map_png : Path or None
        Picture of the map.
    place : str
        Begin of the addresses of its tiles.
    shape : tuple of int
        Rows and columns of the map.
    """
    if map_png is None or not kept_path(map_png).is_file():
        return None
    values: dict[str, Any] = {"source": "", "error_um": None, "warnings": [], "channels": []}
    try:
        kept = read_kept(map_png)
    except SpaceError as error:
        return {**values, "warnings": [str(error)]}
    values |= {"source": kept.source, "error_um": kept.error_um, "warnings": list(kept.warnings)}
    for name, look in kept.looks.items():
        mark = fingerprint(channel_path(map_png, name))
        if not mark:
            values["warnings"].append(f"The channel {name} is missing: register it again.")
            continue
        address = f"{place}{CHANNEL}/{{z}}/{{x}}/{{y}}.png?v={mark}&class={quote(name, safe='')}"
        values["channels"].append(
            {"name": name, "color": _hex(look.color), "tiles": tiles_table(address, shape)}
        )
    return values


def _hex(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


class ChannelTiles:
    """Tiles of channels; those that were looked at last are held."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[str, np.ndarray] = OrderedDict()

    def tile(self, map_png: Path, name: str, at: tuple[int, int, int]) -> tuple[bytes, str]:
        """Return a tile of a channel as a PNG file, and the mark of the channel's picture.

        Raises
        ------
        SpaceError
            If there is no such channel, or its picture cannot be read.
        """
        kept = read_kept(map_png)
        look = kept.looks.get(name)
        if look is None:
            raise unknown("There is no such channel.")
        path = channel_path(map_png, name)
        mark = fingerprint(path)
        body = channel_tile(self._read(path, mark), at, _hex(look.color))
        if not body:
            raise unknown("There is no such tile.")
        return body, mark

    def _read(self, path: Path, mark: str) -> np.ndarray:
        key = f"{path} {mark}"
        with self._lock:
            if key not in self._held:
                self._held[key] = read_png(path)[0]
            self._held.move_to_end(key)
            while len(self._held) > _MOST_HELD:
                self._held.popitem(last=False)
            return self._held[key]
