"""Registration by the holes of a film.

Holes are a lattice: they tell scale and direction exactly, and the place but for steps of the
lattice, turns by 90 degrees and mirroring. Which step it is, what covers the film decides: both
pictures are correlated for each way in which the lattice lies on itself, the holes are brought onto
each other exactly, and one place must be clearly liker than all others, and than its neighbours.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from space.errors import SpaceError
from space.fluorescence.constellations import (
    Candidate,
    affine_through,
    candidates,
    mutual,
    tree_of,
)
from space.fluorescence.spots import Picture, likely_scales, spots_in
from space.pictures import to_8_bit
from space.registration import find, flattened

_log = logging.getLogger(__name__)

_CLEAR = 2.5
_MOST_HOLES, _LEAST_HOLES = 2500, 8
_WAYS = 8
_PITCH_UM, _FINE_UM = 0.8, 0.5  # of the lattices on which pictures are compared
_APART_UM = 2.0
_SMOOTH_UM = 20.0
_LEAST_LIKE, _MARGIN = 0.75, 0.5
_LEAST_OVERLAP_PX = 2000
_SLIPPED = 0.25  # of the tolerance
_WHERE = "registration"


def by_holes(
    channel: Picture, map_: Picture, diameter_um: float, tolerance_um: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of points by the lattice of holes, and by what covers it.

    Parameters
    ----------
    channel, map_ : Picture
        In the map holes are bright, in the channel bright or dark.
    diameter_um : float
        Of holes.
    tolerance_um : float
        How far a hole may lie beside its partner.

    Returns
    -------
    ndarray, ndarray, each (n, 2)
        (row, column) in the channel and in the map.

    Raises
    ------
    SpaceError
        If no place is clearly better than all others.
    """
    assert map_.pixel_um is not None
    tolerance = tolerance_um / map_.pixel_um
    theirs = spots_in(map_, diameter_um, map_, True, _CLEAR, _MOST_HOLES).points_px
    ways: list[tuple[Candidate, np.ndarray, bool]] = []
    for is_bright in (True, False):
        ours = spots_in(channel, diameter_um, map_, is_bright, _CLEAR, _MOST_HOLES).points_px
        found = candidates(ours, theirs, tolerance, likely_scales(channel, map_), _WAYS)
        ways += [(one, ours, is_bright) for one in found if one.is_likely]
    best = max(ways, key=lambda way: len(way[0].first), default=None)
    if best is None:
        raise SpaceError("there is no lattice that is the same in both.", _WHERE)
    _, ours, is_bright = best
    linear = _orientations([one for one, points, _ in ways if points is ours])
    judged: list[tuple[float, tuple[np.ndarray, np.ndarray]]] = []
    others: list[float] = []
    both = _Both(to_8_bit(channel.values), to_8_bit(map_.values), map_.pixel_um, is_bright)
    for start in _starts_beside(_starts(both, linear), _lattice_step(theirs)):
        pairs = _snapped(ours, theirs, start, tolerance)
        # What does not fit by its holes speaks against the best way all the same.
        others.append(_alike(both, start))
        if len(pairs[0]) < _LEAST_HOLES:
            continue
        through = affine_through(ours[pairs[0]], theirs[pairs[1]])
        moved = ours[pairs[0]] @ through[:, :2].T + through[:, 2]
        off = np.hypot(*(moved - theirs[pairs[1]]).T)
        # Holes that only happen to be near are off by more: part of them is a step beside.
        if float(np.median(off)) <= _SLIPPED * tolerance:
            others.pop()
            judged.append((_alike(both, through), pairs))
    judged.sort(key=lambda one: -one[0])
    if not judged:
        raise SpaceError("the holes do not lie where the pictures are alike.", _WHERE)
    likeness, pairs = judged[0]
    rival = max([*others, *(one for one, _ in judged[1:])], default=0.0)
    _log.debug("likeness %.3f, rival %.3f, %d holes", likeness, rival, len(pairs[0]))
    if likeness < _LEAST_LIKE or (1 - likeness) > _MARGIN * (1 - rival):
        raise SpaceError(
            f"the lattice lies on itself in several ways, and the pictures are alike by "
            f"{likeness:.2f} in the best of them and {rival:.2f} in another.",
            _WHERE,
        )
    return ours[pairs[0]], theirs[pairs[1]]


def _starts_beside(starts: list[np.ndarray], step: np.ndarray) -> list[np.ndarray]:
    """Return all starts, and those one step of the lattice beside the first of them."""
    turned = np.array([-step[1], step[0]])
    found = list(starts)
    for along, across in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)):
        beside = starts[0].copy()
        beside[:, 2] += along * step + across * turned
        found.append(beside)
    return found


def _lattice_step(points: np.ndarray) -> np.ndarray:
    """Return a step of a square lattice: the usual way from a point to its nearest one."""
    _, near = tree_of(points).query(points, 2)
    ways = points[near[:, 1]] - points
    # Four directions are one lattice: their fourth powers agree.
    turned = (ways[:, 0] + 1j * ways[:, 1]) ** 4
    angle = np.angle(np.median(turned.real) + 1j * np.median(turned.imag)) / 4
    length = float(np.median(np.hypot(*ways.T)))
    return length * np.array([np.cos(angle), np.sin(angle)])


