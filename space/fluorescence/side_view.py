"""Beads of a fluorescence volume seen from the side, to know whether a feature is in the lamella.

The ion beam looks at the grid from far away, so that its picture is a parallel projection: points
(x, y, z) are turned, two of the three axes are kept, and they are scaled and moved. Six numbers do
it, found by least squares from beads that are seen in both. A projection does not tell a volume
from its mirror image, so that the direction of the axes of the stack does not matter.

Beads that lie in one plane are seen alike from two directions. That is noticed by comparing the
best fit with the best one from another direction, and refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from space.errors import SpaceError

LEAST_BEADS = 4
USUAL_BEAD_UM = 0.15
"""Error of a bead along each axis that is expected before any was seen."""

_BELIEF = 3.0  # the usual error counts as much as so many residuals
_STARTS = 24
_MOST_STEPS = 100
_LONGEST_STEP = 0.7  # rad, and of the logarithm of the scale
_OTHER_VIEW_DEG = 15.0
_CLEARLY_WORSE = 9.0  # of the cost, in variances: another direction is out of the question
_STEPS = np.linspace(-3.0, 3.0, 25)
DOUBTED = 4.0
"""A bead that is so many times its expected error from where the others put it is told of."""


@dataclass(frozen=True)
class SideView:
    """How points of a fluorescence volume are seen in a picture from the side.

    Attributes
    ----------
    matrix : tuple
        2 x 3 and a column: (row, column) of the picture, µm = matrix · (x, y, z, 1).
    covariance : tuple
        6 x 6, of a small turn (rad, three axes), of the logarithm of the scale, and of row and
        column (µm) at the mean of the beads.
    middle_um : tuple of float
        (x, y, z) of the mean of the beads.
    residuals_um, left_out_um : tuple of float
        How far each bead is off, and how far from where the others alone put it (NaN where these
        do not say it).
    """

    matrix: tuple[tuple[float, ...], tuple[float, ...]]
    covariance: tuple[tuple[float, ...], ...]
    middle_um: tuple[float, float, float]
    residuals_um: tuple[float, ...]
    left_out_um: tuple[float, ...]

    def to_picture(self, points_um: np.ndarray) -> np.ndarray:
        """Where points (n, 3) are seen, (row, column) in µm."""
        matrix = np.array(self.matrix)
        points = np.asarray(points_um, float).reshape(-1, 3)
        return np.asarray(points @ matrix[:, :3].T + matrix[:, 3])

    def covariance_um2(self, points_um: np.ndarray) -> np.ndarray:
        """Covariance (n, 2, 2) of where points are seen, by the fit alone, µm²."""
        points = np.asarray(points_um, float).reshape(-1, 3) - np.array(self.middle_um)
        jacobian = _jacobian(np.array(self.matrix)[:, :3], points)
        return np.asarray(
            np.einsum("nip,pq,njq->nij", jacobian, np.array(self.covariance), jacobian)
        )

    @property
    def scale(self) -> float:
        """How much larger the picture shows a length: 1 where all sizes are right."""
        return float(np.linalg.norm(np.array(self.matrix)[0, :3]))

    @property
    def grazing_deg(self) -> float:
        """Angle between the direction of the view and the plane x, y of the volume."""
        along = np.cross(*np.array(self.matrix)[:, :3]) / self.scale**2
        return math.degrees(math.asin(min(1.0, abs(float(along[2])))))


@dataclass(frozen=True)
class Inside:
    """Whether a feature is in the lamella.

    Attributes
    ----------
    row_um, column_um : float
        Where it is seen.
    error_um : float
        How far off that may be: root mean square, along an axis.
    depth_um : float
        Distance from the nearest edge of the lamella, above 0 inside.
    probability : float
        That it is inside.
    """

    row_um: float
    column_um: float
    error_um: float
    depth_um: float
    probability: float


def fit_side_view(
    beads_um: np.ndarray, seen_um: np.ndarray, usual_um: float = USUAL_BEAD_UM
) -> SideView:
    """Fit how a volume is seen from the side to beads that are seen in both.

    Parameters
    ----------
    beads_um : ndarray, shape (n, 3)
        (x, y, z) in the fluorescence volume, n >= 4.
    seen_um : ndarray, shape (n, 2)
        (row, column) in the picture, times the size of its pixels.
    usual_um : float
        Expected error of a bead along each axis.

    Raises
    ------
    SpaceError
        If the beads cannot say it.
    """
    beads = np.asarray(beads_um, float).reshape(-1, 3)
    seen = np.asarray(seen_um, float).reshape(-1, 2)
    if len(beads) != len(seen) or not (np.isfinite(beads).all() and np.isfinite(seen).all()):
        raise SpaceError("The beads are not a place in each of the two pictures.", "beads")
    if len(beads) < LEAST_BEADS:
        raise SpaceError(
            f"{len(beads)} beads do not say from where the volume is seen.",
            "beads",
            f"Give {LEAST_BEADS} or more, at different heights.",
        )
    found, variance = _best(beads, seen, usual_um)
    middle = beads.mean(axis=0)
    jacobian = _jacobian(found, beads - middle).reshape(-1, 6)
    covariance = variance * np.linalg.pinv(jacobian.T @ jacobian)
    offset = seen.mean(axis=0) - found @ middle
    first, second = np.column_stack([found, offset]).tolist()
    off = seen - beads @ found.T - offset
    alone = [_left_out(beads, seen, index, found) for index in range(len(beads))]
    return SideView(
        (tuple(first), tuple(second)),
        tuple(map(tuple, covariance.tolist())),
        (float(middle[0]), float(middle[1]), float(middle[2])),
        tuple(np.hypot(*off.T).tolist()),
        tuple(alone),
    )


def _best(beads: np.ndarray, seen: np.ndarray, usual_um: float) -> tuple[np.ndarray, float]:
    """Return the 2 x 3 of the best fit, and the variance of a bead along an axis."""
    points, places = beads - beads.mean(axis=0), seen - seen.mean(axis=0)
    fits = sorted((_fitted(points, places, start) for start in _starts()), key=lambda one: one[0])
    cost, best = fits[0]
    free = max(0, 2 * len(points) - 6)
    variance = (_BELIEF * usual_um**2 + cost) / (_BELIEF + free)
    # What the picture does not show: the direction of the view, of either sign.
    view = _direction(best)
    others = [
        one for one, found in fits
        if abs(float(_direction(found) @ view)) < math.cos(math.radians(_OTHER_VIEW_DEG))
    ]  # fmt: skip
    if others and min(others) - cost < _CLEARLY_WORSE * variance:
        raise SpaceError(
            "The beads lie nearly in one plane, so that two directions of view fit alike.",
            "beads",
            "Add beads at other heights, such as on top of cells.",
        )
    return best, variance


def _starts() -> list[np.ndarray]:
    from scipy.spatial.transform import Rotation

    return list(Rotation.random(_STARTS, random_state=5).as_matrix()[:, :2])


def _direction(found: np.ndarray) -> np.ndarray:
    along = np.cross(found[0], found[1])
    return np.asarray(along / np.linalg.norm(along))


def _fitted(points: np.ndarray, places: np.ndarray, start: np.ndarray) -> tuple[float, np.ndarray]:
    """Return cost and the 2 x 3 that is best near a direction of view (Levenberg-Marquardt)."""
    from scipy.spatial.transform import Rotation

    size = math.sqrt(float((places**2).sum()) / max(float((points**2).sum()), 1e-30))
    found = start / np.linalg.norm(start[0]) * max(size, 1e-9)
    off = places - points @ found.T
    cost, damping = float((off**2).sum()), 1e-3
    for _ in range(_MOST_STEPS):
        jacobian = _jacobian(found, points)[:, :, :4].reshape(-1, 4)
        normal = jacobian.T @ jacobian
        normal += np.diag(damping * np.diag(normal) + 1e-12)
        step = np.linalg.solve(normal, jacobian.T @ off.ravel())
        step /= max(1.0, float(np.abs(step).max()) / _LONGEST_STEP)
        frame = np.vstack([found, np.cross(found[0], found[1]) / np.linalg.norm(found[0])])
        turned = np.exp(step[3]) * (Rotation.from_rotvec(step[:3]).as_matrix() @ frame)[:2]
        off_there = places - points @ turned.T
        cost_there = float((off_there**2).sum())
        if cost_there < cost:
            is_done = cost - cost_there < 1e-12 * cost
            found, off, cost, damping = turned, off_there, cost_there, damping / 5
            if is_done:
                break
        else:
            damping *= 5
            if damping > 1e8:
                break
    return cost, found


def _jacobian(found: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How (row, column) of points (n, 3) change with the six numbers: (n, 2, 6)."""
    scale = float(np.linalg.norm(found[0]))
    turn = np.vstack([found / scale, np.cross(found[0], found[1]) / scale**2])
    x, y, z = (scale * points @ turn.T).T
    zero, one = np.zeros_like(x), np.ones_like(x)
    row = np.stack([zero, z, -y, x, one, zero], axis=-1)
    column = np.stack([-z, zero, x, y, zero, one], axis=-1)
    return np.stack([row, column], axis=1)


