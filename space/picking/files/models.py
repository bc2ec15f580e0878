"""Points of IMOD models, read chunk by chunk and never beyond the file.

The form is that of IMOD's "IMOD Binary File Format": a header, then chunks with a name each. Only
contours matter here. imodmodel reads such files, too, but takes minutes on damaged ones; it
writes them.
"""

from __future__ import annotations

import struct

import numpy as np

_BEGIN = b"IMODV"
_HEADER_BYTES = 240
_OBJECT_BYTES, _CONTOUR_BYTES, _MESH_BYTES = 176, 16, 16
_POINT_BYTES, _INDEX_BYTES = 12, 4


def points_of(data: bytes) -> np.ndarray:
    """Return the points (n, 3) of all contours, as (column, row, section).

    Raises
    ------
    ValueError
        If it is no model, or cut off.
    """
    if data[: len(_BEGIN)] != _BEGIN or len(data) < _HEADER_BYTES:
        raise ValueError("it does not begin as a model")
    at, found = _HEADER_BYTES, []
    while at + 4 <= len(data) and data[at : at + 4] != b"IEOF":
        name, at = data[at : at + 4], at + 4
        if name == b"OBJT":
            at += _OBJECT_BYTES
        elif name == b"CONT":
            count = _count(data, at)
            at += _CONTOUR_BYTES
            points = np.frombuffer(data[at : at + count * _POINT_BYTES], ">f4")
            if len(points) != 3 * count:
                raise ValueError("it is cut off in a contour")
            found.append(points.reshape(-1, 3).astype(float))
            at += count * _POINT_BYTES
        elif name == b"MESH":
            points_bytes = _count(data, at) * _POINT_BYTES
            at += _MESH_BYTES + points_bytes + _count(data, at + 4) * _INDEX_BYTES
        else:
            at += 4 + _count(data, at)
    if at > len(data):
        raise ValueError("it is cut off")
    return np.concatenate(found) if found else np.zeros((0, 3))


def _count(data: bytes, at: int) -> int:
    if at + 4 > len(data):
        raise ValueError("it is cut off")
    (count,) = struct.unpack_from(">i", data, at)
    if count < 0:
        raise ValueError("it counts less than nothing")
    return int(count)
