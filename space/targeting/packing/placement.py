"""First placements: greedy on the highest scores, and dense lattices."""

from __future__ import annotations

import math

import numpy as np

from space.targeting.packing.candidates import Candidates

# Lattices of touching beams: rows with this spacing (in beam diameters) from hexagonal to
# nearly square, so that their height can fit the width of the area.
ROW_SPACINGS = (1.0, 1.07, 1.15)
ORIENTATION_STEP_DEG = 3.0
# Offsets of a lattice are first judged by adding up the scores of all nodes that fall into the
# same of PARTS × PARTS parts of its unit cell.
PARTS = 7
NODES_FOLDED = 12_000


def greedy(
    candidates: Candidates, start_tilt_um: np.ndarray | None = None, max_targets: int | None = None
) -> np.ndarray:
    """Take the best free node again and again, up to `max_targets`; `points_tilt_um` (n, 2).

    Points of `start_tilt_um` come first in the result and keep their beams free.
    """
    points = [] if start_tilt_um is None else list(np.asarray(start_tilt_um, dtype=float))
    free = candidates.scores.copy()
    for point in points:
        area, under = candidates.stamp(point)
        free[area][under] = 0
    while max_targets is None or len(points) < max_targets:
        index = divmod(int(np.argmax(free)), free.shape[1])
        if free[index] <= 0:
            break
        point = candidates.nodes(np.array(index))
        free[index] = 0
        area, under = candidates.stamp(point)
        free[area][under] = 0
        points.append(point)
    return np.array(points, dtype=float).reshape(-1, 2)


def best_lattices(candidates: Candidates, count: int) -> list[np.ndarray]:
    """The `count` best of all orientations, offsets and strains of lattices, the best first.

    Every lattice consists of rows of spacing a·d, neighbouring rows shifted by half of it and
    as near as beams of diameter d may come: (1 - a²/4)^½·d. Only lattices of different
    orientation or strain are counted as different.
    """
    nodes, weights = _thinned(candidates)
    judged = []
    for spacing in ROW_SPACINGS:
        # The hexagonal lattice repeats after 60 degrees, the strained ones after 180.
        turns = round((60 if spacing == 1 else 180) / ORIENTATION_STEP_DEG)
        for turn in range(turns):
            angle_deg = turn * ORIENTATION_STEP_DEG
            cell = _unit_cell(candidates.diameter_um, spacing, angle_deg)
            part, total = _best_part(nodes, weights, cell)
            judged.append((-total, spacing, angle_deg, part))
    judged.sort()
    found = []
    for _, spacing, angle_deg, part in judged[:count]:
        points = _settled(candidates, spacing, angle_deg, part)
        found.append((float(candidates.score_near(points).sum()), points))
    found.sort(key=lambda entry: -entry[0])
    return [points for _, points in found]


def _thinned(candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
    """Nodes that score, as offsets from the grid's middle, thinned out evenly; their scores."""
    count = int(np.count_nonzero(candidates.scores))
    stride = max(1, round(math.sqrt(count / NODES_FOLDED)))
    index = np.argwhere(candidates.scores[::stride, ::stride] > 0) * stride
    weights = candidates.scores[index[:, 0], index[:, 1]]
    return candidates.nodes(index) - _middle(candidates), weights


def _best_part(
    nodes: np.ndarray, weights: np.ndarray, cell: np.ndarray
) -> tuple[tuple[float, float], float]:
    """Offset (two fractions of the unit cell) of highest total score, and that total.

    The scores of all nodes are folded into one unit cell; a part of it then holds the nodes that
    lattice points reach together. The total is that of one lattice, up to a common factor.
    """
    inside = nodes @ np.linalg.inv(cell)
    inside -= np.floor(inside)
    parts = (inside * PARTS).astype(np.intp)
    parts = np.minimum(parts, PARTS - 1)
    folded = np.bincount(parts[:, 0] * PARTS + parts[:, 1], weights, PARTS * PARTS)
    best = int(np.argmax(folded))
    row, column = divmod(best, PARTS)
    offset = ((row + 0.5) / PARTS, (column + 0.5) / PARTS)
    return offset, float(folded[best]) / float(abs(np.linalg.det(cell)))


def _settled(
    candidates: Candidates, spacing: float, angle_deg: float, part: tuple[float, float]
) -> np.ndarray:
    """Lattice points that score, after small changes of offset and angle for the better."""
    pose = np.array([*part, angle_deg])
    step = np.array([0.5 / PARTS, 0.5 / PARTS, ORIENTATION_STEP_DEG / 4])
    points, total = _lattice(candidates, spacing, pose)
    for _ in range(2):
        for axis in range(3):
            for sign in (-1, 1):
                tried = pose.copy()
                tried[axis] += sign * step[axis]
                new, new_total = _lattice(candidates, spacing, tried)
                if new_total > total:
                    pose, points, total = tried, new, new_total
                    break
        step /= 2
    return points


def _lattice(candidates: Candidates, spacing: float, pose: np.ndarray) -> tuple[np.ndarray, float]:
    """Points of a lattice that score, and their total; `pose` is two fractions and an angle."""
    cell = _unit_cell(candidates.diameter_um, spacing, float(pose[2]))
    half = (np.array(candidates.scores.shape) - 1) * np.array(candidates.step_um) / 2
    corners = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)]) * half @ np.linalg.inv(cell)
    low, high = np.floor(corners.min(axis=0)) - 1, np.ceil(corners.max(axis=0)) + 1
    numbers = [np.arange(a, b + 1) for a, b in zip(low, high)]
    first = (numbers[0] + pose[0])[:, None, None] * cell[0]
    second = (numbers[1] + pose[1])[None, :, None] * cell[1]
    points = (first + second).reshape(-1, 2)
    points = points[(np.abs(points) <= half + candidates.step_um).all(axis=1)]
    points += _middle(candidates)
    scores = candidates.score_near(points)
    return points[scores > 0], float(scores.sum())


def _unit_cell(diameter_um: float, spacing: float, angle_deg: float) -> np.ndarray:
    """The unit cell's two vectors, as rows."""
    angle = math.radians(angle_deg)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    height = math.sqrt(1 - spacing**2 / 4)
    return diameter_um * np.array([[spacing, 0.0], [spacing / 2, height]]) @ turn


def _middle(candidates: Candidates) -> np.ndarray:
    extent = (np.array(candidates.scores.shape) - 1) * np.array(candidates.step_um)
    return np.array(candidates.origin_um) + extent / 2
