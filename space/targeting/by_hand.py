"""Areas as a person divides them: split, merged, distributed anew, one target improved.

Targets stay where they are, but for the one that is improved, and none is added or lost, but for
those that serve tracking alone. What is wrong with the result is told by the checks
(`space.targeting.checks`), not refused: a person may have a reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from space.errors import SpaceError
from space.targeting.areas import distances, split
from space.targeting.arrangement import joined, tracked_area, with_extra_tracking
from space.targeting.choice import TargetArea, Targets
from space.targeting.exposure import Exposed, field_points, shares_at
from space.targeting.geometry_points import LEAST, MOST
from space.targeting.options import ExposureOptics
from space.targeting.packing import TOUCH_UM, TiltFrame
from space.targeting.problem import Problem
from space.targeting.room import needed_um

Kind = Literal["split", "merge", "redistribute", "improve", "tile"]
KINDS: tuple[Kind, ...] = get_args(Kind)

STEPS = 24
"""Places on either side of a target that are compared, as far as a beam's diameter."""

LOOKED_AT = 40
"""Of the best of them, the score is counted on the pixels themselves."""

LEAST_GAIN = 0.001
"""Of score; less than this is no better place."""

MOST_TILES = 5
"""Of a montage along each side."""

_MEANS = 50


@dataclass(frozen=True)
class AreaChange:
    """What a person asks for.

    Parameters
    ----------
    kind : Kind
    area, other, target : int
        Numbers from 1: of an area, of the one that it is merged with, of the target to improve or
        to make a montage of.
    columns, rows : int
        Tiles of the montage.
    overlap : float
        Of neighbouring tiles, as a fraction of the field.
    """

    kind: Kind
    area: int = 1
    other: int = 1
    target: int = 1
    columns: int = 2
    rows: int = 2
    overlap: float = 0.1


def changed_areas(
    areas: Sequence[TargetArea], change: AreaChange, problem: Problem
) -> list[TargetArea]:
    """Return the areas after a change.

    Parameters
    ----------
    areas : sequence of TargetArea
        With their scores.
    change : AreaChange
    problem : Problem

    Raises
    ------
    SpaceError
        When there is no such area or target, or it cannot be done.
    """
    given = list(areas)
    if change.kind == "redistribute":
        return redistributed(given, problem)
    index = _index(change.area, len(given), "area")
    if change.kind == "split":
        return [*given[:index], *split_in_two(given[index], problem), *given[index + 1 :]]
    if change.kind == "merge":
        other = _index(change.other, len(given), "area")
        if other == index:
            raise SpaceError("An area cannot be merged with itself.", f"area {change.area}")
        given[index] = merged(given[index], given[other], problem)
        del given[other]
        return given
    target = _index(change.target, len(given[index].scores), "target")
    if change.kind == "tile":
        given[index] = tiled(given[index], target, change, problem)
        return given
    return improved(given, index, target, problem)


def _index(number: int, count: int, what: str) -> int:
    if not 1 <= number <= count:
        raise SpaceError(f"There is no {what} {number}.", "areas", f"There are {count}.")
    return number - 1


def split_in_two(area: TargetArea, problem: Problem) -> list[TargetArea]:
    """Return the two halves of an area, divided across its longer side.

    Raises
    ------
    SpaceError
        If it has fewer than two targets besides one for tracking alone.
    """
    targets = area.imaged
    if len(targets) < 2:
        raise SpaceError("An area of one target cannot be split.", "areas", "Add a target to it.")
    is_second = _two_groups(targets.points_map_px)
    parts = [
        replace(tracked_area(targets.keep(mask), problem), series=area.series)
        for mask in (~is_second, is_second)
    ]
    if area.extra_tracking:
        # The target for tracking alone serves the half that it lies nearer to.
        middles = np.array([part.targets_map_px.mean(axis=0) for part in parts])
        own = int(np.argmin(np.hypot(*(middles - area.tracking_map_px).T)))
        first = area.targets.keep(np.array([0]))
        with_first = parts[own].with_targets(joined([first, parts[own].targets]))
        parts[own] = replace(with_first, extra_tracking=True)
    return _with_points(parts, area.geometry_points_map_px)


def merged(area: TargetArea, other: TargetArea, problem: Problem) -> TargetArea:
    """Return one area of two; it is tracked as the first one was, if that reaches all targets.

    A target of the second one that served tracking alone goes, if no person has fixed it.
    """
    added = _kept(other)
    targets = joined([area.targets, added])
    limit_px = problem.optics.image_shift_limit_um / problem.optics.pixel_um
    far_px = np.hypot(*(targets.points_map_px - area.tracking_map_px).T)
    if area.extra_tracking or (far_px <= limit_px).all():
        result = area.with_targets(targets)
    else:
        result = tracked_area(targets, problem)
    points = np.concatenate([area.geometry_points_map_px, other.geometry_points_map_px])
    points = points[np.hypot(*(points - result.tracking_map_px).T) <= limit_px][:MOST]
    series = area.series or other.series
    return replace(result, geometry_points_map_px=_enough(points), series=series)


