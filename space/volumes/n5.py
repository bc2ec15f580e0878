"""Volumes in N5, read only: the packages for it are old, and the format is small.

https://github.com/saalfeldlab/n5 (file system specification 4): a folder for an array, with
``attributes.json`` (dimensions, blockSize, dataType, compression; x first), and a file for each
block, ``x/y/z``: mode, number of axes and size of the block as big-endian numbers, then the packed
values, big-endian, x fastest. A block that is not there is 0.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError, shown
from space.files import read_bytes_bounded, read_json
from space.predicates import is_whole
from space.volumes.frame import UNKNOWN, Frame, Triple, lost_voxel
from space.volumes.opened import Box, OpenVolume, checked_shape, native, need
from space.volumes.zarrs import plain_attributes

ATTRIBUTES = "attributes.json"
_TYPES = tuple(f"{kind}{bits}" for kind in ("uint", "int") for bits in (8, 16, 32, 64))
_DTYPES = (*_TYPES, "float32", "float64")
_LARGEST_BLOCK_BYTES = 2**28
_AXES = 3


@dataclass(frozen=True)
class _Array:
    """What `attributes.json` says; sides z first."""

    shape: tuple[int, int, int]
    block: tuple[int, int, int]
    dtype: np.dtype
    packing: str
    zlib_inside: bool


def is_n5(path: Path) -> bool:
    """Whether a folder is an array or a group of N5."""
    return (path / ATTRIBUTES).is_file()


def open_n5(path: Path, voxel_nm: Triple | None = None) -> OpenVolume:
    """Open an array of N5 as a volume."""
    told = read_json(path / ATTRIBUTES, follow_links=True)
    if not isinstance(told, dict) or "dimensions" not in told:
        inside = sorted(one.name for one in path.iterdir() if is_n5(one))[:10]
        raise SpaceError(
            "This group of N5 is no array.",
            str(path),
            f"Name an array in it: {', '.join(inside) or 'it holds none'}.",
        )
    array = _array(told)
    if array.packing in ("zstd", "blosc", "bzip2", "xz"):
        need("numcodecs", "N5", path)
    voxel, origin = _voxel(told)
    if voxel_nm is None and voxel is None:
        raise lost_voxel(str(path), "its attributes give none")
    frame = Frame(voxel_nm or voxel or (0, 0, 0), origin, UNKNOWN)

    def read(box: Box) -> np.ndarray:
        return _read(path, array, box)

    return OpenVolume(path, array.shape, native(array.dtype), frame, read)


def _array(told: Mapping[str, Any]) -> _Array:
    def sides(name: str) -> tuple[int, int, int]:
        values = told.get(name)
        if not isinstance(values, list) or len(values) != _AXES or not all(map(is_whole, values)):
            raise ValueError(f"{name} is {shown(values)}, not three whole numbers")
        if not all(0 < one < 2**31 for one in values):
            raise ValueError(f"{name} is {shown(values)}")
        x, y, z = values
        return z, y, x

    if told.get("dataType") not in _DTYPES:
        raise ValueError(f"values of type {shown(told.get('dataType'))} are not known")
    dtype = np.dtype(told["dataType"]).newbyteorder(">")
    packing = told.get("compression", told.get("compressionType", "raw"))
    options = packing if isinstance(packing, dict) else {"type": packing}
    if options.get("type") not in ("raw", "gzip", "zstd", "blosc", "bzip2", "xz"):
        raise ValueError(f"the compression {shown(options.get('type'))} is not known")
    block = sides("blockSize")
    if block[0] * block[1] * block[2] * dtype.itemsize > _LARGEST_BLOCK_BYTES:
        raise ValueError(f"its blocks have {block} voxels")
    shape = checked_shape(sides("dimensions"), dtype)
    return _Array(shape, block, dtype, options["type"], options.get("useZlib") is True)


def _voxel(told: Mapping[str, Any]) -> tuple[Triple | None, Triple]:
    """Return size of voxels and origin in nm, z first, in one of the ways in use."""
    transform = told.get("transform")
    if isinstance(transform, dict) and isinstance(transform.get("scale"), list):
        last_first = transform.get("axes") == ["x", "y", "z"] or transform.get("ordering") == "F"
        same = {
            "resolution": transform["scale"],
            "offset": transform.get("translate", [0, 0, 0]),
            "units": transform.get("units", ["nm"] * 3),
        }
        voxel, origin = plain_attributes(same)
        return _turned(voxel, origin) if last_first else (voxel, origin)
    pixel = told.get("pixelResolution")
    if isinstance(pixel, dict):
        same = {"resolution": pixel.get("dimensions"), "units": [pixel.get("unit", "nm")] * 3}
        return _turned(*plain_attributes(same))
    return _turned(*plain_attributes(told))


def _turned(voxel: Triple | None, origin: Triple) -> tuple[Triple | None, Triple]:
    """Return what was given x first with z first."""
    return (None if voxel is None else (voxel[2], voxel[1], voxel[0])), origin[::-1]


def _read(path: Path, array: _Array, box: Box) -> np.ndarray:
    out = np.zeros([one.stop - one.start for one in box], native(array.dtype))
    if not out.size:
        return out
    wanted = [range(one.start // b, -(-one.stop // b)) for one, b in zip(box, array.block)]
    for at in itertools.product(*wanted):
        file = path.joinpath(*map(str, at[::-1]))
        try:
            raw = read_bytes_bounded(file, 2 * _LARGEST_BLOCK_BYTES, follow_links=True)
        except FileNotFoundError:
            continue
        first = [one * side for one, side in zip(at, array.block)]
        try:
            block = _unpacked(raw, array)
        except (ValueError, RuntimeError, struct.error, zlib.error, OSError) as error:
            raise SpaceError(f"A block of N5 cannot be read: {error}.", str(file)) from error
        ends = [one + side for one, side in zip(first, block.shape)]
        into, part = [], []
        for one, begin, end in zip(box, first, ends):
            low, high = max(one.start, begin), min(one.stop, end)
            into.append(slice(low - one.start, max(low, high) - one.start))
            part.append(slice(low - begin, max(low, high) - begin))
        out[tuple(into)] = block[tuple(part)]
    return out


def _unpacked(raw: bytes, array: _Array) -> np.ndarray:
    mode, axes = struct.unpack_from(">HH", raw)
    if mode not in (0, 1) or axes != _AXES:
        raise ValueError(f"its mode is {mode}, and it has {axes} axes")
    x, y, z = struct.unpack_from(">3I", raw, 4)
    begins = 16 + 4 * mode  # of mode 1, the number of values follows
    if not all(0 < one <= side for one, side in zip((z, y, x), array.block)):
        raise ValueError(f"it has {x} x {y} x {z} voxels where {array.block[::-1]} are most")
    expected = x * y * z * array.dtype.itemsize
    data = _decoded(raw[begins:], array, expected)
    if len(data) != expected:
        raise ValueError(f"it has {len(data)} bytes where {expected} are needed")
    return np.frombuffer(data, array.dtype).reshape(z, y, x)


def _decoded(raw: bytes, array: _Array, expected: int) -> bytes:
    """Return the values of a block, no more than one byte more than expected."""
    if array.packing == "raw":
        return raw
    if array.packing == "gzip":
        kind = zlib.MAX_WBITS if array.zlib_inside else 16 + zlib.MAX_WBITS
        return zlib.decompressobj(kind).decompress(raw, expected + 1)
    if array.packing == "bzip2":
        import bz2

        return bz2.BZ2Decompressor().decompress(raw, expected + 1)
    if array.packing == "xz":
        import lzma

        return lzma.LZMADecompressor(memlimit=_LARGEST_BLOCK_BYTES).decompress(raw, expected + 1)
    import numcodecs

    out = np.empty(expected, np.uint8)  # the decoders refuse what does not fit into it
    if array.packing == "blosc":
        import numcodecs.blosc

        numcodecs.blosc.decompress(raw, out)
    else:
        numcodecs.Zstd().decode(raw, out)
    return out.tobytes()
