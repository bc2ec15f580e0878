"""The choice of targets of a lamella from beginning to end.

Targets are packed (`space.targeting.packing`) so that their total score is the highest, no two
beams overlap on the specimen at any tilt up to the steepest, every target scores at least its
threshold and has its whole Record field inside the map. They are then distributed on the fewest
areas in which image shift reaches all targets from the tracking target, and every area gets its
tracking target (written first), room around it (`ExposureOptics.beam_margin_um`), and geometry
points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from space.errors import SpaceError
from space.targeting.arrangement import arranged
from space.targeting.broad import DoseRule, Stated, clear_cells, within_budget
from space.targeting.by_hand import AreaChange, changed_areas, montage_warning
from space.targeting.checks import as_points, warnings_about
from space.targeting.choice import Choice, Counts, TargetArea, Targets
from space.targeting.geometry_points import geometry_points
from space.targeting.options import ExposureOptics, TargetingOptions
from space.targeting.packing import choose_points
from space.targeting.polygons import allowed_cells, as_polygons, inside
from space.targeting.problem import Problem
from space.targeting.report import rejections, share_in_fields, why_none
from space.targeting.scoring import KnownMap, ScoreMap, as_labels, class_tables


def select_targets(
    label_map: np.ndarray | KnownMap,
    label_names: dict[str, int],
    options: TargetingOptions,
    optics: ExposureOptics,
    *,
    polygons_map_px: Sequence[ArrayLike] = (),
    fixed_map_px: np.ndarray | None = None,
    sites_map_px: np.ndarray | None = None,
) -> Choice:
    """Choose the targets of a lamella; docs/targeting.md has an example.

    Parameters
    ----------
    label_map : ndarray of whole numbers (rows, columns), or KnownMap
        Class of every pixel; uint8 is taken without a copy. A `KnownMap` remembers what was
        computed from it, so that the next question about it takes less time.
    label_names : dict of str to int
        Number of each class by name.
    options, optics
        What is wanted; what beam and camera cover in the map.
    polygons_map_px : sequence of (k, 2) arrays, optional
        Corners (row, column) of polygons; targets are centred in one of them. None: everywhere.
    fixed_map_px : ndarray (k, 2), optional
        Targets that stay where they are, whatever they score; the rest is chosen around them.
    sites_map_px : ndarray (m, 2), optional
        The only positions that targets may have, such as the holes that
        `space.targeting.find_holes` finds (fixed targets may be elsewhere).

    Returns
    -------
    Choice
        All points are `points_map_px`: (row, column) in continuous pixel coordinates, in
        which the map spans 0..rows and 0..columns and the first pixel's centre is (0.5, 0.5).

    Raises
    ------
    SpaceError
        For a class that does not exist, a class both wanted and avoided, something that is no
        label map, or points and polygons that are none. A map without any target is no error:
        `Choice.areas` is empty then and `Choice.warnings` says why.
    """
    known = _known(label_map)
    shape = known.labels.shape
    class_tables(label_names, options)  # an empty map is refused for the same classes
    polygons = as_polygons(polygons_map_px)
    fixed_map_px = as_points(fixed_map_px, shape, "fixed targets")
    if sites_map_px is not None:
        sites_map_px = as_points(sites_map_px, shape, "sites")
        sites_map_px = sites_map_px[inside(sites_map_px, polygons)] if polygons else sites_map_px
    if not known.labels.size:
        return Choice((), ("The map is empty: no targets.",))
    problem = Problem.of(known, label_names, options, optics, polygons, sites_map_px)
    return _selected(problem, _allowed_scores(problem), fixed_map_px)


def _selected(problem: Problem, allowed: ScoreMap, fixed_map_px: np.ndarray) -> Choice:
    """The choice of a problem, where targets may be."""
    optics = problem.optics
    targets = _chosen(problem, allowed, fixed_map_px)
    if not len(targets):
        return _without_targets(problem)

    areas, warnings = arranged(targets, problem, allowed)
    areas = _with_geometry_points(areas, problem)
    warnings = [*problem.warnings, *warnings, *warnings_about(areas, problem)]
    if len(areas) > 1:
        warnings.append(
            f"The targets do not fit into one image-shift range of "
            f"{optics.image_shift_limit_um:g} um: split into {len(areas)} areas."
        )
    return _with_counts(areas, warnings, problem)


def select_broad(
    label_map: np.ndarray | KnownMap,
    label_names: dict[str, int],
    options: TargetingOptions,
    optics: ExposureOptics,
    fine: tuple[np.ndarray, ExposureOptics],
    rule: DoseRule,
    *,
    polygons_map_px: Sequence[ArrayLike] = (),
    fixed_map_px: np.ndarray | None = None,
    given: Sequence[TargetArea] | None = None,
) -> tuple[Choice, Stated]:
    """Choose broad fields on a lamella that has fine targets; docs/targeting.md tells the rule.

    Parameters
    ----------
    label_map, label_names, options, optics, polygons_map_px, fixed_map_px
        As for `select_targets`, of the broad fields.
    fine : (ndarray (n, 2), ExposureOptics)
        The fine targets, and what beam and camera cover there.
    rule : DoseRule
        Order and budget.
    given : sequence of TargetArea, optional
        Broad fields that a person has put where they are: those are judged, and none is chosen.

    Returns
    -------
    (Choice, Stated)
        The broad fields, and what they mean for the fine ones.

    Raises
    ------
    SpaceError
        As `select_targets`.
    """
    known, polygons = _known(label_map), as_polygons(polygons_map_px)
    if given is not None:
        choice = review_targets(
            known, label_names, options, optics, given, polygons_map_px=polygons
        )
    else:
        fixed = as_points(fixed_map_px, known.labels.shape, "fixed targets")
        asked = Problem.of(known, label_names, options, optics, polygons)
        allowed = _allowed_scores(asked)
        if rule.keeps_apart:
            allowed = allowed.restricted(clear_cells(allowed, *fine, optics))
        choice = _selected(asked, allowed, fixed)
    if not choice.areas:
        return choice, Stated()
    problem = Problem.of(known, label_names, options, optics, polygons)
    areas, stated = within_budget(choice.areas, *fine, rule, problem)
    if not stated.dropped:
        return choice, stated
    if not areas:
        counts = replace(choice.counts, targets=0, areas=0, total_score=0.0, wanted_in_fields=0.0)
        return replace(choice, areas=(), counts=counts), stated
    return _with_counts(areas, choice.warnings, problem), stated


def review_targets(
    label_map: np.ndarray | KnownMap,
    label_names: dict[str, int],
    options: TargetingOptions,
    optics: ExposureOptics,
    areas: Sequence[TargetArea],
    *,
    polygons_map_px: Sequence[ArrayLike] = (),
) -> Choice:
    """Score and check targets that a person has put where they are.

    Parameters
    ----------
    label_map, label_names, options, optics
        As for `select_targets`.
    areas : sequence of TargetArea
        Targets, the first of each area for tracking; their scores are not looked at. An area
        without geometry points gets some.
    polygons_map_px : sequence of (k, 2) arrays, optional
        As for `select_targets`, but targets may be outside.

    Returns
    -------
    Choice
        The same targets in the same order. `warnings` names each one whose beam is in
        conflict, that image shift does not reach, whose field leaves the map or that scores
        below the threshold, and geometry points under beams.

    Raises
    ------
    SpaceError
        As `select_targets`, and for a point outside of the map.
    """
    problem, scored = _scored(label_map, label_names, options, optics, areas, polygons_map_px)
    if problem is None:
        return Choice((), ("There are no targets.",))
    scored = _with_geometry_points(scored, problem)
    return _with_counts(scored, [*problem.warnings, *warnings_about(scored, problem)], problem)


def change_areas(
    label_map: np.ndarray | KnownMap,
    label_names: dict[str, int],
    options: TargetingOptions,
    optics: ExposureOptics,
    areas: Sequence[TargetArea],
    change: AreaChange,
    *,
    polygons_map_px: Sequence[ArrayLike] = (),
) -> Choice:
    """Split, merge or distribute areas anew, or improve a target, as a person asks.

    Parameters
    ----------
    label_map, label_names, options, optics, areas, polygons_map_px
        As for `review_targets`.
    change : AreaChange
        What is asked for.

    Returns
    -------
    Choice
        The areas after it, judged as `review_targets` judges them.

    Raises
    ------
    SpaceError
        As `review_targets`, and when it cannot be done, with the reason.
    """
    problem, scored = _scored(label_map, label_names, options, optics, areas, polygons_map_px)
    if problem is None:
        raise SpaceError("There are no targets.", "areas", "Add some.")
    changed = _with_geometry_points(changed_areas(scored, change, problem), problem)
    warnings = [*problem.warnings, *warnings_about(changed, problem)]
    if change.kind == "tile":
        warnings.append(montage_warning(changed, optics))
    return _with_counts(changed, warnings, problem)


def total_score(
    label_map: np.ndarray | KnownMap,
    label_names: dict[str, int],
    options: TargetingOptions,
    optics: ExposureOptics,
    areas: Sequence[TargetArea],
    *,
    polygons_map_px: Sequence[ArrayLike] = (),
) -> float:
    """Total score of targets; parameters, and what is raised, as for `review_targets`."""
    _, scored = _scored(label_map, label_names, options, optics, areas, polygons_map_px)
    return _total(scored)


def prepare(
    known: KnownMap,
    label_names: dict[str, int],
    options: TargetingOptions,
    optics: ExposureOptics,
    *,
    polygons_map_px: Sequence[ArrayLike] = (),
) -> None:
    """Find out what all answers about a map begin with; its memory keeps it.

    Parameters, and what is raised, are as for `select_targets`.
    """
    known = _known(known)
    if known.labels.size:
        Problem.of(known, label_names, options, optics, as_polygons(polygons_map_px)).prepare()


def _known(label_map: np.ndarray | KnownMap) -> KnownMap:
    """The label map, checked, with what is known of it."""
    if isinstance(label_map, KnownMap):
        return replace(label_map, labels=as_labels(label_map.labels))
    return KnownMap(as_labels(label_map))


def _scored(
    label_map: np.ndarray | KnownMap,
    label_names: dict[str, int],
    options: TargetingOptions,
    optics: ExposureOptics,
    areas: Sequence[TargetArea],
    polygons_map_px: Sequence[ArrayLike],
) -> tuple[Problem | None, list[TargetArea]]:
    """The areas that have targets, with their scores; no problem if there are none."""
    known, polygons = _known(label_map), as_polygons(polygons_map_px)
    shape = known.labels.shape
    checked = [_checked(area, number, shape) for number, area in enumerate(areas, 1)]
    checked = [area for area in checked if len(area.scores)]
    if not checked:
        return None, []
    problem = Problem.of(known, label_names, options, optics, polygons)
    scores = [problem.scores_at(area.targets_map_px) for area in checked]
    return problem, [replace(area, scores=own) for area, own in zip(checked, scores)]


def _total(areas: Sequence[TargetArea]) -> float:
    """Total score of targets, to which those for tracking alone add none."""
    scores = [area.imaged.scores for area in areas]
    return float(np.concatenate(scores).sum()) if scores else 0.0


def _allowed_scores(problem: Problem) -> ScoreMap:
    """Scores where targets may be: thresholds are reached, and polygons, if any, are kept."""
    allowed = problem.usable_scores
    if problem.polygons and problem.sites_map_px is None:
        cells = allowed_cells(problem.polygons, allowed.values.shape, allowed.factor)
        allowed = allowed.restricted(cells)
    return allowed


def _chosen(problem: Problem, allowed: ScoreMap, fixed_map_px: np.ndarray) -> Targets:
    """The fixed targets, and those packed around them that the pixels themselves confirm."""
    points = choose_points(
        allowed,
        problem.options,
        problem.optics,
        fixed_map_px=fixed_map_px,
        sites_map_px=problem.sites_map_px,
    )
    scores = problem.scores_at(points)
    fixed = np.arange(len(points)) < len(fixed_map_px)
    return Targets(points, scores, fixed).keep(problem.allows(points, scores) | fixed)


def _checked(area: TargetArea, number: int, map_shape: tuple[int, ...]) -> TargetArea:
    """An area whose points are arrays of positions on the map."""
    points = as_points(area.targets_map_px, map_shape, f"targets of area {number}")
    geometry = as_points(
        area.geometry_points_map_px, map_shape, f"geometry points of area {number}"
    )
    return replace(area, targets_map_px=points, geometry_points_map_px=geometry)


def _with_geometry_points(areas: Sequence[TargetArea], problem: Problem) -> list[TargetArea]:
    """The areas, those without geometry points with chosen ones."""
    taken = np.concatenate([area.targets_map_px for area in areas])
    return [
        area
        if len(area.geometry_points_map_px)
        else replace(
            area,
            geometry_points_map_px=geometry_points(
                problem.cover, taken, area.tracking_map_px, problem.optics
            ),
        )
        for area in areas
    ]


def _without_targets(problem: Problem) -> Choice:
    """A choice without targets, and why there are none."""
    counts = _counts(problem)
    places, rejected = rejections(np.empty((0, 2)), problem)
    warnings = (*problem.warnings, f"No targets: {why_none(problem, counts)}")
    counts = replace(counts, places=places)
    return Choice((), warnings, counts, problem.scores, rejected, problem.polygons)


def _with_counts(areas: Sequence[TargetArea], warnings: Sequence[str], problem: Problem) -> Choice:
    """The choice with its counts."""
    points = np.concatenate([area.imaged.points_map_px for area in areas])
    places, rejected = rejections(points, problem)
    counts = replace(
        _counts(problem),
        targets=sum(len(area.targets_map_px) for area in areas),
        areas=len(areas),
        places=places,
        total_score=_total(areas),
        wanted_in_fields=share_in_fields(problem.cover, points, problem.optics),
    )
    return Choice(tuple(areas), tuple(warnings), counts, problem.scores, rejected, problem.polygons)


def _counts(problem: Problem) -> Counts:
    """Counts that follow from the map alone."""
    cell_um = problem.cover.factor * problem.optics.pixel_um
    usable = problem.usable_scores.usable
    usable = usable[usable >= problem.options.least_threshold]
    return Counts(
        candidates=int((usable > 0).sum()),
        best_score=float(problem.scores.values.max()),
        wanted_um2=float(problem.cover.wanted.sum(dtype=float)) * cell_um**2,
        beside_um2=problem.beside_px * problem.optics.pixel_um**2,
    )
