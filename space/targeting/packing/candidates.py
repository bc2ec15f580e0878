"""Candidate positions: a regular grid in the tilt-compressed frame with a score at each node."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from space.targeting.packing.tilt import TOUCH_UM, TiltFrame, clear_of
from space.targeting.scoring import ScoreMap

NODES_PER_BEAM = 12
NODES_MAX = 3_000_000
# The score varies over the field: nodes must not be coarser than this share of it.
NODES_PER_FIELD = 8


@dataclass(frozen=True, eq=False)
class Candidates:
    """Scores (float32, 0 = not allowed) at origin + (i, j)·step, all in tilt-compressed µm.

    `score_map` has the scores between the nodes, of which those below `threshold` count as 0.
    `fixed_tilt_um` (k, 2) are fixed beams: positions in conflict with them score 0.
    """

    scores: np.ndarray
    origin_um: tuple[float, float]
    step_um: tuple[float, float]
    diameter_um: float
    score_map: ScoreMap
    frame: TiltFrame
    threshold: float
    fixed_tilt_um: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))

    def around(self, fixed_tilt_um: np.ndarray) -> Candidates:
        """The candidates that are left around beams at these points."""
        scores = self.scores.copy()
        for point in fixed_tilt_um:
            area, under = self.stamp(point)
            scores[area][under] = 0
        return replace(self, scores=scores, fixed_tilt_um=fixed_tilt_um)

    def with_diameter(self, diameter_um: float) -> Candidates:
        """The same positions for beams of another diameter."""
        return replace(self, diameter_um=diameter_um)

    def nodes(self, index: np.ndarray) -> np.ndarray:
        """Positions (n, 2) `points_tilt_um` of node indices (n, 2)."""
        return np.asarray(index) * np.array(self.step_um) + np.array(self.origin_um)

    def nearest(self, points_tilt_um: np.ndarray) -> np.ndarray:
        """Index (n, 2) of the nearest node of every point, which may lie beyond the grid."""
        node = (points_tilt_um - np.array(self.origin_um)) / np.array(self.step_um)
        return np.rint(node).astype(np.intp)

    def score_near(self, points_tilt_um: np.ndarray) -> np.ndarray:
        """Score of the nearest node, 0 beyond the grid: quick, for comparing placements."""
        index = self.nearest(points_tilt_um)
        inside = np.all((index >= 0) & (index < np.array(self.scores.shape)), axis=-1)
        index = np.where(inside[..., None], index, 0)
        return np.where(inside, self.scores[index[..., 0], index[..., 1]], 0)

    def score_at(self, points_tilt_um: np.ndarray) -> np.ndarray:
        """Score at the points themselves; 0 in conflict with fixed beams."""
        scores = self.score_map.at(self.frame.to_map(points_tilt_um))
        scores[scores < max(self.threshold, 0)] = 0
        if len(self.fixed_tilt_um) and scores.size:
            scores[~clear_of(points_tilt_um, self.fixed_tilt_um, self.diameter_um)] = 0
        return scores

    def stamp(self, point_tilt_um: np.ndarray) -> tuple[tuple[slice, slice], np.ndarray]:
        """The window around a beam at the point and which of its nodes are in conflict with it."""
        windows: list[slice] = []
        distances2: list[np.ndarray] = []
        for axis in (0, 1):
            origin, step = self.origin_um[axis], self.step_um[axis]
            center = float(point_tilt_um[axis])
            first = max(0, math.ceil((center - self.diameter_um - origin) / step))
            last = math.floor((center + self.diameter_um - origin) / step) + 1
            last = max(first, min(last, self.scores.shape[axis]))
            windows.append(slice(first, last))
            distances2.append((np.arange(first, last) * step + (origin - center)) ** 2)
        distance2 = distances2[0][:, None] + distances2[1]
        return (windows[0], windows[1]), distance2 < (self.diameter_um - TOUCH_UM) ** 2


def candidate_grid(
    scores: ScoreMap,
    frame: TiltFrame,
    diameter_um: float,
    field_um: float,
    threshold: float,
    nodes_per_beam: float = NODES_PER_BEAM,
    nodes_per_field: float = NODES_PER_FIELD,
) -> Candidates | None:
    """Sample the score map on a grid around everything above the threshold.

    Parameters
    ----------
    field_um : float
        Shorter side of the Record field.
    nodes_per_beam, nodes_per_field : float
        Nodes are at most this part of the beam's diameter apart, and of the field in the map.

    Returns
    -------
    Candidates or None
        None when no position scores above 0 and at least `threshold`.
    """
    usable = scores.usable
    allowed = (usable >= threshold) & (usable > 0)
    rows = np.flatnonzero(allowed.any(axis=1))
    columns = np.flatnonzero(allowed.any(axis=0))
    if not len(rows):
        return None
    corners = [(r, c) for r in (rows[0], rows[-1] + 1) for c in (columns[0], columns[-1] + 1)]
    corners_tilt_um = frame.from_map(np.array(corners, dtype=float) * scores.factor)
    low, high = corners_tilt_um.min(axis=0), corners_tilt_um.max(axis=0)
    finest_um = diameter_um / nodes_per_beam
    step = np.array(
        [
            min(finest_um, field_um / nodes_per_field),
            min(finest_um, field_um / nodes_per_field / frame.stretch),
        ]
    )
    step *= max(1.0, float(np.sqrt(np.prod((high - low) / step) / NODES_MAX)))
    shape = np.maximum(np.ceil((high - low) / step).astype(int) + 1, 1)
    # Centre the nodes on the area, so that a mirrored map has mirrored nodes.
    origin = (low + high - (shape - 1) * step) / 2
    values = np.empty(shape, np.float32)
    second = np.arange(shape[1]) * step[1] + origin[1]
    strip = max(1, 500_000 // shape[1])
    for start in range(0, shape[0], strip):
        first = np.arange(start, min(start + strip, shape[0])) * step[0] + origin[0]
        points = np.stack(np.broadcast_arrays(first[:, None], second[None, :]), axis=-1)
        values[start : start + len(first)] = scores.at(frame.to_map(points))
    values[(values < threshold) | (values <= 0)] = 0
    if not values.any():
        # A spot smaller than the nodes' distance: take the best cell itself.
        best = np.unravel_index(int(np.argmax(usable)), usable.shape)
        origin = frame.from_map((np.array(best) + 0.5) * scores.factor)
        values = np.full((1, 1), usable[best], np.float32)
    return Candidates(values, tuple(origin), tuple(step), diameter_um, scores, frame, threshold)
