"""Puts the pieces of a montage together.

Where neighbours overlap, each shows its own half: the seam runs along the middle of the
overlap, after any alignment of the pieces.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from space.simulator.montage.layout import Layout, Piece, Pieces, fit_to_polygon, octagon_um
from space.simulator.montage.piece_alignment import align_pieces

__all__ = [
    "OVERVIEW_LIMIT_PX",
    "Layout",
    "Piece",
    "Pieces",
    "align_pieces",
    "center_composite",
    "fit_to_polygon",
    "octagon_um",
    "overview_binning",
    "stitch",
]

OVERVIEW_LIMIT_PX = 8192

Shifts = Mapping[Piece, tuple[float, float]]


def overview_binning(size_px: tuple[int, int], limit_px: int = OVERVIEW_LIMIT_PX) -> int:
    """Give the smallest binning that keeps the overview within the limit."""
    return max(1, math.ceil(max(size_px) / limit_px))


def stitch(
    pieces: Mapping[Piece, np.ndarray],
    layout: Layout,
    shifts_px: Shifts | None = None,
    binning: int = 1,
) -> np.ndarray:
    """Make the overview.

    Parameters
    ----------
    pieces : mapping (ix, iy) -> ndarray (rows, columns)
        Images with row 0 on top, all of the size and type of the first.
    layout : Layout
        Nominal places.
    shifts_px : mapping, optional
        Shift of pieces from there, (columns, rows down), rounded to whole pixels.
    binning : int
        Piece pixels per overview pixel.

    Returns
    -------
    ndarray (rows, columns)
        The overview with row 0 on top; its centre is the centre of the montage, also where
        the binning leaves a remainder. Places without a piece have the mean of the pieces.
    """
    width, height = layout.size_px
    columns, rows = width // binning, height // binning
    start = ((width - columns * binning) // 2, (height - rows * binning) // 2)
    return _composite(pieces, layout, shifts_px or {}, start, (columns, rows), binning)


def center_composite(
    pieces: Mapping[Piece, np.ndarray], layout: Layout, shifts_px: Shifts | None = None
) -> np.ndarray:
    """Make an image of the size of one piece from the middle of the montage."""
    columns, rows = layout.frame_px
    width, height = layout.size_px
    start = ((width - columns) // 2, (height - rows) // 2)
    return _composite(pieces, layout, shifts_px or {}, start, (columns, rows), 1)


def _composite(
    pieces: Mapping[Piece, np.ndarray],
    layout: Layout,
    shifts: Shifts,
    start: tuple[int, int],
    size: tuple[int, int],
    binning: int,
) -> np.ndarray:
    if not pieces:
        raise ValueError("a montage without pieces cannot be put together")
    first = next(iter(pieces.values()))
    fill = np.mean([piece.mean(dtype=np.float64) for piece in pieces.values()])
    out = np.full((size[1], size[0]), fill if first.dtype.kind == "f" else round(fill), first.dtype)
    places = {piece: _place(piece, layout, shifts) for piece in pieces}
    whole = (0, 0, *layout.frame_px)
    # Whole pieces first: where shifts open a gap at a corner, the rest of a piece shows.
    for piece, image in pieces.items():
        _paste(out, image, places[piece], whole, start, binning)
    for piece, image in pieces.items():
        core = _core(piece, places, layout)
        _paste(out, image, places[piece], core, start, binning)
    return out


def _place(piece: Piece, layout: Layout, shifts: Shifts) -> tuple[int, int]:
    left, top = layout.corner_px(piece)
    dx, dy = shifts.get(piece, (0.0, 0.0))
    return left + round(dx), top + round(dy)


def _core(
    piece: Piece, places: Mapping[Piece, tuple[int, int]], layout: Layout
) -> tuple[int, int, int, int]:
    """Give the part (x0, y0, x1, y1) of a piece between the seams with its neighbours."""
    ix, iy = piece
    columns, rows = layout.frame_px
    left, top = places[piece]
    x0, y0, x1, y1 = 0, 0, columns, rows
    if (ix - 1, iy) in places:
        x0 = (places[ix - 1, iy][0] + columns + left) // 2 - left
    if (ix + 1, iy) in places:
        x1 = (left + columns + places[ix + 1, iy][0]) // 2 - left
    if (ix, iy + 1) in places:  # the piece above
        y0 = (places[ix, iy + 1][1] + rows + top) // 2 - top
    if (ix, iy - 1) in places:
        y1 = (top + rows + places[ix, iy - 1][1]) // 2 - top
    return max(0, x0), max(0, y0), min(columns, x1), min(rows, y1)


def _paste(
    out: np.ndarray,
    image: np.ndarray,
    place: tuple[int, int],
    bounds: tuple[int, int, int, int],
    start: tuple[int, int],
    binning: int,
) -> None:
    """Put part of a piece into the overview, block by whole block of `binning` pixels."""
    slices_out, slices_in = [], []
    for axis, length in ((1, out.shape[0]), (0, out.shape[1])):  # rows, then columns
        origin = place[axis] - start[axis]
        low = math.ceil((origin + bounds[axis]) / binning)
        high = (origin + bounds[axis + 2]) // binning
        # A seam may cut a block in two; the piece itself usually goes on far enough.
        if low * binning - origin > bounds[axis] and (low - 1) * binning >= origin:
            low -= 1
        low, high = max(0, low), min(length, high)
        if low >= high:
            return
        slices_out.append(slice(low, high))
        slices_in.append(slice(low * binning - origin, high * binning - origin))
    part = image[slices_in[0], slices_in[1]]
    if binning > 1:
        rows, columns = (n // binning for n in part.shape)
        blocks = part.reshape(rows, binning, columns, binning)
        part = blocks.mean(axis=(1, 3), dtype=np.float32)
        if out.dtype.kind != "f":
            part = np.rint(part)
    out[slices_out[0], slices_out[1]] = part
