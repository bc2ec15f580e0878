"""Lamellae of a grid that was loaded again: found again at intermediate magnification.

Each is compared with its own map. What they say together refines where the grid lies. Nothing is
changed.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np

from space import registration
from space.geometry import MapFrame
from space.microscope import Item, StoppedByUserError, montage, reloading, scope, survives
from space.registration import Movement
from space.steps import lamella_list
from space.steps.collect import load_lamella_map, map_item
from space.steps.refind import go_to_intermediate
from space.steps.reload_search import (
    FEWEST_PLACES,
    LARGEST_RESIDUAL_UM,
    LEAST_LIKENESS,
    Found,
    Pairs,
    lattice,
    not_recognized,
)
from space.steps.session import GridSession

_PIXEL_UM = 0.1
_SIZE_UM, _REACH_UM = 30.0, 12.0  # what is compared, and how far it is looked for
log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class Measured:
    """How a grid lies.

    Attributes
    ----------
    movement : Movement
        From the places in the Navigator to those of now.
    residual_um : float
        Root mean square distance of the points measured from where the movement takes them.
    places, found : int
        Places in low magnification and lamellae that agree.
    unseen : tuple of int
        Numbers of lamellae that were not recognized.
    """

    movement: Movement
    residual_um: float
    places: int
    found: int = 0
    unseen: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Seen:
    """A lamella's point, before and now; `exact` if it was compared with its own map."""

    number: int
    before_um: tuple[float, float]
    now_um: np.ndarray
    exact: bool


def find_lamellae_again(session: GridSession, found: Found, lamellae: list[Item]) -> Measured:
    """Find the lamellae of a grid again, each by its map, or by that of the grid if it has none.

    The latter only shows that they are there: the offset between the magnifications is known to
    within some tenths of a micrometre.

    Parameters
    ----------
    session : GridSession
    found : Found
        Where the grid was found in low magnification.
    lamellae : list of Item
        The lamellae's points, where they were before.

    Raises
    ------
    SpaceError
        When none is recognized although there are some.
    """
    if not lamellae:
        return Measured(found.movement, _rms(found.movement, found.places), len(found.places))
    go_to_intermediate(session)
    seen, unseen = [], []
    for item in lamellae:
        one = None
        number = lamella_list.number_of(item)
        with survives(f"Lamella {number} could not be visited", unless=StoppedByUserError):
            one = _look_at(session, found, item)
        if one is None:
            unseen.append(number)
        else:
            seen.append(one)
    good = _agreeing(found.movement, seen)
    unseen += [one.number for one in seen if one not in good]
    if not good:
        raise not_recognized("none of its lamellae was found again at intermediate magnification")
    movement = _refined(found, [one for one in good if one.exact])
    exact = [one for one in good if one.exact] or good
    residual_um = _rms(movement, _pairs(exact))
    return Measured(movement, residual_um, len(found.places), len(good), tuple(sorted(unseen)))


def _agreeing(movement: Movement, seen: list[_Seen]) -> list[_Seen]:
    """Return those that lie as far from their places as most: a mistaken one must draw none."""
    if not seen:
        return []
    pairs = _pairs(seen)
    away = pairs.now - movement.apply(pairs.before)
    far = np.hypot(*(away - np.median(away, axis=0)).T)
    return [one for one, distance in zip(seen, far) if distance <= LARGEST_RESIDUAL_UM]


def _refined(found: Found, exact: list[_Seen]) -> Movement:
    """Return the movement that fits lamellae that were compared with their own maps.

    From three on they alone say the shift; fewer and the places in low magnification together,
    where these are known to be the same.
    """
    if not exact:
        return found.movement
    own, places = _pairs(exact).group, found.places.group
    if len(exact) >= FEWEST_PLACES or not found.offset_is_known:
        return registration.rigid_fit([own, places])
    return registration.rigid_fit(
        [(np.vstack([own[0], places[0]]), np.vstack([own[1], places[1]]))]
    )


def _look_at(session: GridSession, found: Found, item: Item) -> _Seen | None:
    """Take a picture of a lamella and find its point in it; None if it is not recognized."""
    turned_deg = found.movement.turned_deg
    x, y = (float(part) for part in found.movement.apply(np.array([item.stage_um]))[0])
    with reloading.at_place(x, y, item.z_um):
        picture = scope.take_record()
        frame = montage.picture_frame(picture, (x, y))
    number = lamella_list.number_of(item)
    own = map_item(session, number)
    map_data, map_frame = found.map.fine if own is None else _map_of(session, number, own)
    pixel_um = max(_PIXEL_UM, frame.pixel_um, map_frame.pixel_um)
    size_um = np.full(2, _SIZE_UM)
    template = lattice(map_data, map_frame, item.stage_um, size_um, pixel_um, -turned_deg)
    there = lattice(picture.data, frame, (x, y), size_um + 2 * _REACH_UM, pixel_um)
    match = registration.find(template, there, pixel_um, _REACH_UM / 2)
    log.debug("Lamella %d: likeness %.2f at %s um", number, match.likeness, match.shift_um)
    if match.likeness < LEAST_LIKENESS:
        return None
    return _Seen(number, item.stage_um, np.array([x, y]) + match.shift_um, own is not None)


def _map_of(session: GridSession, number: int, item: Item) -> tuple[np.ndarray, MapFrame]:
    image = load_lamella_map(session, number, item.index)
    return image.picture.data, image.frame


def _pairs(seen: list[_Seen]) -> Pairs:
    return Pairs(np.array([one.before_um for one in seen]), np.array([one.now_um for one in seen]))


def _rms(movement: Movement, pairs: Pairs) -> float:
    away_um = registration.distances_um(movement, *pairs.group)
    return math.sqrt(float(np.mean(away_um**2)))
