"""The choice of targets of a lamella from beginning to end."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from space.targeting.arrangement import arranged
from space.targeting.checks import as_points, problems
from space.targeting.choice import Area, Choice
from space.targeting.geometry_points import geometry_points
from space.targeting.options import Optics, TargetingOptions
from space.targeting.packing import choose_points
from space.targeting.polygons import allowed_cells, as_polygons, inside
from space.targeting.problem import Question
from space.targeting.report import rejections, share_in_fields
from space.targeting.scoring import (
    as_labels,
    cell_factor,
    class_tables,
    coverage,
    differ,
    on_own_pieces,
    pieces_unknown,
    score_map,
    thresholds_of_cells,
)

log = logging.getLogger("space.targeting")


def select_targets(
    label_map: np.ndarray,
    label_names: dict[str, int],
    options: TargetingOptions,
    optics: Optics,
    *,
    polygons_map_px: Sequence[ArrayLike] = (),
    fixed_map_px: np.ndarray | None = None,
    sites_map_px: np.ndarray | None = None,
) -> Choice:
    """Choose the targets of a lamella.

    Maximises the total score of targets (see `space.targeting.scoring.score`) such that no two
    beams overlap on the specimen at any tilt up to ``optics.max_tilt_deg``, every target scores at
    least the threshold and has its whole field inside the map. The targets are then
    distributed on the fewest areas in which the tracking target reaches all others with image
    shift, and every area gets its tracking target (written first) and geometry points. Where
    ``optics.beam_margin_um`` asks for it, room is then made around tracking targets.

    Parameters
    ----------
    label_map : ndarray of whole numbers (rows, columns)
        Class of every pixel; uint8 is taken without a copy.
    label_names : dict of str to int
        Number of each class by name.
    options : TargetingOptions
        What is wanted.
    optics : Optics
        What beam and camera cover in the map.
    polygons_map_px : sequence of (k, 2) arrays, optional
        Corners (row, column) of polygons; targets are centred in one of them. None: everywhere.
    fixed_map_px : ndarray (k, 2), optional
        Targets that stay where they are, whatever they score; the rest is chosen around them.
    sites_map_px : ndarray (m, 2), optional
        The only places where a target may be centred, such as the holes that
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

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.zeros((300, 300), np.uint8)
    >>> labels[140:160, 140:160] = 2
    >>> optics = Optics(pixel_nm=16, field_um=(0.86, 0.61), beam_diameter_um=1.6,
    ...                 tilt_axis_deg=85)
    >>> options = TargetingOptions(target_list=("mitos",), avoid_list=("black",))
    >>> choice = select_targets(labels, {"black": 1, "mitos": 2}, options, optics)
    >>> bool(np.abs(choice.areas[0].targets_map_px[0] - 150).max() < 2)
    True
    """
    labels = as_labels(label_map)
    class_tables(label_names, options)  # tells what is wrong with them, also for an empty map
    polygons = as_polygons(polygons_map_px)
    fixed = as_points(fixed_map_px, labels.shape, "fixed targets")
    sites = None
    if sites_map_px is not None:
        sites = as_points(sites_map_px, labels.shape, "sites")
        sites = sites[inside(sites, polygons)] if polygons else sites
    if not labels.size:
        return _finish((), ["The map is empty: no targets."], {}, None)
    asked = _ask(labels, label_names, options, optics, polygons, sites)
    allowed = asked.usable()
    if polygons and sites is None:
        cells = allowed_cells(polygons, allowed.values.shape, allowed.factor)
        allowed = allowed.restricted(cells)
    points = choose_points(allowed, options, optics, fixed_map_px=fixed, sites_map_px=sites)
    values = asked.scores_at(points)
    is_fixed = np.arange(len(points)) < len(fixed)
    keep = asked.allows(points, values) | is_fixed
    points, values, is_fixed = points[keep], values[keep], is_fixed[keep]
    counts = _counts(asked)
    warnings = [asked.unknown] if asked.unknown else []
    if not len(points):
        places, rejected = _rejections(asked, points)
        counts["places"] = places
        warnings.append(f"No targets: {_why_none(asked, counts)}")
        return _finish((), warnings, counts, asked, rejected)

    areas, said = arranged(points, values, is_fixed, asked, allowed)
    warnings += said
    taken = np.concatenate([area.targets_map_px for area in areas])
    areas = [_with_geometry(area, taken, asked) for area in areas]
    warnings += _problems(areas, asked)
    if len(areas) > 1:
        warnings.append(
            f"The targets do not fit into one image-shift range of "
            f"{optics.image_shift_limit_um:g} um: split into {len(areas)} areas."
        )
    return _with_counts(areas, counts, warnings, asked)


def review_targets(
    label_map: np.ndarray,
    label_names: dict[str, int],
    options: TargetingOptions,
    optics: Optics,
    areas: Sequence[Area],
    *,
    polygons_map_px: Sequence[ArrayLike] = (),
) -> Choice:
    """Score and check targets that a person has put where they are.

    Parameters
    ----------
    label_map, label_names, options, optics
        As for `select_targets`.
    areas : sequence of Area
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
    labels = as_labels(label_map)
    polygons = as_polygons(polygons_map_px)
    checked = []
    for number, area in enumerate(areas, 1):
        points = as_points(area.targets_map_px, labels.shape, f"targets of area {number}")
        extra = as_points(
            area.geometry_points_map_px, labels.shape, f"geometry points of area {number}"
        )
        if len(points):
            checked.append(replace(area, targets_map_px=points, geometry_points_map_px=extra))
    if not checked:
        return _finish((), ["There are no targets."], {}, None)
    asked = _ask(labels, label_names, options, optics, polygons)
    counts = _counts(asked)
    taken = np.concatenate([area.targets_map_px for area in checked])
    values = asked.scores_at(taken)
    ends = np.cumsum([len(area.targets_map_px) for area in checked])[:-1]
    checked = [replace(area, scores=part) for area, part in zip(checked, np.split(values, ends))]
    checked = [
        area if len(area.geometry_points_map_px) else _with_geometry(area, taken, asked)
        for area in checked
    ]
    warnings = [asked.unknown] if asked.unknown else []
    return _with_counts(checked, counts, warnings + _problems(checked, asked), asked)


