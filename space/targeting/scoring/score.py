"""The score of a target at every position of the map.

With W and P the wanted and avoided masks and G a Gaussian over the Record field (sigma = half
its longer side, mean 1 over the field), the score at a point is the mean over the field of
G·W - penalty·G·P: 1 for a field full of target. When aiming at edges the weight of W is
+G on one side of a line through the centre and -G on the other, the best of 8 directions
(every 45 degrees) counts, and a straight boundary through the middle scores at most 0.5.
A field that leaves the map scores 0.

This is a correlation, so all positions are computed at once. It is done on cells of
1/`CELLS_PER_FIELD` of the field's shorter side or less; the weight of cells that the field's
rim cuts is their share inside it. The error this causes is below 0.01 (a boundary exactly along the
field's rim is the worst case); the scores of chosen targets are recomputed from the pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from space.targeting.options import ExposureOptics, TargetingOptions
from space.targeting.scoring.masks import ClassTables, Coverage

CELLS_PER_FIELD = 16
SAMPLES_PER_FIELD = 128
# Shifts smaller than half of this share of the field's shorter side are of no account.
SHIFT_PER_FIELD = 1 / 200
STRIP_CELLS = 2_000_000
EDGE_DIRECTIONS_DEG = (0.0, 45.0, 90.0, 135.0)


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """Scores (float32) at the centres of cells of `factor` × `factor` map pixels.

    Cell (i, j) is centred at map pixel coordinates ((i + 0.5)·factor, (j + 0.5)·factor). Where
    `thresholds` gives each cell one of its own, scores below it count as 0.
    """

    values: np.ndarray
    factor: int
    map_shape: tuple[int, int]
    reach_px: tuple[float, float]
    thresholds: np.ndarray | None = None

    @property
    def usable(self) -> np.ndarray:
        """Scores of the cells, 0 where they are below the cells' own thresholds."""
        if self.thresholds is None:
            return self.values
        return np.where(self.values >= self.thresholds, self.values, np.float32(0))

    def at(self, points_map_px: np.ndarray) -> np.ndarray:
        """Scores at (row, column) points (n, 2), interpolated; 0 where the field leaves."""
        points = np.asarray(points_map_px, dtype=float)
        shape, values = self.values.shape, self.values
        if not values.size:
            return np.zeros(points.shape[:-1])
        cell = points / self.factor - 0.5
        low = np.floor(cell).astype(np.intp)
        row0 = np.clip(low[..., 0], 0, shape[0] - 1)
        column0 = np.clip(low[..., 1], 0, shape[1] - 1)
        row1 = np.minimum(row0 + 1, shape[0] - 1)
        column1 = np.minimum(column0 + 1, shape[1] - 1)
        down = np.clip(cell[..., 0] - row0, 0, 1)
        right = np.clip(cell[..., 1] - column0, 0, 1)
        upper = values[row0, column0] * (1 - right) + values[row0, column1] * right
        lower = values[row1, column0] * (1 - right) + values[row1, column1] * right
        scores = upper * (1 - down) + lower * down
        if self.thresholds is not None:
            nearest = np.clip(np.rint(cell).astype(np.intp), 0, np.array(shape) - 1)
            scores = np.where(
                scores >= self.thresholds[nearest[..., 0], nearest[..., 1]], scores, 0
            )
        return np.where(self.holds_field(points), scores, 0.0)

    def restricted(self, allowed: np.ndarray) -> ScoreMap:
        """The same scores where `allowed` (boolean, one value per cell) holds, 0 elsewhere."""
        return replace(self, values=np.where(allowed, self.values, np.float32(0)))

    def brought_inside(self, points_map_px: np.ndarray, grain_px: float) -> np.ndarray:
        """The nearest positions with the field inside the map, `grain_px` from the last of them."""
        reach = np.array(self.reach_px) + grain_px
        return np.clip(points_map_px, reach, np.array(self.map_shape) - reach)

    def holds_field(self, points_map_px: np.ndarray) -> np.ndarray:
        """Whether the field at each (row, column) point lies inside the map."""
        points = np.asarray(points_map_px, dtype=float)
        reach = np.array(self.reach_px)
        inside = (points >= reach) & (points <= np.array(self.map_shape) - reach)
        return inside.all(axis=-1)


