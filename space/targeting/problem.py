"""What is asked of the target selection, and what follows from it directly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from space.targeting.options import Optics, TargetingOptions
from space.targeting.polygons import inside
from space.targeting.scoring import ClassTables, Coverage, ScoreMap, scores_at, thresholds_at


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked and what follows from it directly.

    `labels` are those of the lamella's own pieces; `beside` counts the wanted pixels elsewhere.
    `least` are the thresholds of the cells where they differ.
    """

    labels: np.ndarray
    tables: ClassTables
    cover: Coverage
    scores: ScoreMap
    options: TargetingOptions
    optics: Optics
    polygons: tuple[np.ndarray, ...] = ()
    sites: np.ndarray | None = None
    beside: float = 0.0
    least: np.ndarray | None = None
    unknown: str = ""

    def scores_at(self, points_map_px: np.ndarray) -> np.ndarray:
        return scores_at(points_map_px, self.labels, self.tables, self.options, self.optics)

    def thresholds_at(self, points_map_px: np.ndarray) -> np.ndarray:
        if self.least is None:
            return np.full(len(points_map_px), self.options.least_threshold)
        return thresholds_at(points_map_px, self.labels, self.tables, self.options, self.optics)

    def passes(self, points_map_px: np.ndarray, values: np.ndarray) -> np.ndarray:
        return (values >= self.thresholds_at(points_map_px)) & (values > 0)

    def usable(self) -> ScoreMap:
        """Scores of which those below the thresholds of their places count as 0."""
        return replace(self.scores, least=self.least)

    def allows(self, points_map_px: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Whether targets at (row, column) points (n, 2) may be there with such scores."""
        good = self.passes(points_map_px, values)
        return good & inside(points_map_px, self.polygons) if self.polygons else good
