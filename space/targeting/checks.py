"""Points that a person gives: what cannot be used is refused, what may do harm is told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from space.errors import SpaceError
from space.targeting.choice import Area
from space.targeting.geometry_points import LEAST, LEAST_LEVER_ARM_UM, lever_arm_um
from space.targeting.options import Optics
from space.targeting.packing import TiltFrame, conflicts
from space.targeting.room import crowded

# A person's numbers are rounded: what is short by less than this does no harm.
SLACK_UM = 0.002


def as_points(points_map_px: ArrayLike | None, map_shape: tuple[int, ...], what: str) -> np.ndarray:
    """Check (row, column) points and give them as an array (n, 2); None gives no points.

    Raises
    ------
    SpaceError
        For something that is no list of points, or a point outside of the map.
    """
    if points_map_px is None:
        return np.empty((0, 2))
    try:
        points = np.asarray(points_map_px, dtype=float)
    except (TypeError, ValueError):
        points = np.zeros(1)
    if points.size == 0 and points.ndim <= 2:
        return np.empty((0, 2))
    if points.ndim != 2 or points.shape[1] != 2:
        raise SpaceError("Points are a list of (row, column) pairs.", what, "Use map pixels.")
    lost = ~((points >= 0) & (points <= np.array(map_shape))).all(axis=1)
    if lost.any():
        number = int(np.argmax(lost))
        row, column = points[number]
        raise SpaceError(
            f"Point {number + 1} at row {row:g}, column {column:g} is outside of the map of "
            f"{map_shape[0]} rows and {map_shape[1]} columns.",
            what,
            "Move it into the map or remove it.",
        )
    return points


def problems(
    areas: Sequence[Area],
    holds_field: Sequence[np.ndarray],
    thresholds: Sequence[np.ndarray],
    optics: Optics,
) -> list[str]:
    """What is wrong with targets and geometry points, in sentences that name them.

    Parameters
    ----------
    areas : sequence of Area
        The first target of each is its tracking target.
    holds_field : sequence of ndarray of bool
        For every area, which targets have their whole field in the map.
    thresholds : sequence of ndarray of float
        For every area, the least score that was asked for of each target.
    """
    several = len(areas) > 1
    frame = TiltFrame.of(optics)
    names = [
        f"{number}.{index}" if several else f"{index}"
        for number, area in enumerate(areas, 1)
        for index in range(1, len(area.targets_map_px) + 1)
    ]
    targets = np.concatenate([area.targets_map_px for area in areas])
    tilted = frame.from_map(targets)
    beam_um = optics.beam_diameter_um
    found = []
    for first, second in conflicts(tilted, beam_um - SLACK_UM):
        short_um = beam_um - float(np.hypot(*(tilted[first] - tilted[second])))
        found.append(
            f"The beams of targets {names[first]} and {names[second]} overlap by {short_um:.2f} um "
            f"at {optics.steepest_tilt_deg:g} degrees."
        )
    found += _room_problems(areas, names, tilted, optics)
    limit_um = optics.image_shift_limit_um
    for number, (area, held, least) in enumerate(zip(areas, holds_field, thresholds), 1):
        prefix = f"{number}." if several else ""
        away_um = _away_um(area.targets_map_px, area, optics)
        for index, (distance_um, inside, score, threshold) in enumerate(
            zip(away_um, held, area.scores, least), 1
        ):
            name = f"Target {prefix}{index}"
            if distance_um > limit_um + SLACK_UM:
                found.append(
                    f"{name} is {distance_um:.1f} um from its tracking target, beyond the "
                    f"image-shift limit of {limit_um:g} um."
                )
            if not inside:
                found.append(f"{name}: its Record field leaves the map, so its score is 0.")
            elif score < threshold and not (area.extra_tracking and index == 1):
                found.append(f"{name} scores {score:.3g}, below the threshold of {threshold:g}.")
        found += _geometry_problems(area, number if several else 0, targets, names, optics)
    return found


def _room_problems(
    areas: Sequence[Area], names: Sequence[str], tilted: np.ndarray, optics: Optics
) -> list[str]:
    """Tracking targets whose beams have less than the margin around them, but no overlap."""
    counts = [len(area.targets_map_px) for area in areas]
    firsts = np.cumsum([0, *counts[:-1]])
    tracking = np.zeros(len(tilted), bool)
    tracking[firsts] = True
    pairs, gap_um = crowded(tilted, np.repeat(np.arange(len(areas)), counts), tracking, optics)
    gap_um = gap_um - optics.beam_diameter_um
    told = tracking[pairs].any(axis=1) & (gap_um > -SLACK_UM)
    told &= gap_um < optics.beam_margin_um - SLACK_UM
    found, done = [], set()
    for (first, second), free_um in zip(pairs[told].tolist(), gap_um[told]):
        one, other = (first, second) if tracking[first] else (second, first)
        if one in done:
            continue
        done |= {index for index in (one, other) if tracking[index]}
        what = "tracking target" if tracking[other] else "target"
        found.append(
            f"The beam of tracking target {names[one]} is {max(free_um, 0):.2f} um from that of "
            f"{what} {names[other]}, nearer than beam_margin ({optics.beam_margin_um:g} um)."
        )
    return found


def _geometry_problems(
    area: Area, number: int, targets: np.ndarray, names: Sequence[str], optics: Optics
) -> list[str]:
    found = []
    points = area.geometry_points_map_px
    where = f" of area {number}" if number else ""
    for index, (point, away_um) in enumerate(zip(points, _away_um(points, area, optics)), 1):
        name = f"Geometry point {index}{where}"
        gap_um = np.hypot(*(targets - point).T) * optics.pixel_um
        nearest = int(np.argmin(gap_um))
        if gap_um[nearest] < optics.beam_diameter_um / 2 - SLACK_UM:
            found.append(f"{name} lies under the beam of target {names[nearest]}.")
        if away_um > optics.image_shift_limit_um + SLACK_UM:
            found.append(
                f"{name} is {away_um:.1f} um from the tracking target, beyond the image-shift "
                f"limit of {optics.image_shift_limit_um:g} um."
            )
    where = f" in area {number}" if number else ""
    arm_um = lever_arm_um(points, optics)
    if not len(points):
        found.append(
            f"No geometry points{where}: there are not {LEAST} places on free lamella, apart from "
            "one another and from the targets' beams, that span a plane. PACEtomo cannot measure "
            "how the lamella lies; give it pretilt and rotation."
        )
    elif len(points) < LEAST:
        found.append(
            f"Only {len(points)} geometry points{where}, {LEAST} are needed to measure the "
            "lamella's geometry. Add some, or remove them to have them chosen."
        )
    elif arm_um < LEAST_LEVER_ARM_UM:
        found.append(
            f"The geometry points{where} lie nearly on a line (lever arm {arm_um:.2f} um, at least "
            f"{LEAST_LEVER_ARM_UM:g} um are needed): the tilt across it would be a guess. Move one "
            "away from the line."
        )
    return found


def _away_um(points: np.ndarray, area: Area, optics: Optics) -> np.ndarray:
    return np.hypot(*(points - area.targets_map_px[0]).T) * optics.pixel_um
