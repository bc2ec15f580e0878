"""Map pictures: 8-bit PNG that carry their pixel size, written and read as a whole.

A map travels over a network folder from the microscope to a GPU machine. A reader must never
take a file for finished while it is still being copied, so every read checks the whole file
(all chunks with their checksums, the end mark, an unchanged size) before a pixel is used.
"""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from space.errors import SpaceError
from space.files import atomic_path, read_bytes_bounded, read_json_or_empty, write_text_atomic

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST_PICTURE_MPX = 400.0
"""Larger pictures were not made by this program; reading one could take all memory."""

DRAWING = "drawing"
"""PNG text of a picture that was drawn for people: it is no map."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END_CHUNK = b"IEND"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_PIXEL_CHUNK = b"IDAT"
_PIECE_BYTES = 1 << 20
_TEXT_CHUNKS = (b"tEXt", b"iTXt", b"zTXt")
_TAIL_BYTES = 64
_LARGEST_FILE_BYTES = 1_000_000_000
_LARGEST_TEXT_BYTES = 1_000_000
_MOST_TEXTS = 100
_STRIP_PX = 4_000_000
_MOST_CHUNKS = 500_000  # a large map in pieces of a kilobyte


@dataclass(frozen=True)
class FileState:
    """Size and time of a file: enough to see that it changed."""

    size: int
    mtime_ns: int


def file_state(path: Path) -> FileState | None:
    """Return size and time of `path`, or None if there is no such file."""
    try:
        stat = Path(path).stat()
    except OSError:
        return None
    return FileState(stat.st_size, stat.st_mtime_ns)


def write_png(path: Path, array: np.ndarray, pixel_nm: float, source: str, **text: object) -> None:
    """Write an 8-bit grey picture with its pixel size; the file appears whole.

    Parameters
    ----------
    path : Path
        Target, ending in ``.png``.
    array : ndarray of uint8, shape (rows, cols)
        Row 0 on top.
    pixel_nm : float
        Size of a pixel in nm (> 0).
    source : str
        Where the picture comes from (file, grid, program).
    **text
        Further PNG text entries; values are written with ``str``.

    Raises
    ------
    SpaceError
        If the array is not 2-D uint8, is empty, or the pixel size is not positive.
    """
    from PIL import Image, PngImagePlugin

    array = np.asarray(array)
    if array.ndim != 2 or array.dtype != np.uint8 or array.size == 0:
        raise SpaceError(
            f"A map picture must be 2-D uint8, not {array.dtype} of shape {array.shape}.", str(path)
        )
    if not (np.isfinite(pixel_nm) and pixel_nm > 0):
        raise SpaceError(f"The pixel size {pixel_nm!r} nm is not positive.", str(path))
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("pixel_nm", repr(float(pixel_nm)))
    chunks.add_text("source", str(source))
    for key, value in text.items():
        chunks.add_text(key, str(value))
    with atomic_path(Path(path)) as temporary:
        # Level 2: maps are up to 100 Mpx, and noise hardly shrinks at higher levels.
        Image.fromarray(np.ascontiguousarray(array)).save(
            temporary, format="PNG", pnginfo=chunks, compress_level=2
        )


def png_problem(data: bytes) -> str:
    """Say why `data` is not a whole PNG file; empty if it is.

    Walks the chunks and compares their checksums (PNG specification, section 5), so a file
    that a copying program has already given its final size but not its content is noticed.
    """
    if not data:
        return "empty file"
    if not data.startswith(_SIGNATURE):
        return "not a PNG file, or its start is not there yet"
    position = len(_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        if position + 12 > len(data):
            return f"cut off after {len(data)} bytes"
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 12 + length
        if end > len(data):
            return f"cut off after {len(data)} bytes"
        body = memoryview(data)[position + 4 : position + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(body) != checksum:
            return f"damaged at byte {position}"
        if bytes(body[:4]) == _END_CHUNK:
            return ""
        position = end
    return f"more than {_MOST_CHUNKS} chunks"


def is_whole_png(path: Path) -> bool:
    """Tell whether `path` is there as a complete PNG file (without decoding the pixels)."""
    try:
        return not png_problem(_read_stable(Path(path)))
    except (OSError, SpaceError):
        return False


def read_png(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Read a map picture and what is known about it.

    Returns
    -------
    array : ndarray of uint8, shape (rows, cols)
    info : dict
        The PNG texts; ``pixel_nm`` as float where it is known, from the PNG or from the
        JSON file beside it.

    Raises
    ------
    SpaceError
        If the file is missing, still being written, damaged, or not an 8-bit picture.
    """
    path = Path(path)
    try:
        data = _read_stable(path)
    except OSError as error:
        raise SpaceError(f"The picture cannot be read ({error}).", str(path)) from error
    problem = png_problem(data)
    if problem:
        raise SpaceError(
            f"The picture is not whole: {problem}.",
            str(path),
            "Wait until it is copied, or copy it again",
        )
    array, texts = _decoded(data, path)
    info: dict[str, Any] = dict(texts)
    pixel_nm = _positive(texts.get("pixel_nm"))
    if pixel_nm is None:
        pixel_nm = _positive(read_json_beside(path).get("pixel_nm"))
    info.pop("pixel_nm", None)
    if pixel_nm is not None:
        info["pixel_nm"] = pixel_nm
    return array, info


