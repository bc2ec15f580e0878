"""A map of labels as a graph: regions of one class and how much outline they share.

A map of 100 Mpx has a few thousand regions. Rules about what lies in what are simple and fast on
the graph; the pixels are read once to make it and written once at the end. Regions are found from
runs (pixels of one class side by side in a row), so memory grows with the detail of the map, not
with its classes. Pixels belong together when they share a side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True)
class Regions:
    """The regions of a map; regions that touch are of different classes.

    Attributes
    ----------
    labels : ndarray of int, shape (n,)
        Class of each region.
    areas_px : ndarray of int, shape (n,)
    at_edge : ndarray of bool, shape (n,)
        Whether a region touches the edge of the map.
    changing_px : ndarray of int, shape (n,)
        Pixels whose grey value in the picture differs from that on their left; 0 without picture.
    shared_px : sparse array of int, shape (n, n)
        Number of pixel sides that two regions share; symmetric, diagonal 0.
    """

    labels: np.ndarray
    areas_px: np.ndarray
    at_edge: np.ndarray
    changing_px: np.ndarray
    shared_px: sparse.csr_array

    def relabelled(self, labels: np.ndarray) -> tuple[Regions, np.ndarray]:
        """Give the regions new classes and unite those that touch.

        Returns
        -------
        regions : Regions
        group : ndarray of int, shape (n,)
            Number of the new region that each old one is part of.
        """
        count, group = united(self.shared_px, labels)
        member = sparse.csr_array(
            (np.ones(len(labels), np.int32), (group, np.arange(len(labels), dtype=np.int32))),
            shape=(count, len(labels)),
        )
        new_labels = np.zeros(count, np.int64)
        new_labels[group] = labels
        shared = (member @ self.shared_px @ member.T).tocoo()
        return (
            Regions(
                new_labels,
                member @ self.areas_px,
                (member @ self.at_edge.astype(np.int32)) > 0,
                member @ self.changing_px,
                _outline_px(shared.row, shared.col, shared.data, count),
            ),
            group,
        )

    def outline_px(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return for each of the regions `rows` how much outline it shares with `columns`.

        Both are masks of shape (n,); the result has one number for each region of `rows`.
        """
        return self.shared_px[np.flatnonzero(rows)] @ columns.astype(np.int32)

    def surroundings(self, rows: np.ndarray, takers: np.ndarray) -> np.ndarray:
        """Return the class that surrounds each of the regions `rows`; -1 if no taker touches it.

        The class with the longest shared outline, of the regions in the mask `takers`.
        """
        kinds = np.flatnonzero(np.bincount(self.labels[takers]))
        if not kinds.size:
            return np.full(int(rows.sum()), -1)
        lengths = np.column_stack(
            [self.outline_px(rows, takers & (self.labels == kind)) for kind in kinds]
        )
        return np.where(lengths.max(axis=1) > 0, kinds[lengths.argmax(axis=1)], -1)


