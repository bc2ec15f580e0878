"""From chosen points to areas, each with its tracking target and room around that.

Targets are distributed on areas, the areas moved apart, and room is made around tracking targets.
At the end no two targets of the lamella are nearer than allowed, except those that a person has
fixed and pairs of tracking targets that keep less than the margin (`space.targeting.checks` warns
of both).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from space.targeting.apart import areas_apart
from space.targeting.areas import distances, split
from space.targeting.choice import TargetArea, Targets
from space.targeting.packing import TiltFrame
from space.targeting.polygons import inside
from space.targeting.problem import Problem
from space.targeting.room import make_room, positions_around, without_crowded
from space.targeting.scoring import ScoreMap
from space.targeting.tracking import avoided_in_view, place_extra_tracking, tracking_index

# Once areas are apart, all are moved together to the best of SLIDES x SLIDES positions, as far away
# as areas were moved.
SLIDES = 7


def arranged(
    targets: Targets, problem: Problem, allowed: ScoreMap
) -> tuple[list[TargetArea], list[str]]:
    """Areas of targets, the largest first, and what a person should know about them.

    Parameters
    ----------
    allowed : ScoreMap
        Scores where targets may be.
    """
    warnings: list[str] = []
    areas = _areas_of(targets, problem)
    if problem.optics.beam_margin_um and len(areas) > 1 and problem.sites_map_px is None:
        areas = _moved_apart(areas, problem, allowed)
    if problem.options.extra_tracking:
        areas, warnings = with_extra_tracking(areas, problem)
    untracked = True
    while untracked:
        if problem.optics.beam_margin_um:
            areas = _with_room(areas, problem, allowed)
        joint = _Joint.of(areas)
        stays = without_crowded(
            TiltFrame.of(problem.optics).from_map(joint.targets.points_map_px),
            joint.targets.scores,
            joint.area,
            joint.tracking,
            joint.targets.fixed,
            problem.optics,
        )
        untracked = not stays[joint.tracking].all()
        areas = _without_dropped(areas, stays, problem)
    return sorted(areas, key=lambda area: -len(area.scores)), warnings


@dataclass(frozen=True, eq=False)
class _Joint:
    """The targets of all areas in one, the number of each one's area, which are for tracking."""

    targets: Targets
    area: np.ndarray
    tracking: np.ndarray

    @classmethod
    def of(cls, areas: Sequence[TargetArea]) -> _Joint:
        counts = [len(area.scores) for area in areas]
        return cls(
            joined([area.targets for area in areas]),
            np.repeat(np.arange(len(areas)), counts),
            np.concatenate([np.arange(count) == 0 for count in counts]),
        )


def joined(parts: Sequence[Targets]) -> Targets:
    """The targets of at least one part in one."""
    return Targets(
        np.concatenate([part.points_map_px for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.fixed for part in parts]),
    )


def _split_like(values: np.ndarray, parts: Sequence[Targets]) -> list[np.ndarray]:
    """Values (n, ...) of joined targets for each of the parts."""
    return np.split(values, np.cumsum([len(part) for part in parts])[:-1])


def _areas_of(targets: Targets, problem: Problem) -> list[TargetArea]:
    """The fewest areas, each with its tracking target first, then the others by score."""
    limit_px = problem.optics.image_shift_limit_um / problem.optics.pixel_um
    groups = split(targets.points_map_px, limit_px)
    return [tracked_area(targets.keep(group), problem) for group in groups]


def tracked_area(targets: Targets, problem: Problem) -> TargetArea:
    """An area of these targets: the one to track on first, then the others by score."""
    tracking = tracking_index(targets.points_map_px, problem.cover, problem.optics)
    row, column = targets.points_map_px.T
    order = np.lexsort((column, row, -targets.scores.round(6)))
    own = targets.keep(np.concatenate([[tracking], order[order != tracking]]))
    return TargetArea(own.points_map_px, own.scores, fixed=own.fixed)


def _without_dropped(
    areas: Sequence[TargetArea], stays: np.ndarray, problem: Problem
) -> list[TargetArea]:
    """Areas without some of their targets; one that lost its tracking target gets another."""
    result = []
    for area, stay in zip(areas, _split_like(stays, [area.targets for area in areas])):
        if stay[0]:
            result.append(area.keep(stay))
        elif stay.any():
            result += _areas_of(area.targets.keep(stay), problem)
    return result


def _moved_apart(
    areas: Sequence[TargetArea], problem: Problem, allowed: ScoreMap
) -> list[TargetArea]:
    """Areas that keep their distance, without the targets that this moved to where none may be."""
    joint = _Joint.of(areas)
    before, fixed = joint.targets.points_map_px, joint.targets.fixed
    points = areas_apart(before, joint.area, fixed, problem.optics, joint.tracking)
    if not fixed.any():
        points = _slid(points, before, problem, allowed)
    scores = problem.scores_at(points)
    parts = [area.targets for area in areas]
    areas = [
        replace(area, targets_map_px=own_points, scores=own_scores)
        for area, own_points, own_scores in zip(
            areas, _split_like(points, parts), _split_like(scores, parts)
        )
    ]
    return _without_dropped(areas, problem.allows(points, scores) | fixed, problem)


