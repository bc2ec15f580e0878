"""The extended header of an MRC file: what SerialEM writes down of each section."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

# What the extended header holds for each section, in the order in which it is written.
TILT, PIECE, STAGE, MAGNIFICATION, INTENSITY, DOSE = 1, 2, 4, 8, 16, 32
_FLAG_FORMATS = {TILT: "h", PIECE: "3H", STAGE: "2h", MAGNIFICATION: "h", INTENSITY: "h", DOSE: "f"}


@dataclass(frozen=True)
class SectionInfo:
    """What the extended header says of one section.

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


def bytes_per_section(flags: int) -> int:
    """Give the size of one section's entry in the extended header."""
    return sum(struct.calcsize("<" + f) for bit, f in _FLAG_FORMATS.items() if flags & bit)


def pack_info(info: SectionInfo, flags: int, size: int) -> bytes:
    """Give the bytes of an entry of `size` bytes that holds what `flags` say."""
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
        if not flags & bit:
            continue
        values = whole[bit]
        if text.endswith("h"):
            values = tuple(max(-32768, min(32767, round(v))) for v in values)
        packed += struct.pack("<" + text, *values)
    return packed[:size].ljust(size, b"\0")


def unpack_info(raw: bytes, flags: int) -> SectionInfo:
    """Read an entry; defaults for what is not in it."""
    values: dict[int, tuple[Any, ...]] = {}
    offset = 0
    for bit, text in _FLAG_FORMATS.items():
        if flags & bit and offset + struct.calcsize("<" + text) <= len(raw):
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
