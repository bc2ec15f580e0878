"""The lamella's own pieces: what of a label map belongs to the lamella and what lies beside it.

A model also finds classes in film holes beside the lamella and on shreds. What is neither vacuum
nor bulk falls into connected pieces (joined along pixels' sides; cracks and coating join, but are
no lamella themselves). The largest one and all of at least `LEAST_SHARE` of its area belong to
the lamella; broken lamellae have several. A piece that a polygon of the user touches counts as
well.

Pieces are found exactly, from the runs of pixels in each row: a map of a hundred million pixels has
some ten thousand runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEAST_SHARE = 0.1
OFF, JOINS, COUNTS = 0, 1, 2
# Small enough to stay in a processor's cache.
STRIP_PX = 250_000


def off_pieces(
    labels: np.ndarray,
    table: np.ndarray,
    polygons_map_px: Sequence[np.ndarray] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Runs of pixels that lie on no piece of the lamella.

    Parameters
    ----------
    labels : ndarray of uint8 (rows, columns)
    table : ndarray of uint8 (256,)
        For each label: `OFF` the lamella, `JOINS` pieces of it, or `COUNTS` for their area too.
    polygons_map_px : sequence of (k, 2) arrays
        Pieces that one of them touches belong to the lamella too.

    Returns
    -------
    starts, ends : ndarray of int (n,)
        First pixel and the one after the last of each run, counted row by row through the map.
    """
    starts, ends, area = _runs(labels, table)
    if not len(starts):
        return starts, ends
    piece = _pieces(starts, ends, labels.shape[1])
    areas = np.bincount(piece, weights=area)
    own = (areas >= LEAST_SHARE * areas.max()) & (areas > 0)
    for corners in polygons_map_px:
        first, last = _overlaps(*_polygon_runs(corners, labels.shape), starts, ends)
        touched = np.zeros(len(starts) + 1, int)
        np.add.at(touched, first, 1)
        np.add.at(touched, last, -1)
        own[piece[np.cumsum(touched[:-1]) > 0]] = True
    off = ~own[piece]
    return starts[off], ends[off]


def relabelled(
    labels: np.ndarray, runs: tuple[np.ndarray, np.ndarray], table: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A copy of the labels, those in the runs changed, and how many of each label were there.

    Parameters
    ----------
    runs : (ndarray, ndarray)
        As `off_pieces` gives them.
    table : ndarray of uint8 (256,)
        New label for each label.
    """
    flat = labels.ravel().copy()
    found = np.zeros(256, np.int64)
    starts, ends = runs
    for begin in range(0, flat.size, STRIP_PX):
        first, last = np.searchsorted(starts, (begin, begin + STRIP_PX))
        if first == last:
            continue
        pixels = _positions(starts[first:last], ends[first:last])
        found += np.bincount(flat[pixels], minlength=256)
        flat[pixels] = table[flat[pixels]]
    return flat.reshape(labels.shape), found


def _runs(labels: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start, end and area of all runs, in order."""
    rows, columns = labels.shape
    translation = table.tobytes()
    parts = []
    lines = max(1, STRIP_PX // max(1, columns))
    for first in range(0, rows, lines):
        strip = labels[first : first + lines]
        kind = np.frombuffer(strip.tobytes().translate(translation), np.uint8).reshape(strip.shape)
        inside = kind > OFF
        change = np.empty((len(strip), columns + 1), bool)
        change[:, 0], change[:, -1] = inside[:, 0], inside[:, -1]
        np.not_equal(inside[:, 1:], inside[:, :-1], out=change[:, 1:-1])
        row, column = np.divmod(np.flatnonzero(change), columns + 1)
        edge = row * columns + column
        area = np.empty(0, np.int64)
        if len(edge):
            bounds = edge[:-1] if edge[-1] == kind.size else edge
            counted = (kind == COUNTS).ravel().view(np.uint8)
            area = np.add.reduceat(counted, bounds, dtype=np.int64)[::2]
        parts.append(np.column_stack([edge.reshape(-1, 2) + first * columns, area]))
    starts, ends, area = np.concatenate([np.empty((0, 3), np.int64), *parts]).T
    return starts, ends, area


def _pieces(starts: np.ndarray, ends: np.ndarray, columns: int) -> np.ndarray:
    """Number of the piece that each run belongs to."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(starts)
    first, last = _overlaps(starts + columns, ends + columns, starts, ends)
    upper = np.repeat(np.arange(count), last - first)
    lower = _positions(first, last)
    links = coo_matrix((np.ones(len(upper), np.int8), (upper, lower)), shape=(count, count))
    return connected_components(links, directed=False)[1]


def _overlaps(
    starts: np.ndarray, ends: np.ndarray, other_starts: np.ndarray, other_ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each interval, from which to which (exclusive) of the others, in order, it overlaps."""
    first = np.searchsorted(other_ends, starts, side="right")
    return first, np.maximum(np.searchsorted(other_starts, ends, side="left"), first)


def _positions(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """All whole numbers of the intervals, one after another."""
    lengths = ends - starts
    begin = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(starts - begin, lengths)


def _polygon_runs(corners: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Runs of the pixels whose centres lie in a polygon."""
    rows, columns = shape
    crossings: list[np.ndarray] = []
    for row0, column0, row1, column1 in np.hstack([corners, np.roll(corners, -1, axis=0)]):
        low, high = np.clip(np.ceil(np.array(sorted((row0, row1))) - 0.5), 0, rows).astype(int)
        row = np.arange(low, high)
        if len(row):
            column = column0 + (row + 0.5 - row0) * ((column1 - column0) / (row1 - row0))
            crossings.append(np.column_stack([row, column]))
    if not crossings:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    found = np.concatenate(crossings)
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    # A row enters and leaves the polygon in turn.
    row = found[::2, 0].astype(np.int64)
    column = np.clip(np.ceil(found[:, 1] - 0.5), 0, columns).astype(np.int64).reshape(-1, 2)
    runs = row[:, None] * columns + column
    runs = runs[runs[:, 1] > runs[:, 0]]
    return runs[:, 0], runs[:, 1]
