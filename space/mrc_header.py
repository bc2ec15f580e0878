"""MRC files of any program: what their header says, or what is wrong with it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from space.errors import SpaceError

HEADER_BYTES = 1024
"""Of the header without what programs add to it."""

_BITS = {0: 8, 1: 16, 2: 32, 3: 32, 4: 64, 6: 16, 12: 16, 16: 24, 101: 4}
"""Bits of a pixel by MRC mode."""

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_IMOD_STAMP = 1146047817
_DO = "Look at the file with another program; if it is damaged, delete it and run the script again."


@dataclass(frozen=True)
class Header:
    """What an MRC header says of the pictures in the file.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of each.
    sections : int
        How many there are.
    mode : int
        MRC mode.
    order : str
        Byte order as `struct` and NumPy write it: "<" or ">".
    begins : int
        Byte at which the first pixel is.
    """

    shape: tuple[int, int]
    sections: int
    mode: int
    order: str = "<"
    begins: int = HEADER_BYTES


def read_header(path: Path) -> Header:
    """Read the header of an MRC file, in either byte order, and see that all pictures are there.

    Old programs leave out the word MAP, the machine stamp and the cell; nothing here needs them.

    Raises
    ------
    SpaceError
        If it is no MRC file, or one that cannot be used; says what is wrong.
    """
    try:
        with open(path, "rb") as stream:
            raw = stream.read(HEADER_BYTES)
            size = stream.seek(0, 2)
    except OSError as error:
        raise SpaceError(f"An image file cannot be read: {error}.", str(path)) from error
    if raw[:4] in _TIFF:
        raise SpaceError("This is a TIFF file, not an MRC file.", str(path), _DO)
    if len(raw) < HEADER_BYTES:
        raise SpaceError(
            f"An MRC file has a header of {HEADER_BYTES} bytes, this one has {len(raw)} in all.",
            str(path),
            _DO,
        )
    troubles = []
    for order in "<>":
        header, expected = _unpacked(raw, order)
        trouble = _trouble(header, expected, size)
        if not trouble:
            return header
        troubles.append(trouble)
    big_endian = raw[212:213] == b"\x11"
    raise SpaceError(f"The MRC file cannot be used: {troubles[big_endian]}.", str(path), _DO)


def _unpacked(raw: bytes, order: str) -> tuple[Header, int]:
    """Return the header read in a byte order, and how many bytes the file has to have."""
    columns, rows, sections, mode = struct.unpack_from(f"{order}4i", raw)
    (extended,) = struct.unpack_from(f"{order}i", raw, 92)
    row_bytes = (columns * _BITS.get(mode, 0) + 7) // 8
    begins = HEADER_BYTES + max(0, extended)
    return (
        Header((rows, columns), sections, mode, order, begins),
        begins + row_bytes * rows * sections,
    )


def _trouble(header: Header, expected: int, size: int) -> str:
    rows, columns = header.shape
    if min(rows, columns, header.sections) < 1:
        return f"its header gives {header.sections} pictures of {columns} x {rows} pixels"
    if header.mode not in _BITS:
        return f"its pixels are of mode {header.mode}, which is not known"
    if size < expected:
        return (
            f"{header.sections} pictures of {columns} x {rows} pixels in mode {header.mode} "
            f"need {expected} bytes, the file has {size}; it was cut off, or is no MRC file"
        )
    return ""


def has_unsigned_bytes(path: Path) -> bool:
    """Whether the bytes of mode 0, which the standard calls signed, are unsigned.

    IMOD and SerialEM note it in their flags; of others, those that note a minimum below 0 have
    signed ones. Nearly all that note neither were made by programs whose bytes are unsigned.
    """
    with open(path, "rb") as stream:
        head = stream.read(160)
    for order in "<>":
        stamp, flags = struct.unpack_from(f"{order}2i", head, 152)
        if stamp == _IMOD_STAMP:
            return not flags & 1
    return not any(-128 <= struct.unpack_from(f"{order}f", head, 76)[0] <= -1 for order in "<>")
