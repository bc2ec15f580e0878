"""Things on a grid that nobody milled but that shine like milled windows, or hide in the dark."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from space.simulator.specimen import Grid, texture

_KEEP_OFF_UM = 65.0
_RAGGED_UM = 1.2


@dataclass(frozen=True)
class Mark:
    """A scratch, a tear or a piece of ice.

    Attributes
    ----------
    points_um : (n, 2) array
        The middle line in the grid frame.
    half_um : float
        Half the width.
    transmission : float
        1 in a tear; below it the mark darkens what is there.
    seed : int
        Of the ragged outline.
    straight : bool
        Whether the ends are cut straight across, as those of milled windows.
    """

    points_um: np.ndarray
    half_um: float
    transmission: float
    seed: int
    straight: bool = False


def draw_marks(rng, grid: Grid) -> list[Mark]:
    """Draw marks all over a grid, away from its lamellae."""
    marks = [
        *(_scratch(rng) for _ in range(rng.integers(0, 40))),
        *(_tear(rng) for _ in range(rng.integers(0, 40))),
        *(_ice(rng) for _ in range(rng.integers(0, 150))),
    ]
    centers = [np.asarray(lamella.center_um) for lamella in grid.lamellae]
    return [
        mark
        for mark in marks
        if all(
            np.linalg.norm(mark.points_um - center, axis=1).min() > _KEEP_OFF_UM
            for center in centers
        )
    ]


def _line(rng, length: float, bend: float, n: int) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    steps = angle + np.cumsum(rng.normal(0, bend, n))
    walk = np.column_stack([np.cos(steps), np.sin(steps)]) * length / n
    return rng.uniform(-1000, 1000, 2) + np.vstack([[0, 0], np.cumsum(walk, axis=0)])


def _scratch(rng) -> Mark:
    """A crack or scratch: long, thin, jagged."""
    return Mark(
        _line(rng, rng.uniform(15, 90), 0.45, 9),
        rng.uniform(0.3, 1.6),
        1.0 if rng.random() < 0.7 else rng.uniform(0.3, 0.8),
        int(rng.integers(1 << 30)),
    )


def _tear(rng) -> Mark:
    """A hole as large as a milled window, without straight sides and relief slits."""
    return Mark(
        _line(rng, rng.uniform(3, 45), 0.3, 4), rng.uniform(3, 11), 1.0, int(rng.integers(1 << 30))
    )


def _ice(rng) -> Mark:
    return Mark(
        _line(rng, rng.uniform(0.5, 8), 0.6, 3),
        float(np.exp(rng.uniform(np.log(0.8), np.log(9)))),
        rng.uniform(0.02, 0.5),
        int(rng.integers(1 << 30)),
    )


def with_marks(transmission: np.ndarray, m: np.ndarray, marks: list[Mark]) -> np.ndarray:
    """Draw marks into a picture.

    Parameters
    ----------
    transmission : (rows, columns) float32 array
    m : (2, 3) affine map from picture (column, row, 1) to the grid frame (µm)
    """
    result = transmission.copy()
    back = np.linalg.inv(m[:, :2])
    pixel_um = float(np.sqrt(abs(np.linalg.det(m[:, :2]))))
    for mark in marks:
        seen = (mark.points_um - m[:, 2]) @ back.T
        reach = (mark.half_um + 3 * _RAGGED_UM) / pixel_um + 2
        c0, r0 = np.floor(seen.min(axis=0) - reach).astype(int)
        c1, r1 = np.ceil(seen.max(axis=0) + reach).astype(int)
        c0, r0 = max(c0, 0), max(r0, 0)
        c1, r1 = min(c1, result.shape[1]), min(r1, result.shape[0])
        if c0 >= c1 or r0 >= r1:
            continue
        cols, rows = np.meshgrid(np.arange(c0, c1) + 0.5, np.arange(r0, r1) + 0.5)
        x, y = (m[k, 0] * cols + m[k, 1] * rows + m[k, 2] for k in (0, 1))
        inside_um = mark.half_um - _distance(x, y, mark.points_um, mark.straight)
        part = m.copy()
        part[:, 2] += part[:, :2] @ (c0 + 0.5, r0 + 0.5)
        size = (r1 - r0, c1 - c0)
        ragged = texture.sample(part, size, 3.0, mark.seed)
        ragged += 0.4 * texture.sample(part, size, 0.8, mark.seed + 1)
        inside_um += min(_RAGGED_UM, 0.5 * mark.half_um) * ragged
        cover = np.clip(inside_um / pixel_um + 0.5, 0, 1).astype(np.float32)
        at = (slice(r0, r1), slice(c0, c1))
        goal = mark.transmission if mark.transmission > 0.6 else result[at] * mark.transmission
        result[at] += cover * (goal - result[at])
    return result


def _distance(x: np.ndarray, y: np.ndarray, points: np.ndarray, straight: bool) -> np.ndarray:
    """Distance from a line; straight ends lie far from whatever is beyond them."""
    best = np.full(x.shape, np.inf)
    for (x0, y0), (x1, y1) in zip(points[:-1], points[1:]):
        ex, ey = x1 - x0, y1 - y0
        along = ((x - x0) * ex + (y - y0) * ey) / (ex * ex + ey * ey + 1e-9)
        on_line = np.clip(along, 0, 1)
        off = np.hypot(x - x0 - on_line * ex, y - y0 - on_line * ey)
        if straight:
            off = off + 20 * np.abs(along - on_line) * np.hypot(ex, ey)
        best = np.minimum(best, off)
    return best
