"""The mesh of a grid in a picture of it: where its squares are.

Openings are brighter than bars, however thick their ice. The picture is therefore cut off well
below the usual brightness of film, and its lattice found by autocorrelation. Each opening is then
measured by itself, by correlation with one of its size and direction; lattice vectors and origin
follow by least squares, and each square moves with its neighbours, since stage and stitching
displace the pieces of a montage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from space.lattices import bright_place, folded, peak_near, repeat_vectors, steps_inside

PITCHES_UM = (35.0, 320.0)
"""Pitch of the meshes that are looked for: from 500 to 80 lines per inch."""

WORKING_UM = 3.0
"""Pixel of the picture in which the mesh is found."""

# What reaches this share of the way from bars to usual film is as good as open.
_OPEN = 0.5
# An opening is searched within the first share of the pitch around its lattice point, and counts if
# it is found within the second.
_SEARCH, _NEAR = 0.2, 0.08
# It is seen where the middle is so much more open than the bars around it.
_SEEN = 0.35
_SQUARES_LEAST = 6
# Neighbours that move a square with them are within so many steps.
_NEIGHBOURS = 2.5


@dataclass(frozen=True, eq=False)
class Mesh:
    """The lattice of a grid's squares; positions are (row, column) in pixels of the picture.

    Attributes
    ----------
    origin_px : ndarray (2,)
        Middle of one square.
    vectors_px : ndarray (2, 2)
        From there to two neighbours, as rows.
    open_px : float
        Side of an opening.
    steps : ndarray (n, 2) of int
        Squares of the grid, in steps along the vectors.
    centers_px : ndarray (n, 2)
        Their middles, as measured or as their neighbours tell.
    seen : ndarray (n,) of bool
        Whether there is light in the square.
    """

    origin_px: np.ndarray
    vectors_px: np.ndarray
    open_px: float
    steps: np.ndarray
    centers_px: np.ndarray
    seen: np.ndarray

    @property
    def pitch_px(self) -> float:
        """Mean length of the two vectors."""
        return float(np.hypot(*self.vectors_px.T).mean())

    @property
    def axes(self) -> np.ndarray:
        """Unit vectors (2, 2) along the sides of squares, as rows."""
        unit: np.ndarray = self.vectors_px / np.hypot(*self.vectors_px.T)[:, None]
        return unit

    @property
    def angle_deg(self) -> float:
        """Direction of the first vector, from columns towards rows."""
        row, column = self.vectors_px[0]
        return math.degrees(math.atan2(row, column))

    def scaled(self, factor: float) -> Mesh:
        """Return the mesh in the picture whose blocks of `factor` pixels were averaged.

        Pixels were counted from the middle of the first one; now from its corner, as maps do.
        """
        return Mesh(
            (self.origin_px + 0.5) * factor,
            self.vectors_px * factor,
            self.open_px * factor,
            self.steps,
            (self.centers_px + 0.5) * factor,
            self.seen,
        )


def find_mesh(small: np.ndarray, pixel_um: float) -> Mesh | None:
    """Find the mesh in a picture.

    Parameters
    ----------
    small : ndarray (rows, columns) of float
        Picture of a grid, or of a part of one, of a low magnification.
    pixel_um : float
        Its pixel, about `WORKING_UM`.

    Returns
    -------
    Mesh or None
        None where there is no mesh of at least 6 squares with light in them.
    """
    openness = _openness(small)
    if openness is None:
        return None
    lattice = _lattice(openness, pixel_um)
    if lattice is None:
        return None
    origin, vectors, side = lattice
    likeness = _likeness(openness, vectors, side)
    fitted = _fitted(likeness, origin, vectors)
    if fitted is None:
        return None
    return _whole(likeness, *fitted, side)


def _openness(small: np.ndarray) -> np.ndarray | None:
    """How open each place is, 0..1: bars 0, all but the thickest film 1."""
    dark, bright = np.percentile(small, (10, 99.5))
    lit = small[small > dark + 0.2 * (bright - dark)]
    if lit.size < 100:
        return None
    film = float(np.median(lit))
    cut = (small - dark) / max(_OPEN * (film - dark), 1e-9)
    return np.asarray(np.clip(cut, 0, 1), np.float32)


def _lattice(openness: np.ndarray, pixel_um: float) -> tuple[np.ndarray, np.ndarray, float] | None:
    """A square's middle, the two vectors, and the side of an opening, px."""
    from scipy import ndimage

    flat = openness - ndimage.gaussian_filter(openness, 150.0 / pixel_um, mode="reflect")
    flat = flat - flat.mean()
    vectors = repeat_vectors(flat)
    if vectors is None:
        return None
    lengths_um = np.hypot(*vectors.T) * pixel_um
    if lengths_um.min() < PITCHES_UM[0] or lengths_um.max() > PITCHES_UM[1]:
        return None
    cell = folded(flat, vectors)
    share = float((cell > (cell.max() + cell.min()) / 2).mean())
    side = math.sqrt(share * abs(np.linalg.det(vectors)))
    return bright_place(cell, vectors), vectors, side


