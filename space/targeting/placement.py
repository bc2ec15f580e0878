"""First placements: greedy on the highest scores, and dense lattices."""

from __future__ import annotations

import math

import numpy as np

from space.targeting.candidates import Candidates

# Lattices of touching beams: rows with this spacing (in beam diameters) from hexagonal to
# nearly square, so that their height can fit the width of the area.
ROW_SPACINGS = (1.0, 1.04, 1.09, 1.15)
ORIENTATION_STEP_DEG = 6.0
OFFSETS = 5


def greedy(candidates: Candidates, fixed_tilt_um: np.ndarray | None = None) -> np.ndarray:
    """Take the best free node again and again; points (n, 2) `points_tilt_um`.

    Points in `fixed_tilt_um` come first in the result and keep their beams free.
    """
    points = [] if fixed_tilt_um is None else list(np.asarray(fixed_tilt_um, dtype=float))
    free = candidates.scores.copy()
    for point in points:
        candidates.block(free, point)
    while True:
        index = np.unravel_index(int(np.argmax(free)), free.shape)
        if free[index] <= 0:
            return np.array(points, dtype=float).reshape(-1, 2)
        point = candidates.nodes(np.array(index))
        free[index] = 0
        candidates.block(free, point)
        points.append(point)


def best_lattices(candidates: Candidates, count: int) -> list[np.ndarray]:
    """The `count` lattices of highest total score over orientations, offsets and strains.

    Every lattice consists of rows of spacing a·d, neighbouring rows shifted by half of it and
    as near as beams of diameter d may come: (1 - a²/4)^½·d. Only lattices of different
    orientation or strain are counted as different.
    """
    found = []
    for spacing in ROW_SPACINGS:
        # The hexagonal lattice repeats after 60 degrees, the strained ones after 180.
        turns = round((60 if spacing == 1 else 180) / ORIENTATION_STEP_DEG)
        for turn in range(turns):
            angle_deg = turn * ORIENTATION_STEP_DEG
            points, total = _best_offset(candidates, spacing, angle_deg)
            if len(points):
                found.append((total, spacing, angle_deg, points))
    found.sort(key=lambda entry: (-entry[0], entry[1], entry[2]))
    return [entry[3] for entry in found[:count]]


def _best_offset(candidates: Candidates, spacing: float, angle_deg: float):
    lattice, cell = _lattice(candidates, spacing, angle_deg)
    shifts = (np.arange(OFFSETS) + 0.5) / OFFSETS - 0.5
    best_total, best_points = 0.0, np.empty((0, 2))
    for first in shifts:
        for second in shifts:
            points = lattice + first * cell[0] + second * cell[1]
            scores = candidates.score_near(points)
            total = float(scores.sum())
            if total > best_total:
                best_total, best_points = total, points[scores > 0]
    return best_points, best_total


def _lattice(candidates: Candidates, spacing: float, angle_deg: float):
    """Lattice points over the whole grid, and the unit cell's two vectors (as rows)."""
    diameter = candidates.diameter_um
    along = spacing * diameter
    height = math.sqrt(1 - spacing**2 / 4) * diameter
    angle = math.radians(angle_deg)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    cell = np.array([[along, 0.0], [along / 2, height]]) @ turn
    extent = (np.array(candidates.scores.shape) - 1) * np.array(candidates.step_um)
    reach = float(np.hypot(*extent)) / 2 + along
    rows = np.arange(-math.ceil(reach / height), math.ceil(reach / height) + 1)
    columns = np.arange(-math.ceil(reach / along), math.ceil(reach / along) + 1)
    x = columns[None, :] * along + (rows[:, None] % 2) * along / 2
    y = np.broadcast_to(rows[:, None] * height, x.shape)
    points = np.stack([x.ravel(), y.ravel()], axis=1) @ turn
    near = (np.abs(points) <= extent / 2 + along).all(axis=1)
    return points[near] + np.array(candidates.origin_um) + extent / 2, cell
