"""Where a grid lies that was loaded again: found in low magnification by its map.

A picture in the middle is compared with the map of the whole grid at many rotations, then pictures
at places far apart say rotation and shift more closely. Nothing is changed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from space import registration
from space.errors import SpaceError
from space.geometry import MapFrame
from space.microscope import (
    MapImage,
    StoppedByUserError,
    column,
    montage,
    reloading,
    scope,
    stage,
    states,
    survives,
)
from space.registration import Movement, Template
from space.steps import lamella_list
from space.steps.find import STAGE_LIMITS_UM
from space.steps.session import GridSession

LARGEST_TURN_DEG, LARGEST_SHIFT_UM = 25.0, 250.0
"""How far a grid is looked for."""

LEAST_LIKENESS = 0.35
"""A picture near the place where it is expected is recognized with at least this correlation."""

_LEAST_ALIKE, _CLEARLY = 0.6, 1.25
"""The first picture with this, and so many times that elsewhere: bars of any grid look alike."""

FEWEST_PLACES = 3
LARGEST_RESIDUAL_UM = 3.0
"""So many places must agree so well; farther off, a place was not recognized."""

_COARSE_UM, _FINE_UM = 4.0, 1.6  # pitches
_COARSE_DEG, _FINE_DEG = 1.5, 0.25
_AGAIN_UM = 20.0  # of a place that is expected to within some micrometres
_APART_UM = 25.0
_FLAT_UM = 40.0
_RING = 0.55  # of the map's half extent
_RING_PLACES = 6

log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class Pairs:
    """Points of the grid: Navigator positions of before, and those measured now; (n, 2) each."""

    before: np.ndarray
    now: np.ndarray

    def __len__(self) -> int:
        return len(self.before)

    @property
    def group(self) -> tuple[np.ndarray, np.ndarray]:
        """Both arrays."""
        return self.before, self.now

    def where(self, chosen: np.ndarray) -> Pairs:
        """Return some of them."""
        return Pairs(self.before[chosen], self.now[chosen])


@dataclass(frozen=True)
class GridMap:
    """The map of the whole grid with two pixel sizes, each with its frame."""

    coarse: tuple[np.ndarray, MapFrame]
    fine: tuple[np.ndarray, MapFrame]

    @classmethod
    def of(cls, image: MapImage) -> GridMap:
        """Average a map to both pixel sizes."""
        fine = registration.reduced(image.picture.data, image.frame, _FINE_UM)
        return cls(registration.reduced(*fine, _COARSE_UM), fine)


@dataclass(frozen=True)
class Found:
    """Where a grid was found in low magnification.

    Attributes
    ----------
    movement : Movement
        From the places in the Navigator to those of now.
    places : Pairs
        Points far apart that agree with it.
    map : GridMap
        The map that it was found by.
    offset_is_known : bool
        Whether the Navigator's places are those of higher magnifications.
    """

    movement: Movement
    places: Pairs
    map: GridMap
    offset_is_known: bool


def find_grid(session: GridSession, index: int) -> Found:
    """Find out how the grid on the stage lies, by pictures in low magnification.

    Parameters
    ----------
    session : GridSession
    index : int
        Navigator item of the map of the whole grid.

    Raises
    ------
    SpaceError
        When it is not recognized: it may be another grid.
    """
    settings = session.settings
    if settings.aperture_control:
        column.retract_objective_aperture()
    states.go_to_whole_grid_state(settings.WG_image_state)
    grid_map = GridMap.of(montage.load_map(index))
    known = lamella_list.load(session.lamellae_file)
    offset_um = known.offset_um if known else None
    first = _look_at_middle(grid_map, offset_um or (0.0, 0.0))
    places = _agreeing(_look_around(grid_map, offset_um or (0.0, 0.0), first))
    movement = registration.rigid_fit([places.group])
    log.info(
        "The grid is turned by %.2f degrees and shifted by (%.1f, %.1f) um: %d places agree.",
        movement.turned_deg,
        *movement.offset_um,
        len(places),
    )
    return Found(movement, places, grid_map, offset_um is not None)


# --- in low magnification -------------------------------------------------------------------------


def _look_at_middle(grid_map: GridMap, offset_um: tuple[float, float]) -> Movement:
    """Find a picture of the stage's centre on the map, turned by any angle."""
    data, frame = _picture_at(np.zeros(2), offset_um)
    half_um = _half_extent_um(frame)
    size_um = 2 * half_um
    template = Template(lattice(data, frame, frame.center_stage_um, size_um, _COARSE_UM))
    around_um = size_um + 2 * LARGEST_SHIFT_UM
    angles = np.arange(-LARGEST_TURN_DEG, LARGEST_TURN_DEG + 0.1, _COARSE_DEG)

    def compared(angle: float) -> registration.Match:
        there = lattice(
            *grid_map.coarse, frame.center_stage_um, around_um, _COARSE_UM,
            -angle,
        )  # fmt: skip
        return registration.find(template, there, _COARSE_UM, _APART_UM)

    matches = [compared(float(angle)) for angle in angles]
    best = max(range(len(matches)), key=lambda n: matches[n].likeness)
    match, angle = matches[best], float(angles[best])
    others = [m.likeness for m, a in zip(matches, angles) if abs(a - angle) > 4 * _COARSE_DEG]
    runner_up = max([match.runner_up, *others])
    log.debug("Middle: likeness %.2f, elsewhere %.2f", match.likeness, runner_up)
    if match.likeness < _LEAST_ALIKE or match.likeness < _CLEARLY * runner_up:
        raise not_recognized(
            f"the picture of its middle is not clearly a part of the map (likeness "
            f"{match.likeness:.2f}, elsewhere {runner_up:.2f})"
        )
    before = frame.center_stage_um + registration.turn(-angle) @ match.shift_um
    guess = registration.rigid_fit([(before[np.newaxis], np.array([frame.center_stage_um]))], angle)
    return _closer(grid_map, data, frame, guess)