def redistributed(areas: Sequence[TargetArea], problem: Problem) -> list[TargetArea]:
    """Return all targets on the fewest areas that image shift allows, the largest first.

    An area keeps the settings for its series that most of its targets had.
    """
    kept = [_kept(area) for area in areas]
    targets = joined(kept)
    if not len(targets):
        return list(areas)
    came_from = np.repeat(np.arange(len(areas)), [len(one) for one in kept])
    limit_px = problem.optics.image_shift_limit_um / problem.optics.pixel_um
    result = []
    for group in split(targets.points_map_px, limit_px):
        series = areas[int(np.bincount(came_from[group]).argmax())].series
        result.append(replace(tracked_area(targets.keep(group), problem), series=series))
    if any(area.extra_tracking for area in areas):
        result, _ = with_extra_tracking(result, problem)
    return _with_points(result, np.concatenate([area.geometry_points_map_px for area in areas]))


def improved(
    areas: Sequence[TargetArea], index: int, target: int, problem: Problem
) -> list[TargetArea]:
    """Return the areas with one target at the best place within a beam's diameter.

    There, its beam overlaps with no other up to the steepest tilt, keeps the margin where one of
    the two is a tracking target, covers no geometry point, and image shift reaches it.

    Raises
    ------
    SpaceError
        If there is no better place.
    """
    area = areas[index]
    if area.extra_tracking and target == 0:
        raise SpaceError("This target serves tracking alone: its place has no score.", "areas")
    here = area.targets_map_px[target]
    positions = _around(here, problem)
    allowed = _is_free(positions, areas, index, target, problem)
    positions, stays = positions[allowed], bool(allowed[0])
    if len(positions):
        scores = problem.usable_scores.at(positions)
        order = np.argsort(-scores, kind="stable")[:LOOKED_AT]
        positions = positions[order]
        scores = problem.scores_at(positions)
        good = problem.allows(positions, scores)
        positions, scores = positions[good], scores[good]
    before = float(problem.scores_at(here[None])[0])
    stays = stays and bool(problem.allows(here[None], np.array([before]))[0])
    if not len(positions) or (stays and scores.max() < before + LEAST_GAIN):
        reach_um = problem.optics.beam_diameter_um
        raise SpaceError(
            f"There is no better place within {reach_um:.2f} um that does no harm to others.",
            "areas",
            "Move it by hand, or change settings.",
        )
    best = int(np.argmax(scores.round(6)))
    points, values = area.targets_map_px.copy(), area.scores.copy()
    points[target], values[target] = positions[best], scores[best]
    result = list(areas)
    result[index] = replace(area, targets_map_px=points, scores=values)
    return result


def tiled(area: TargetArea, target: int, change: AreaChange, problem: Problem) -> TargetArea:
    """Return an area with a montage of tilt series in place of one target.

    The tiles lie along the sides of the Record field, around the target's place, and are fixed. One
    of those nearest to the middle stands where the target stood in the list.

    Raises
    ------
    SpaceError
        For more tiles than `MOST_TILES` along a side, one alone, or an overlap of half or more.
    """
    sides = change.columns, change.rows
    if not all(1 <= side <= MOST_TILES for side in sides) or max(sides) < 2:
        raise SpaceError(f"A montage has 2 to {MOST_TILES} tiles along a side.", "areas")
    if not 0 <= change.overlap < 0.5:
        raise SpaceError("The overlap of tiles is a fraction from 0 to below 0.5.", "areas")
    offsets = tile_offsets_px(change, problem.optics)
    offsets = offsets[np.argsort(np.hypot(*offsets.T).round(6), kind="stable")]
    tiles = area.targets_map_px[target] + offsets
    shape = np.array(problem.labels.shape)
    if not ((tiles >= 0) & (tiles <= shape)).all():
        raise SpaceError("A tile of the montage would lie outside of the map.", "areas")
    rest = np.arange(len(area.scores)) != target
    others = area.targets.keep(rest)
    made = Targets(tiles, problem.scores_at(tiles), np.ones(len(tiles), bool))
    first = made.keep(np.arange(1)), made.keep(np.arange(1, len(tiles)))
    before, after = (others.keep(np.arange(target)), others.keep(np.arange(target, len(others))))
    return area.with_targets(joined([before, first[0], after, first[1]]))


def tile_offsets_px(change: AreaChange, optics: ExposureOptics) -> np.ndarray:
    """Return where the tiles of a montage lie, (n, 2) from its middle."""
    width, height = (side / optics.pixel_um * (1 - change.overlap) for side in optics.field_um)
    along, across = np.meshgrid(
        (np.arange(change.columns) - (change.columns - 1) / 2) * width,
        (np.arange(change.rows) - (change.rows - 1) / 2) * height,
    )
    angle = np.radians(optics.field_rotation_deg)
    rows = along * np.sin(angle) + across * np.cos(angle)
    columns = along * np.cos(angle) - across * np.sin(angle)
    return np.stack([rows, columns], axis=-1).reshape(-1, 2)