@dataclass(frozen=True)
class RegionMap:
    """The regions of a map with the pixels that belong to them.

    Attributes
    ----------
    regions : Regions
    run_starts : ndarray of int
        First pixel of each run, counted along the rows.
    region_of_run : ndarray of int
    shape : tuple of int
        (rows, columns) of the map.
    """

    regions: Regions
    run_starts: np.ndarray
    region_of_run: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def of(cls, labels: np.ndarray, picture: np.ndarray | None = None) -> RegionMap:
        """Find the regions of a map.

        Parameters
        ----------
        labels : ndarray of uint8, shape (rows, columns)
        picture : ndarray of uint8, shape (rows, columns), optional
        """
        rows, columns = labels.shape
        starts = _run_starts(labels)
        run_labels = labels.ravel()[starts]
        above, below, width = _contacts_between_rows(starts, labels.size, columns)
        # Runs are united first: a map has a thousand times more of them than regions.
        count, group = _united_pairs(above, below, run_labels)
        lengths = np.diff(starts, append=np.int32(labels.size))
        row, first = np.divmod(starts, np.int32(columns))
        edge = (row == 0) | (row == rows - 1) | (first == 0) | (first + lengths == columns)
        beside = np.flatnonzero(first[1:] > 0).astype(np.int32)
        del row, first
        sides = _outline_px(group[above], group[below], width, count)
        ones = np.ones(beside.size, np.int32)
        sides = sides + _outline_px(group[beside], group[beside + 1], ones, count)
        region_labels = np.zeros(count, np.int64)
        region_labels[group] = run_labels
        changing = np.zeros(count, np.int64)
        if picture is not None:
            changes = np.add.reduceat(_changes(picture).ravel(), starts, dtype=np.int32)
            changing = _summed(changes, group, count)
        regions = Regions(
            region_labels,
            _summed(lengths, group, count),
            _summed(edge, group, count) > 0,
            changing,
            sparse.csr_array(sides + sides.T),
        )
        return cls(regions, starts, group, (rows, columns))

    def relabelled(self, labels: np.ndarray) -> RegionMap:
        """Give the regions new classes and unite those that touch."""
        regions, group = self.regions.relabelled(labels)
        return replace(self, regions=regions, region_of_run=group[self.region_of_run])

    def painted(self) -> np.ndarray:
        """Return the labels as a map."""
        size = self.shape[0] * self.shape[1]
        run_labels = self.regions.labels[self.region_of_run].astype(np.uint8)
        return np.repeat(run_labels, np.diff(self.run_starts, append=np.int32(size))).reshape(
            self.shape
        )


def united(shared_px: sparse.csr_array, kinds: np.ndarray) -> tuple[int, np.ndarray]:
    """Group regions that touch and are of the same kind.

    Returns
    -------
    count : int
        Number of groups.
    group : ndarray of int
        Group of each region.
    """
    pairs = shared_px.tocoo()
    return _united_pairs(pairs.row, pairs.col, kinds)


def _united_pairs(
    first: np.ndarray, second: np.ndarray, kinds: np.ndarray
) -> tuple[int, np.ndarray]:
    """Group what touches, given as pairs, and is of the same kind (see `united`)."""
    same = kinds[first] == kinds[second]
    graph = sparse.coo_array(
        (np.ones(int(same.sum()), np.int8), (first[same], second[same])),
        shape=(kinds.size, kinds.size),
    )
    count, group = connected_components(graph, directed=False)
    return int(count), group


def _summed(values: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """Return the sum of the values of each group."""
    return np.bincount(group, values, count).astype(np.int64)


def _outline_px(
    first: np.ndarray, second: np.ndarray, lengths: np.ndarray, count: int
) -> sparse.csr_array:
    """Return how much outline pairs of regions share; pairs given twice are added."""
    other = first != second
    return sparse.csr_array((lengths[other], (first[other], second[other])), shape=(count, count))


def count_runs(labels: np.ndarray) -> int:
    """Return of how many runs a map consists: what the time and memory for it depend on."""
    return int(np.count_nonzero(labels[:, 1:] != labels[:, :-1])) + labels.shape[0]


def _run_starts(labels: np.ndarray) -> np.ndarray:
    new = np.ones(labels.shape, bool)
    np.not_equal(labels[:, 1:], labels[:, :-1], out=new[:, 1:])
    return np.flatnonzero(new).astype(np.int32)


def _changes(picture: np.ndarray) -> np.ndarray:
    changes = np.zeros(picture.shape, bool)
    np.not_equal(picture[:, 1:], picture[:, :-1], out=changes[:, 1:])
    return changes


def _contacts_between_rows(
    starts: np.ndarray, size: int, columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the runs above and below each other, and how many pixels wide they touch."""
    last = size - columns
    cuts = np.concatenate([starts[starts < last], starts[starts >= columns] - np.int32(columns)])
    cuts.sort(kind="stable")
    cuts = cuts[np.diff(cuts, prepend=np.int32(-1)) > 0]
    above = (np.searchsorted(starts, cuts, side="right") - 1).astype(np.int32)
    below = (np.searchsorted(starts, cuts + np.int32(columns), side="right") - 1).astype(np.int32)
    return above, below, np.diff(cuts, append=np.int32(last))
