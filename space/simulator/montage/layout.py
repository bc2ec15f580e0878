"""Where the pieces of a montage lie: on the stage, in the file and in the overview.

Piece (ix, iy) counts from the lower left corner, as in the file (Y up). The overview is an
image with row 0 on top. All pixel numbers are pixels of the (binned) pieces unless stated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

Matrix = tuple[tuple[float, float], tuple[float, float]]
Piece = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """Pieces of a montage.

    Parameters
    ----------
    counts : tuple of int
        Pieces in X and Y.
    frame_px : tuple of int
        Columns and rows of a piece.
    overlap_px : tuple of int
        Overlap of neighbours in X and Y.
    skipped : frozenset of (ix, iy)
        Pieces that are not taken.
    """

    counts: tuple[int, int]
    frame_px: tuple[int, int]
    overlap_px: tuple[int, int]
    skipped: frozenset[Piece] = frozenset()

    @property
    def spacing_px(self) -> tuple[int, int]:
        """Distance of neighbouring pieces."""
        (columns, rows), (overlap_x, overlap_y) = self.frame_px, self.overlap_px
        return columns - overlap_x, rows - overlap_y

    @property
    def size_px(self) -> tuple[int, int]:
        """Columns and rows of the whole montage."""
        (nx, ny), (step_x, step_y), (columns, rows) = self.counts, self.spacing_px, self.frame_px
        return (nx - 1) * step_x + columns, (ny - 1) * step_y + rows

    @property
    def order(self) -> tuple[Piece, ...]:
        """Pieces in the order of acquisition: column by column, turning at each end."""
        found = []
        for ix in range(self.counts[0]):
            rows = range(self.counts[1])
            for iy in rows if ix % 2 == 0 else reversed(rows):
                if (ix, iy) not in self.skipped:
                    found.append((ix, iy))
        return tuple(found)

    def number(self, piece: Piece) -> int:
        """Number of a piece as Navigator items count it: column by column, always upwards."""
        return piece[0] * self.counts[1] + piece[1]

    def coordinates_px(self, piece: Piece) -> tuple[int, int]:
        """Piece coordinates X, Y as in the file: lower left corner, Y up."""
        return piece[0] * self.spacing_px[0], piece[1] * self.spacing_px[1]

    def corner_px(self, piece: Piece) -> tuple[int, int]:
        """Column and row of the piece's upper left corner in the full-size overview."""
        x, y = self.coordinates_px(piece)
        return x, self.size_px[1] - y - self.frame_px[1]

    def offset_px(self, piece: Piece) -> tuple[float, float]:
        """Centre of the piece from the centre of the montage, X right and Y UP."""
        (ix, iy), (nx, ny), (step_x, step_y) = piece, self.counts, self.spacing_px
        return (ix - (nx - 1) / 2) * step_x, (iy - (ny - 1) / 2) * step_y

    def stage_um(
        self, piece: Piece, center_um: tuple[float, float], stage_to_camera: Matrix, binning: float
    ) -> tuple[float, float]:
        """Stage position that centres a piece.

        Parameters
        ----------
        piece : tuple of int
            (ix, iy).
        center_um : tuple of float
            Stage position of the montage's centre.
        stage_to_camera : matrix (2, 2)
            Unbinned camera pixels (Y up) per stage µm.
        binning : float
            Binning of the pieces.
        """
        return self.stage_of_offset_um(self.offset_px(piece), center_um, stage_to_camera, binning)

    @staticmethod
    def stage_of_offset_um(
        offset_px: tuple[float, float],
        center_um: tuple[float, float],
        stage_to_camera: Matrix,
        binning: float,
        tilt_cosine: float = 1.0,
    ) -> tuple[float, float]:
        """Stage position that centres a point away from the montage's centre.

        Parameters
        ----------
        offset_px : tuple of float
            The point in pixels of the pieces, Y up.
        center_um, stage_to_camera, binning
            As for `stage_um`.
        tilt_cosine : float
            Cosine of the tilt angle: the stage moves farther along Y than it seems.
        """
        offset = np.asarray(offset_px) * binning
        move = np.linalg.solve(np.asarray(stage_to_camera, float), offset)
        return float(center_um[0] + move[0]), float(center_um[1] + move[1] / tilt_cosine)