def _closer(grid_map: GridMap, data: np.ndarray, frame: MapFrame, guess: Movement) -> Movement:
    """Find the rotation of a picture more closely."""
    found = []
    steps = np.arange(-_COARSE_DEG, _COARSE_DEG + 0.01, _FINE_DEG)
    template, center = _template(data, frame), np.array(frame.center_stage_um)
    before = registration.turn(-guess.turned_deg) @ (center - guess.offset_um)
    for angle in guess.turned_deg + steps:
        match, pair = _compared(grid_map, template, frame, before, float(angle))
        found.append((match.likeness, float(angle), pair))
    _, angle, (old, now) = max(found, key=lambda one: one[0])
    return registration.rigid_fit([(old[np.newaxis], now[np.newaxis])], angle)


def _template(data: np.ndarray, frame: MapFrame) -> Template:
    size_um = 2 * _half_extent_um(frame)
    return Template(lattice(data, frame, frame.center_stage_um, size_um, _FINE_UM))


def _compared(
    grid_map: GridMap, template: Template, frame: MapFrame, before_um: np.ndarray, angle: float
) -> tuple[registration.Match, tuple[np.ndarray, np.ndarray]]:
    """Compare a picture with the map around where its middle is expected to have been."""
    size_um = 2 * _half_extent_um(frame)
    center = np.array(frame.center_stage_um)
    there = lattice(*grid_map.fine, before_um, size_um + 2 * _AGAIN_UM, _FINE_UM, -angle)
    match = registration.find(template, there, _FINE_UM, _APART_UM / 2)
    return match, (before_um + registration.turn(-angle) @ match.shift_um, center)


