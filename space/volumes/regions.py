"""Regions of a volume, given in voxels or in nm."""

from __future__ import annotations

import re
from collections.abc import Sequence

from space.errors import SpaceError, shown
from space.volumes.blocks import Block
from space.volumes.frame import Frame

_HOW = "Write first and last of z, y and x: 0:100,50:150,:  or in nm: 0:800,400:1200,: nm"
_RANGE = re.compile(r"([-+]?[\d.]*(?:e[-+]?\d+)?):([-+]?[\d.]*(?:e[-+]?\d+)?)", re.IGNORECASE)


def region_of(text: str, shape: Sequence[int], frame: Frame) -> Block:
    """Return the region that a text names.

    Parameters
    ----------
    text : str
        ``z0:z1,y0:y1,x0:x1`` in voxels, the last not in it; an end that is left out is that of the
        volume. With ``nm`` behind, positions in nm as the frame counts them.
    shape : sequence of int
        Of the volume.
    frame : Frame
        Of the volume.

    Raises
    ------
    SpaceError
        If it names none in the volume.
    """
    body, in_nm = text.strip(), False
    if body.lower().endswith("nm"):
        body, in_nm = body[:-2].strip(), True
    parts = [_RANGE.fullmatch(part.strip()) for part in body.split(",")]
    if len(parts) != 3 or None in parts:
        raise SpaceError(f"{shown(text)} is no region.", do=_HOW)
    start, stop = [], []
    for part, side, voxel, origin in zip(parts, shape, frame.voxel_nm, frame.origin_nm):
        assert part is not None
        try:
            first, last = (
                default if given == "" else _index(given, in_nm, voxel, origin)
                for given, default in zip(part.groups(), (0, side))
            )
        except (ValueError, OverflowError):
            raise SpaceError(f"{shown(text)} is no region.", do=_HOW) from None
        start.append(first)
        stop.append(last)
    return checked_region(start, stop, shape, text)


def _index(text: str, in_nm: bool, voxel_nm: float, origin_nm: float) -> int:
    return round((float(text) - origin_nm) / voxel_nm) if in_nm else int(text)


def checked_region(
    start: Sequence[int], stop: Sequence[int], shape: Sequence[int], where: str = ""
) -> Block:
    """Return a region that lies in a volume.

    Raises
    ------
    SpaceError
        If it does not.
    """
    if not all(0 <= first < last <= side for first, last, side in zip(start, stop, shape)):
        raise SpaceError(
            f"The region from {tuple(start)} to {tuple(stop)} is not in the volume of "
            f"{tuple(shape)} voxels (z, y, x).",
            where,
            _HOW,
        )
    return Block((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
