"""The obvious choice of targets: a lattice or a scan, improved, conflicting targets removed."""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize

from space.targeting import ExposureOptics, TargetingOptions
from space.targeting.packing import TiltFrame
from space.targeting.scoring import ScoreMap


def obvious_total(
    scores: ScoreMap, options: TargetingOptions, optics: ExposureOptics, stretched: bool = True
) -> float:
    """Total score of lattice or scan, Nelder-Mead and removal of the lower of two in conflict.

    `stretched`: whether the dense lattice is one of the footprints at the highest tilt (of which
    none is in conflict) or one of the beams as they are at zero tilt.
    """
    frame = TiltFrame.of(optics)
    if options.sparse:
        points = frame.from_map(_scan(scores, options.target_score_threshold, optics))
    else:
        stretch = 1.0 if stretched else frame.stretch
        points = _lattice(
            scores, frame, optics.beam_diameter_um, stretch, options.target_score_threshold
        )
    values = scores.at(frame.to_map(points))
    good = (values >= options.target_score_threshold) & (values > 0)
    points, values = points[good], values[good]
    order = np.argsort(-values, kind="stable")
    chosen: list[int] = []
    for index in order:
        away = points[index] - points[chosen] if chosen else np.empty((0, 2))
        if (np.hypot(away[:, 0], away[:, 1]) >= optics.beam_diameter_um - 1e-6).all():
            chosen.append(int(index))
    return float(values[chosen].sum())


def _lattice(
    scores: ScoreMap, frame: TiltFrame, diameter_um: float, stretch: float, threshold: float
) -> np.ndarray:
    """Rows along the tilt axis, `stretch` times nearer than footprints; shifted as a whole."""
    rows, columns = scores.map_shape
    corners = frame.from_map(np.array([(0, 0), (0, columns), (rows, 0), (rows, columns)], float))
    low, high = corners.min(axis=0), corners.max(axis=0)
    height = math.sqrt(3) / 2 * diameter_um / stretch
    j, i = np.meshgrid(
        np.arange(-1, (high[1] - low[1]) / height + 1),
        np.arange(-1, (high[0] - low[0]) / diameter_um + 1),
        indexing="ij",
    )
    lattice = np.stack([low[0] + (i + 0.5 * (j % 2)) * diameter_um, low[1] + j * height], axis=-1)
    lattice = lattice.reshape(-1, 2)

    def lost(shift: np.ndarray) -> float:
        values = scores.at(frame.to_map(lattice + shift))
        return -float(values[values >= threshold].sum())

    found = optimize.minimize(
        lost, np.zeros(2), method="Nelder-Mead", options=_simplex(np.zeros(2), diameter_um / 2)
    )
    return lattice + found.x


def _scan(scores: ScoreMap, threshold: float, optics: ExposureOptics) -> np.ndarray:
    """Fields side by side in the map; each one that scores is shifted to a better place nearby."""
    axes = [
        np.arange(side / 2, count, side)
        for side, count in zip(np.array(optics.field_um[::-1]) / optics.pixel_um, scores.map_shape)
    ]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    values = scores.at(grid)
    grid = grid[(values >= threshold) & (values > 0)]
    moved = []
    for start in grid * optics.pixel_um:
        found = optimize.minimize(
            lambda point: -float(scores.at(point[None] / optics.pixel_um)[0]),
            start,
            method="Nelder-Mead",
            options=_simplex(start, min(optics.field_um) / 4),
        )
        moved.append(found.x / optics.pixel_um)
    return np.array(moved).reshape(-1, 2)


def _simplex(start: np.ndarray, size_um: float) -> dict:
    corners = size_um * np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
    return {"initial_simplex": start + corners, "xatol": 0.005, "fatol": 1e-4}
