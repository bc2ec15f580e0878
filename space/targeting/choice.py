"""What is chosen: areas of targets, and what a person should know about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from space.targeting.scoring import ScoreMap
from space.targeting.series_settings import Given


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets of a lamella.

    Parameters
    ----------
    points_map_px : ndarray (n, 2)
        (row, column).
    scores : ndarray (n,)
        Their scores.
    fixed : ndarray of bool (n,)
        Which of them a person has put where they are.
    """

    points_map_px: np.ndarray
    scores: np.ndarray
    fixed: np.ndarray

    def __len__(self) -> int:
        return len(self.points_map_px)

    def keep(self, which: np.ndarray) -> Targets:
        """Those of a mask (n,), or those of indices in their order."""
        return Targets(self.points_map_px[which], self.scores[which], self.fixed[which])


@dataclass(frozen=True, eq=False)
class TargetArea:
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
    series : mapping of str to float
        PACEtomo's settings for these targets alone, see `space.targeting.series_settings`.
    """

    targets_map_px: np.ndarray
    scores: np.ndarray
    geometry_points_map_px: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    extra_tracking: bool = False
    fixed: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    series: Given = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.fixed):
            object.__setattr__(self, "fixed", np.zeros(len(self.targets_map_px), bool))
        counts = {len(self.targets_map_px), len(self.scores), len(self.fixed)}
        if len(counts) > 1:
            raise ValueError(f"each target needs a score and whether it is fixed, got {counts}")

    @property
    def targets(self) -> Targets:
        """All targets, the tracking target first."""
        return Targets(self.targets_map_px, self.scores, self.fixed)

    @property
    def tracking_map_px(self) -> np.ndarray:
        """Position (2,) of the tracking target."""
        return self.targets_map_px[0]

    @property
    def followers(self) -> Targets:
        """The targets that follow the tracking target."""
        return self.targets.keep(np.arange(1, len(self.scores)))

    @property
    def imaged(self) -> Targets:
        """The targets without one that is there for tracking alone."""
        return self.followers if self.extra_tracking else self.targets

    def keep(self, which: np.ndarray) -> TargetArea:
        """The area with those of its targets that a mask (n,) has."""
        return self.with_targets(self.targets.keep(which))

    def with_targets(self, targets: Targets) -> TargetArea:
        """The area with other targets."""
        return replace(
            self,
            targets_map_px=targets.points_map_px,
            scores=targets.scores,
            fixed=targets.fixed,
        )


@dataclass(frozen=True)
class Counts:
    """What a choice amounts to.

    Parameters
    ----------
    targets, areas : int
        Extra tracking targets included.
    total_score : float
        Sum of the scores of all targets but those for tracking alone.
    candidates : int
        Cells of the score map at or above the threshold.
    best_score : float
        The highest score of the map.
    wanted_um2, beside_um2 : float
        Area of the wanted classes on the lamella and beside it, counted by priority.
    places : int
        Candidate places, see `space.targeting.report`.
    wanted_in_fields : float
        Share of the wanted classes that lies in the Record field of a target, by priority.
    """

    targets: int = 0
    areas: int = 0
    total_score: float = 0.0
    candidates: int = 0
    best_score: float = 0.0
    wanted_um2: float = 0.0
    beside_um2: float = 0.0
    places: int = 0
    wanted_in_fields: float = 0.0


@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen, and why not more.

    Parameters
    ----------
    areas : tuple of TargetArea
        Largest first; empty when there is no target. Each becomes a targets file.
    warnings : tuple of str
        What a person should know, in sentences: why there is no target, too few geometry
        points, no room for an extra tracking target, ...
    counts : Counts
        Numbers of targets, areas and candidates, and how much of the wanted classes is imaged.
    score : ScoreMap or None
        The score at every position, for plots of intermediate steps; None for an empty map.
    rejected : dict of str to int
        Candidate places that hold no target, by reason.
    polygons_map_px : tuple of (k, 2) arrays
        Polygons that bounded the targets.
    """

    areas: tuple[TargetArea, ...]
    warnings: tuple[str, ...] = ()
    counts: Counts = field(default_factory=Counts)
    score: ScoreMap | None = field(default=None, repr=False)
    rejected: dict[str, int] = field(default_factory=dict)
    polygons_map_px: tuple[np.ndarray, ...] = field(default=(), repr=False)

    @property
    def n_targets(self) -> int:
        """Number of targets in all areas, extra tracking targets included."""
        return sum(len(area.targets_map_px) for area in self.areas)
