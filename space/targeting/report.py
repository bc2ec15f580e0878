"""Why targets are where they are: candidate places, why some hold no target, texts about both.

A candidate place is a position with some of the wanted class in its Record field; of all positions
the best are taken whose fields do not overlap one another. In hole-pattern mode the candidate
places are the holes. A place counts as chosen when a target is centred in its field; otherwise the
first of these reasons holds:

* avoided class: it, or a place within its field, would reach the threshold but for the avoided
  classes;
* threshold: it does not reach it without them either;
* beside lamella: its centre lies in vacuum, on bulk or on coating;
* outside polygons: it is not in the target areas that were drawn;
* beam conflict: a beam there would overlap with that of a target;
* max_targets: the lamella has as many targets as max_targets allows;
* other: the score from the pixels themselves or the placement of others left no room.

No place is lost to the image-shift limit: what one range does not reach becomes another area.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from space.targeting.choice import Choice, Counts
from space.targeting.options import ExposureOptics, TargetingOptions
from space.targeting.packing import TOUCH_UM, TiltFrame
from space.targeting.polygons import inside
from space.targeting.problem import Problem
from space.targeting.scoring import (
    Coverage,
    ScoreMap,
    differ,
    field_axes,
    field_weight,
    field_window,
)

AVOIDED, THRESHOLD = "avoided class", "threshold"
BESIDE, OUTSIDE = "beside lamella", "outside polygons"
CONFLICT, ENOUGH, OTHER = "beam conflict", "max_targets", "other"
# Less than this of the wanted class in a field is rounding.
NOTHING = 1e-4


def rejections(targets_map_px: np.ndarray, problem: Problem) -> tuple[int, dict[str, int]]:
    """Count candidate places, and those without a target by reason (see the module's docstring).

    Scores count everywhere, whatever the polygons.
    """
    options, optics = problem.options, problem.optics
    penalties = _Penalties.of(problem)
    places, values, wanted = _candidate_places(problem, penalties)
    threshold = np.full(len(places), options.least_threshold)
    if problem.thresholds is not None:
        threshold = problem.thresholds[tuple(_cells_of(places, problem.scores).T)]
    threshold = np.maximum(threshold, NOTHING)
    low = values < threshold
    wanted[low] = _best_around(places[low], problem.scores, optics, penalties)
    rejected: dict[str, int] = {}
    if not len(places):
        return 0, rejected
    outside = np.zeros(len(places), bool)
    if problem.polygons:
        outside = ~inside(places, problem.polygons)
    left = ~_holds_target(places, targets_map_px, optics)
    for reason, holds in (
        (AVOIDED, low & (wanted >= threshold)),
        (THRESHOLD, low),
        (BESIDE, ~problem.is_centred(places)),
        (OUTSIDE, outside),
        (CONFLICT, _in_conflict(places, targets_map_px, optics)),
        (ENOUGH, np.full(len(places), 0 < options.max_targets == len(targets_map_px))),
        (OTHER, np.ones(len(places), bool)),
    ):
        count = int((left & holds).sum())
        if count:
            rejected[reason] = count
        left &= ~holds
    return len(places), rejected


def share_in_fields(cover: Coverage, points_map_px: np.ndarray, optics: ExposureOptics) -> float:
    """Share of the wanted classes (by priority) that lies in the fields of the targets."""
    rows, columns = cover.wanted.shape
    covered = np.zeros((rows, columns), bool)
    unit_um = cover.factor * optics.pixel_um
    for center in points_map_px / cover.factor - 0.5:
        area, field = field_window(center, unit_um, (rows, columns), optics)
        covered[area] |= field
    whole = cover.wanted.sum(dtype=float)
    return float(cover.wanted[covered].sum(dtype=float) / whole) if whole else 0.0


def describe(choice: Choice, options: TargetingOptions) -> str:
    """A choice in a few lines for a log.

    Parameters
    ----------
    choice : Choice
        What was chosen.
    options : TargetingOptions
        What was wanted.
    """
    lines = [_targets_text(choice, options)]
    counts = choice.counts
    if counts.places:
        reasons = ", ".join(f"{count} {reason}" for reason, count in choice.rejected.items())
        lines.append(
            f"{_number(counts.places, 'candidate place')}, {sum(choice.rejected.values())} rejected"
            + (f": {reasons}." if reasons else ".")
        )
    if counts.wanted_um2:
        by_priority = " (counted by priority)" if min(options.target_weights) < 1 else ""
        lines.append(
            f"The fields hold {counts.wanted_in_fields:.0%} of the wanted "
            f"{counts.wanted_um2:.3g} um2{by_priority}."
        )
    if counts.beside_um2 >= 0.01:
        lines.append(
            f"{counts.beside_um2:.3g} um2 more lie beside the lamella and do not count "
            "(on_lamella_only)."
        )
    return "\n".join(lines)


def _targets_text(choice: Choice, options: TargetingOptions) -> str:
    names = ", ".join(
        name if weight == 1 else f"{name} (priority {weight:g})"
        for name, weight in options.priorities.items()
    )
    extra = sum(area.extra_tracking for area in choice.areas)
    fixed = sum(int(area.fixed.sum()) for area in choice.areas)
    kinds = [f"{extra} of them for tracking alone"] if extra else []
    kinds += [f"{fixed} of them fixed"] if fixed else []
    return (
        f"{_number(choice.n_targets, 'target')} on {names} in {_number(len(choice.areas), 'area')}"
        + (f" ({', '.join(kinds)})" if kinds else "")
        + f", total score {choice.counts.total_score:.2f}."
    )


def why_none(problem: Problem, counts: Counts) -> str:
    """Why there is no target, in a sentence."""
    scores, optics = problem.scores, problem.optics
    if any(2 * reach > side for reach, side in zip(scores.reach_px, scores.map_shape)):
        rows_um, columns_um = (side * optics.pixel_um for side in scores.map_shape)
        return (
            f"the map ({columns_um:.2f} x {rows_um:.2f} um) is smaller than the Record field "
            f"({optics.field_um[0]:.2f} x {optics.field_um[1]:.2f} um)."
        )
    if not problem.cover.wanted.any():
        return _why_nothing_wanted(problem, counts)
    if problem.sites_map_px is not None and not len(problem.sites_map_px):
        return "there is no hole" + (" in the polygons." if problem.polygons else ".")
    found = f"{counts.wanted_um2:.3g} um2 of {', '.join(problem.options.target_list)} were found"
    if counts.best_score <= 0:
        return f"{found}, but everywhere avoided classes or the rim of the map outweigh them."
    threshold = _threshold_text(problem.options)
    if counts.candidates:
        where = "in the polygons" if problem.polygons else "at the holes"
        return f"{found}, but no place {where} reaches {threshold}."
    below = "below" if problem.thresholds is None else "and no place reaches"
    return f"{found}, but the best score is {counts.best_score:.3g}, {below} {threshold}."


def _why_nothing_wanted(problem: Problem, counts: Counts) -> str:
    names, avoided = ", ".join(problem.options.target_list), problem.cover.avoided
    if avoided.size and avoided.min() >= 1:
        return "the whole map belongs to avoided classes."
    if problem.beside_px:
        return (
            f"{counts.beside_um2:.3g} um2 of {names} were found, but none on the lamella's "
            "own pieces. If the sample is no lamella, set on_lamella_only = False; a piece "
            "that a polygon touches counts (target_polygons)."
        )
    return f"the map holds nothing of the wanted classes ({names})."


def _threshold_text(options: TargetingOptions) -> str:
    if not differ(options):
        return f"the threshold of {options.least_threshold:g}"
    pairs = zip(options.target_list, options.thresholds)
    return f"its threshold ({', '.join(f'{name} {least:g}' for name, least in pairs)})"


def _candidate_places(
    problem: Problem, penalties: _Penalties
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidate places (n, 2), their scores, and their scores without any penalty."""
    scores = problem.scores
    if problem.sites_map_px is not None:
        places = problem.sites_map_px[scores.holds_field(problem.sites_map_px)]
        values = scores.at(places)
        return places, values, values + penalties.at(_cells_of(places, scores))
    cells, values = _tile_maxima(scores, problem.optics)
    if not len(cells):
        return np.empty((0, 2)), values, values
    wanted = values + penalties.at(cells)
    some = wanted > NOTHING
    cells, values, wanted = cells[some], values[some], wanted[some]
    places = (cells + 0.5) * scores.factor
    keep = _apart(places, values, problem.optics)
    return places[keep], values[keep], wanted[keep]


def _tile_maxima(scores: ScoreMap, optics: ExposureOptics) -> tuple[np.ndarray, np.ndarray]:
    """The best cell (n, 2) of every tile as large as the field's shorter side, and its score."""
    values = scores.values
    reach = np.array(scores.reach_px) / scores.factor
    # Centres of cells in between have their field inside the map.
    low = np.ceil(reach - 0.5).astype(int)
    high = np.floor(np.array(scores.map_shape) / scores.factor - reach - 0.5).astype(int) + 1
    if (high <= low).any() or not values.size:
        return np.empty((0, 2), int), np.empty(0)
    inner = values[low[0] : high[0], low[1] : high[1]]
    side = max(1, int(min(optics.field_um) / optics.pixel_um / scores.factor))
    pad = [(0, -size % side) for size in inner.shape]
    tiles = np.pad(inner, pad, constant_values=-np.inf)
    rows, columns = tiles.shape[0] // side, tiles.shape[1] // side
    tiles = tiles.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(rows, columns, -1)
    best = tiles.argmax(axis=2)
    tile = np.moveaxis(np.indices((rows, columns)), 0, -1)
    cells = low + tile * side + np.stack(np.divmod(best, side), axis=-1)
    return cells.reshape(-1, 2), tiles.max(axis=2).ravel().astype(float)


@dataclass(frozen=True, eq=False)
class _Penalties:
    """What avoided classes take off the score.

    `windows` are the shares of avoided classes in the cells that `weight` covers.
    """

    windows: np.ndarray
    weight: np.ndarray
    penalty_weight: float

    @classmethod
    def of(cls, problem: Problem) -> _Penalties:
        cover, optics = problem.cover, problem.optics
        weight = field_weight(optics, cover.factor * optics.pixel_um)
        padded = np.pad(cover.avoided, [(n // 2, n // 2) for n in weight.shape])
        windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape)
        return cls(windows, weight, problem.options.penalty_weight)

    def at(self, cells: np.ndarray) -> np.ndarray:
        """What they take off at cells (n, 2)."""
        avoided = [(self.windows[row, column] * self.weight).sum() for row, column in cells]
        return self.penalty_weight * np.array(avoided)


def _best_around(
    places: np.ndarray, scores: ScoreMap, optics: ExposureOptics, penalties: _Penalties
) -> np.ndarray:
    """The highest score without any penalty at and around places, within the field."""
    side = min(optics.field_um) / 3 / optics.pixel_um
    best = np.zeros(len(places))
    for row in (-side, 0, side):
        for column in (-side, 0, side):
            around = places + (row, column)
            held = scores.holds_field(around)
            cells = _cells_of(around[held], scores)
            values = scores.values[tuple(cells.T)] + penalties.at(cells)
            best[held] = np.maximum(best[held], values)
    return best


def _cells_of(places_map_px: np.ndarray, scores: ScoreMap) -> np.ndarray:
    cells = (places_map_px / scores.factor).astype(int)
    return np.minimum(cells, np.array(scores.values.shape) - 1)


def _apart(places: np.ndarray, values: np.ndarray, optics: ExposureOptics) -> np.ndarray:
    """Indices of the best places whose fields do not overlap."""
    from scipy.spatial import cKDTree

    reach_px = math.hypot(*optics.field_um) / optics.pixel_um
    pairs = cKDTree(places).query_pairs(reach_px, output_type="ndarray")
    away = (places[pairs[:, 0]] - places[pairs[:, 1]]) * optics.pixel_um
    along, across = field_axes(away[:, 0], away[:, 1], optics)
    width_um, height_um = optics.field_um
    pairs = pairs[(np.abs(along) < width_um) & (np.abs(across) < height_um)]
    rivals: dict[int, list[int]] = {}
    for first, second in pairs.tolist():
        rivals.setdefault(first, []).append(second)
        rivals.setdefault(second, []).append(first)
    dropped = np.zeros(len(places), bool)
    order = np.lexsort((places[:, 1], places[:, 0], -values.round(6)))
    for index in order.tolist():
        if not dropped[index]:
            dropped[rivals.get(index, [])] = True
    return order[~dropped[order]]


def _holds_target(places: np.ndarray, targets: np.ndarray, optics: ExposureOptics) -> np.ndarray:
    if not len(targets):
        return np.zeros(len(places), bool)
    from scipy.spatial import cKDTree

    reach_px = math.hypot(*optics.field_um) / 2 / optics.pixel_um
    near = cKDTree(places).sparse_distance_matrix(
        cKDTree(targets), reach_px + 1e-6, output_type="coo_matrix"
    )
    away = (targets[near.col] - places[near.row]) * optics.pixel_um
    along, across = field_axes(away[:, 0], away[:, 1], optics)
    width_um, height_um = optics.field_um
    inside_field = (np.abs(along) <= width_um / 2) & (np.abs(across) <= height_um / 2)
    held = np.zeros(len(places), bool)
    held[near.row[inside_field]] = True
    return held


def _in_conflict(places: np.ndarray, targets: np.ndarray, optics: ExposureOptics) -> np.ndarray:
    if not len(targets):
        return np.zeros(len(places), bool)
    from scipy.spatial import cKDTree

    frame = TiltFrame.of(optics)
    gap_um = cKDTree(frame.from_map(targets)).query(frame.from_map(places))[0]
    return np.asarray(gap_um < optics.beam_diameter_um - TOUCH_UM)


def _number(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count or 'no'} {word}s"
