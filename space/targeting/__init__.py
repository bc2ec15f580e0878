"""Where tilt series go: from a label map to targets, tracking targets and geometry points.

The one entry point is `select_targets`. It takes arrays and plain values, touches no file and
no microscope, and gives equal answers to equal questions.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np

from space.targeting.areas import (
    Area,
    field_mean,
    place_extra_tracking,
    split,
    tracking_index,
)
from space.targeting.choice import choose_points
from space.targeting.geometry_points import LEAST, geometry_points
from space.targeting.masks import (
    ClassTables,
    Coverage,
    as_labels,
    class_tables,
    coverage,
    wanted_mask,
)
from space.targeting.options import Optics, TargetingOptions
from space.targeting.score import ScoreMap, cell_factor, score_map, scores_at

__all__ = [
    "Area",
    "Choice",
    "Optics",
    "TargetingOptions",
    "select_targets",
    "wanted_mask",
]

log = logging.getLogger("space.targeting")


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
        ``targets``, ``areas``, ``candidates`` (places above the threshold, each of one
        cell), ``total_score``, ``best_score``, ``wanted_um2`` and ``wanted_in_fields`` (share of
        the wanted class inside a target's field).
    score : ScoreMap or None
        The score at every position, for plots of intermediate steps; None for an empty map.
    """

    areas: tuple[Area, ...]
    warnings: tuple[str, ...] = ()
    counts: dict[str, float] = field(default_factory=dict)
    score: ScoreMap | None = field(default=None, repr=False)

    @property
    def n_targets(self) -> int:
        """Number of targets in all areas, extra tracking targets included."""
        return sum(len(area.targets_map_px) for area in self.areas)