def _likeness(openness: np.ndarray, vectors: np.ndarray, side: float) -> np.ndarray:
    """How much more open an opening around each place would be than the bars around it."""
    from scipy.signal import fftconvolve

    reach = math.ceil(0.75 * np.hypot(*vectors.T).max())
    plane = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T
    # Distances from the middle along the two vectors, in px.
    along = np.abs(plane @ np.linalg.inv(vectors)) * np.hypot(*vectors.T)
    shape = (2 * reach + 1, 2 * reach + 1)
    within = along.max(axis=1).reshape(shape)
    inner = np.clip(side / 2 + 0.5 - within, 0, 1)
    outer = np.clip(np.hypot(*vectors.T).mean() - side / 2 + 0.5 - within, 0, 1) - inner
    return np.asarray(fftconvolve(openness, inner / inner.sum() - outer / outer.sum(), mode="same"))


def _fitted(
    likeness: np.ndarray, origin: np.ndarray, vectors: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Origin, vectors, steps of openings that are seen, and where these are."""
    pitch = float(np.hypot(*vectors.T).min())
    seen, positions = np.zeros((0, 2), int), np.zeros((0, 2))
    for _ in range(4):
        steps = steps_inside(origin, vectors, likeness.shape, 0.3 * pitch)
        peaks = [peak_near(likeness, origin + s @ vectors, _SEARCH * pitch) for s in steps]
        there = [k for k, peak in enumerate(peaks) if peak is not None and peak[1] > _SEEN]
        if len(there) < _SQUARES_LEAST:
            return None
        seen = steps[there]
        positions = np.array([peak[0] for peak in peaks if peak is not None and peak[1] > _SEEN])
        away = np.hypot(*(positions - origin - seen @ vectors).T)
        near = away <= max(_NEAR * pitch, float(np.median(away)))
        if near.sum() < _SQUARES_LEAST or np.linalg.matrix_rank(seen[near] - seen[near][0]) < 2:
            return None
        design = np.column_stack([np.ones(near.sum()), seen[near]])
        solution = np.linalg.lstsq(design, positions[near], rcond=None)[0]
        origin, vectors = solution[0], solution[1:]
    return origin, vectors, seen, positions


def _whole(
    likeness: np.ndarray,
    origin: np.ndarray,
    vectors: np.ndarray,
    seen: np.ndarray,
    positions: np.ndarray,
    side: float,
) -> Mesh:
    """All squares in the picture within the smallest circle around those that are seen.

    A grid is round. What is dark in it lies under thick ice, or is covered.
    """
    from scipy.spatial import cKDTree

    steps = steps_inside(origin, vectors, likeness.shape, side / 2)
    nominal = origin + steps @ vectors
    middle, radius = _circle(origin + seen @ vectors)
    inside = np.hypot(*(nominal - middle).T) <= radius + 1e-6
    steps, nominal = steps[inside], nominal[inside]
    off = positions - origin - seen @ vectors
    near = cKDTree(seen).query_ball_point(steps, _NEIGHBOURS)
    moved = np.array([np.median(off[list(k)], axis=0) if k else (0.0, 0.0) for k in near])
    known = {tuple(step) for step in seen.tolist()}
    lit = np.array([tuple(step) in known for step in steps.tolist()], bool)
    return Mesh(origin, vectors, side, steps, nominal + moved.reshape(-1, 2), lit)


def _circle(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Middle and radius of a small circle around points (n, 2), hardly larger than the smallest.

    The middle is drawn to the farthest point in ever smaller steps (Badoiu and Clarkson 2003).
    """
    middle = points.mean(axis=0)
    for step in range(1, 400):
        far = points[np.argmax(np.hypot(*(points - middle).T))]
        middle = middle + (far - middle) / (step + 1)
    return middle, float(np.hypot(*(points - middle).T).max())