def blocks_of(layout: Layout, reach_px: float) -> tuple[tuple[Piece, ...], ...]:
    """Divide a montage into blocks of neighbouring pieces, in the order of acquisition.

    Parameters
    ----------
    layout : Layout
        The montage.
    reach_px : float
        Largest distance of a piece's centre from the middle of its block.

    Returns
    -------
    tuple of tuple of (ix, iy)
        Blocks of about equal size, column by column and turning at each end, as the pieces in
        them; skipped pieces are left out, and blocks that have no others.
    """
    size = _block_size(layout, reach_px)
    starts = [_even_parts(layout.counts[axis], size[axis]) for axis in (0, 1)]
    blocks = []
    for column, (x0, x1) in enumerate(starts[0]):
        for y0, y1 in starts[1] if column % 2 == 0 else reversed(starts[1]):
            inside = [
                (ix, iy)
                for ix in range(x0, x1)
                for iy in (range(y0, y1) if (ix - x0) % 2 == 0 else reversed(range(y0, y1)))
                if (ix, iy) not in layout.skipped
            ]
            if inside:
                blocks.append(tuple(inside))
    return tuple(blocks)


def _block_size(layout: Layout, reach_px: float) -> tuple[int, int]:
    """Largest number of columns and rows of pieces whose centres are all within reach."""
    size = (1, 1)
    while True:
        larger = ((size[0] + 1, size[1]), (size[0], size[1] + 1))
        fits = []
        for axis, trial in enumerate(larger):
            reach = math.hypot(*((n - 1) / 2 * s for n, s in zip(trial, layout.spacing_px)))
            if reach <= reach_px and trial[axis] <= layout.counts[axis]:
                fits.append((reach, axis))
        if not fits:
            return size
        size = larger[min(fits)[1]]


