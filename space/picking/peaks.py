"""A heat map becomes particles: peaks that keep apart from each other, each with a score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

from space.picking.network import STRIDE

SMOOTH = 0.08
"""Deviation of the Gaussian before peaks are sought, of a particle's radius."""


@dataclass(frozen=True)
class Picks:
    """Particles in a tomogram.

    Attributes
    ----------
    points_px : ndarray (n, 3)
        (z, y, x) in voxels.
    scores : ndarray (n,)
        Best first.
    """

    points_px: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def sorted(self) -> Picks:
        """Return them with the best first."""
        return self.where(np.argsort(-self.scores, kind="stable"))

    def best(self, count: int) -> Picks:
        """Return the `count` best ones."""
        return Picks(self.points_px[:count], self.scores[:count])

    def above(self, least: float) -> Picks:
        """Return those with at least this score."""
        return self.where(self.scores >= least)

    def where(self, kept: np.ndarray) -> Picks:
        """Return those that a mask (n,) or numbers choose."""
        return Picks(self.points_px[kept], self.scores[kept])

    def inside(self, shape: tuple[int, ...], border_px: float) -> Picks:
        """Return those that lie at least so far from the faces of a volume."""
        room = np.minimum(self.points_px, np.array(shape) - 1 - self.points_px)
        return self.where((room >= border_px).all(1))


def no_picks() -> Picks:
    """Return the picks of a tomogram without any."""
    return Picks(np.zeros((0, 3)), np.zeros(0))


def peaks_of(
    heat: np.ndarray, radius_px: float, least: float = -np.inf, smooth_px: float = 0.0
) -> Picks:
    """Return the peaks of a heat map: none has a higher one within a radius.

    Parameters
    ----------
    heat : ndarray (z, y, x)
    radius_px : float
        Of the suppression, in voxels of the heat map.
    least : float
        Lower peaks are left out.
    smooth_px : float
        Deviation of a Gaussian that the heat is smoothed with before.
    """
    values = gaussian_filter(heat, smooth_px) if smooth_px else heat
    is_peak = (values == maximum_filter(values, 3)) & (values >= least)
    at = np.argwhere(is_peak)
    if not len(at):
        return no_picks()
    scores = values[tuple(at.T)]
    order = np.argsort(-scores, kind="stable")
    at, scores = at[order], scores[order]
    kept = _suppressed(at.astype(float), radius_px)
    at, scores = at[kept], scores[kept]
    return Picks(at + _between(values, at), scores.astype(float))


def tops_of(
    scores: np.ndarray, radius_px: float, least: float = -np.inf, spacing: float = 1.0
) -> Picks:
    """Return the peaks of a heat map of scores, in voxels (z, y, x) of the tomogram.

    Parameters
    ----------
    scores : ndarray (z, y, x)
        On the voxels of the heat map.
    radius_px : float
        Of a particle, in voxels of the tomogram.
    least : float
        Lower peaks are left out.
    spacing : float
        How far apart they are at least, in radii.
    """
    radius = radius_px / STRIDE
    found = peaks_of(scores, spacing * radius, least, SMOOTH * radius)
    return Picks(found.points_px * STRIDE + (STRIDE - 1) / 2, found.scores)


def _suppressed(points: np.ndarray, radius: float) -> np.ndarray:
    """Return a mask of the points, best first, that no better one that is kept lies near."""
    kept = np.ones(len(points), bool)
    if radius <= 0:
        return kept
    near = cKDTree(points)
    for number, point in enumerate(points):
        if kept[number]:
            others = near.query_ball_point(point, radius)
            kept[[other for other in others if other > number]] = False
    return kept


def _between(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return how far beside its voxel each peak is: the top of a parabola along each axis."""
    offsets = np.zeros(at.shape)
    for axis in range(3):
        inside = (at[:, axis] > 0) & (at[:, axis] < values.shape[axis] - 1)
        here = at[inside]
        before, after = here.copy(), here.copy()
        before[:, axis] -= 1
        after[:, axis] += 1
        low, top, high = (values[tuple(one.T)].astype(float) for one in (before, here, after))
        bend = low - 2 * top + high
        safe = np.where(bend < 0, bend, -1.0)
        offsets[inside, axis] = np.clip(np.where(bend < 0, (low - high) / (2 * safe), 0), -0.5, 0.5)
    return offsets