def select_targets(
    label_map: np.ndarray,
    label_names: dict[str, int],
    options: TargetingOptions,
    optics: Optics,
) -> Choice:
    """Choose the targets of a lamella.

    Maximises the total score of targets (see `space.targeting.score`) such that no two beams
    overlap on the specimen at any tilt up to ``optics.max_tilt_deg``, every target scores at
    least the threshold and has its whole field inside the map. The targets are then
    distributed on the fewest areas in which the tracking target reaches all others with image
    shift, and every area gets its tracking target (written first) and geometry points.

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

    Returns
    -------
    Choice
        All points are `points_map_px`: (row, column) in continuous pixel coordinates, in
        which the map spans 0..rows and 0..columns and the first pixel's centre is (0.5, 0.5).

    Raises
    ------
    SpaceError
        For a class that does not exist, a class both wanted and avoided, or something that
        is no label map. A map without any target is no error: `Choice.areas` is empty then
        and `Choice.warnings` says why.

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
    tables = class_tables(label_names, options)
    if not labels.size:
        return _finish((), ["The map is empty: no targets."], {}, None)
    cover = coverage(labels, tables, cell_factor(optics))
    scores = score_map(cover, options, optics)
    counts = _counts(cover, scores, options, optics)
    points = choose_points(scores, options, optics)
    values = scores_at(points, labels, tables, options, optics)
    keep = (values >= options.target_score_threshold) & (values > 0)
    points, values = points[keep], values[keep]
    if not len(points):
        why = _why_none(cover, scores, counts, options, optics)
        return _finish((), [f"No targets: {why}"], counts, scores)

    warnings: list[str] = []
    groups = split(points, optics.image_shift_limit_um / optics.pixel_um)
    areas = [_with_tracking(points[group], values[group], cover, optics) for group in groups]
    if options.extra_tracking:
        areas = _with_extra_tracking(
            areas, labels, tables, cover, scores, options, optics, warnings
        )
    taken = np.concatenate([area.targets_map_px for area in areas])
    areas = [_with_geometry(area, taken, cover, optics) for area in areas]
    for number, area in enumerate(areas, 1):
        found = len(area.geometry_points_map_px)
        if found < LEAST:
            where = f" in area {number}" if len(areas) > 1 else ""
            warnings.append(
                f"Only {found} geometry points{where}, {LEAST} are needed to measure the "
                "lamella's geometry: too little free surface outside of the targets' beams."
            )
    if len(areas) > 1:
        warnings.append(
            f"The targets do not fit into one image-shift range of "
            f"{optics.image_shift_limit_um:g} um: split into {len(areas)} areas."
        )
    counts |= {
        "targets": len(taken),
        "areas": len(areas),
        "total_score": float(values.sum()),
        "wanted_in_fields": _wanted_in_fields(cover, points, optics),
    }
    return _finish(tuple(areas), warnings, counts, scores)


def _finish(areas, warnings, counts, scores) -> Choice:
    counts = {"targets": 0, "areas": 0, "total_score": 0.0, **counts}
    for warning in warnings:
        log.warning(warning)
    return Choice(areas, tuple(warnings), counts, scores)


def _with_tracking(points, values, cover: Coverage, optics: Optics) -> Area:
    """Order an area: the tracking target, then the others by score."""
    tracking = tracking_index(points, cover, optics)
    order = np.lexsort((points[:, 1], points[:, 0], -values.round(6)))
    order = np.concatenate([[tracking], order[order != tracking]])
    return Area(points[order], values[order])


def _with_extra_tracking(
    areas, labels, tables: ClassTables, cover, scores, options, optics, warnings
) -> list[Area]:
    blocked = np.concatenate([area.targets_map_px for area in areas])
    result = []
    for number, area in enumerate(areas, 1):
        place = place_extra_tracking(area.targets_map_px, blocked, cover, scores, optics)
        if place is None:
            where = f" in area {number}" if len(areas) > 1 else ""
            warnings.append(f"No room for an extra tracking target{where}: a usual target is used.")
            result.append(area)
            continue
        blocked = np.concatenate([blocked, [place]])
        value = scores_at(place[None], labels, tables, options, optics)
        result.append(
            Area(
                np.concatenate([[place], area.targets_map_px]),
                np.concatenate([value, area.scores]),
                extra_tracking=True,
            )
        )
    return result


def _with_geometry(area: Area, taken, cover, optics) -> Area:
    points = geometry_points(cover, taken, area.targets_map_px[0], optics)
    return Area(area.targets_map_px, area.scores, points, area.extra_tracking)


def _counts(cover: Coverage, scores: ScoreMap, options, optics) -> dict[str, float]:
    above = (scores.values >= options.target_score_threshold) & (scores.values > 0)
    cell_um = cover.factor * optics.pixel_um
    return {
        "candidates": int(above.sum()),
        "best_score": float(scores.values.max()),
        "wanted_um2": float(cover.wanted.sum(dtype=float)) * cell_um**2,
    }


def _wanted_in_fields(cover: Coverage, points, optics) -> float:
    """Share of the wanted class inside the fields; fields do not overlap where beams do not."""
    field_cells = np.prod(optics.field_um) / (cover.factor * optics.pixel_um) ** 2
    inside = sum(field_mean(cover.wanted, cover, point, optics, widened=False) for point in points)
    return float(min(1.0, inside * field_cells / max(cover.wanted.sum(dtype=float), 1e-9)))


def _why_none(cover, scores: ScoreMap, counts, options, optics) -> str:
    names = ", ".join(options.target_list)
    if any(2 * reach > side for reach, side in zip(scores.reach_px, cover.map_shape, strict=True)):
        rows_um, columns_um = (side * optics.pixel_um for side in cover.map_shape)
        return (
            f"the map ({columns_um:.2f} x {rows_um:.2f} um) is smaller than the Record field "
            f"({optics.field_um[0]:.2f} x {optics.field_um[1]:.2f} um)."
        )
    if not cover.wanted.any():
        if cover.avoided.size and cover.avoided.min() >= 1:
            return "the whole map belongs to avoided classes."
        return f"the map holds nothing of the wanted classes ({names})."
    if counts["best_score"] <= 0:
        return (
            f"{counts['wanted_um2']:.3g} um2 of {names} were found, but everywhere avoided classes "
            "or the rim of the map outweigh them."
        )
    return (
        f"{counts['wanted_um2']:.3g} um2 of {names} were found, but the best score is "
        f"{counts['best_score']:.3g}, below the threshold of {options.target_score_threshold:g}."
    )
