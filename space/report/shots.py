"""Pictures of a session made small, as they stand in the page.

To re-encode one costs a tenth of a second, which a page that is written again after each lamella
must not pay for all of them. What the page before holds of the same file is taken over.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from space.files import read_bytes_bounded
from space.images import LARGEST_PICTURE_MPX, fingerprint, is_whole_png, png_megapixels

WIDTHS_PX = (1100, 800, 600, 460, 340, 250)
"""A picture is made as wide as all of them leave room for."""

LARGE_TIMES = 2.5
"""A picture of a whole grid is wider by that, up to the widest: it shows many lamellae."""

_QUALITY = 72
_BYTES_PER_PX = 0.14  # of a noisy map
_FILLED = 0.85  # of the room, as estimated
_KIND = b"\xff\xd8\xff"
_LARGEST_PAGE_BYTES = 8_000_000
_OLD = re.compile(rb'data-of="([0-9a-f]{24})" src="data:image/jpeg;base64,([A-Za-z0-9+/=]+)"')
_UNREADABLE = (OSError, ValueError, SyntaxError, struct.error, MemoryError, EOFError)


@dataclass(frozen=True)
class Shot:
    """A picture in the page: `mark` says of which file and how wide it was made."""

    mark: str
    data: bytes

    @property
    def source(self) -> str:
        """What the page has as its address."""
        return "data:image/jpeg;base64," + base64.b64encode(self.data).decode("ascii")


@dataclass(frozen=True)
class Shots:
    """The pictures of a page, and which had to be left out.

    Attributes
    ----------
    made : mapping of Path to Shot
    left_out : tuple of str
        Names of files for which there was no room.
    unreadable : tuple of str
        Names of files that are no whole pictures.
    width_px : int
        Their width; 0 without pictures.
    """

    made: Mapping[Path, Shot]
    left_out: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    width_px: int = 0


def shots_of_page(page: Path) -> dict[str, Shot]:
    """Return the pictures in a page that was written before; none if it is no such page."""
    try:
        data = read_bytes_bounded(page, _LARGEST_PAGE_BYTES)
    except OSError:
        return {}
    found = {}
    for mark, body in _OLD.findall(data):
        try:
            picture = base64.b64decode(body, validate=True)
        except binascii.Error:
            continue
        if picture.startswith(_KIND):
            found[mark.decode("ascii")] = Shot(mark.decode("ascii"), picture)
    return found


def make_shots(
    paths: Sequence[Path],
    room_bytes: int,
    known: Mapping[str, Shot],
    to_come: int = 0,
    large: Collection[Path] = (),
) -> Shots:
    """Make pictures small enough for all to find room.

    Parameters
    ----------
    paths : sequence of Path
        The most important first: the last ones are left out if need be.
    room_bytes : int
        What all may take in the page.
    known : mapping of str to Shot
        Those of the page before, by mark.
    to_come : int
        How many pictures there will be in the end: room is left for them.
    large : collection of Path
        Those of whole grids.
    """
    wanted = list(dict.fromkeys(paths))
    made: dict[Path, Shot | None] = {}
    width_px = WIDTHS_PX[-1]
    widths = _widths(max(len(wanted), to_come), room_bytes)
    for width_px in _from_known(widths, [path for path in wanted if path not in large], known):
        large_px = min(WIDTHS_PX[0], int(LARGE_TIMES * width_px))
        made = {
            path: _shot(path, large_px if path in large else width_px, known) for path in wanted
        }
        if sum(_room(shot) for shot in made.values()) <= room_bytes:
            break
    kept: dict[Path, Shot] = {}
    left_out, used = [], 0
    for path, shot in made.items():
        if shot is None:
            continue
        used += _room(shot)
        if used <= room_bytes:
            kept[path] = shot
        else:
            left_out.append(path.name)
    unreadable = tuple(path.name for path, shot in made.items() if shot is None)
    return Shots(kept, tuple(left_out), unreadable, width_px if kept else 0)


def _widths(count: int, room_bytes: int) -> tuple[int, ...]:
    """Return the widths to try, from the widest that will probably find room."""
    each_px = room_bytes * _FILLED / max(1, count) / _BYTES_PER_PX
    fitting = [width for width in WIDTHS_PX if width * width * 0.8 <= each_px]
    return tuple(fitting) or WIDTHS_PX[-1:]


def _from_known(
    widths: tuple[int, ...], paths: Sequence[Path], known: Mapping[str, Shot]
) -> tuple[int, ...]:
    """Return the widths to try, from that of the page before: wider ones found no room there."""
    for index, width_px in enumerate(widths):
        if any(_mark(path, width_px) in known for path in paths):
            return widths[index:]
    return widths


def _room(shot: Shot | None) -> int:
    return 0 if shot is None else len(shot.data) * 4 // 3 + 100


def _shot(path: Path, width_px: int, known: Mapping[str, Shot]) -> Shot | None:
    """Return a picture made small; None if the file is no whole picture of a size that is read."""
    mark = _mark(path, width_px)
    if mark in known:
        return known[mark]
    if not is_whole_png(path) or png_megapixels(path) > LARGEST_PICTURE_MPX:
        return None
    try:
        return Shot(mark, _encoded(path, width_px))
    except _UNREADABLE:
        return None


def _mark(path: Path, width_px: int) -> str:
    text = f"{path.name}|{fingerprint(path)}|{width_px}|{_QUALITY}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]


def _encoded(path: Path, width_px: int) -> bytes:
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.copy() if picture.mode in ("L", "RGB") else picture.convert("RGB")
    small.thumbnail((width_px, 2 * width_px), Image.Resampling.BOX, reducing_gap=None)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=_QUALITY, optimize=False, progressive=False)
    return out.getvalue()