def _even_parts(count: int, largest: int) -> list[tuple[int, int]]:
    """Divide a range into as few parts as possible, of about equal lengths."""
    parts = -(-count // largest)
    bounds = [round(number * count / parts) for number in range(parts + 1)]
    return list(zip(bounds[:-1], bounds[1:]))


@dataclass(frozen=True)
class Pieces:
    """What an overview image knows of its pieces.

    Parameters
    ----------
    layout : Layout
        Nominal places.
    shifts_px : mapping (ix, iy) -> (dx, dy)
        Where alignment put a piece, from its nominal place; columns and rows (Y DOWN).
    overview_binning : int
        Piece pixels per overview pixel.
    piece_binning : float
        Binning of the pieces.
    move_stage : bool
        Whether the stage was moved (else the image shift).
    polygon_id : int
        Map ID of the item that the montage was fitted to, 0 = none.
    """

    layout: Layout
    shifts_px: Mapping[Piece, tuple[float, float]] = field(default_factory=dict)
    overview_binning: int = 1
    piece_binning: float = 1.0
    move_stage: bool = True
    polygon_id: int = 0

    def locate(self, column: float, row: float) -> tuple[int, tuple[float, float]] | None:
        """Find the piece that shows a point of the overview.

        Parameters
        ----------
        column, row : float
            Overview pixels from the upper left corner.

        Returns
        -------
        tuple or None
            Number of the piece and the point in the piece (X right, Y UP); None where no
            piece was taken. Of several, the one with the nearest centre.
        """
        x, y = column * self.overview_binning, row * self.overview_binning
        columns, rows = self.layout.frame_px
        best = None
        for piece in self.layout.order:
            left, top = self.layout.corner_px(piece)
            dx, dy = self.shifts_px.get(piece, (0.0, 0.0))
            in_x, in_y = x - left - dx, y - top - dy
            if 0 <= in_x <= columns and 0 <= in_y <= rows:
                distance = math.hypot(in_x - columns / 2, in_y - rows / 2)
                if best is None or distance < best[0]:
                    best = (distance, self.layout.number(piece), (in_x, rows - in_y))
        return None if best is None else (best[1], best[2])

    def shift_of(self, number: int) -> tuple[float, float]:
        """Shift (columns, rows down) of a piece in OVERVIEW pixels."""
        piece = divmod(number, self.layout.counts[1])
        dx, dy = self.shifts_px.get(piece, (0.0, 0.0))
        return dx / self.overview_binning, dy / self.overview_binning


def octagon_um(limits_um: tuple[float, float, float, float]) -> np.ndarray:
    """Regular octagon inside the stage limits, as SerialEM's full montage uses.

    Parameters
    ----------
    limits_um : tuple of float
        x0, x1, y0, y1.

    Returns
    -------
    ndarray (8, 2)
        Corners in stage coordinates.
    """
    x0, x1, y0, y1 = limits_um
    center = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    half = np.array([abs(x1 - x0) / 2, abs(y1 - y0) / 2])
    angles = np.deg2rad(22.5 + 45.0 * np.arange(8))
    unit = np.column_stack([np.cos(angles), np.sin(angles)]) / math.cos(math.radians(22.5))
    return center + unit * half


def fit_to_polygon(
    polygon_um: np.ndarray,
    stage_to_camera: Matrix,
    binning: float,
    frame_px: tuple[int, int],
    overlap_px: tuple[int, int],
    limits_um: tuple[float, float, float, float] | None = None,
) -> tuple[Layout, tuple[float, float]]:
    """Lay pieces over a convex polygon; those that do not touch it are skipped.

    Parameters
    ----------
    polygon_um : ndarray (n, 2)
        Corners in stage coordinates, in order.
    stage_to_camera : matrix (2, 2)
        Unbinned camera pixels (Y up) per stage µm.
    binning : float
        Binning of the pieces.
    frame_px, overlap_px : tuple of int
        Size of a piece and least overlap.
    limits_um : tuple of float, optional
        Lowest and highest stage X, lowest and highest Y: pieces beyond are skipped, too.

    Returns
    -------
    layout : Layout
        The pieces.
    center_um : tuple of float
        Stage position of the montage's centre.
    """
    matrix = np.asarray(stage_to_camera, float) / binning
    corners_px = np.asarray(polygon_um, float) @ matrix.T
    low, high = corners_px.min(axis=0), corners_px.max(axis=0)
    middle = (low + high) / 2
    nx, ny = (
        max(1, math.ceil((extent - o) / (f - o)))
        for extent, f, o in zip(high - low, frame_px, overlap_px)
    )
    layout = Layout((nx, ny), frame_px, overlap_px)
    skipped = pieces_outside(layout, corners_px - middle)
    x, y = (float(v) for v in np.linalg.solve(matrix, middle))
    if limits_um is not None:
        skipped |= _out_of_reach(layout, matrix, (x, y), limits_um)
    center_um = (round(x, 6) + 0.0, round(y, 6) + 0.0)
    return replace(layout, skipped=skipped), center_um


def pieces_outside(layout: Layout, polygon_px: np.ndarray) -> frozenset[Piece]:
    """Pieces that do not touch a convex polygon (n, 2) around the montage's centre, Y up."""
    whole = Layout(layout.counts, layout.frame_px, layout.overlap_px)
    return frozenset(
        piece
        for piece in whole.order
        if not _touches(polygon_px, whole.offset_px(piece), whole.frame_px)
    )


def _out_of_reach(
    layout: Layout,
    matrix: np.ndarray,
    center_um: tuple[float, float],
    limits_um: tuple[float, float, float, float],
) -> frozenset[Piece]:
    """Pieces for whose centre the stage would have to go beyond its limits."""
    x0, x1, y0, y1 = limits_um
    pieces = layout.order
    offsets_px = np.array([layout.offset_px(piece) for piece in pieces]).T
    x, y = np.linalg.solve(matrix, offsets_px) + np.asarray(center_um)[:, None]
    beyond = (x < x0) | (x > x1) | (y < y0) | (y > y1)
    return frozenset(piece for piece, is_out in zip(pieces, beyond) if is_out)


def _touches(polygon: np.ndarray, center: tuple[float, float], size: tuple[int, int]) -> bool:
    """Whether a rectangle and a convex polygon overlap (separating axes)."""
    half = np.asarray(size) / 2
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    box = np.asarray(center) + signs * half
    edges = np.roll(polygon, -1, axis=0) - polygon
    axes = np.vstack([np.eye(2), np.column_stack([-edges[:, 1], edges[:, 0]])])
    for axis in axes:
        a, b = polygon @ axis, box @ axis
        if a.max() <= b.min() or b.max() <= a.min():
            return False
    return True