def _ask(
    labels: np.ndarray,
    label_names: dict[str, int],
    options: TargetingOptions,
    optics: Optics,
    polygons: tuple[np.ndarray, ...] = (),
    sites: np.ndarray | None = None,
) -> Question:
    tables = class_tables(label_names, options)
    beside, unknown = 0.0, ""
    if options.on_lamella_only:
        unknown = pieces_unknown(label_names, options)
        labels, tables, lost = on_own_pieces(labels, tables, polygons)
        beside = float(lost @ tables.wanted)
    factor = cell_factor(optics)
    cover = coverage(labels, tables, factor)
    scores = score_map(cover, options, optics)
    least = None
    if differ(options):
        least = thresholds_of_cells(labels, tables, factor, options, optics)
    return Question(
        labels, tables, cover, scores, options, optics, polygons, sites, beside, least, unknown
    )


def _finish(
    areas: Iterable[Area],
    warnings: Sequence[str],
    counts: Mapping[str, float],
    asked: Question | None,
    rejected: dict[str, int] | None = None,
) -> Choice:
    counts = {"targets": 0, "areas": 0, "total_score": 0.0, **counts}
    for warning in warnings:
        log.warning(warning)
    scores, polygons = (None, ()) if asked is None else (asked.scores, asked.polygons)
    return Choice(tuple(areas), tuple(warnings), counts, scores, rejected or {}, polygons)


