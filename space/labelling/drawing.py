"""Strokes drawn on a label map, exactly: a pixel is covered where its middle is.

What is drawn is a list of strokes, one after the other; to undo one is to draw without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from space.errors import SpaceError
from space.labelling.strokes import Shape, Stroke

_BAND_PX = 4_000_000
"""A large map is drawn in bands of rows, since what a band needs is many times its pixels."""

_FIRST_HALF_PX = 256
_MOST_ROWS_AT_ONCE = 300_000
"""Of all pieces of a stroke that are looked at together."""


@dataclass(frozen=True, eq=False)
class Region:
    """The pixels of a map that a stroke covers.

    Attributes
    ----------
    top, left, rows, columns : int
        The part of the map that they lie in.
    packed : ndarray of uint8, shape (rows, n)
        One bit for each pixel of it.
    """

    top: int
    left: int
    rows: int
    columns: int
    packed: np.ndarray

    @property
    def place(self) -> tuple[slice, slice]:
        """The part of the map."""
        return (
            slice(self.top, self.top + self.rows),
            slice(self.left, self.left + self.columns),
        )

    @property
    def mask(self) -> np.ndarray:
        """The pixels (rows, columns), True where they are covered."""
        return np.unpackbits(self.packed, axis=1, count=self.columns).view(bool)


@dataclass(frozen=True, eq=False)
class Mask:
    """What something else than a hand has found, and a person may take.

    Attributes
    ----------
    region : Region
    by : str
        Who proposed it: a line for people.
    """

    region: Region
    by: str = ""


Masks = Callable[[str], Mask]
"""Gives the mask that a name stands for; raises SpaceError if there is none."""


def no_masks(name: str) -> Mask:
    """Say that there are no masks."""
    raise SpaceError(f"The mask {name} is not there.", do="Ask for the proposal again.")


class Drawing:
    """A label map while strokes are drawn on it.

    Parameters
    ----------
    base : ndarray of uint8, shape (rows, columns)
        Labels before anything was drawn.
    names : mapping of str to int
        Class → label.
    masks : callable
        Gives those that strokes name.

    Attributes
    ----------
    labels : ndarray of uint8
        As they are now.
    drawn : list of (Stroke, Region)
        What was drawn, in its order.
    """

    def __init__(self, base: np.ndarray, names: Mapping[str, int], masks: Masks = no_masks) -> None:
        self.base = base
        self.names = names
        self._masks = masks
        self.labels = base.copy()
        self.drawn: list[tuple[Stroke, Region]] = []

    def add(self, strokes: Iterable[Stroke]) -> None:
        """Draw more."""
        for stroke in strokes:
            region = self._region(stroke)
            self.drawn.append((stroke, region))
            part, mask = self.labels[region.place], region.mask
            if stroke.category:
                part[mask] = self.names[stroke.category]
            else:
                part[mask] = self.base[region.place][mask]

    def _region(self, stroke: Stroke) -> Region:
        if stroke.shape is Shape.FILL:
            return connected(self.labels, stroke.points_px[0])
        if stroke.shape is Shape.MASK:
            return self._fitting(self._masks(stroke.mask).region)
        return covered(stroke, self.labels.shape)

    def _fitting(self, region: Region) -> Region:
        rows, columns = self.labels.shape
        if region.top + region.rows > rows or region.left + region.columns > columns:
            raise SpaceError("A mask is larger than this picture.", do="Ask for it again.")
        return region

    def layers(self) -> Iterator[tuple[str, np.ndarray]]:
        """Give each class that was drawn, with the pixels that were given it by hand.

        A pixel that was given two classes is in both layers; what was set back is in none.
        """
        for name in self.names:
            if any(stroke.category == name for stroke, _ in self.drawn):
                mask = np.zeros(self.labels.shape, bool)
                for stroke, region in self.drawn:
                    if stroke.category in (name, ""):
                        mask[region.place][region.mask] = bool(stroke.category)
                if mask.any():
                    yield name, mask


def covered(stroke: Stroke, shape: Sequence[int]) -> Region:
    """Return what a stroke of the brush, or a polygon, covers of a map of this shape."""
    points = np.array(stroke.points_px, float)
    margin = stroke.radius_px if stroke.shape is Shape.BRUSH else 0.0
    low = np.maximum(np.floor(points.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(points.max(axis=0) + margin), np.array(shape)).astype(int)
    rows, columns = (int(size) for size in np.maximum(high - low, 0))
    if not rows or not columns:
        return Region(0, 0, 0, 0, np.zeros((0, 0), np.uint8))
    points = points - low
    packed = np.zeros((rows, -(-columns // 8)), np.uint8)
    per_band = max(1, _BAND_PX // columns)
    for first in range(0, rows, per_band):
        count = min(per_band, rows - first)
        inside = (
            _brushed(points, stroke.radius_px, first, (count, columns))
            if stroke.shape is Shape.BRUSH
            else _inside(points, first, (count, columns))
        )
        packed[first : first + count] = np.packbits(inside, axis=1)
    return Region(int(low[0]), int(low[1]), rows, columns, packed)


def connected(labels: np.ndarray, point_px: tuple[float, float]) -> Region:
    """Return the pixels of one label that hang together by their sides, from a point on."""
    from skimage.segmentation import flood

    row, column = (int(np.floor(value)) for value in point_px)
    rows, columns = labels.shape
    if not (0 <= row < rows and 0 <= column < columns):
        return Region(0, 0, 0, 0, np.zeros((0, 0), np.uint8))
    half = _FIRST_HALF_PX
    while True:  # most are small: a large map is not looked at as a whole for them
        top, left = max(0, row - half), max(0, column - half)
        part = labels[top : row + half + 1, left : column + half + 1]
        mask = flood(part, (row - top, column - left), connectivity=1)
        is_cut = (
            (top > 0 and mask[0].any())
            or (left > 0 and mask[:, 0].any())
            or (top + len(part) < rows and mask[-1].any())
            or (left + part.shape[1] < columns and mask[:, -1].any())
        )
        if not is_cut:
            break
        half *= 4
    return region_of(mask, top, left)


def region_of(mask: np.ndarray, top: int = 0, left: int = 0) -> Region:
    """Return the part of a map that a mask covers; the mask itself begins at `top`, `left`."""
    met_rows, met_columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(met_rows):
        return Region(0, 0, 0, 0, np.zeros((0, 0), np.uint8))
    mask = mask[met_rows[0] : met_rows[-1] + 1, met_columns[0] : met_columns[-1] + 1]
    top, left = top + int(met_rows[0]), left + int(met_columns[0])
    return Region(top, left, mask.shape[0], mask.shape[1], np.packbits(mask, axis=1))


# --- rows of a map --------------------------------------------------------------------------------


def _brushed(points: np.ndarray, radius: float, first: int, shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels of a band of rows that a round brush passes.

    What it covers between two points is convex: in each row, it lies between two columns.
    """
    starts = points[:-1] if len(points) > 1 else points
    ends = points[1:] if len(points) > 1 else points
    top = np.ceil(np.minimum(starts[:, 0], ends[:, 0]) - radius - first - 0.5)
    bottom = np.floor(np.maximum(starts[:, 0], ends[:, 0]) + radius - first - 0.5)
    steps = np.zeros((shape[0], shape[1] + 1), np.int32)
    at_once = max(1, int(_MOST_ROWS_AT_ONCE / min(shape[0], np.max(bottom - top) + 2)))
    for begin in range(0, len(starts), at_once):
        some = slice(begin, begin + at_once)
        segment, row = _rows_of(top[some], bottom[some], shape[0])
        left, right = _columns_met(
            row + first + 0.5, starts[some][segment], ends[some][segment], radius
        )
        is_met = left <= right
        row, left, right = row[is_met], left[is_met], right[is_met]
        start = np.clip(np.ceil(left - 0.5), 0, shape[1]).astype(np.int64)
        stop = np.clip(np.floor(right - 0.5) + 1, 0, shape[1]).astype(np.int64)
        np.add.at(steps, (row, start), 1)
        np.add.at(steps, (row, stop), -1)
    return np.cumsum(steps, axis=1, dtype=np.int32)[:, :-1] > 0


