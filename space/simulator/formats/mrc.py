"""MRC image stacks as SerialEM writes them.

Files are opened for each access and closed again, because scripts rename, sort and read
them between two images. In the file the first row of an image is its lowest one; all
arrays here have row 0 on top.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

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

# What the extended header holds for each section, in the order in which it is written.
TILT, PIECE, STAGE, MAGNIFICATION, INTENSITY, DOSE = 1, 2, 4, 8, 16, 32
_FLAG_FORMATS = {TILT: "h", PIECE: "3H", STAGE: "2h", MAGNIFICATION: "h", INTENSITY: "h", DOSE: "f"}
SINGLE_FLAGS = TILT | INTENSITY
MONTAGE_FLAGS = TILT | PIECE | INTENSITY
DEFAULT_MAX_SECTIONS = 360


class MrcError(ValueError):
    """The file is not one that this module can read or write."""


@dataclass(frozen=True)
class SectionInfo:
    """What the extended header tells of one section.

    Parameters
    ----------
    tilt_deg : float
        Tilt angle.
    piece : tuple of int
        Piece coordinates x, y (pixels, Y up) and z (montage number).
    stage_um : tuple of float
        Stage X, Y.
    magnification : float
        Nominal magnification.
    intensity : float
        Intensity setting of the condenser, 0..1.
    dose_e_A2 : float
        Exposure dose in electrons per square angstrom.
    """

    tilt_deg: float = 0.0
    piece: tuple[int, int, int] = (0, 0, 0)
    stage_um: tuple[float, float] = (0.0, 0.0)
    magnification: float = 0.0
    intensity: float = 0.0
    dose_e_A2: float = 0.0


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


def bytes_per_section(flags: int) -> int:
    """Give the size of one section's entry in the extended header."""
    return sum(struct.calcsize("<" + f) for bit, f in _FLAG_FORMATS.items() if flags & bit)


def mode_of(dtype: np.dtype) -> int:
    """Give the MRC mode for images of a numpy type.

    Raises
    ------
    MrcError
        If such images cannot be stored.
    """
    modes = {"uint8": 0, "int16": 1, "float32": 2, "uint16": 6}
    name = np.dtype(dtype).name
    if name not in modes:
        raise MrcError(f"images of type {name} cannot be saved in an MRC file")
    return modes[name]


