"""Why targets are where they are: candidate places, what became of them, and a text about it.

A candidate place is a position with some of the wanted class in its Record field; of all positions
the best are taken whose fields do not overlap one another. In hole-pattern mode the candidate
places are the holes. A place counts as chosen when a target is centred in its field; otherwise the
first of these reasons holds:

* avoided class: it, or a place within its field, would reach the threshold but for the avoided
  classes;
* threshold: it does not reach it anyhow;
* outside polygons: it is not in the target areas that were drawn;
* beam conflict: a beam there would overlap with that of a target;
* max_targets: the number of targets that was asked for is reached;
* other: the score from the pixels themselves or the placement of others left no room.

No place is lost to the image-shift limit: what one range does not reach becomes another area.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from space.targeting.choice import Choice
from space.targeting.options import Optics, TargetingOptions
from space.targeting.packing import TOUCH_UM, TiltFrame
from space.targeting.polygons import inside
from space.targeting.scoring import Coverage, ScoreMap, field_axes, field_weight, field_window

AVOIDED, THRESHOLD, OUTSIDE = "avoided class", "threshold", "outside polygons"
CONFLICT, ENOUGH, OTHER = "beam conflict", "max_targets", "other"
# Less than this of the wanted class in a field is rounding.
NOTHING = 1e-4


def rejections(
    targets_map_px: np.ndarray,
    cover: Coverage,
    scores: ScoreMap,
    options: TargetingOptions,
    optics: Optics,
    polygons: Sequence[np.ndarray] = (),
    sites_map_px: np.ndarray | None = None,
    least: np.ndarray | None = None,
) -> tuple[int, dict[str, int]]:
    """Count candidate places, and those not chosen by reason (see the module's docstring).

    Parameters
    ----------
    scores : ScoreMap
        Scores everywhere, whatever the polygons.
    least : ndarray, optional
        Thresholds of its cells where they differ.
    """
    if sites_map_px is None:
        places, values, wanted = _places(cover, scores, options, optics)
    else:
        places = sites_map_px[scores.holds_field(sites_map_px)]
        values = scores.at(places)
        wanted = values + _penalty(_cells_of(places, scores), cover, options, optics)
    threshold = np.full(len(places), options.least_threshold)
    if least is not None:
        threshold = least[tuple(_cells_of(places, scores).T)]
    threshold = np.maximum(threshold, NOTHING)
    low = values < threshold
    wanted[low] = _best_around(places[low], cover, scores, options, optics)
    rejected: dict[str, int] = {}
    if not len(places):
        return 0, rejected
    allowed = inside(places, polygons) if polygons else np.ones(len(places), bool)
    left = ~_holds_target(places, targets_map_px, optics)
    for reason, holds in (
        (AVOIDED, low & (wanted >= threshold)),
        (THRESHOLD, low),
        (OUTSIDE, ~allowed),
        (CONFLICT, _in_conflict(places, targets_map_px, optics)),
        (ENOUGH, np.full(len(places), len(targets_map_px) == options.max_targets)),
        (OTHER, np.ones(len(places), bool)),
    ):
        count = int((left & holds).sum())
        if count:
            rejected[reason] = count
        left &= ~holds
    return len(places), rejected


def share_in_fields(cover: Coverage, points_map_px: np.ndarray, optics: Optics) -> float:
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
    counts = choice.counts
    names = ", ".join(
        name if weight == 1 else f"{name} (priority {weight:g})"
        for name, weight in options.priorities.items()
    )
    extra = sum(area.extra_tracking for area in choice.areas)
    fixed = sum(int(area.fixed.sum()) for area in choice.areas)
    added = [f"{extra} of them for tracking alone"] if extra else []
    added += [f"{fixed} of them fixed"] if fixed else []
    lines = [
        f"{_number(choice.n_targets, 'target')} on {names} in {_number(len(choice.areas), 'area')}"
        + (f" ({', '.join(added)})" if added else "")
        + f", total score {counts.get('total_score', 0):.2f}."
    ]
    places = int(counts.get("places", 0))
    if places:
        why = ", ".join(f"{count} {reason}" for reason, count in choice.rejected.items())
        rejected = sum(choice.rejected.values())
        lines.append(
            f"{_number(places, 'candidate place')}, {rejected} rejected"
            + (f": {why}." if why else ".")
        )
    if counts.get("wanted_um2"):
        lines.append(
            f"The fields hold {counts.get('wanted_in_fields', 0):.0%} of the wanted "
            f"{counts['wanted_um2']:.3g} um2"
            + (" (counted by priority)." if min(options.target_weights) < 1 else ".")
        )
    if counts.get("beside_um2", 0) >= 0.01:
        lines.append(
            f"{counts['beside_um2']:.3g} um2 more lie beside the lamella and do not count "
            "(on_lamella_only)."
        )
    return "\n".join(lines)


def _places(
    cover: Coverage, scores: ScoreMap, options: TargetingOptions, optics: Optics
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidate places (n, 2), their scores, and their scores without any penalty."""
    cells, values = _tile_maxima(scores, optics)
    if not len(cells):
        return np.empty((0, 2)), values, values
    wanted = values + _penalty(cells, cover, options, optics)
    some = wanted > NOTHING
    cells, values, wanted = cells[some], values[some], wanted[some]
    places = (cells + 0.5) * scores.factor
    keep = _apart(places, values, optics)
    return places[keep], values[keep], wanted[keep]


def _tile_maxima(scores: ScoreMap, optics: Optics) -> tuple[np.ndarray, np.ndarray]:
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


def _penalty(
    cells: np.ndarray, cover: Coverage, options: TargetingOptions, optics: Optics
) -> np.ndarray:
    """What avoided classes take off the score at cells (n, 2)."""
    weight = field_weight(optics, cover.factor * optics.pixel_um)
    half = np.array(weight.shape) // 2
    padded = np.pad(cover.avoided, [(n, n) for n in half])
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape)
    taken = np.array([(windows[row, column] * weight).sum() for row, column in cells])
    return options.penalty_weight * taken


