"""Volumes in MRC files of any program; what their header cannot say stands in one of its labels."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.files import atomic_path
from space.mrc_header import HEADER_BYTES, Header, has_unsigned_bytes, read_header
from space.volumes.frame import HANDEDNESS, UNKNOWN, Frame, Triple, lost_voxel, usable
from space.volumes.opened import Box, OpenVolume, checked_shape

_DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_WHY_NOT = {
    3: "complex numbers, as a transform does",
    4: "complex numbers, as a transform does",
    16: "colours",
    101: "pixels of 4 bits; save it with 8 bits, as by IMOD: newstack -mode 0",
}
_WRITTEN = ("int8", "uint8", "int16", "uint16", "float16", "float32")
_LABEL_BYTES, _MOST_LABELS = 80, 10
_LABEL = "SPACEtomo frame:"
_STAGE = re.compile(r"stage_um=([-+.\deE]+),([-+.\deE]+),([-+.\deE]+)")
_ANGSTROM_PER_NM = 10.0
_LAYERS_AT_ONCE, _BYTES_AT_ONCE = 64, 400_000_000


def open_mrc(path: Path, voxel_nm: Triple | None = None) -> OpenVolume:
    """Open an MRC file as a volume; only the parts that are asked for are read."""
    header = read_header(path)
    if header.mode not in _DTYPES:
        raise ValueError(f"it holds {_WHY_NOT.get(header.mode, 'values of an unknown kind')}")
    dtype = np.dtype(_DTYPES[header.mode])
    if dtype == np.int8 and has_unsigned_bytes(path):
        dtype = np.dtype(np.uint8)
    with open(path, "rb") as stream:
        raw = stream.read(1024)
    axes = _axes(raw, header)
    in_file = (header.sections, *header.shape)
    shape = checked_shape(tuple(in_file[at] for at in axes), dtype)
    stored = dtype.newbyteorder("<" if header.order == "<" else ">")

    def read(box: Box) -> np.ndarray:
        # Mapped anew for each part: a map that stays open cannot be replaced on Windows.
        mapped = np.memmap(path, stored, "r", header.begins, in_file)
        return np.array(mapped.transpose(axes)[box])

    return OpenVolume(path, shape, dtype, _frame(raw, header, path, voxel_nm), read)


def _axes(raw: bytes, header: Header) -> tuple[int, int, int]:
    """Return which axis of the file (sections, rows, columns) is z, y and x."""
    at = struct.unpack_from(f"{header.order}3i", raw, 64)  # what columns, rows, sections are
    if sorted(at) != [1, 2, 3]:
        return (0, 1, 2)
    section, row, column = (2 - at.index(axis) for axis in (3, 2, 1))
    return section, row, column


def _frame(raw: bytes, header: Header, path: Path, voxel_nm: Triple | None) -> Frame:
    grid = struct.unpack_from(f"{header.order}3i", raw, 28)
    cell = struct.unpack_from(f"{header.order}3f", raw, 40)
    origin = struct.unpack_from(f"{header.order}3f", raw, 196)
    if voxel_nm is None:
        sides = [
            length / count / _ANGSTROM_PER_NM if count > 0 else 0.0
            for length, count in zip(cell[::-1], grid[::-1])
        ]
        voxel_nm = usable(sides)
    if voxel_nm is None:
        raise lost_voxel(str(path), "the header gives no cell")
    z, y, x = (
        float(at) / _ANGSTROM_PER_NM if np.isfinite(at) and abs(at) < 1e12 else 0.0
        for at in origin[::-1]
    )
    return _labelled(voxel_nm, (z, y, x), raw, header)


def _labelled(voxel_nm: Triple, origin_nm: Triple, raw: bytes, header: Header) -> Frame:
    """Return the frame with what a label of ours says; another program's says nothing."""
    (count,) = struct.unpack_from(f"{header.order}i", raw, 220)
    texts = [
        raw[at : at + _LABEL_BYTES].decode("latin-1").rstrip(" \0")
        for at in range(224, 224 + _LABEL_BYTES * min(max(count, 0), _MOST_LABELS), _LABEL_BYTES)
    ]
    ours = [at for at, text in enumerate(texts) if text.startswith(_LABEL)]
    if not ours:
        return Frame(voxel_nm, origin_nm, UNKNOWN)
    said = texts[ours[0]][len(_LABEL) :].split(maxsplit=1)
    hand = said[0] if said and said[0] in HANDEDNESS else UNKNOWN
    stage = _STAGE.search(said[1]) if len(said) > 1 else None
    target = "".join(texts[ours[0] + 1 : ours[0] + 2])
    target = target[len("target ") :] if target.startswith("target ") else ""
    try:
        x, y, z = map(float, stage.groups()) if stage else (0.0, 0.0, 0.0)
        return Frame(voxel_nm, origin_nm, hand, (x, y, z) if stage else None, target)
    except (ValueError, SpaceError):
        return Frame(voxel_nm, origin_nm, hand)


