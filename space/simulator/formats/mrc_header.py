"""The 1024 bytes at the head of an MRC file: what matters here, from bytes and to bytes."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.simulator.formats.mrc_sections import DOSE, bytes_per_section

HEADER_BYTES = 1024
LABELS = 10
LABEL_BYTES = 80
IMOD_STAMP = 1146047817
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
SIGNED_BYTES = 1  # imodFlags: mode 0 holds signed bytes, as the MRC2014 standard says

MODES: dict[int, np.dtype] = {
    0: np.dtype("<i1"),
    1: np.dtype("<i2"),
    2: np.dtype("<f4"),
    6: np.dtype("<u2"),
}


class MrcError(ValueError):
    """The file is not one that this module can read or write."""


@dataclass(frozen=True)
class Header:
    """The part of the MRC header that matters here; lengths of pixels in angstrom."""

    shape: tuple[int, int]
    sections: int
    mode: int
    pixel_A: float
    extended_bytes: int
    bytes_per_section: int
    flags: int
    signed_bytes: bool
    minimum: float
    maximum: float
    mean: float
    titles: tuple[str, ...]

    @property
    def dtype(self) -> np.dtype:
        """Type of the pixels in memory."""
        if self.mode == 0:
            return np.dtype(np.uint8)
        return MODES[self.mode].newbyteorder("=")

    @property
    def image_bytes(self) -> int:
        """Size of one section on disk."""
        return self.shape[0] * self.shape[1] * MODES[self.mode].itemsize

    @property
    def capacity(self) -> int | None:
        """How many sections the extended header has room for; None for any number."""
        if self.bytes_per_section <= 0:
            return None
        return self.extended_bytes // self.bytes_per_section


def pack(header: Header) -> bytes:
    """Give the bytes of the header of a new file."""
    rows, columns = header.shape
    count = header.sections
    raw = bytearray(HEADER_BYTES)
    struct.pack_into(
        "<10i", raw, 0, columns, rows, count, header.mode, 0, 0, 0, columns, rows, count
    )
    cell = [n * header.pixel_A for n in (columns, rows, count)]
    struct.pack_into("<6f", raw, 40, *cell, 90.0, 90.0, 90.0)
    struct.pack_into("<3i", raw, 64, 1, 2, 3)
    struct.pack_into("<3f", raw, 76, header.minimum, header.maximum, header.mean)
    struct.pack_into("<2i", raw, 88, 0, header.extended_bytes)
    raw[104:108] = b"SERI"
    struct.pack_into("<i", raw, 108, 20140)
    struct.pack_into("<2h", raw, 128, header.bytes_per_section, header.flags)
    struct.pack_into("<2i", raw, 152, IMOD_STAMP, SIGNED_BYTES if header.signed_bytes else 0)
    raw[208:216] = b"MAP DD\0\0"
    struct.pack_into("<f", raw, 216, -1.0)  # no RMS was computed
    struct.pack_into("<i", raw, 220, len(header.titles))
    for number, title in enumerate(header.titles):
        raw[224 + number * LABEL_BYTES : 224 + (number + 1) * LABEL_BYTES] = _label(title)
    return bytes(raw)


def patched(raw: bytes, header: Header) -> bytes:
    """Give a header that counts one more section than before, else unchanged."""
    changed = bytearray(raw)
    struct.pack_into("<i", changed, 8, header.sections)
    struct.pack_into("<i", changed, 36, header.sections)
    struct.pack_into("<f", changed, 48, header.sections * header.pixel_A)
    struct.pack_into("<3f", changed, 76, header.minimum, header.maximum, header.mean)
    return bytes(changed)


def unpack(raw: bytes, path: Path) -> Header:
    """Read a header; files from before the word MAP was written are known by their sizes.

    Raises
    ------
    MrcError
        If these are not the bytes of an MRC file of a known kind; the path is named.
    """
    _check_kind(raw, path)
    columns, rows, count, mode = struct.unpack_from("<4i", raw, 0)
    extended = struct.unpack_from("<i", raw, 92)[0]
    per_section, flags = struct.unpack_from("<2h", raw, 128)
    if not _is_own_extended_header(raw[104:108], extended, per_section, flags):
        per_section = flags = 0
    if min(per_section, extended, count) < 0 or min(columns, rows) <= 0:
        raise MrcError(f"{path} has a header with impossible sizes")
    low, high, mean = struct.unpack_from("<3f", raw, 76)
    return Header(
        shape=(rows, columns),
        sections=count,
        mode=mode,
        pixel_A=_pixel_A(raw),
        extended_bytes=extended,
        bytes_per_section=per_section,
        flags=flags,
        signed_bytes=_has_signed_bytes(raw),
        minimum=low,
        maximum=high,
        mean=mean,
        titles=_titles(raw),
    )


def _check_kind(raw: bytes, path: Path) -> None:
    """Refuse what is not an MRC file with little-endian numbers of a known mode."""
    if raw[:4] in TIFF:
        raise MrcError(f"{path} is a TIFF file, not an MRC file")
    if len(raw) < HEADER_BYTES:
        raise MrcError(f"{path} is not an MRC file: it is shorter than a header")
    columns, rows, count, mode = struct.unpack_from("<4i", raw, 0)
    swapped_mode = struct.unpack_from(">i", raw, 12)[0]
    if raw[212:213] == b"\x11" or (mode not in MODES and swapped_mode in MODES):
        raise MrcError(f"{path} has big-endian numbers, which are not supported")
    named = raw[208:211] == b"MAP"
    if not named and (mode not in MODES or min(columns, rows) <= 0 or count < 0):
        raise MrcError(f"{path} is not an MRC file")
    if mode not in MODES:
        raise MrcError(f"{path} has images of mode {mode}, which is not supported")


def _pixel_A(raw: bytes) -> float:
    """Pixel size from the cell and its samples, 0 where it is not known."""
    samples_x, samples_y = struct.unpack_from("<2i", raw, 28)
    cell_x, cell_y = struct.unpack_from("<2f", raw, 40)
    for cell, samples in ((cell_x, samples_x), (cell_y, samples_y)):
        if samples > 0:
            pixel_A = cell / samples
            return pixel_A if math.isfinite(pixel_A) and pixel_A > 0 else 0.0
    return 0.0


def _has_signed_bytes(raw: bytes) -> bool:
    stamp, imod_flags = struct.unpack_from("<2i", raw, 152)
    return bool(imod_flags & SIGNED_BYTES) if stamp == IMOD_STAMP else True


def _titles(raw: bytes) -> tuple[str, ...]:
    count = max(0, min(LABELS, struct.unpack_from("<i", raw, 220)[0]))
    starts = range(224, 224 + count * LABEL_BYTES, LABEL_BYTES)
    return tuple(raw[at : at + LABEL_BYTES].decode("latin-1").rstrip() for at in starts)


def _is_own_extended_header(kind: bytes, extended: int, per_section: int, flags: int) -> bool:
    """Whether an extended header is of SerialEM's kind; files from before 2014 do not name it."""
    if kind == b"SERI":
        return extended > 0 or per_section < 0
    unnamed = kind == bytes(4) and extended > 0 and 0 < flags < 2 * DOSE
    return unnamed and per_section == bytes_per_section(flags)


def _label(title: str) -> bytes:
    return title.encode("ascii", "replace")[:LABEL_BYTES].ljust(LABEL_BYTES)