def _best_around(
    places: np.ndarray,
    cover: Coverage,
    scores: ScoreMap,
    options: TargetingOptions,
    optics: Optics,
) -> np.ndarray:
    """The highest score without any penalty at and around places, within the field."""
    side = min(optics.field_um) / 3 / optics.pixel_um
    best = np.zeros(len(places))
    for row in (-side, 0, side):
        for column in (-side, 0, side):
            around = places + (row, column)
            held = scores.holds_field(around)
            cells = _cells_of(around[held], scores)
            values = scores.values[tuple(cells.T)] + _penalty(cells, cover, options, optics)
            best[held] = np.maximum(best[held], values)
    return best


def _cells_of(places_map_px: np.ndarray, scores: ScoreMap) -> np.ndarray:
    cells = (places_map_px / scores.factor).astype(int)
    return np.minimum(cells, np.array(scores.values.shape) - 1)


def _apart(places: np.ndarray, values: np.ndarray, optics: Optics) -> np.ndarray:
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
    gone = np.zeros(len(places), bool)
    order = np.lexsort((places[:, 1], places[:, 0], -values.round(6)))
    for index in order.tolist():
        if not gone[index]:
            gone[rivals.get(index, [])] = True
    return order[~gone[order]]


def _holds_target(places: np.ndarray, targets: np.ndarray, optics: Optics) -> np.ndarray:
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


def _in_conflict(places: np.ndarray, targets: np.ndarray, optics: Optics) -> np.ndarray:
    if not len(targets):
        return np.zeros(len(places), bool)
    from scipy.spatial import cKDTree

    frame = TiltFrame.of(optics)
    gap_um = cKDTree(frame.from_map(targets)).query(frame.from_map(places))[0]
    return np.asarray(gap_um < optics.beam_diameter_um - TOUCH_UM)


def _number(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count or 'no'} {word}s"
