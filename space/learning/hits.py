"""Whether targets that are chosen on what a model has found hit what is wanted, by the true labels.

Where a target lies decides what a tilt series shows. A model may have half the Dice of another one
and the same targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace

import numpy as np

from space.learning.dataset import IGNORE
from space.targeting import (
    ExposureOptics,
    TargetingOptions,
    class_tables,
    select_targets,
    wanted_mask,
)

FIELD_UM, BEAM_UM = (1.27, 0.87), 1.7
"""Record field and beam of the simulated microscope, unless others are given."""

_ACROSS_DEG = 90.0
"""Tilt axis on pictures of which nobody says how they lie: along their columns."""


@dataclass(frozen=True)
class Aim:
    """What targets are chosen for.

    Attributes
    ----------
    options : TargetingOptions
        As a session's settings make them.
    field_um : (float, float)
        Width and height of the Record field.
    beam_um : float
        Diameter of the beam.
    """

    options: TargetingOptions
    field_um: tuple[float, float] = FIELD_UM
    beam_um: float = BEAM_UM

    def optics(self, pixel_nm: float) -> ExposureOptics:
        """Return what beam and camera cover in a picture."""
        return ExposureOptics(
            pixel_nm, self.field_um, self.beam_um, _ACROSS_DEG, beam_margin_um=0.0
        )


@dataclass(frozen=True)
class Hits:
    """What became of targets; of several pictures they can be added.

    Attributes
    ----------
    targets : int
    hits : int
        Whose centre lies on a wanted class.
    near : int
        That have some of a wanted class in the middle of their field (half as wide and high).
    spoilt : int
        That have some of an avoided class in their field.
    places : int
        Pieces of wanted classes that are large enough for a target.
    reached : int
        Places that lie in the middle of a target's field.
    """

    targets: int = 0
    hits: int = 0
    near: int = 0
    spoilt: int = 0
    places: int = 0
    reached: int = 0

    def __add__(self, other: Hits) -> Hits:
        return Hits(*map(sum, zip(astuple(self), astuple(other))))

    @property
    def hit_rate(self) -> float | None:
        """Share of the targets that hit; None without any."""
        return self.hits / self.targets if self.targets else None

    @property
    def reached_rate(self) -> float | None:
        """Share of the places that got a target; None without any."""
        return self.reached / self.places if self.places else None


def chosen(labels: np.ndarray, names: Mapping[str, int], aim: Aim, pixel_nm: float) -> np.ndarray:
    """Return the targets (row, column) that a session would choose, shape (n, 2).

    Classes that there are not are neither wanted nor avoided; without any wanted one there are no
    targets.
    """
    options = _known(aim.options, names)
    if options is None:
        return np.empty((0, 2))
    choice = select_targets(labels, dict(names), options, aim.optics(pixel_nm))
    points = [area.imaged.points_map_px for area in choice.areas]
    return np.concatenate([np.empty((0, 2)), *points])


def judged(
    points_map_px: np.ndarray,
    truth: np.ndarray,
    names: Mapping[str, int],
    aim: Aim,
    pixel_nm: float,
) -> Hits:
    """Say what became of targets.

    Parameters
    ----------
    points_map_px : ndarray (n, 2)
        (row, column), the first pixel's centre is (0.5, 0.5).
    truth : ndarray of uint8, shape (rows, columns)
    names : mapping of str to int
        Value of each class in `truth`; pixels of the class `IGNORE` are nothing.
    aim : Aim
    pixel_nm : float
    """
    known = {name: value for name, value in names.items() if name != IGNORE}
    options = _known(aim.options, known)
    if options is None:
        return Hits(len(points_map_px))
    field_px = np.array(aim.field_um[::-1]) * 1000 / pixel_nm
    tables = class_tables(known, options)
    wanted, avoided = tables.wanted[truth] > 0, tables.avoided[truth]
    pieces = _places(truth, known, options, field_px)
    middles = [_window(point, field_px / 2) for point in points_map_px]
    reached = np.unique(np.concatenate([[0], *(pieces[at].ravel() for at in middles)]))
    return Hits(
        len(points_map_px),
        sum(bool(wanted[_pixel(point, truth.shape)]) for point in points_map_px),
        sum(bool(wanted[at].any()) for at in middles),
        sum(bool(avoided[_window(point, field_px)].any()) for point in points_map_px),
        int(pieces.max(initial=0)),
        len(reached) - 1,
    )


def _known(options: TargetingOptions, names: Mapping[str, int]) -> TargetingOptions | None:
    """Return the options without classes that there are not; None if nothing is wanted then."""
    kept = {
        name: weight
        for name, weight in options.priorities.items()
        if name in names or (options.whole_lamella and name == options.target_list[0])
    }
    if not kept:
        return None
    return replace(
        options,
        target_list=tuple(kept),
        target_weights=tuple(kept.values()),
        avoid_list=tuple(name for name in options.avoid_list if name in names),
    )


def _places(
    truth: np.ndarray,
    names: Mapping[str, int],
    options: TargetingOptions,
    field_px: np.ndarray,
) -> np.ndarray:
    """Return the number of the place that each pixel belongs to; 0 where there is none.

    A place fills enough of a field to reach the threshold alone.
    """
    from scipy import ndimage

    pieces, count = ndimage.label(wanted_mask(truth, dict(names), options), np.ones((3, 3)))
    sizes_px = np.bincount(pieces.ravel(), minlength=count + 1)
    large = sizes_px >= options.least_threshold * field_px.prod()
    large[0] = False
    numbers = np.where(large, np.cumsum(large), 0)
    found: np.ndarray = numbers[pieces]
    return found


def _pixel(point_px: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the row and column of the pixel that holds a point."""
    row, column = (min(int(at), side - 1) for at, side in zip(point_px, shape))
    return row, column


def _window(point_px: np.ndarray, size_px: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns of an upright field, as far as it lies on the picture."""
    first, last = np.rint(point_px - size_px / 2), np.rint(point_px + size_px / 2)
    rows, columns = (slice(max(0, int(a)), max(0, int(b))) for a, b in zip(first, last))
    return rows, columns
