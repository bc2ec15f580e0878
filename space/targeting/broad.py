"""Broad fields at a lower magnification, on the lamella where fine series are taken, too.

A broad field may contain fine ones. Taken after them it costs them nothing. Taken before, each
fine field has had what the beams of broad series left there; those that would leave more than a
budget are not taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from space.targeting.arrangement import joined, tracked_area
from space.targeting.choice import TargetArea
from space.targeting.exposure import Exposed, field_points, harmless, most_in_fields, shares_at
from space.targeting.options import ExposureOptics
from space.targeting.packing import TiltFrame
from space.targeting.problem import Problem
from space.targeting.scoring import ScoreMap


@dataclass(frozen=True)
class DoseRule:
    """In which order series of two kinds are taken, and what fine fields may have had before.

    Parameters
    ----------
    broad_first : bool
        Whether the broad series of a lamella are taken before the fine ones.
    broad_dose_e_A2 : float
        Of a whole broad series; of no account when they come after.
    most_prior_e_A2 : float
        Most that a fine field may have had of broad series before its own.
    """

    broad_first: bool = False
    broad_dose_e_A2: float = 0.0
    most_prior_e_A2: float = 0.0

    @property
    def keeps_apart(self) -> bool:
        """Whether one broad series is too much for any fine field, already."""
        return self.broad_first and self.broad_dose_e_A2 > self.most_prior_e_A2


@dataclass(frozen=True)
class Stated:
    """What a choice of broad fields means for the fine ones.

    Parameters
    ----------
    prior_e_A2 : float
        Most that any fine field has had of broad series before its own series.
    contained : int
        Fine targets under the beam of a broad series.
    dropped : int
        Broad fields that were not taken because of the budget.
    """

    prior_e_A2: float = 0.0
    contained: int = 0
    dropped: int = 0

    def sentence(self, rule: DoseRule) -> str:
        """Say it in words, for the log."""
        order = "before" if rule.broad_first else "after"
        text = (
            f"Broad series are taken {order} the others; {self.contained} targets lie under their "
            "beams. Before its own series, a target's field has at most "
            f"{self.prior_e_A2:.2f} e/A2 of them"
        )
        if rule.broad_first:
            text += f" (allowed: {rule.most_prior_e_A2:g})"
        if self.dropped:
            text += f"; {self.dropped} broad field(s) would have given more and are not taken"
        return f"{text}."


def clear_cells(
    scores: ScoreMap,
    fine_map_px: np.ndarray,
    fine_optics: ExposureOptics,
    optics: ExposureOptics,
) -> np.ndarray:
    """Return in which cells a broad beam may be centred that reaches no fine field at any tilt."""
    shape, factor = scores.values.shape, scores.factor
    points = field_points(fine_map_px, fine_optics).reshape(-1, 2)
    if not len(points):
        return np.ones(shape, bool)
    from scipy.spatial import cKDTree

    frame = TiltFrame.of(optics)
    cells = (np.moveaxis(np.indices(shape), 0, -1).reshape(-1, 2) + 0.5) * factor
    # Targets may lie anywhere in a cell.
    reach_um = optics.beam_diameter_um / 2 + optics.beam_margin_um + factor * optics.pixel_um
    gap_um, _ = cKDTree(frame.from_map(points)).query(
        frame.from_map(cells), distance_upper_bound=reach_um
    )
    return np.asarray(np.isinf(gap_um)).reshape(shape)


def within_budget(
    areas: Sequence[TargetArea],
    fine_map_px: np.ndarray,
    fine_optics: ExposureOptics,
    rule: DoseRule,
    problem: Problem,
) -> tuple[list[TargetArea], Stated]:
    """Return areas of broad fields without those that give fine ones too much, and what is left.

    Parameters
    ----------
    areas : sequence of TargetArea
        Broad fields.
    fine_map_px : ndarray (n, 2)
        Targets of the fine series.
    fine_optics : ExposureOptics
        Of these.
    rule : DoseRule
    problem : Problem
        Of the broad fields.
    """
    kept = list(areas)
    dropped = 0
    if rule.broad_first and kept and len(fine_map_px):
        targets = joined([area.targets for area in kept])
        exposed = _exposed(targets.points_map_px, rule, problem.optics)
        worth = np.where(targets.fixed, np.inf, targets.scores)
        stays = harmless(fine_map_px, fine_optics, exposed, worth, rule.most_prior_e_A2)
        dropped = int((~stays).sum())
        if dropped:
            kept = _without(kept, stays, problem)
    return kept, _stated(kept, dropped, fine_map_px, fine_optics, rule, problem.optics)


def _stated(
    areas: Sequence[TargetArea],
    dropped: int,
    fine_map_px: np.ndarray,
    fine_optics: ExposureOptics,
    rule: DoseRule,
    optics: ExposureOptics,
) -> Stated:
    if not areas or not len(fine_map_px):
        return Stated(dropped=dropped)
    points = np.concatenate([area.targets_map_px for area in areas])
    exposed = _exposed(points, rule, optics)
    fields = field_points(fine_map_px, fine_optics)
    shares = shares_at(fields.reshape(-1, 2), exposed).reshape(*fields.shape[:2], -1)
    contained = int((shares > 0).any(axis=(1, 2)).sum())
    prior = 0.0
    if rule.broad_first:
        prior = float(most_in_fields(fine_map_px, fine_optics, [exposed]).max())
    return Stated(prior, contained, dropped)


def _exposed(points_map_px: np.ndarray, rule: DoseRule, optics: ExposureOptics) -> Exposed:
    # The beam of a tracking target may miss its place by the margin; it is allowed for at all.
    return Exposed(points_map_px, optics, rule.broad_dose_e_A2, optics.beam_margin_um)


def _without(areas: Sequence[TargetArea], stays: np.ndarray, problem: Problem) -> list[TargetArea]:
    """Areas without some of their targets; one that lost its tracking target gets another."""
    result = []
    for area, own in zip(areas, np.split(stays, np.cumsum([len(a.scores) for a in areas])[:-1])):
        if not own.any():
            continue
        left = area.keep(own) if own[0] else tracked_area(area.targets.keep(own), problem)
        result.append(replace(left, geometry_points_map_px=area.geometry_points_map_px))
    return result