def create(
    path: Path,
    shape: tuple[int, int],
    dtype: np.dtype,
    pixel_A: float,
    titles: Iterable[str] = (),
    montage: bool = False,
    max_sections: int = DEFAULT_MAX_SECTIONS,
    flags: int | None = None,
) -> None:
    """Write a file without sections, replacing whatever is there.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Rows and columns of every section.
    dtype : numpy dtype
        uint8, int16, uint16 or float32.
    pixel_A : float
        Pixel size in angstrom.
    titles : iterable of str
        Up to ten labels; longer ones are cut at 80 characters.
    montage : bool
        Whether sections carry piece coordinates.
    max_sections : int
        Sections the extended header is reserved for.
    flags : int, optional
        What the extended header holds; chosen by `montage` when left out.
    """
    if flags is None:
        flags = MONTAGE_FLAGS if montage else SINGLE_FLAGS
    per_section = bytes_per_section(flags)
    blocks = -(-max_sections * per_section // HEADER_BYTES)
    header = Header(
        (int(shape[0]), int(shape[1])),
        0,
        mode_of(dtype),
        float(pixel_A),
        blocks * HEADER_BYTES,
        per_section,
        flags,
        True,
        0.0,
        0.0,
        0.0,
        tuple(t[:LABEL_BYTES] for t in titles)[:LABELS],
    )
    with open(path, "wb") as stream:
        stream.write(_pack(header))
        stream.write(bytes(header.extended_bytes))


def append(path: Path, data: np.ndarray, info: SectionInfo | None = None) -> int:
    """Append a section.

    The header is changed last: after a crash, and for another program that reads meanwhile,
    the file has the sections of before, complete. What the header of another program's file
    says besides stays.

    Parameters
    ----------
    path : Path
        A file made by `create`, or another MRC stack.
    data : ndarray (rows, columns)
        Image with row 0 on top.
    info : SectionInfo, optional
        Entry for the extended header.

    Returns
    -------
    int
        Number of the new section, from 0.

    Raises
    ------
    MrcError
        If size or type do not fit the file, or it is full.
    """
    with open(path, "r+b") as stream:
        raw, header = _header_of(stream, path)
        section = header.sections
        if tuple(data.shape) != header.shape:
            raise MrcError(
                f"an image of {data.shape[1]} x {data.shape[0]} does not fit a file of "
                f"{header.shape[1]} x {header.shape[0]} ({path})"
            )
        if (mode_of(data.dtype) == 2) != (header.mode == 2):
            raise MrcError(f"float and integer images cannot be in one file ({path})")
        if header.capacity is not None and section >= header.capacity:
            raise MrcError(f"no room for more than {header.capacity} sections in {path}")
        stored = _to_stored(data, header)
        stream.seek(HEADER_BYTES + header.extended_bytes + section * header.image_bytes)
        stream.write(np.ascontiguousarray(stored[::-1]).tobytes())
        if header.bytes_per_section:
            stream.seek(HEADER_BYTES + section * header.bytes_per_section)
            stream.write(_pack_info(info or SectionInfo(), header))
        stream.flush()
        stream.seek(0)
        stream.write(_patched(raw, _with_section(header, stored)))
    return section


def read_header(path: Path) -> Header:
    """Read the header.

    Raises
    ------
    OSError
        If the file cannot be read.
    MrcError
        If it is no MRC file of a known kind, or cut off.
    """
    with open(path, "rb") as stream:
        return _header_of(stream, path)[1]


def read_section(path: Path, section: int) -> np.ndarray:
    """Read one section with row 0 on top.

    Raises
    ------
    MrcError
        As for `read_header`, or if there is no such section.
    """
    with open(path, "rb") as stream:
        _, header = _header_of(stream, path)
        if not 0 <= section < header.sections:
            raise MrcError(f"no section {section} in {path}, which has {header.sections}")
        stream.seek(HEADER_BYTES + header.extended_bytes + section * header.image_bytes)
        raw = stream.read(header.image_bytes)
    stored = np.frombuffer(raw, MODES[header.mode]).reshape(header.shape)[::-1]
    if header.mode == 0:
        if header.signed_bytes:
            return (stored.astype(np.int16) + 128).astype(np.uint8)
        return stored.view(np.uint8).copy()
    return stored.astype(header.dtype)


def read_info(path: Path, section: int) -> SectionInfo:
    """Read a section's entry in the extended header; defaults for what is not in it."""
    with open(path, "rb") as stream:
        _, header = _header_of(stream, path)
        if not 0 <= section < header.sections:
            raise MrcError(f"no section {section} in {path}, which has {header.sections}")
        stream.seek(HEADER_BYTES + section * header.bytes_per_section)
        raw = stream.read(header.bytes_per_section)
    values: dict[int, tuple[Any, ...]] = {}
    offset = 0
    for bit, text in _FLAG_FORMATS.items():
        if header.flags & bit and offset + struct.calcsize("<" + text) <= len(raw):
            values[bit] = struct.unpack_from("<" + text, raw, offset)
            offset += struct.calcsize("<" + text)
    stage = values.get(STAGE, (0, 0))
    return SectionInfo(
        values.get(TILT, (0,))[0] / 100.0,
        values.get(PIECE, (0, 0, 0)),
        (stage[0] / 25.0, stage[1] / 25.0),
        values.get(MAGNIFICATION, (0,))[0] * 100.0,
        values.get(INTENSITY, (0,))[0] / 25000.0,
        values.get(DOSE, (0.0,))[0],
    )


def _to_stored(data: np.ndarray, header: Header) -> np.ndarray:
    if header.mode == 2:
        return data.astype("<f4")
    if header.mode == 0:
        clipped = np.clip(data, 0, 255).astype(np.int16)
        return (clipped - (128 if header.signed_bytes else 0)).astype(
            np.uint8 if not header.signed_bytes else np.int8
        )
    limits = np.iinfo(MODES[header.mode])
    if data.dtype == header.dtype:
        return data.astype(MODES[header.mode])
    return np.clip(data, limits.min, limits.max).astype(MODES[header.mode])


def _swapped_mode(raw: bytes) -> int:
    return struct.unpack_from(">i", raw, 12)[0]


def _with_section(header: Header, stored: np.ndarray) -> Header:
    count = header.sections
    low, high = float(stored.min()), float(stored.max())
    mean = float(stored.mean(dtype=np.float64))
    if count:
        low, high = min(low, header.minimum), max(high, header.maximum)
        mean = (header.mean * count + mean) / (count + 1)
    return replace(header, sections=count + 1, minimum=low, maximum=high, mean=mean)


def _patched(raw: bytes, header: Header) -> bytes:
    """Give a header that counts one more section than before, else unchanged."""
    changed = bytearray(raw)
    struct.pack_into("<i", changed, 8, header.sections)
    struct.pack_into("<i", changed, 36, header.sections)
    struct.pack_into("<f", changed, 48, header.sections * header.pixel_A)
    struct.pack_into("<3f", changed, 76, header.minimum, header.maximum, header.mean)
    return bytes(changed)


def _is_own_extended_header(kind: bytes, extended: int, per_section: int, flags: int) -> bool:
    """Whether an extended header is of SerialEM's kind; files from before 2014 do not name it."""
    if kind == b"SERI":
        return extended > 0 or per_section < 0
    unnamed = kind == bytes(4) and extended > 0 and 0 < flags < 2 * DOSE
    return unnamed and per_section == bytes_per_section(flags)


def _label(title: str) -> bytes:
    return title.encode("ascii", "replace")[:LABEL_BYTES].ljust(LABEL_BYTES)


def _pack_info(info: SectionInfo, header: Header) -> bytes:
    whole = {
        TILT: (info.tilt_deg * 100,),
        PIECE: tuple(v % 65536 for v in info.piece),
        STAGE: tuple(v * 25 for v in info.stage_um),
        MAGNIFICATION: (info.magnification / 100,),
        INTENSITY: (info.intensity * 25000,),
        DOSE: (info.dose_e_A2,),
    }
    packed = b""
    for bit, text in _FLAG_FORMATS.items():
        if not header.flags & bit:
            continue
        values = whole[bit]
        if text.endswith("h"):
            values = tuple(max(-32768, min(32767, round(v))) for v in values)
        packed += struct.pack("<" + text, *values)
    return packed[: header.bytes_per_section].ljust(header.bytes_per_section, b"\0")


def _pack(header: Header) -> bytes:
    rows, cols = header.shape
    count = header.sections
    raw = bytearray(HEADER_BYTES)
    struct.pack_into("<10i", raw, 0, cols, rows, count, header.mode, 0, 0, 0, cols, rows, count)
    cell = [n * header.pixel_A for n in (cols, rows, count)]
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


def _header_of(stream: BinaryIO, path: Path) -> tuple[bytes, Header]:
    """Read the header of an open file and see that all its sections are there."""
    raw = stream.read(HEADER_BYTES)
    header = _unpack(raw, path)
    present = stream.seek(0, 2) - HEADER_BYTES - header.extended_bytes
    if present < header.sections * header.image_bytes:
        whole = max(0, present) // header.image_bytes
        raise MrcError(f"{path} is cut off: of {header.sections} sections it holds {whole}")
    return raw, header


def _unpack(raw: bytes, path: Path) -> Header:
    """Read a header; files from before the word MAP was written are known by their sizes."""
    if raw[:4] in TIFF:
        raise MrcError(f"{path} is a TIFF file, not an MRC file")
    if len(raw) < HEADER_BYTES:
        raise MrcError(f"{path} is not an MRC file: it is shorter than a header")
    cols, rows, count, mode = struct.unpack_from("<4i", raw, 0)
    if raw[212:213] == b"\x11" or (mode not in MODES and _swapped_mode(raw) in MODES):
        raise MrcError(f"{path} has big-endian numbers, which are not supported")
    named = raw[208:211] == b"MAP"
    if not named and (mode not in MODES or min(cols, rows) <= 0 or count < 0):
        raise MrcError(f"{path} is not an MRC file")
    if mode not in MODES:
        raise MrcError(f"{path} has images of mode {mode}, which is not supported")
    mx, my = struct.unpack_from("<2i", raw, 28)
    cell_x, cell_y = struct.unpack_from("<2f", raw, 40)
    pixel_A = cell_x / mx if mx > 0 else (cell_y / my if my > 0 else 0.0)
    if not (math.isfinite(pixel_A) and pixel_A > 0):
        pixel_A = 0.0  # not known
    low, high, mean = struct.unpack_from("<3f", raw, 76)
    extended = struct.unpack_from("<i", raw, 92)[0]
    per_section, flags = struct.unpack_from("<2h", raw, 128)
    if not _is_own_extended_header(raw[104:108], extended, per_section, flags):
        per_section = flags = 0
    stamp, imod_flags = struct.unpack_from("<2i", raw, 152)
    signed = bool(imod_flags & SIGNED_BYTES) if stamp == IMOD_STAMP else True
    if per_section < 0 or extended < 0 or min(cols, rows) <= 0 or count < 0:
        raise MrcError(f"{path} has a header with sizes that cannot be")
    used = struct.unpack_from("<i", raw, 220)[0]
    titles = tuple(
        raw[224 + i * LABEL_BYTES : 224 + (i + 1) * LABEL_BYTES].decode("latin-1").rstrip()
        for i in range(max(0, min(LABELS, used)))
    )
    return Header(
        (rows, cols),
        count,
        mode,
        pixel_A,
        extended,
        per_section,
        flags,
        signed,
        low,
        high,
        mean,
        titles,
    )