def montage_warning(areas: Sequence[TargetArea], optics: ExposureOptics) -> str:
    """Return what targets whose beams overlap on purpose give each other at most."""
    targets = np.concatenate([area.targets_map_px for area in areas])
    points = field_points(targets, optics).reshape(-1, 2)
    most = shares_at(points, Exposed(targets, optics, 1.0)).sum(axis=1).max()
    return f"Where beams overlap, a field gets up to {most:.1f} times the dose of one series."


def inherited_series(
    areas: Sequence[TargetArea], given: Sequence[TargetArea]
) -> tuple[TargetArea, ...]:
    """Return areas with the settings of the given ones that share fixed targets with them.

    For targets that were chosen anew around fixed ones: whoever has set up how an area is tilted
    wants it for the targets that stayed.
    """
    places = [
        (tuple(point), area.series)
        for area in given
        if area.series
        for point in np.round(area.targets_map_px[area.fixed], 2)
    ]
    if not places:
        return tuple(areas)
    by_place = dict(places)
    result = []
    for area in areas:
        fixed = (tuple(point) for point in np.round(area.targets_map_px[area.fixed], 2))
        series = next((by_place[point] for point in fixed if point in by_place), area.series)
        result.append(replace(area, series=series))
    return tuple(result)


def _kept(area: TargetArea) -> Targets:
    """Targets of an area that outlive it: not one for tracking alone that nobody has fixed."""
    return area.targets if area.extra_tracking and area.fixed[0] else area.imaged


def _two_groups(points_map_px: np.ndarray) -> np.ndarray:
    """Which of n >= 2 points (n, 2) belong to the second of two compact groups, none empty."""
    centred = points_map_px - points_map_px.mean(axis=0)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    is_second = np.zeros(len(along), bool)
    is_second[np.argsort(along, kind="stable")[len(along) // 2 :]] = True
    for _ in range(_MEANS):
        middles = np.array(
            [points_map_px[~is_second].mean(axis=0), points_map_px[is_second].mean(0)]
        )
        nearest = distances(points_map_px, middles).argmin(axis=1).astype(bool)
        if nearest.all() or not nearest.any() or (nearest == is_second).all():
            break
        is_second = nearest
    return is_second


def _with_points(areas: Sequence[TargetArea], points_map_px: np.ndarray) -> list[TargetArea]:
    """Areas with the geometry points nearest to their tracking targets; too few are none."""
    firsts = np.array([area.tracking_map_px for area in areas])
    if not len(points_map_px):
        return list(areas)
    owner = distances(points_map_px, firsts).argmin(axis=1)
    return [
        replace(area, geometry_points_map_px=_enough(points_map_px[owner == number]))
        for number, area in enumerate(areas)
    ]


def _enough(points_map_px: np.ndarray) -> np.ndarray:
    """Geometry points, or none where there are too few: new ones are chosen then."""
    return points_map_px if len(points_map_px) >= LEAST else np.empty((0, 2))


def _around(point_map_px: np.ndarray, problem: Problem) -> np.ndarray:
    """Positions (n, 2) within a beam's diameter on the map, the present one first."""
    reach_px = problem.optics.beam_diameter_um / problem.optics.pixel_um
    steps = np.arange(-STEPS, STEPS + 1) / STEPS * reach_px
    offsets = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    far = np.hypot(*offsets.T)
    order = np.argsort(far, kind="stable")
    positions = point_map_px + offsets[order[far[order] <= reach_px * (1 + 1e-9)]]
    shape = np.array(problem.labels.shape)
    return positions[((positions >= 0) & (positions <= shape)).all(axis=1)]


def _is_free(
    positions: np.ndarray, areas: Sequence[TargetArea], index: int, target: int, problem: Problem
) -> np.ndarray:
    """Which positions (n, 2) of a target are in the way of nothing, and in reach."""
    optics = problem.optics
    counts = [len(area.scores) for area in areas]
    owner = np.repeat(np.arange(len(areas)), counts)
    number = np.concatenate([np.arange(count) for count in counts])
    rest = ~((owner == index) & (number == target))
    others = np.concatenate([area.targets_map_px for area in areas])[rest]
    free = np.ones(len(positions), bool)
    if len(others):
        frame = TiltFrame.of(optics)
        is_tracking = (number[rest] == 0) | (target == 0)
        needed = needed_um(owner[rest] != index, is_tracking, optics)
        gap_um = distances(frame.from_map(positions), frame.from_map(others))
        free &= (gap_um >= needed - TOUCH_UM).all(axis=1)
    points = np.concatenate([area.geometry_points_map_px for area in areas])
    if len(points):
        beam_px = optics.beam_diameter_um / 2 / optics.pixel_um
        free &= (distances(positions, points) >= beam_px).all(axis=1)
    limit_px = optics.image_shift_limit_um / optics.pixel_um
    own = areas[index]
    anchors = own.followers.points_map_px if target == 0 else own.tracking_map_px[None]
    if len(anchors):
        free &= (distances(positions, anchors) <= limit_px).all(axis=1)
    return free