def _with_counts(
    areas: Sequence[Area], counts: dict[str, float], warnings: Sequence[str], asked: Question
) -> Choice:
    """The choice with what it counts: targets, without those for tracking alone."""
    points = np.concatenate([area.targets_map_px[area.extra_tracking :] for area in areas])
    values = np.concatenate([area.scores[area.extra_tracking :] for area in areas])
    places, rejected = _rejections(asked, points)
    counts = counts | {
        "targets": sum(len(area.targets_map_px) for area in areas),
        "areas": len(areas),
        "places": places,
        "total_score": float(values.sum()),
        "wanted_in_fields": share_in_fields(asked.cover, points, asked.optics),
    }
    return _finish(areas, warnings, counts, asked, rejected)


def _with_geometry(area: Area, taken: np.ndarray, asked: Question) -> Area:
    points = geometry_points(asked.cover, taken, area.targets_map_px[0], asked.optics)
    return replace(area, geometry_points_map_px=points)


def _problems(areas: list[Area], asked: Question) -> list[str]:
    held = [asked.scores.holds_field(area.targets_map_px) for area in areas]
    least = [asked.thresholds_at(area.targets_map_px) for area in areas]
    return problems(areas, held, least, asked.optics)


def _rejections(asked: Question, points: np.ndarray) -> tuple[int, dict[str, int]]:
    return rejections(
        points,
        asked.cover,
        asked.scores,
        asked.options,
        asked.optics,
        asked.polygons,
        asked.sites,
        asked.least,
    )


def _counts(asked: Question) -> dict[str, float]:
    cell_um = asked.cover.factor * asked.optics.pixel_um
    usable = asked.usable().usable
    usable = usable[usable >= asked.options.least_threshold]
    return {
        "candidates": int((usable > 0).sum()),
        "best_score": float(asked.scores.values.max()),
        "wanted_um2": float(asked.cover.wanted.sum(dtype=float)) * cell_um**2,
        "beside_um2": asked.beside * asked.optics.pixel_um**2,
    }


def _why_none(asked: Question, counts: Mapping[str, float]) -> str:
    cover, scores, options, optics = asked.cover, asked.scores, asked.options, asked.optics
    names = ", ".join(options.target_list)
    if any(2 * reach > side for reach, side in zip(scores.reach_px, cover.map_shape)):
        rows_um, columns_um = (side * optics.pixel_um for side in cover.map_shape)
        return (
            f"the map ({columns_um:.2f} x {rows_um:.2f} um) is smaller than the Record field "
            f"({optics.field_um[0]:.2f} x {optics.field_um[1]:.2f} um)."
        )
    if not cover.wanted.any():
        if cover.avoided.size and cover.avoided.min() >= 1:
            return "the whole map belongs to avoided classes."
        if asked.beside:
            return (
                f"{counts['beside_um2']:.3g} um2 of {names} were found, but none on the lamella's "
                "own pieces. If the sample is no lamella, set on_lamella_only = False; a piece "
                "that a polygon touches counts (target_polygons)."
            )
        return f"the map holds nothing of the wanted classes ({names})."
    if asked.sites is not None and not len(asked.sites):
        return "there is no hole" + (" in the polygons." if asked.polygons else ".")
    if counts["best_score"] <= 0:
        return (
            f"{counts['wanted_um2']:.3g} um2 of {names} were found, but everywhere avoided classes "
            "or the rim of the map outweigh them."
        )
    if counts["candidates"]:
        where = "in the polygons" if asked.polygons else "at the holes"
        return (
            f"{counts['wanted_um2']:.3g} um2 of {names} were found, but no place {where} reaches "
            f"{_threshold_words(options)}."
        )
    below = "below" if asked.least is None else "and no place reaches"
    return (
        f"{counts['wanted_um2']:.3g} um2 of {names} were found, but the best score is "
        f"{counts['best_score']:.3g}, {below} {_threshold_words(options)}."
    )


def _threshold_words(options: TargetingOptions) -> str:
    if not differ(options):
        return f"the threshold of {options.least_threshold:g}"
    pairs = zip(options.target_list, options.thresholds)
    return f"its threshold ({', '.join(f'{name} {least:g}' for name, least in pairs)})"
