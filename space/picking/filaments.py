"""Picks along filaments become curves: neighbours are joined, and a spline goes through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import BSpline, splprep
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree
from scipy.spatial import cKDTree

from space.picking.files import Tomogram, in_file_order, write_model
from space.picking.peaks import Picks

_FEWEST = 4
_FINE = 20


@dataclass(frozen=True)
class Filament:
    """A curve through picks.

    Attributes
    ----------
    points_px : ndarray (n, 3)
        (z, y, x) along it, evenly spaced.
    length_px : float
    score : float
        Mean of its picks.
    members : ndarray (m,)
        Which picks it goes through, in order.
    """

    points_px: np.ndarray
    length_px: float
    score: float
    members: np.ndarray


def filaments(
    picks: Picks,
    reach_px: float,
    step_px: float,
    stiffness_px: float = 1.0,
    least_length_px: float = 0.0,
) -> list[Filament]:
    """Return the filaments that picks lie along, the longest first.

    Neighbours within reach are joined by the shortest tree; its longest way is the filament, and
    side branches, which are picks beside it, are left out.

    Parameters
    ----------
    picks : Picks
    reach_px : float
        How far neighbours on one filament are apart at most.
    step_px : float
        Distance of the points that are returned.
    stiffness_px : float
        How far the curve may pass beside its picks, as a deviation.
    least_length_px : float
        Shorter ones are left out.
    """
    if len(picks) < _FEWEST:
        return []
    pairs = cKDTree(picks.points_px).query_pairs(reach_px, output_type="ndarray")
    if not len(pairs):
        return []
    far = np.linalg.norm(picks.points_px[pairs[:, 0]] - picks.points_px[pairs[:, 1]], axis=1)
    count = len(picks)
    graph = coo_array((np.maximum(far, 1e-9), (pairs[:, 0], pairs[:, 1])), (count, count)).tocsr()
    tree = minimum_spanning_tree(graph)
    _, group = connected_components(tree, directed=False)
    found = []
    for number in range(group.max() + 1):
        members = np.flatnonzero(group == number)
        if len(members) < _FEWEST:
            continue
        way = _longest_way(tree + tree.T, members)
        if len(way) < _FEWEST:
            continue
        curve = _curve(picks.points_px[way], step_px, stiffness_px)
        length = float(np.linalg.norm(np.diff(curve, axis=0), axis=1).sum())
        if length >= least_length_px:
            found.append(Filament(curve, length, float(picks.scores[way].mean()), way))
    return sorted(found, key=lambda one: -one.length_px)


def _longest_way(tree: coo_array, members: np.ndarray) -> np.ndarray:
    """Return the members on the longest way through a tree: from the far end of any to its own."""
    first = _far_end(tree, int(members[0]))[0]
    last, before = _far_end(tree, first)
    way = [last]
    while way[-1] != first:
        way.append(int(before[way[-1]]))
    return np.array(way)


def _far_end(tree: coo_array, start: int) -> tuple[int, np.ndarray]:
    order, before = breadth_first_order(tree, start, directed=False)
    rows = tree.tocsr()
    far = np.zeros(tree.shape[0])
    for at in order[1:]:
        far[at] = far[before[at]] + rows[before[at], at]
    return int(order[np.argmax(far[order])]), before


def _curve(points: np.ndarray, step_px: float, stiffness_px: float) -> np.ndarray:
    fitted: Any = splprep(points.T, s=len(points) * stiffness_px**2, k=min(3, len(points) - 1))
    knots, weights, degree = fitted[0]
    at = np.linspace(0, 1, _FINE * len(points))
    fine = np.column_stack([BSpline(knots, one, degree)(at) for one in weights])
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
    count = max(2, round(along[-1] / step_px) + 1)
    even = np.linspace(0, along[-1], count)
    return np.column_stack([np.interp(even, along, axis) for axis in fine.T])


def write_curves(path: Path, found: Sequence[Filament], tomogram: Tomogram) -> None:
    """Write filaments as an IMOD model, an open contour for each.

    Parameters
    ----------
    path : Path
    found : sequence of Filament
        In voxels (z, y, x) of the file.
    tomogram : Tomogram
    """
    lines = [in_file_order(one.points_px, tomogram.order) for one in found]
    write_model(path, lines, open_lines=True)