def _decoded(data: bytes, path: Path) -> tuple[np.ndarray, dict[str, str]]:
    """Return grey values and texts of a whole PNG file of a size that is read."""
    from PIL import PngImagePlugin

    megapixels = _megapixels(data)
    if megapixels > LARGEST_PICTURE_MPX:
        raise SpaceError(
            f"The picture has {megapixels:.0f} million pixels, more than the "
            f"{LARGEST_PICTURE_MPX:.0f} million allowed.",
            str(path),
            "Crop or bin it",
        )
    try:
        # The class itself, not Image.open: maps may be larger than PIL's general size limit.
        with PngImagePlugin.PngImageFile(io.BytesIO(data)) as image:
            if image.mode not in ("L", "P", "1", "RGB", "RGBA", "LA"):
                raise SpaceError(
                    f"A map picture must have 8 bits per pixel; this one has mode {image.mode}.",
                    str(path),
                    "Save it as 8-bit grey PNG",
                )
            if megapixels * len(image.getbands()) > LARGEST_PICTURE_MPX:
                raise SpaceError(
                    f"The picture has {megapixels:.0f} million pixels of {image.mode}, too many to "
                    "be read.",
                    str(path),
                    "Save it as 8-bit grey PNG",
                )
            image.load()
            texts = {key: str(value) for key, value in getattr(image, "text", {}).items()}
            grey = image if image.mode == "L" else image.convert("L")
            array = _pixels(grey)
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error) as error:
        raise SpaceError(f"The picture cannot be decoded ({error}).", str(path)) from error
    return array, texts


