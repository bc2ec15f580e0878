"""Registration by pairs of points that a person, or a search, holds for the same.

One wrong pair among some must not turn the whole picture: where five pairs or more are given, those
that three others do not confirm are left out (RANSAC over triples). What was left out, how far each
pair is off, and how far it is from where the others alone put it, is part of the result.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from space.errors import SpaceError
from space.fluorescence.fits import (
    KINDS,
    USUAL_CLICK_UM,
    AffineFit,
    fit_pairs,
    left_out_um,
    residuals_um,
)

MOST_ERROR_UM = 2.0
"""A registration that is less sure than this over the field is refused."""

DOUBTED_UM = 2.0
"""A pair this far from where the others put it is told of."""

_ENOUGH_TO_LEAVE_OUT = 5
_LEAST_SHARE = 0.6
_OUTSIDE = 4.0  # usual errors, from which on a pair is not confirmed
_MOST_TRIPLES = 600
_LARGEST_STRETCH = 1.25
_OTHER_SCALE = 0.15


@dataclass(frozen=True)
class Registration:
    """How a fluorescence picture lies on a map, and how sure this is.

    Attributes
    ----------
    fit : AffineFit
    fm_px, map_px : tuple of (row, column)
        The pairs, also those that were left out.
    kept : tuple of bool
        Which of them the fit rests on.
    residuals_um : tuple of float
        How far each pair is off.
    left_out_um : tuple of float or None
        How far each kept pair is from where the other kept ones put it; None where these cannot
        say it, and for pairs that were left out.
    how : str
        "pairs" of a person, or "found" in both pictures.
    warnings : tuple of str
    """

    fit: AffineFit
    fm_px: tuple[tuple[float, float], ...]
    map_px: tuple[tuple[float, float], ...]
    kept: tuple[bool, ...]
    residuals_um: tuple[float, ...]
    left_out_um: tuple[float | None, ...]
    how: str = "pairs"
    warnings: tuple[str, ...] = field(default_factory=tuple)

    @property
    def left_out_mean_um(self) -> float | None:
        """Root mean square of `left_out_um`; None if no pair has one."""
        known = [one for one in self.left_out_um if one is not None]
        return float(np.sqrt(np.mean(np.square(known)))) if known else None


def register(
    fm_px: np.ndarray,
    map_px: np.ndarray,
    pixel_um: float,
    fm_shape: tuple[int, int],
    map_shape: tuple[int, int],
    kind: str = "auto",
    usual_um: float = USUAL_CLICK_UM,
    fm_pixel_um: float | None = None,
) -> Registration:
    """Register by pairs of points.

    Parameters
    ----------
    fm_px, map_px : ndarray, shape (n, 2)
        (row, column) in the fluorescence picture and in the map.
    pixel_um : float
        Of the map.
    fm_shape, map_shape : tuple of int
        Rows and columns of both.
    kind : str
        As of `fit_pairs`.
    usual_um : float
        Expected error of a pair along each axis.
    fm_pixel_um : float, optional
        Size of pixels that the fluorescence file claims.

    Raises
    ------
    SpaceError
        If the pairs cannot say it, contradict each other, or leave it too uncertain.
    """
    if kind not in KINDS:
        raise SpaceError(f'"{kind}" is no kind of fit.', "kind", f"Choose from {', '.join(KINDS)}.")
    fm = np.asarray(fm_px, float).reshape(-1, 2)
    target = np.asarray(map_px, float).reshape(-1, 2)
    kept = _confirmed(fm, target, pixel_um, usual_um)
    fit = fit_pairs(fm[kept], target[kept], pixel_um, kind, usual_um)
    off = residuals_um(fit, fm, target)
    alone = np.full(len(fm), np.nan)
    alone[kept] = left_out_um(fm[kept], target[kept], pixel_um, kind, usual_um)
    _refuse(fit, fm_shape, map_shape)
    return Registration(
        fit,
        tuple((float(row), float(column)) for row, column in fm),
        tuple((float(row), float(column)) for row, column in target),
        tuple(bool(one) for one in kept),
        tuple(float(one) for one in off),
        tuple(float(one) if np.isfinite(one) else None for one in alone),
        warnings=_warnings(fit, kept, off, alone, fm_pixel_um),
    )


def field_error_um(
    fit: AffineFit, fm_shape: tuple[int, int], map_shape: tuple[int, int]
) -> np.ndarray:
    """Return the error at points spread over what both pictures show; empty if that is nothing."""
    rows, columns = (np.linspace(0, side, 9) for side in map_shape)
    points = fit.from_map(np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2))
    seen = ((points >= 0) & (points <= np.array(fm_shape))).all(axis=1)
    return fit.error_um(points[seen])


def _confirmed(fm: np.ndarray, target: np.ndarray, pixel_um: float, usual_um: float) -> np.ndarray:
    """Return which pairs most others agree with (n,) bool."""
    count = len(fm)
    everything = np.ones(count, bool)
    if count < _ENOUGH_TO_LEAVE_OUT:
        return everything
    triples = list(combinations(range(count), 3))
    if len(triples) > _MOST_TRIPLES:
        chosen = np.random.default_rng(0).choice(len(triples), _MOST_TRIPLES, replace=False)
        triples = [triples[index] for index in chosen]
    best, best_cost = everything, np.inf
    most_um = _OUTSIDE * usual_um
    for triple in triples:
        which = list(triple)
        try:
            fit = fit_pairs(fm[which], target[which], pixel_um, "auto", usual_um)
        except SpaceError:
            continue
        # What three pairs leave open does not speak against a fourth.
        open_um = np.hypot(most_um, 2 * fit.error_um(fm))
        relative = residuals_um(fit, fm, target) / open_um
        cost = float(np.minimum(relative, 1.0).sum())
        if cost < best_cost:
            best, best_cost = relative < 1.0, cost
    if best.sum() < max(4, _LEAST_SHARE * count):
        raise SpaceError(
            f"No more than {int(best.sum())} of {count} pairs agree with each other.",
            "registration",
            "Look at each pair again: most of them are wrong, or the pictures are of two places.",
        )
    fit = fit_pairs(fm[best], target[best], pixel_um, "auto", usual_um)
    off = residuals_um(fit, fm, target)
    limit = np.hypot(max(most_um, 3 * float(np.median(off[best]))), 2 * fit.error_um(fm))
    again = off < limit
    return again if again.sum() >= best.sum() else best


def _refuse(fit: AffineFit, fm_shape: tuple[int, int], map_shape: tuple[int, int]) -> None:
    if fit.stretch > _LARGEST_STRETCH:
        raise SpaceError(
            f"By these pairs, one picture is stretched {fit.stretch:.2f} times along a line.",
            "registration",
            "One of the pairs is wrong, or the pixels of a picture are not square.",
        )
    error = field_error_um(fit, fm_shape, map_shape)
    if not len(error):
        raise SpaceError(
            "By these pairs, the two pictures do not show the same place.",
            "registration",
            "Check that rows and columns of the points are not exchanged.",
        )
    if float(np.median(error)) > MOST_ERROR_UM:
        raise SpaceError(
            f"The pairs leave it open by {np.median(error):.1f} um where the pictures lie.",
            "registration",
            "Add pairs, and choose them far apart, around what matters.",
        )


def _warnings(
    fit: AffineFit, kept: np.ndarray, off: np.ndarray, alone: np.ndarray, fm_pixel_um: float | None
) -> tuple[str, ...]:
    found = [
        f"pair {index + 1} is {off[index]:.1f} um off and was left out"
        for index in np.flatnonzero(~kept)
    ]
    found += [
        f"pair {index + 1} is {alone[index]:.1f} um from where the others put it: look at it again"
        for index in np.flatnonzero(np.nan_to_num(alone) > DOUBTED_UM)
    ]
    if int(kept.sum()) == 3:
        found.append("three pairs do not show whether one of them is wrong: add a fourth")
    if fm_pixel_um:
        told = fm_pixel_um / fit.pixel_um
        if not 1 - _OTHER_SCALE < fit.scale / told < 1 + _OTHER_SCALE:
            found.append(
                f"by the pairs a pixel has {fit.scale * fit.pixel_um:.3f} um, and by the "
                f"file {fm_pixel_um:.3f} um"
            )
    return tuple(found)