def _left_out(beads: np.ndarray, seen: np.ndarray, index: int, best: np.ndarray) -> float:
    """How far a bead is from where the others alone put it, from about the same direction."""
    others = np.arange(len(beads)) != index
    if others.sum() < LEAST_BEADS:
        return math.nan
    middle, place = beads[others].mean(axis=0), seen[others].mean(axis=0)
    _, found = _fitted(beads[others] - middle, seen[others] - place, best)
    return float(np.hypot(*(seen[index] - place - found @ (beads[index] - middle))))


def is_inside(
    view: SideView,
    features_um: np.ndarray,
    lamella_um: np.ndarray,
    feature_error_um: float = USUAL_BEAD_UM,
) -> list[Inside]:
    """Tell of features whether they are in the lamella.

    Parameters
    ----------
    view : SideView
    features_um : ndarray, shape (n, 3)
        (x, y, z) in the fluorescence volume.
    lamella_um : ndarray, shape (m, 2)
        Corners of the lamella in the picture, (row, column) in µm, in order.
    feature_error_um : float
        Of the place of a feature in the volume, along each axis.

    Raises
    ------
    SpaceError
        If the corners enclose nothing.
    """
    features = np.asarray(features_um, float).reshape(-1, 3)
    corners = np.asarray(lamella_um, float).reshape(-1, 2)
    if len(corners) < 3 or abs(_area(corners)) < 1e-9 or not np.isfinite(corners).all():
        raise SpaceError("The corners of the lamella enclose nothing.", "lamella")
    seen, covariances = view.to_picture(features), view.covariance_um2(features)
    covariances = covariances + np.eye(2) * (feature_error_um * view.scale) ** 2
    weights = np.exp(-(_STEPS**2) / 2)
    weights = np.outer(weights, weights).ravel() / weights.sum() ** 2
    steps = np.stack(np.meshgrid(_STEPS, _STEPS, indexing="ij"), -1).reshape(-1, 2)
    found = []
    for place, covariance in zip(seen, covariances):
        # Places where it may be, spread as the error is.
        root = np.linalg.cholesky(covariance)
        within = _depths(place + steps @ root.T, corners) > 0
        (depth,) = _depths(place[None], corners)
        error = math.sqrt(float(np.trace(covariance)) / 2)
        inside = float((weights * within).sum())
        found.append(Inside(float(place[0]), float(place[1]), error, float(depth), inside))
    return found


def _area(corners: np.ndarray) -> float:
    row, column = corners.T
    return float(row @ np.roll(column, -1) - column @ np.roll(row, -1)) / 2


def _depths(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Distance of points (n, 2) from the edge of a polygon, below 0 outside of it."""
    ends = np.roll(corners, -1, axis=0)
    away = np.full(len(points), np.inf)
    inside = np.zeros(len(points), bool)
    for first, last in zip(corners, ends):
        edge = last - first
        length2 = max(float(edge @ edge), 1e-30)
        along = np.clip((points - first) @ edge / length2, 0.0, 1.0)
        nearest = first + along[:, None] * edge
        away = np.minimum(away, np.hypot(*(points - nearest).T))
        # Each edge that a line of constant row meets beyond the point.
        between = (first[0] > points[:, 0]) != (last[0] > points[:, 0])
        with np.errstate(divide="ignore", invalid="ignore"):
            meets = first[1] + (points[:, 0] - first[0]) * edge[1] / edge[0]
        inside ^= between & (points[:, 1] < meets)
    return np.where(inside, away, -away)