def _look_around(grid_map: GridMap, offset_um: tuple[float, float], first: Movement) -> Pairs:
    """Compare pictures at places far apart with the map."""
    middle = np.array(grid_map.fine[1].center_stage_um)
    radius_um = _RING * float(_half_extent_um(grid_map.fine[1]).min())
    angles = 2 * np.pi * np.arange(_RING_PLACES) / _RING_PLACES
    ring = middle + radius_um * np.column_stack([np.cos(angles), np.sin(angles)])
    before, now = [], []
    for place in (middle, *ring):
        target = first.apply(place)[0]
        if not _is_within_reach(target):
            continue
        with survives(
            f"No picture at ({target[0]:.0f}, {target[1]:.0f}) um",
            unless=StoppedByUserError,
            level=logging.WARNING,
        ):
            data, frame = _picture_at(target - offset_um, offset_um)
            expected = registration.turn(-first.turned_deg) @ (
                np.array(frame.center_stage_um) - first.offset_um
            )
            template, angle = _template(data, frame), first.turned_deg
            match, (old, new) = _compared(grid_map, template, frame, expected, angle)
            log.debug("Place %s: %s", target, match)
            if match.likeness >= LEAST_LIKENESS:
                before.append(old)
                now.append(new)
    return Pairs(np.array(before).reshape(-1, 2), np.array(now).reshape(-1, 2))


def _is_within_reach(place_um: np.ndarray) -> bool:
    x0, x1, y0, y1 = STAGE_LIMITS_UM
    return bool(x0 <= place_um[0] <= x1 and y0 <= place_um[1] <= y1)


def _agreeing(seen: Pairs) -> Pairs:
    """Drop the places that fit least until the others agree.

    Raises
    ------
    SpaceError
        When too few are left.
    """
    while len(seen) >= FEWEST_PLACES:
        fit = registration.rigid_fit([seen.group])
        away_um = registration.distances_um(fit, *seen.group)
        worst = int(np.argmax(away_um))
        if away_um[worst] <= LARGEST_RESIDUAL_UM:
            return seen
        seen = seen.where(np.arange(len(seen)) != worst)
    raise not_recognized(f"only {len(seen)} places far apart agree with the map")


# --- parts --------------------------------------------------------------------------------


def _picture_at(
    place_um: np.ndarray, offset_um: tuple[float, float]
) -> tuple[np.ndarray, MapFrame]:
    """Take a picture in low magnification; its frame is that of Navigator items.

    These were shifted by `offset_um` to what is seen at higher magnifications.
    """
    x, y = (float(part) for part in place_um)
    with reloading.at_place(x, y, stage.stage_position_um()[2]):
        picture = scope.take_record()
    frame = montage.picture_frame(picture, (x + offset_um[0], y + offset_um[1]))
    return picture.data, frame


def lattice(
    data: np.ndarray,
    frame: MapFrame,
    center_um: np.ndarray | tuple[float, float],
    size_um: np.ndarray,
    pixel_um: float,
    turned_deg: float = 0.0,
) -> np.ndarray:
    """Draw a picture on a lattice, without what changes slowly if it is of low magnification."""
    center = (float(center_um[0]), float(center_um[1]))
    drawn = registration.on_lattice(data, frame, center, size_um, pixel_um, turned_deg)
    return registration.flattened(drawn, _FLAT_UM / pixel_um) if pixel_um > 1 else drawn


def _half_extent_um(frame: MapFrame) -> np.ndarray:
    """Half of the extent along the stage axes of the box within a picture."""
    rows, columns = frame.shape
    half = np.array(frame.box_size_on_stage_um((columns, rows))) / 2
    return np.asarray(half)


def not_recognized(why: str) -> SpaceError:
    """Return the error of a grid that is another one, or lies where it cannot be found."""
    return SpaceError(
        f"The grid was loaded again and is not recognized: {why}.",
        "whole-grid map",
        "Check which grid is in the slot. If it is the right one, align it by hand (Navigator: "
        "Realign Reloaded Grid), delete SPACE_placement.json and run the script again.",
    )
