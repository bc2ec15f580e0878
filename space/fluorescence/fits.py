"""How a fluorescence picture lies on a map: an affine map fitted to pairs of points, and its error.

Points are continuous pixel coordinates (row, column) as everywhere. The fit is linear least
squares. A similarity (turned, scaled, mirrored, moved) has four numbers; an affine map has two
more, by which it stretches and shears. Pictures of two microscopes differ mostly by a similarity
and by a few per cent of these two, so that they are fitted against a prior: they are small unless
many pairs say otherwise. Three pairs are therefore enough, and many are used fully.

How far a pair may be off is estimated from the residuals, together with what is usual: with three
pairs they say little. What is unknown of the map after the fit (its covariance, by the usual
formula of linear least squares with a prior) is told at each place as an error in µm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.predicates import is_number

LEAST_PAIRS = 3
USUAL_CLICK_UM = 0.3
"""Error of a pair along each axis that is expected before any was seen."""

KINDS = {"similarity": 0.0, "auto": 0.01, "affine": math.inf}
"""How large the parts of an affine map that no similarity has are expected to be."""

_BELIEF = 3.0  # the usual error counts as much as so many residuals
_FLATTEST = 0.05  # pairs nearer to one line than this share of their spread are refused
_ROUNDS = 4


@dataclass(frozen=True)
class AffineFit:
    """An affine map from pixels of a fluorescence picture to pixels of a map.

    Attributes
    ----------
    matrix : tuple
        2 x 2 and a column: (row, column) of the map = matrix · (row, column, 1).
    covariance : tuple
        6 x 6, of the numbers of the matrix row by row, about the point `origin`, map pixels².
    origin : tuple of float
        (row, column) in the fluorescence picture where the error is least.
    pixel_um : float
        Of the map.
    """

    matrix: tuple[tuple[float, float, float], tuple[float, float, float]]
    covariance: tuple[tuple[float, ...], ...]
    origin: tuple[float, float]
    pixel_um: float

    def to_map(self, points_px: np.ndarray) -> np.ndarray:
        """Map points (n, 2) of the fluorescence picture to pixels of the map."""
        matrix = np.array(self.matrix)
        points = np.asarray(points_px, float).reshape(-1, 2)
        return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])

    def from_map(self, points_map_px: np.ndarray) -> np.ndarray:
        """Map points (n, 2) of the map to pixels of the fluorescence picture."""
        matrix = np.array(self.matrix)
        points = np.asarray(points_map_px, float).reshape(-1, 2) - matrix[:, 2]
        return np.asarray(points @ np.linalg.inv(matrix[:, :2]).T)

    def error_um(self, points_px: np.ndarray) -> np.ndarray:
        """Return how far off the map may be at points (n, 2): root mean square, along an axis."""
        points = np.asarray(points_px, float).reshape(-1, 2) - self.origin
        basis = np.column_stack([points, np.ones(len(points))])
        covariance = np.array(self.covariance)
        rows = np.einsum("ni,ij,nj->n", basis, covariance[:3, :3], basis)
        columns = np.einsum("ni,ij,nj->n", basis, covariance[3:, 3:], basis)
        return np.asarray(np.sqrt(np.maximum(rows + columns, 0) / 2) * self.pixel_um)

    @property
    def scale(self) -> float:
        """Pixels of the map for one of the fluorescence picture."""
        return math.sqrt(abs(float(np.linalg.det(np.array(self.matrix)[:, :2]))))

    @property
    def is_flipped(self) -> bool:
        """Whether one picture is the mirror image of the other."""
        return bool(np.linalg.det(np.array(self.matrix)[:, :2]) < 0)

    @property
    def turned_deg(self) -> float:
        """Rotation, from +column towards +row; of a mirrored one after rows were mirrored."""
        (rr, rc), (cr, cc) = np.array(self.matrix)[:, :2].tolist()
        sign = -1.0 if self.is_flipped else 1.0
        return math.degrees(math.atan2(rc - sign * cr, cc + sign * rr))

    @property
    def stretch(self) -> float:
        """The larger of its two scales by the smaller one, 1 for a similarity."""
        large, small = np.linalg.svd(np.array(self.matrix)[:, :2], compute_uv=False)
        return float(large / small) if small > 0 else math.inf

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "matrix": [list(row) for row in self.matrix],
            "covariance": [list(row) for row in self.covariance],
            "origin": list(self.origin),
            "pixel_um": self.pixel_um,
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> AffineFit:
        """Make a fit from the values of `to_dict`.

        Raises
        ------
        ValueError
            If they are not such.
        """
        matrix = _numbers(values.get("matrix"), (2, 3))
        covariance = _numbers(values.get("covariance"), (6, 6))
        origin = _numbers(values.get("origin"), (2,))
        pixel_um = values.get("pixel_um")
        if not is_number(pixel_um) or not 0 < pixel_um < 1e3:
            raise ValueError(f"pixel_um is {pixel_um!r}")
        if abs(np.linalg.det(matrix[:, :2])) < 1e-9 or (np.diag(covariance) < 0).any():
            raise ValueError("it is no map from one picture to the other")
        return _made(matrix, covariance, origin, float(pixel_um))


def _numbers(values: object, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.array(values, dtype=float)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0)
    if array.shape != shape or not np.isfinite(array).all() or np.abs(array).max() > 1e12:
        raise ValueError(f"not the {math.prod(shape)} numbers that are needed")
    return array


def _made(
    matrix: np.ndarray, covariance: np.ndarray, origin: np.ndarray, pixel_um: float
) -> AffineFit:
    first, second = matrix.tolist()
    return AffineFit(
        (tuple(first), tuple(second)),
        tuple(map(tuple, covariance.tolist())),
        (float(origin[0]), float(origin[1])),
        pixel_um,
    )


def check_spread(points_px: np.ndarray, what: str) -> None:
    """Refuse points that cannot say how a picture lies.

    Raises
    ------
    SpaceError
        If they are too few, or nearly on one line.
    """
    points = np.asarray(points_px, float).reshape(-1, 2)
    if len(points) < LEAST_PAIRS:
        raise SpaceError(
            f"{len(points)} pairs of points do not say how the pictures lie to each other.",
            what,
            f"Give {LEAST_PAIRS} or more, far apart and not on one line.",
        )
    long, short = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if long <= 0 or short < _FLATTEST * long:
        raise SpaceError(
            "The points lie on one line, so that a picture and its mirror image fit alike.",
            what,
            "Add a pair far from this line.",
        )


def fit_pairs(
    fm_px: np.ndarray,
    map_px: np.ndarray,
    pixel_um: float,
    kind: str = "auto",
    usual_um: float = USUAL_CLICK_UM,
    flipped: bool | None = None,
) -> AffineFit:
    """Fit the map from a fluorescence picture to a map of the microscope to pairs of points.

    Parameters
    ----------
    fm_px, map_px : ndarray, shape (n, 2)
        (row, column) in the fluorescence picture and in the map, n >= 3.
    pixel_um : float
        Of the map.
    kind : str
        "similarity", "affine", or "auto", which is between: it shears and stretches as far as
        the pairs are sure of it.
    usual_um : float
        Error of a pair along each axis as it is expected.
    flipped : bool, optional
        Whether one picture is the mirror image of the other; None: what fits better.

    Raises
    ------
    SpaceError
        If the pairs cannot say it.
    """
    source = np.asarray(fm_px, float).reshape(-1, 2)
    target = np.asarray(map_px, float).reshape(-1, 2)
    if source.shape != target.shape or not (np.isfinite(source).all() & np.isfinite(target).all()):
        raise SpaceError("The pairs are not two points each.", "registration")
    check_spread(source, "fluorescence picture")
    check_spread(target, "map")
    ways = (False, True) if flipped is None else (flipped,)
    fits = [_fitted(source, target, pixel_um, KINDS[kind], usual_um, flip) for flip in ways]
    return min(fits, key=lambda found: found[1])[0]


def _fitted(
    source: np.ndarray,
    target: np.ndarray,
    pixel_um: float,
    prior: float,
    usual_um: float,
    flip: bool,
) -> tuple[AffineFit, float]:
    """Return the fit of one handedness, and its cost."""
    origin = source.mean(axis=0)
    (row, column), count = (source - origin).T, len(source)
    sign = -1.0 if flip else 1.0
    zero, one = np.zeros(count), np.ones(count)
    # (a, b): turned and scaled, of either handedness; (c, d): what no such similarity does.
    to_row = np.column_stack([row, column, row, column, one, zero])
    to_column = np.column_stack([sign * column, -sign * row, -sign * column, sign * row, zero, one])
    design = np.concatenate([to_row, to_column])
    values = np.concatenate([target[:, 0], target[:, 1]])
    usual_px = usual_um / pixel_um
    start = np.linalg.lstsq(design[:, [0, 1, 4, 5]], values, rcond=None)[0]
    scale = float(np.hypot(start[0], start[1]))
    variance, found, inverse = usual_px**2, np.zeros(6), np.eye(6)
    for _ in range(_ROUNDS):
        weight = np.zeros(6)
        if math.isfinite(prior):
            # A prior of 0 keeps them at nothing; the number stands for that.
            weight[2:4] = variance / max(prior * scale, 1e-9 * max(scale, 1e-9)) ** 2
        inverse = np.linalg.inv(design.T @ design + np.diag(weight))
        found = inverse @ design.T @ values
        residual = values - design @ found
        # Of the numbers that are fitted, those that the pairs and not the prior have decided.
        free = float(np.trace(inverse @ design.T @ design))
        left = max(0.0, 2 * count - free)
        squares = float(residual @ residual)
        variance = (_BELIEF * usual_px**2 + squares) / (_BELIEF + left)
    cost = float(squares + (found**2 @ weight))
    a, b, c, d, row0, column0 = found
    linear = np.array([[a + c, b + d], [sign * (d - b), sign * (a - c)]])
    offset = np.array([row0, column0]) - linear @ origin
    # From the six fitted numbers to those of the matrix about the origin.
    to_matrix = np.array([
        [1, 0, 1, 0, 0, 0], [0, 1, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0],
        [0, -sign, 0, sign, 0, 0], [sign, 0, -sign, 0, 0, 0], [0, 0, 0, 0, 0, 1],
    ])  # fmt: skip
    covariance = variance * to_matrix @ inverse @ to_matrix.T
    return _made(np.column_stack([linear, offset]), covariance, origin, pixel_um), cost


def residuals_um(fit: AffineFit, fm_px: np.ndarray, map_px: np.ndarray) -> np.ndarray:
    """Return how far each pair is off (n,)."""
    away = fit.to_map(fm_px) - np.asarray(map_px, float).reshape(-1, 2)
    return np.asarray(np.hypot(*away.T) * fit.pixel_um)


def left_out_um(
    fm_px: np.ndarray,
    map_px: np.ndarray,
    pixel_um: float,
    kind: str = "auto",
    usual_um: float = USUAL_CLICK_UM,
) -> np.ndarray:
    """Return how far each pair is from where the other pairs alone put it (n,).

    NaN where the others are too few or on one line.
    """
    fm, target = (np.asarray(points, float).reshape(-1, 2) for points in (fm_px, map_px))
    found = np.full(len(fm), np.nan)
    for index in range(len(fm)):
        others = np.arange(len(fm)) != index
        try:
            fit = fit_pairs(fm[others], target[others], pixel_um, kind, usual_um)
        except SpaceError:
            continue
        found[index] = residuals_um(fit, fm[[index]], target[[index]])[0]
    return found