def _orientations(ways: list[Candidate]) -> list[np.ndarray]:
    """Return the linear parts (2 x 2) by which a square lattice lies on itself.

    A lattice lies on itself also in the mirror: by its own directions, which the other proposals
    know.
    """
    found: list[np.ndarray] = []
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    for flipped in (False, True):
        one = next((way.matrix[:, :2] for way in ways
                    if (np.linalg.det(way.matrix[:, :2]) < 0) == flipped), None)  # fmt: skip
        if one is not None:
            found += [one @ np.linalg.matrix_power(quarter, turns) for turns in range(4)]
    return found


@dataclass(eq=False)
class _Both:
    """Both pictures as they are compared.

    Attributes
    ----------
    ours, theirs : ndarray of uint8
        The channel and the map.
    pixel_um : float
        Of the map.
    is_bright : bool
        Whether holes are bright in the channel.
    """

    ours: np.ndarray
    theirs: np.ndarray
    pixel_um: float
    is_bright: bool

    @cached_property
    def fine(self) -> np.ndarray:
        """The map on the fine lattice, its middle in the middle."""
        return _lattice(self.theirs, np.eye(2) * _FINE_UM / self.pixel_um)


def _starts(both: _Both, linear: list[np.ndarray]) -> list[np.ndarray]:
    """Return where the pictures are most alike (2, 3) in each orientation, the likest first."""
    step = _PITCH_UM / both.pixel_um
    theirs = _lattice(both.theirs, np.eye(2) * step)
    found = []
    for one in linear:
        # Steps of the lattice -> pixels of the fluorescence picture.
        ours = _lattice(both.ours, np.linalg.inv(one) * step)
        places = np.nonzero(np.isfinite(ours))
        # About the middle, so that the middles of both pictures are those of the arrays.
        half = [int(np.abs(at - (side - 1) / 2).max()) for at, side in zip(places, ours.shape)]
        box = tuple(
            slice((side - 1) // 2 - h, (side - 1) // 2 + h + 1) for h, side in zip(half, ours.shape)
        )
        template = ours[box] if both.is_bright else -ours[box]
        margin = [(side + 1) // 2 + 1 for side in template.shape]
        wide = np.pad(theirs, [(side, side) for side in margin], constant_values=np.nan)
        match = find(template, wide, _PITCH_UM, _APART_UM)
        center = np.array(both.theirs.shape) / 2 + np.array(match.shift_um[::-1]) / both.pixel_um
        offset = center - one @ (np.array(both.ours.shape) / 2)
        found.append((match.likeness, np.column_stack([one, offset])))
    found.sort(key=lambda item: -item[0])
    return [start for _, start in found]


def _alike(both: _Both, matrix: np.ndarray) -> float:
    """Return how much alike both pictures are where they overlap, -1 to 1."""
    linear = np.linalg.inv(matrix[:, :2])
    middle = linear @ (np.array(both.theirs.shape) / 2 - matrix[:, 2])
    ours = _drawn(both.ours, linear * _FINE_UM / both.pixel_um, both.fine.shape, middle)
    known = np.isfinite(ours) & np.isfinite(both.fine)
    if known.sum() < _LEAST_OVERLAP_PX:
        return -1.0
    a = ours[known] - ours[known].mean()
    b = both.fine[known] - both.fine[known].mean()
    found = float((a * b).sum() / max(1e-12, float(np.sqrt((a**2).sum() * (b**2).sum()))))
    return found if both.is_bright else -found


def _lattice(values: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Draw a picture, its middle in the middle, on a lattice; NaN where it does not reach.

    `matrix` takes steps of the lattice (rows, columns) to pixels of the picture.
    """
    reach = np.abs(np.linalg.inv(matrix)) @ (np.array(values.shape) / 2)
    size = tuple(int(2 * np.ceil(side) + 1) for side in reach)
    return _drawn(values, matrix, size, np.array(values.shape) / 2)


def _drawn(
    values: np.ndarray, matrix: np.ndarray, size: tuple[int, ...], middle_px: np.ndarray
) -> np.ndarray:
    """Draw a picture on a lattice in whose middle one of its points lies."""
    from scipy import ndimage

    span = float(np.abs(np.linalg.det(matrix))) ** 0.5
    soft = values.astype(np.float32)
    if span > 1:
        soft = ndimage.gaussian_filter(soft, 0.4 * span)
    offset = middle_px - 0.5 - matrix @ ((np.array(size) - 1) / 2)
    drawn = ndimage.affine_transform(soft, matrix, offset, output_shape=size, order=1, cval=np.nan)
    return flattened(drawn, _SMOOTH_UM / _PITCH_UM)


def _snapped(
    ours: np.ndarray, theirs: np.ndarray, start: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of holes that are each other's nearest, from the middle outwards.

    Far from the middle a small error of the scale is a step of the lattice: the fit through what is
    near says where farther ones are.
    """
    matrix = start
    away = np.linalg.norm(ours - np.median(ours, axis=0), axis=1)
    pairs = np.empty(0, int), np.empty(0, int)
    for share in (0.1, 0.15, 0.25, 0.4, 0.6, 0.8, 1.0, 1.0):
        near = np.flatnonzero(away <= np.quantile(away, share))
        first, second = mutual(ours[near] @ matrix[:, :2].T + matrix[:, 2], theirs, tolerance)
        pairs = near[first], second
        if len(first) >= _LEAST_HOLES:
            matrix = affine_through(ours[pairs[0]], theirs[second])
    return pairs