def _slid(
    points: np.ndarray, before: np.ndarray, problem: Problem, allowed: ScoreMap
) -> np.ndarray:
    """All points moved together so that they lose least at the rim."""
    frame = TiltFrame.of(problem.optics)
    tilted = frame.from_map(points)
    reach_um = np.abs(tilted - frame.from_map(before)).max()
    steps = np.linspace(-1, 1, SLIDES) * reach_um
    slides = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    slides = slides[np.argsort(np.hypot(*slides.T), kind="stable")]
    totals = []
    for slide in slides:
        scores = allowed.at(frame.to_map(tilted + slide))
        totals.append(scores[scores >= problem.options.least_threshold].sum())
    best = int(np.argmax(np.round(totals, 6)))
    return frame.to_map(tilted + slides[best]) if best else points


def with_extra_tracking(
    areas: Sequence[TargetArea], problem: Problem
) -> tuple[list[TargetArea], list[str]]:
    """The areas with one more target each for tracking, and a warning for each without room."""
    blocked = np.concatenate([area.targets_map_px for area in areas])
    result, warnings = [], []
    for number, area in enumerate(areas, 1):
        position = place_extra_tracking(area.targets_map_px, blocked, problem)
        if position is None:
            where = f" in area {number}" if len(areas) > 1 else ""
            warnings.append(
                f"No room for an extra tracking target{where}: another target is used for tracking."
            )
            result.append(area)
            continue
        extra = position[None]
        blocked = np.concatenate([blocked, extra])
        extra_target = Targets(extra, problem.scores_at(extra), np.zeros(1, bool))
        with_extra = area.with_targets(joined([extra_target, area.targets]))
        result.append(replace(with_extra, extra_tracking=True))
    return result, warnings


def _with_room(
    areas: Sequence[TargetArea], problem: Problem, allowed: ScoreMap
) -> list[TargetArea]:
    """The areas with the margin around the beams of their tracking targets.

    An area that scores less than the targets it would displace is dropped itself.
    """
    result = list(areas)
    number = 0
    while number < len(result):
        area, others = result[number], result[:number] + result[number + 1 :]
        position, stays = _roomy_position(area, others, problem, allowed)
        own, *rest = _split_like(stays, [area.followers, *(other.targets for other in others)])
        area = _tracked_at(area, position, problem).keep(np.append(True, own))
        cost = sum(float(other.scores[~stay].sum()) for other, stay in zip(others, rest))
        if cost > area.scores.sum() and not area.fixed.any():
            del result[number]
            continue
        result = [other.keep(stay) for other, stay in zip(others, rest)]
        result.insert(number, area)
        number += 1
    return result


def _roomy_position(
    area: TargetArea, others: Sequence[TargetArea], problem: Problem, allowed: ScoreMap
) -> tuple[np.ndarray, np.ndarray]:
    """Where an area's tracking target has room, and which other targets stay then.

    The others are the area's own followers, then all targets of the other areas.
    """
    positions, scores = _positions_for_tracking(area, problem, allowed)
    neighbours = joined([area.followers, *(other.targets for other in others)])
    kept = np.concatenate([area.fixed[1:], *(_cannot_be_dropped(other) for other in others)])
    order, stays = make_room(
        positions,
        scores,
        neighbours.points_map_px,
        neighbours.scores,
        kept,
        problem.optics,
    )
    avoided = avoided_in_view(positions[0], problem.cover, problem.optics)

    def is_good(position: np.ndarray) -> bool:
        passes = bool(problem.passes(position[None], problem.scores_at(position[None])).all())
        return passes and avoided_in_view(position, problem.cover, problem.optics) <= avoided

    best = next(k for k, index in enumerate(order) if index == 0 or is_good(positions[index]))
    return positions[order[best]], stays[best]


def _positions_for_tracking(
    area: TargetArea, problem: Problem, allowed: ScoreMap
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 2) an area's tracking target may have, and scores (n,), -1 where it may not.

    The first position is the present one.
    """
    optics = problem.optics
    movable = not area.fixed[0] and not area.extra_tracking and problem.sites_map_px is None
    positions = positions_around(area.tracking_map_px, optics)[: None if movable else 1]
    scores = allowed.at(positions)
    scores[0] = area.scores[0]
    good = (scores >= problem.options.least_threshold) & (scores > 0)
    if problem.polygons:
        good &= inside(positions, problem.polygons)
    limit_px = optics.image_shift_limit_um / optics.pixel_um
    good &= (distances(positions, area.followers.points_map_px) <= limit_px).all(axis=1)
    return positions, np.where(good, scores, -1)


def _cannot_be_dropped(area: TargetArea) -> np.ndarray:
    """Which targets of an area cannot be dropped: fixed ones and the one for tracking."""
    return area.fixed | (np.arange(len(area.fixed)) == 0)


def _tracked_at(area: TargetArea, position_map_px: np.ndarray, problem: Problem) -> TargetArea:
    """An area with its tracking target at a position."""
    if (position_map_px == area.tracking_map_px).all():
        return area
    moved = position_map_px[None]
    tracking = Targets(moved, problem.scores_at(moved), area.fixed[:1])
    return area.with_targets(joined([tracking, area.followers]))
