"""A problem of target selection: the map, what is wanted of it, and what follows directly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from space.targeting.options import ExposureOptics, TargetingOptions
from space.targeting.polygons import inside
from space.targeting.scoring import (
    ClassTables,
    Coverage,
    Key,
    KnownMap,
    ScoreMap,
    cell_factor,
    class_tables,
    coverage,
    differ,
    on_own_pieces,
    pieces_key,
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
    known : KnownMap
        Labels (uint8); what lies beside the lamella has numbers of its own (see `on_own_pieces`).
    tables : ClassTables
        Lookup tables of the classes.
    options, optics
        What is wanted, and what beam and camera cover.
    polygons : tuple of (k, 2) arrays
        Targets are centred in one of them; none: everywhere.
    sites_map_px : ndarray (m, 2) or None
        The only positions that targets may have.
    beside_px : float
        Wanted pixels beside the lamella, counted by priority.
    pieces_warning : str
        Why the lamella's pieces cannot be found; empty if they can.
    """

    known: KnownMap
    tables: ClassTables
    options: TargetingOptions
    optics: ExposureOptics
    polygons: tuple[np.ndarray, ...] = ()
    sites_map_px: np.ndarray | None = None
    beside_px: float = 0.0
    pieces_warning: str = ""

    @classmethod
    def of(
        cls,
        known: KnownMap,
        label_names: dict[str, int],
        options: TargetingOptions,
        optics: ExposureOptics,
        polygons: tuple[np.ndarray, ...] = (),
        sites_map_px: np.ndarray | None = None,
    ) -> Problem:
        """Say what is asked of a map (uint8); see `space.targeting.select_targets`."""
        tables = class_tables(label_names, options)
        if not options.on_lamella_only:
            return cls(known, tables, options, optics, polygons, sites_map_px)
        memory = known.memory
        about = pieces_key(tables, polygons)
        labels, tables, lost = on_own_pieces(known.labels, tables, polygons, memory)
        return cls(
            KnownMap(labels, memory.about(about)),
            tables,
            options,
            optics,
            polygons,
            sites_map_px,
            float(lost @ tables.wanted),
            pieces_unknown(label_names, options),
        )

    @property
    def labels(self) -> np.ndarray:
        """Labels (uint8) of the map, in which what lies beside the lamella has other numbers."""
        return self.known.labels

    @cached_property
    def cover(self) -> Coverage:
        """How much of each cell is wanted, avoided and so on."""
        return coverage(self.labels, self.tables, cell_factor(self.optics), self.known.memory)

    @cached_property
    def scores(self) -> ScoreMap:
        """Scores of the cells."""
        memory, key = self.known.memory, _score_key(self.tables, self.options, self.optics)
        scores = memory.get(key) or score_map(self.cover, self.options, self.optics)
        memory.keep(key, scores, scores.values.nbytes)
        return scores

    @cached_property
    def thresholds(self) -> np.ndarray | None:
        """Least score (float32) of each cell; None where all have `options.least_threshold`."""
        if not differ(self.options):
            return None
        factor, memory = cell_factor(self.optics), self.known.memory
        tables, options, optics = self.tables, self.options, self.optics
        return thresholds_of_cells(self.labels, tables, factor, options, optics, memory)

    def prepare(self) -> None:
        """Find out what all choices and checks begin with."""
        _ = self.scores, self.thresholds

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

    @cached_property
    def usable_scores(self) -> ScoreMap:
        """Scores where targets may be centred, of those that reach their cells' thresholds."""
        scores = replace(self.scores, thresholds=self.thresholds)
        centred = self.tables.centred[self.cover.classes]
        return scores if centred.all() else scores.restricted(centred)


def _score_key(tables: ClassTables, options: TargetingOptions, optics: ExposureOptics) -> Key:
    """What the scores of cells depend on, beside the labels."""
    classes = (tables.wanted.tobytes(), tables.avoided.tobytes())
    how = (options.target_edge, options.penalty_weight)
    return ("scores", classes, how, optics.pixel_nm, optics.field_um, optics.field_rotation_deg)