def _columns_met(
    y: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return between which columns each row meets a brush that goes from `start` to `end`."""
    left, right = np.full(len(y), np.inf), np.full(len(y), -np.inf)
    for center in (start, end):
        square = radius**2 - (y - center[:, 0]) ** 2
        is_met, half = square >= 0, np.sqrt(np.maximum(square, 0))
        left = np.where(is_met, np.minimum(left, center[:, 1] - half), left)
        right = np.where(is_met, np.maximum(right, center[:, 1] + half), right)
    low, high = _between(y, start, end, radius)
    is_met = low <= high
    left = np.where(is_met, np.minimum(left, low), left)
    right = np.where(is_met, np.maximum(right, high), right)
    return left, right


def _between(
    y: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of a row that lie beside a segment, not farther than `radius`.

    Both ends of the segment are the sides of a rectangle; where there is nothing, the second
    number is smaller than the first one.
    """
    (ra, ca), (rb, cb) = start.T, end.T
    dr, dc = rb - ra, cb - ca
    length = np.hypot(dr, dc)
    safe = np.where(length > 0, length, 1.0)
    dr, dc = dr / safe, dc / safe
    low, high = np.full(len(y), -np.inf), np.full(len(y), np.inf)
    # Along the segment: 0 <= (y - ra) dr + (x - ca) dc <= length; across it: at most the radius.
    for slope, known, least, most in (
        (dc, (y - ra) * dr - ca * dc, np.zeros(len(y)), length),
        (-dr, (y - ra) * dc + ca * dr, np.full(len(y), -radius), np.full(len(y), radius)),
    ):
        is_flat = np.abs(slope) < 1e-12
        divisor = np.where(is_flat, 1.0, slope)
        one, other = (least - known) / divisor, (most - known) / divisor
        is_within = (least <= known) & (known <= most)
        flat_low = np.where(is_within, -np.inf, np.inf)
        low = np.maximum(low, np.where(is_flat, flat_low, np.minimum(one, other)))
        high = np.minimum(high, np.where(is_flat, -flat_low, np.maximum(one, other)))
    return np.where(length > 0, low, np.inf), np.where(length > 0, high, -np.inf)


def _inside(points: np.ndarray, first: int, shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels of a band of rows inside of a polygon: an odd number of sides is passed."""
    starts, ends = points, np.roll(points, -1, axis=0)
    low, high = np.minimum(starts[:, 0], ends[:, 0]), np.maximum(starts[:, 0], ends[:, 0])
    # A side has the row of its upper end and not that of its lower one: corners count once.
    side, row = _rows_of(np.ceil(low - first - 0.5), np.ceil(high - first - 0.5) - 1, shape[0])
    y = row + first + 0.5
    (ra, ca), (rb, cb) = starts[side].T, ends[side].T
    x = ca + (y - ra) * (cb - ca) / (rb - ra)
    column = np.clip(np.floor(x - 0.5) + 1, 0, shape[1]).astype(np.int64)
    steps = np.zeros((shape[0], shape[1] + 1), np.int32)
    np.add.at(steps, (row, column), 1)
    return (np.cumsum(steps, axis=1, dtype=np.int32)[:, :-1] & 1).astype(bool)


def _rows_of(top: np.ndarray, bottom: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each row (and whose it is) of some things that reach from `top` to `bottom`."""
    top = np.maximum(top, 0).astype(np.int64)
    counts = np.maximum(np.minimum(bottom, rows - 1).astype(np.int64) - top + 1, 0)
    of = np.repeat(np.arange(len(top)), counts)
    before = np.cumsum(counts) - counts
    return of, np.arange(len(of)) - before[of] + top[of]
