"""MRC image stacks as SerialEM writes them.

Files are opened for each access and closed again, because scripts rename, sort and read
them between two images. In the file the first row of an image is its lowest one; all
arrays here have row 0 on top.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from space.simulator.formats.mrc_header import (
    HEADER_BYTES,
    LABEL_BYTES,
    LABELS,
    MODES,
    Header,
    MrcError,
    pack,
    patched,
    unpack,
)
from space.simulator.formats.mrc_sections import (
    INTENSITY,
    PIECE,
    TILT,
    SectionInfo,
    bytes_per_section,
    pack_info,
    unpack_info,
)

__all__ = [
    "DEFAULT_MAX_SECTIONS",
    "MONTAGE_FLAGS",
    "SINGLE_FLAGS",
    "Header",
    "MrcError",
    "SectionInfo",
    "append",
    "create",
    "mode_of",
    "read_header",
    "read_info",
    "read_section",
]

SINGLE_FLAGS = TILT | INTENSITY
MONTAGE_FLAGS = TILT | PIECE | INTENSITY
DEFAULT_MAX_SECTIONS = 360


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
        shape=(int(shape[0]), int(shape[1])),
        sections=0,
        mode=mode_of(dtype),
        pixel_A=float(pixel_A),
        extended_bytes=blocks * HEADER_BYTES,
        bytes_per_section=per_section,
        flags=flags,
        signed_bytes=True,
        minimum=0.0,
        maximum=0.0,
        mean=0.0,
        titles=tuple(title[:LABEL_BYTES] for title in titles)[:LABELS],
    )
    with open(path, "wb") as stream:
        stream.write(pack(header))
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
            stream.write(pack_info(info or SectionInfo(), header.flags, header.bytes_per_section))
        stream.flush()
        stream.seek(0)
        stream.write(patched(raw, _with_section(header, stored)))
    return section


def read_header(path: Path) -> Header:
    """Read the header.

    Raises
    ------
    OSError
        If the file cannot be read.
    MrcError
        If it is not an MRC file of a known kind, or cut off.
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
    return unpack_info(raw, header.flags)


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


def _with_section(header: Header, stored: np.ndarray) -> Header:
    count = header.sections
    low, high = float(stored.min()), float(stored.max())
    mean = float(stored.mean(dtype=np.float64))
    if count:
        low, high = min(low, header.minimum), max(high, header.maximum)
        mean = (header.mean * count + mean) / (count + 1)
    return replace(header, sections=count + 1, minimum=low, maximum=high, mean=mean)


def _header_of(stream: BinaryIO, path: Path) -> tuple[bytes, Header]:
    """Read the header of an open file and see that all its sections are there."""
    raw = stream.read(HEADER_BYTES)
    header = unpack(raw, path)
    present = stream.seek(0, 2) - HEADER_BYTES - header.extended_bytes
    if present < header.sections * header.image_bytes:
        whole = max(0, present) // header.image_bytes
        raise MrcError(f"{path} is cut off: of {header.sections} sections it holds {whole}")
    return raw, header
