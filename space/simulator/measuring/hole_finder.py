"""Finds the holes of a film in a picture, and the lattice they lie on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

WORKING_RADIUS_PX = 10.0
LEAST_CORRELATION = 0.35
# A hole belongs to the lattice when it is this near to its place, as a fraction of the spacing.
LARGEST_MISFIT = 0.15
LEAST_HOLES = 4


@dataclass(frozen=True)
class Holes:
    """Holes in a picture.

    Attributes
    ----------
    centers_px : (n, 2) array
        Column and row of each hole.
    vectors_px : (2, 2) array
        The two vectors of the lattice as rows, (columns, rows).
    """

    centers_px: np.ndarray
    vectors_px: np.ndarray


def find_holes(
    data: np.ndarray, pixel_um: float, diameter_um: float, spacing_um: float
) -> Holes | None:
    """Find bright holes on a square lattice.

    A bright disc in a dark ring is correlated with the picture; of its peaks those count that
    lie on the lattice that fits most of them.

    Parameters
    ----------
    data : (rows, columns) array
    pixel_um : float
    diameter_um, spacing_um : float
        About what to look for; the lattice may differ by a tenth.

    Returns
    -------
    Holes or None
        None when there are too few holes for a lattice.
    """
    from skimage.feature import match_template, peak_local_max

    factor = max(1, int(0.5 * diameter_um / pixel_um / WORKING_RADIUS_PX))
    rows, columns = (n // factor for n in data.shape)
    blocks = data[: rows * factor, : columns * factor].astype(np.float32)
    small = blocks.reshape(rows, factor, columns, factor).mean(axis=(1, 3))
    step_um = pixel_um * factor
    template = _disc_in_ring(0.5 * diameter_um / step_um, 0.5 * spacing_um / step_um)
    if min(small.shape) < 2 * template.shape[0]:
        return None
    surface = match_template(small, template, pad_input=True, mode="edge")
    distance = max(1, int(0.6 * spacing_um / step_um))
    peaks = peak_local_max(
        surface,
        min_distance=distance,
        threshold_abs=LEAST_CORRELATION,
        exclude_border=template.shape[0] // 2,
    )
    if len(peaks) < LEAST_HOLES:
        return None
    points = np.array([_refined(surface, row, col) for row, col in peaks])
    fitted = _fit_lattice(points, spacing_um / step_um)
    if fitted is None:
        return None
    on_lattice, vectors = fitted
    # Pixel centres are half a pixel from the corner that positions count from.
    return Holes((on_lattice + 0.5) * factor, vectors * factor)


def _disc_in_ring(radius_px: float, outer_px: float) -> np.ndarray:
    half = math.ceil(outer_px)
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    distance = np.hypot(x, y)
    return np.clip(radius_px + 0.5 - distance, 0.0, 1.0).astype(np.float32)


def _refined(surface: np.ndarray, row: int, col: int) -> tuple[float, float]:
    """Column and row of a peak, by a parabola through its neighbours."""

    def vertex(before: float, at: float, after: float) -> float:
        curvature = before - 2.0 * at + after
        return 0.0 if curvature >= 0 else 0.5 * (before - after) / curvature

    dx = vertex(*surface[row, col - 1 : col + 2]) if 0 < col < surface.shape[1] - 1 else 0.0
    dy = vertex(*surface[row - 1 : row + 2, col]) if 0 < row < surface.shape[0] - 1 else 0.0
    return col + dx, row + dy


def _fit_lattice(points: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Points on the lattice and its two vectors (rows), first by direction, then by fitting."""
    differences = points[None, :, :] - points[:, None, :]
    lengths = np.hypot(differences[..., 0], differences[..., 1])
    near = (lengths > 0.85 * spacing) & (lengths < 1.15 * spacing)
    if near.sum() < LEAST_HOLES:
        return None
    angles = np.arctan2(differences[near][:, 1], differences[near][:, 0])
    # Fourfold symmetry: all four directions of a square lattice agree in exp(4 i angle).
    angle = float(np.angle(np.exp(4j * angles).mean())) / 4.0
    length = float(np.median(lengths[near]))
    along = length * np.array([math.cos(angle), math.sin(angle)])
    vectors = np.array([along, [-along[1], along[0]]])
    best: np.ndarray | None = None
    for origin in points[np.argsort(np.hypot(*(points - points.mean(axis=0)).T))[:5]]:
        inside, fitted = _grow(points, origin, vectors, length)
        if best is None or inside.sum() > best.sum():
            best, best_vectors = inside, fitted
    if best is None or best.sum() < LEAST_HOLES:
        return None
    return points[best], best_vectors


def _grow(
    points: np.ndarray, origin: np.ndarray, vectors: np.ndarray, length: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fit the lattice to points further and further out; which ones lie on it."""
    away = np.hypot(*(points - origin).T)
    inside = away < 0.5 * length
    for reach in (2.0, 4.0, 8.0, math.inf):
        steps = np.rint((points - origin) @ np.linalg.inv(vectors))
        misfit = np.hypot(*(points - origin - steps @ vectors).T)
        inside = (misfit < LARGEST_MISFIT * length) & (away <= reach * length)
        design = np.column_stack([steps[inside], np.ones(inside.sum())])
        if inside.sum() < LEAST_HOLES or np.linalg.matrix_rank(design) < 3:
            continue
        solution = np.linalg.lstsq(design, points[inside], rcond=None)[0]
        vectors, origin = solution[:2], solution[2]
    return inside, vectors