def _pixels(grey: Image) -> np.ndarray:
    """Return the pixels of a grey picture, strip by strip: at once they are copied three times."""
    array = np.empty((grey.height, grey.width), np.uint8)
    lines = max(1, _STRIP_PX // max(1, grey.width))
    for first in range(0, grey.height, lines):
        last = min(grey.height, first + lines)
        array[first:last] = np.asarray(grey.crop((0, first, grey.width, last)))
    return array


def read_png_text(path: Path) -> dict[str, str]:
    """Return the PNG texts of a whole file without decoding it; empty if it is not whole."""
    return whole_png_texts(path) or {}


def whole_png_texts(path: Path, pixels: bool = False) -> dict[str, str] | None:
    """Return the PNG texts of a whole file, read once; None if it is not whole.

    Parameters
    ----------
    path : Path
    pixels : bool
        Whether the packed pixels must be whole by their own checksum, too: then nothing in them
        is from an older file that this one is being copied over, piece by piece.
    """
    try:
        data = _read_stable(Path(path))
    except (OSError, SpaceError):
        return None
    if png_problem(data) or (pixels and not _holds_all_pixels(data)):
        return None
    texts: dict[str, str] = {}
    room = _LARGEST_TEXT_BYTES  # for all together: packed ones can be a thousand times their size
    for kind, body in _chunks(data, _TEXT_CHUNKS):
        found = _text_of(kind, bytes(body), room)
        if found is not None:
            texts[found[0]] = found[1]
            room -= len(found[1])
        if room <= 0 or len(texts) >= _MOST_TEXTS:
            break
    return texts


def _chunks(data: bytes, kinds: tuple[bytes, ...]) -> Iterator[tuple[bytes, memoryview]]:
    """Give the chunks of some kinds of a whole PNG file."""
    position, kind = len(_SIGNATURE), b""
    while kind != _END_CHUNK:
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        if kind in kinds:
            yield kind, memoryview(data)[position + 8 : position + 8 + length]
        position += 12 + length


def _holds_all_pixels(data: bytes) -> bool:
    """Tell whether the packed pixels of a whole PNG file end, with the checksum over all of them.

    They are unpacked in small pieces that are dropped, up to the largest size that is read.
    """
    unpack, room = zlib.decompressobj(), int(LARGEST_PICTURE_MPX * 4e6)
    try:
        for _, body in _chunks(data, (_PIXEL_CHUNK,)):
            rest: bytes | memoryview = body
            while len(rest) and room > 0:
                room -= len(unpack.decompress(rest, _PIECE_BYTES))
                rest = unpack.unconsumed_tail
        while not unpack.eof and room > 0 and (more := unpack.decompress(b"", _PIECE_BYTES)):
            room -= len(more)
    except zlib.error:
        return False
    return unpack.eof


def ends_as_png(path: Path) -> bool:
    """Tell whether the end of a PNG file is there, by its last bytes alone."""
    try:
        return _END in _tail(path)[1]
    except OSError:
        return False


def _text_of(kind: bytes, body: bytes, room: int) -> tuple[str, str] | None:
    """Return key and value of a text chunk, the value cut to `room`; None for any other chunk."""
    key, mark, rest = body.partition(b"\0")
    if not mark:
        return None
    name = key.decode("latin-1")
    if kind == b"tEXt":
        return name, rest[:room].decode("latin-1")
    if kind == b"iTXt":
        plain = rest[:1] == b"\0" and rest[2:].count(b"\0") >= 2  # not compressed
        return (
            (name, rest[2:].split(b"\0", 2)[2][:room].decode("utf-8", "replace")) if plain else None
        )
    try:
        return name, zlib.decompressobj().decompress(rest[1:], room).decode("latin-1")
    except zlib.error:
        return None


def png_megapixels(path: Path) -> float:
    """Return how many million pixels a PNG file has by its header; 0 if unknown."""
    rows, columns = png_shape(path) or (0, 0)
    return rows * columns / 1e6


def png_shape(path: Path) -> tuple[int, int] | None:
    """Return rows and columns of a PNG file by its header; None if it is none."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as stream:
            return _shape(stream.read(24))
    except OSError:
        return None


def _shape(data: bytes) -> tuple[int, int] | None:
    if len(data) < 24 or not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return height, width


def _megapixels(data: bytes) -> float:
    rows, columns = _shape(data) or (0, 0)
    return rows * columns / 1e6


def fingerprint(path: Path) -> str:
    """Return a short mark that differs when the picture's content differs; "" if missing.

    The end of a PNG holds the checksum of all pixels, so size and tail are enough, and a
    large map need not be read over the network to see that it was taken again.
    """
    try:
        size, tail = _tail(path)
    except OSError:
        return ""
    return f"{size:x}-{zlib.crc32(tail):08x}"


def _tail(path: Path) -> tuple[int, bytes]:
    """Return the size and the last bytes of a regular file."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with open(path, "rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(max(0, size - _TAIL_BYTES))
        return size, stream.read(_TAIL_BYTES)


def json_path(path: Path) -> Path:
    """Return the name of the JSON file beside a picture (``<stem>.json``)."""
    return Path(path).with_suffix(".json")


def write_json_beside(path: Path, values: dict[str, Any]) -> None:
    """Write what is known about a picture into the JSON file beside it, whole."""
    write_text_atomic(json_path(path), json.dumps(values, indent=1) + "\n")


def read_json_beside(path: Path) -> dict[str, Any]:
    """Return the content of the JSON file beside a picture; empty if missing or not whole."""
    return read_json_or_empty(json_path(path))


def _read_stable(path: Path) -> bytes:
    before = file_state(path)
    data = read_bytes_bounded(path, _LARGEST_FILE_BYTES)
    if before is None or before != file_state(path) or len(data) != before.size:
        raise SpaceError("The picture changed while it was read.", str(path), "Wait for the copy")
    return data


def _positive(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None
