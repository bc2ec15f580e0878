"""What is chosen: areas of targets, and what a person should know about them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from space.targeting.scoring import ScoreMap


@dataclass(frozen=True, eq=False)
class Area:
    """Targets that one tracking target serves.

    Parameters
    ----------
    targets_map_px : ndarray (n, 2)
        (row, column); the first is the tracking target.
    scores : ndarray (n,)
        Their scores.
    geometry_points_map_px : ndarray (m, 2)
        (row, column) of points to measure the lamella's geometry at.
    extra_tracking : bool
        Whether the first target is there for tracking alone (its score may be anything).
    fixed : ndarray of bool (n,)
        Which targets a person has put where they are.
    """

    targets_map_px: np.ndarray
    scores: np.ndarray
    geometry_points_map_px: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    extra_tracking: bool = False
    fixed: np.ndarray = field(default_factory=lambda: np.empty(0, bool))

    def __post_init__(self) -> None:
        if not len(self.fixed):
            object.__setattr__(self, "fixed", np.zeros(len(self.targets_map_px), bool))
        counts = {len(self.targets_map_px), len(self.scores), len(self.fixed)}
        if len(counts) > 1:
            raise ValueError(f"each target needs a score and whether it is fixed, got {counts}")


@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen, and why not more.

    Parameters
    ----------
    areas : tuple of Area
        Largest first; empty when there is no target. Each becomes a targets file.
    warnings : tuple of str
        What a person should know, in sentences: why there is no target, too few geometry
        points, no room for an extra tracking target, ...
    counts : dict
        ``targets``, ``areas``, ``candidates`` (cells of the score map above the threshold),
        ``places`` (candidate places, see `space.targeting.report`), ``total_score``,
        ``best_score``, ``wanted_um2``, ``beside_um2`` (as much more lies beside the lamella) and
        ``wanted_in_fields`` (share of the wanted class inside a target's field); the last three
        count classes by their priority.
    score : ScoreMap or None
        The score at every position, for plots of intermediate steps; None for an empty map.
    rejected : dict of str to int
        Candidate places that hold no target, by reason.
    polygons_map_px : tuple of (k, 2) arrays
        Polygons that bounded the targets.
    """

    areas: tuple[Area, ...]
    warnings: tuple[str, ...] = ()
    counts: dict[str, float] = field(default_factory=dict)
    score: ScoreMap | None = field(default=None, repr=False)
    rejected: dict[str, int] = field(default_factory=dict)
    polygons_map_px: tuple[np.ndarray, ...] = field(default=(), repr=False)

    @property
    def n_targets(self) -> int:
        """Number of targets in all areas, extra tracking targets included."""
        return sum(len(area.targets_map_px) for area in self.areas)