def write_mrc(path: Path, data: np.ndarray, frame: Frame) -> None:
    """Write a volume as MRC, whole or not at all.

    Unsigned bytes are written as 16 bits (mode 6), because programs take bytes as they like. The
    origin stands in the header in angstrom; handedness, stage position and target in labels.

    Parameters
    ----------
    path : Path
    data : ndarray, shape (z, y, x)
    frame : Frame

    Raises
    ------
    SpaceError
        If MRC has no such values.
    """
    import mrcfile

    if data.dtype == np.bool_:
        data = data.astype(np.int8)
    if data.dtype.newbyteorder("=").name not in _WRITTEN:
        raise SpaceError(
            f"MRC has no values of type {data.dtype}.",
            str(path),
            f"Make them {', '.join(_WRITTEN)}, or write OME-Zarr.",
        )
    checked_shape(data.shape, data.dtype)
    with atomic_path(Path(path)) as temporary:
        with mrcfile.new(temporary) as opened:
            opened.set_data(data)
            opened.set_volume()
            z, y, x = (side * _ANGSTROM_PER_NM for side in frame.voxel_nm)
            opened.voxel_size = (x, y, z)
            z, y, x = (at * _ANGSTROM_PER_NM for at in frame.origin_nm)
            opened.header.origin = (x, y, z)
            for at, text in enumerate(_labels(frame)):
                opened.header.label[at] = text
            opened.header.nlabl = len(_labels(frame))


def write_mrc_of(path: Path, source: OpenVolume) -> None:
    """Write an open volume as MRC, whole or not at all, without having all of it in memory.

    Raises
    ------
    SpaceError
        If MRC has no such values.
    """
    # Whole chunks, or as many layers as fit.
    layers = max(1, min(_LAYERS_AT_ONCE, _BYTES_AT_ONCE * source.shape[0] // source.nbytes))
    with atomic_path(Path(path)) as temporary:
        write_mrc(temporary, source[0:1], source.frame)
        lowest, highest, total, squares = math.inf, -math.inf, 0.0, 0.0
        with open(temporary, "r+b") as stream:
            stream.seek(HEADER_BYTES)
            for first in range(0, source.shape[0], layers):
                part = source[first : first + layers]
                lowest, highest = min(lowest, float(part.min())), max(highest, float(part.max()))
                for layer in part:
                    total += float(layer.sum(dtype=float))
                    squares += float(np.square(layer, dtype=float).sum())
                stored = np.uint16 if part.dtype == np.uint8 else part.dtype
                stream.write(np.ascontiguousarray(part, stored).data)
            count = float(np.prod(source.shape, dtype=float))
            mean = total / count
            rms = math.sqrt(max(0.0, squares / count - mean**2))
            deep = source.shape[0] * source.frame.voxel_nm[0] * _ANGSTROM_PER_NM
            for at, kind, value in (
                (8, "i", source.shape[0]),
                (36, "i", source.shape[0]),
                (48, "f", deep),
                (76, "3f", (lowest, highest, mean)),
                (216, "f", rms),
            ):
                stream.seek(at)
                values = value if isinstance(value, tuple) else (value,)
                stream.write(struct.pack(f"<{kind}", *values))


def _labels(frame: Frame) -> list[str]:
    stage = (
        "" if frame.stage_um is None else " stage_um={:.4f},{:.4f},{:.4f}".format(*frame.stage_um)
    )
    target = frame.target.encode("ascii", "replace").decode("ascii")
    texts = [f"{_LABEL} {frame.handedness}{stage}", *([f"target {target}"] if target else [])]
    return [text[:_LABEL_BYTES] for text in texts]