def cell_factor(optics: ExposureOptics) -> int:
    """Map pixels per cell side for a score error below 0.01."""
    return max(1, int(min(optics.field_um) / CELLS_PER_FIELD / optics.pixel_um))


def score_map(cover: Coverage, options: TargetingOptions, optics: ExposureOptics) -> ScoreMap:
    """Score every cell of the map; spec of the score in the module's docstring."""
    reach_um = optics.field_reach_um
    reach_px = (reach_um[0] / optics.pixel_um, reach_um[1] / optics.pixel_um)
    values = np.zeros_like(cover.wanted, dtype=np.float32)
    scores = ScoreMap(values, cover.factor, cover.map_shape, reach_px)
    fits = all(2 * reach <= side for reach, side in zip(reach_px, cover.map_shape))
    if not fits or not cover.wanted.any():
        return scores
    cell_um = optics.pixel_um * cover.factor
    if options.target_edge:
        plain, *edges = field_weights(optics, cell_um, (None, *EDGE_DIRECTIONS_DEG))
        for signed in edges:
            # The opposite direction has the opposite sign, hence four correlations serve eight.
            np.maximum(values, np.abs(_correlate(cover.wanted, signed)), out=values)
        if options.penalty_weight and cover.avoided.any():
            values -= np.float32(options.penalty_weight) * _correlate(cover.avoided, plain)
    else:
        balance = cover.wanted - np.float32(options.penalty_weight) * cover.avoided
        values += _correlate(balance, field_weight(optics, cell_um))
    rows = (np.arange(values.shape[0]) + 0.5) * cover.factor
    columns = (np.arange(values.shape[1]) + 0.5) * cover.factor
    values[(rows < reach_px[0]) | (rows > cover.map_shape[0] - reach_px[0])] = 0
    values[:, (columns < reach_px[1]) | (columns > cover.map_shape[1] - reach_px[1])] = 0
    return scores


def scores_at(
    points_map_px: np.ndarray,
    labels: np.ndarray,
    tables: ClassTables,
    options: TargetingOptions,
    optics: ExposureOptics,
) -> np.ndarray:
    """Scores (n,) at (row, column) points from the pixels themselves.

    Pixels that the rim of the field cuts count with their share inside. A point is moved to the
    nearest of some positions in its pixel, by at most 1/400 of the field's shorter side: points
    share weights then.
    """
    steps = math.ceil(optics.pixel_um / (SHIFT_PER_FIELD * min(optics.field_um)))
    balance = tables.wanted - np.float32(options.penalty_weight) * tables.avoided
    reach_px = np.array(optics.field_reach_um) / optics.pixel_um
    weights: dict[tuple[float, float], list[np.ndarray]] = {}
    scores = np.zeros(len(points_map_px))
    for index, point in enumerate(np.asarray(points_map_px, dtype=float)):
        if (point < reach_px).any() or (point > np.array(labels.shape) - reach_px).any():
            continue
        pixel = np.minimum(np.floor(point).astype(int), np.array(labels.shape) - 1)
        row, column = np.rint((point - pixel - 0.5) * steps) / steps
        phase = (float(row), float(column))
        if phase not in weights:
            directions = EDGE_DIRECTIONS_DEG if options.target_edge else ()
            weights[phase] = field_weights(optics, optics.pixel_um, (None, *directions), phase)
        plain, *signed = weights[phase]
        window, plain, signed = _window(labels, pixel, plain, signed)
        if options.target_edge:
            wanted = tables.wanted[window].astype(np.float32)
            best = max(abs(float((weight * wanted).sum())) for weight in signed)
            penalty = float((plain * tables.avoided[window]).sum())
            scores[index] = best - options.penalty_weight * penalty
        else:
            scores[index] = float((plain * balance[window]).sum())
    return scores


def field_weight(optics: ExposureOptics, cell_um: float) -> np.ndarray:
    """Weights (float32) of the cells around the one in whose middle the field's centre is."""
    return field_weights(optics, cell_um, (None,))[0]


