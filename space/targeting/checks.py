"""Points that a person gives: those of no use are refused, those that may do harm are warned of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from space.errors import SpaceError
from space.targeting.choice import TargetArea
from space.targeting.geometry_points import LEAST, LEAST_LEVER_ARM_UM, lever_arm_um
from space.targeting.options import ExposureOptics
from space.targeting.packing import TiltFrame, conflicts
from space.targeting.problem import Problem
from space.targeting.room import crowded
from space.targeting.series_settings import series_warning

# A person's numbers are rounded: to miss a limit by less than this does no harm.
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
        raise SpaceError("Points must be a list of (row, column) pairs.", what, "Use map pixels.")
    outside = ~((points >= 0) & (points <= np.array(map_shape))).all(axis=1)
    if outside.any():
        number = int(np.argmax(outside))
        row, column = points[number]
        raise SpaceError(
            f"Point {number + 1} at row {row:g}, column {column:g} is outside of the map of "
            f"{map_shape[0]} rows and {map_shape[1]} columns.",
            what,
            "Move it into the map or remove it.",
        )
    return points


def warnings_about(areas: Sequence[TargetArea], problem: Problem) -> list[str]:
    """What is wrong with targets and geometry points, in sentences that name them.

    Targets are numbered as in the targets files, with the number of their area if there are
    several: 2.1 is the tracking target of the second area.
    """
    optics, several = problem.optics, len(areas) > 1
    names = [
        f"{number}.{index}" if several else f"{index}"
        for number, area in enumerate(areas, 1)
        for index in range(1, len(area.targets_map_px) + 1)
    ]
    targets = np.concatenate([area.targets_map_px for area in areas])
    tilted = TiltFrame.of(optics).from_map(targets)
    found = _overlap_warnings(names, tilted, optics)
    found += _room_warnings(areas, names, tilted, optics)
    for number, area in enumerate(areas, 1):
        found += _target_warnings(area, f"{number}." if several else "", problem)
        found += _geometry_warnings(area, number if several else 0, targets, names, optics)
        steep = series_warning(area.series, f" of area {number}" if several else "", optics)
        found += [steep] if steep else []
    return found


def _overlap_warnings(
    names: Sequence[str], tilted: np.ndarray, optics: ExposureOptics
) -> list[str]:
    found = []
    for first, second in conflicts(tilted, optics.beam_diameter_um - SLACK_UM):
        overlap_um = optics.beam_diameter_um - float(np.hypot(*(tilted[first] - tilted[second])))
        found.append(
            f"The beams of targets {names[first]} and {names[second]} overlap by "
            f"{overlap_um:.2f} um at {optics.steepest_tilt_deg:g} degrees."
        )
    return found


def _target_warnings(area: TargetArea, prefix: str, problem: Problem) -> list[str]:
    """Targets of an area beside the lamella, out of reach, leaving the map, or of a low score."""
    optics, found = problem.optics, []
    limit_um = optics.image_shift_limit_um
    away_um = _from_tracking_um(area.targets_map_px, area, optics)
    held = problem.scores.holds_field(area.targets_map_px)
    thresholds = problem.thresholds_at(area.targets_map_px)
    centred = problem.is_centred(area.targets_map_px)
    for index, score in enumerate(area.scores):
        name = f"Target {prefix}{index + 1}"
        if not centred[index]:
            found.append(f"{name} is centred in vacuum, on bulk or on coating (on_lamella_only).")
        if away_um[index] > limit_um + SLACK_UM:
            found.append(
                f"{name} is {away_um[index]:.1f} um from its tracking target, beyond the "
                f"image-shift limit of {limit_um:g} um."
            )
        for_tracking_alone = area.extra_tracking and index == 0
        if not held[index]:
            found.append(f"{name}: its Record field leaves the map, so its score is 0.")
        elif score < thresholds[index] and not for_tracking_alone:
            found.append(
                f"{name} scores {score:.3g}, below the threshold of {thresholds[index]:g}."
            )
    return found


def _room_warnings(
    areas: Sequence[TargetArea], names: Sequence[str], tilted: np.ndarray, optics: ExposureOptics
) -> list[str]:
    """Tracking targets whose beams have less than the margin around them, but no overlap."""
    counts = [len(area.targets_map_px) for area in areas]
    firsts = np.cumsum([0, *counts[:-1]])
    tracking = np.zeros(len(tilted), bool)
    tracking[firsts] = True
    pairs, gap_um = crowded(tilted, np.repeat(np.arange(len(areas)), counts), tracking, optics)
    gap_um = gap_um - optics.beam_diameter_um
    tight = tracking[pairs].any(axis=1) & (gap_um > -SLACK_UM)
    tight &= gap_um < optics.beam_margin_um - SLACK_UM
    found: list[str] = []
    named: set[int] = set()
    for pair, free_um in zip(pairs[tight].tolist(), gap_um[tight]):
        first, second = pair if tracking[pair[0]] else pair[::-1]
        if first in named:
            continue
        named |= {index for index in pair if tracking[index]}
        kind = "tracking target" if tracking[second] else "target"
        found.append(
            f"The beam of tracking target {names[first]} is {max(free_um, 0):.2f} um from that of "
            f"{kind} {names[second]}, nearer than beam_margin ({optics.beam_margin_um:g} um)."
        )
    return found


def _geometry_warnings(
    area: TargetArea, number: int, targets: np.ndarray, names: Sequence[str], optics: ExposureOptics
) -> list[str]:
    found = []
    points = area.geometry_points_map_px
    where = f" of area {number}" if number else ""
    for index, (point, away_um) in enumerate(
        zip(points, _from_tracking_um(points, area, optics)), 1
    ):
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
            f"No geometry points{where}: free lamella has too few positions, apart from one "
            "another and from the targets' beams, to span a plane. PACEtomo cannot measure the "
            "lamella's geometry: set pretilt and rotation in PACEtomo."
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


def _from_tracking_um(points: np.ndarray, area: TargetArea, optics: ExposureOptics) -> np.ndarray:
    return np.hypot(*(points - area.tracking_map_px).T) * optics.pixel_um
