"""A problem of target selection: the map, what is wanted of it, and what follows directly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from space.targeting.options import ExposureOptics, TargetingOptions
from space.targeting.polygons import inside
from space.targeting.scoring import (
    ClassTables,
    Coverage,
    ScoreMap,
    cell_factor,
    class_tables,
    coverage,
    differ,
    on_own_pieces,
    pieces_unknown,
    score_map,
    scores_at,
    thresholds_at,
    thresholds_of_cells,
)


@dataclass(frozen=True, eq=False)
class Problem:
    """Where on a map targets are wanted.

    Parameters
    ----------
    labels : ndarray of uint8 (rows, columns)
        What lies beside the lamella has numbers of its own (see `on_own_pieces`).
    tables, cover, scores
        Lookup tables of the classes, masks and scores that follow from the labels.
    options, optics
        What is wanted, and what beam and camera cover.
    polygons : tuple of (k, 2) arrays
        Targets are centred in one of them; none: everywhere.
    sites_map_px : ndarray (m, 2) or None
        The only positions that targets may have.
    beside_px : float
        Wanted pixels beside the lamella, counted by priority.
    thresholds : ndarray of float32 or None
        Least score of each cell of `scores`; None where all have `options.least_threshold`.
    pieces_warning : str
        Why the lamella's pieces cannot be found; empty if they can.
    """

    labels: np.ndarray
    tables: ClassTables
    cover: Coverage
    scores: ScoreMap
    options: TargetingOptions
    optics: ExposureOptics
    polygons: tuple[np.ndarray, ...] = ()
    sites_map_px: np.ndarray | None = None
    beside_px: float = 0.0
    thresholds: np.ndarray | None = None
    pieces_warning: str = ""

    @classmethod
    def of(
        cls,
        labels: np.ndarray,
        label_names: dict[str, int],
        options: TargetingOptions,
        optics: ExposureOptics,
        polygons: tuple[np.ndarray, ...] = (),
        sites_map_px: np.ndarray | None = None,
    ) -> Problem:
        """Score a map (uint8, not empty); see `space.targeting.select_targets`."""
        tables = class_tables(label_names, options)
        beside_px, pieces_warning = 0.0, ""
        if options.on_lamella_only:
            pieces_warning = pieces_unknown(label_names, options)
            labels, tables, lost = on_own_pieces(labels, tables, polygons)
            beside_px = float(lost @ tables.wanted)
        factor = cell_factor(optics)
        cover = coverage(labels, tables, factor)
        scores = score_map(cover, options, optics)
        thresholds = None
        if differ(options):
            thresholds = thresholds_of_cells(labels, tables, factor, options, optics)
        return cls(
            labels,
            tables,
            cover,
            scores,
            options,
            optics,
            polygons,
            sites_map_px,
            beside_px,
            thresholds,
            pieces_warning,
        )

    @property
    def warnings(self) -> list[str]:
        """What a person should know before anything is chosen."""
        return [self.pieces_warning] if self.pieces_warning else []

    def scores_at(self, points_map_px: np.ndarray) -> np.ndarray:
        """Scores (n,) at (row, column) points from the pixels themselves."""
        return scores_at(points_map_px, self.labels, self.tables, self.options, self.optics)

    def thresholds_at(self, points_map_px: np.ndarray) -> np.ndarray:
        """Least scores (n,) of targets at (row, column) points."""
        if self.thresholds is None:
            return np.full(len(points_map_px), self.options.least_threshold)
        return thresholds_at(points_map_px, self.labels, self.tables, self.options, self.optics)

    def passes(self, points_map_px: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Whether targets (n,) are centred on the lamella and reach their thresholds."""
        high = (scores >= self.thresholds_at(points_map_px)) & (scores > 0)
        return high & self.is_centred(points_map_px)

    def is_centred(self, points_map_px: np.ndarray) -> np.ndarray:
        """Whether targets may be centred at (row, column) points (n, 2), by the class there."""
        last = np.array(self.labels.shape) - 1
        rows, columns = np.clip(np.floor(points_map_px), 0, last).astype(int).T
        return self.tables.centred[self.labels[rows, columns]]

    def allows(self, points_map_px: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Whether targets at (row, column) points (n, 2) may be there with such scores."""
        good = self.passes(points_map_px, scores)
        return good & inside(points_map_px, self.polygons) if self.polygons else good

    def usable_scores(self) -> ScoreMap:
        """Scores where targets may be centred, of those that reach their cells' thresholds."""
        scores = replace(self.scores, thresholds=self.thresholds)
        centred = self.tables.centred[self.cover.classes]
        return scores if centred.all() else scores.restricted(centred)