def field_weights(
    optics: ExposureOptics,
    cell_um: float,
    edges_deg: Sequence[float | None],
    phase_px: tuple[float, float] = (0.0, 0.0),
) -> list[np.ndarray]:
    """Weights of the cells around the one that holds the field's centre; they sum to 1.

    Parameters
    ----------
    cell_um : float
        Side of a cell.
    edges_deg : sequence of float or None
        For each one that is no None the weights have a sign: + towards this direction (from +column
        towards +row), - opposite. Without it they would sum to 1.
    phase_px : (float, float)
        Position of the field's centre from the centre of the middle cell (rows, columns; cells).

    Returns
    -------
    list of ndarray, float32, odd sides
    """
    width_um, height_um = optics.field_um
    reach_um = optics.field_reach_um
    step_um = min(width_um, height_um) / SAMPLES_PER_FIELD
    parts = min(12, max(1, math.ceil(cell_um / step_um)))
    half = [math.ceil(reach / cell_um + 0.5) for reach in reach_um]
    fine = (np.arange(parts) + 0.5) / parts - 0.5
    row_um, column_um = (
        ((np.arange(-n, n + 1)[:, None] + fine).ravel() - phase) * cell_um
        for n, phase in zip(half, phase_px)
    )
    row_um, column_um = row_um[:, None], column_um[None, :]
    angle = math.radians(optics.field_rotation_deg)
    along = column_um * math.cos(angle) + row_um * math.sin(angle)
    across = row_um * math.cos(angle) - column_um * math.sin(angle)
    # A sample's share inside the field fades over one sample, not at once: this makes the
    # weights of an unrotated field exact and keeps those of a rotated one smooth.
    sample_um = cell_um / parts
    inside = np.clip((width_um / 2 - np.abs(along)) / sample_um + 0.5, 0, 1)
    inside = inside * np.clip((height_um / 2 - np.abs(across)) / sample_um + 0.5, 0, 1)
    sigma_um = max(width_um, height_um) / 2
    # The Gaussian is round: rows and columns are independent of each other.
    weight = inside * np.exp(row_um**2 / (-2 * sigma_um**2))
    weight *= np.exp(column_um**2 / (-2 * sigma_um**2))
    weight = weight / weight.sum()
    shape = (2 * half[0] + 1, parts, 2 * half[1] + 1, parts)
    found = []
    for edge_deg in edges_deg:
        signed = weight
        if edge_deg is not None:
            edge = math.radians(edge_deg)
            ahead_um = column_um * math.cos(edge) + row_um * math.sin(edge)
            signed = weight * np.where(np.abs(ahead_um) < 1e-9, 0.0, np.sign(ahead_um))
        found.append(signed.reshape(shape).sum(axis=(1, 3)).astype(np.float32))
    return found


def _correlate(cells: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Correlate by FFT in strips of rows; cells outside of the map count as 0."""
    from scipy import fft

    rows, columns = cells.shape
    half = weight.shape[0] // 2
    strip = min(rows, max(STRIP_CELLS // columns, 4 * half))
    shape = [
        fft.next_fast_len(strip + 2 * half, real=True),
        fft.next_fast_len(columns + weight.shape[1] // 2, real=True),
    ]
    # Placed with its centre at the origin and mirrored, a product of spectra correlates.
    kernel = np.zeros(shape, np.float32)
    fits = tuple(slice(0, size) for size in weight.shape)
    kernel[fits] = weight[::-1, ::-1]
    kernel = np.roll(kernel, (-half, -(weight.shape[1] // 2)), axis=(0, 1))
    spectrum = fft.rfft2(kernel)
    result = np.empty(cells.shape, np.float32)
    for first in range(0, rows, strip):
        low, last = max(0, first - half), min(rows, first + strip)
        part = fft.rfft2(cells[low : last + half], s=shape)
        part *= spectrum
        result[first:last] = fft.irfft2(part, s=shape)[first - low : last - low, :columns]
    return result


def _window(
    labels: np.ndarray, pixel: np.ndarray, plain: np.ndarray, signed: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """The labels under the weights, and the weights cut where they stick out of the map."""
    half = np.array(plain.shape) // 2
    start, stop = pixel - half, pixel + half + 1
    cut_low = np.maximum(-start, 0)
    cut_high = np.maximum(stop - np.array(labels.shape), 0)
    area = tuple(slice(a, b) for a, b in zip(start + cut_low, stop - cut_high))
    keep = tuple(slice(a, size - b) for a, b, size in zip(cut_low, cut_high, plain.shape))
    return labels[area], plain[keep], [weight[keep] for weight in signed]
