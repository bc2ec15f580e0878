"""Focus and tilt range are tried on a lamella before its tilt series, if `try_focus_and_tilt` asks.

The stage tilts to both ends of the range and back to where series start, and autofocus measures
once, on the geometry point that is farthest from all targets: no target is exposed. A lamella
that fails is not acquired, and is tried again in the next run.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space import pacetomo
from space.errors import SpaceError
from space.journal import Kind, note
from space.microscope import (
    focusing,
    navigator,
    preview,
    scope,
    series_needs,
    stage,
    states,
    survives,
)
from space.steps import steering, tried
from space.steps.session import GridSession
from space.steps.target_facts import has_no_targets, is_begun, targets_files

_START, _LOWEST, _HIGHEST = "startTilt", "minTilt", "maxTilt"
"""PACEtomo's names of the ends of the range, as the head of a targets file may set them."""

log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class TiltRange:
    """Tilt angles of the stage at which a series starts and ends."""

    start_deg: float
    lowest_deg: float
    highest_deg: float


def tilt_range(targets: pacetomo.TargetsFile, max_tilt_deg: float) -> TiltRange:
    """Return the range of a lamella's series: that of its targets file, else from -max to max."""
    told = {name: value for word, name, value in targets.head if word == "_set"}

    def number(name: str, otherwise: float) -> float:
        try:
            value = float(told[name])
        except (KeyError, ValueError):
            return otherwise
        return value if math.isfinite(value) else otherwise

    return TiltRange(
        number(_START, 0.0), number(_LOWEST, -max_tilt_deg), number(_HIGHEST, max_tilt_deg)
    )


def place_to_focus_um(targets: pacetomo.TargetsFile) -> tuple[float, float] | None:
    """Return the shift to the geometry point farthest from all targets; None without one."""
    points = np.array([one.shift_um for one in targets.geo_points if one.shift_um is not None])
    places = np.array([one.shift_um for one in targets.targets if one.shift_um is not None])
    if not len(points) or len(places) < len(targets.targets):
        return None
    apart_um = np.linalg.norm(points[:, np.newaxis] - places, axis=2).min(axis=1)
    x_um, y_um = points[int(apart_um.argmax())]
    return float(x_um), float(y_um)


def try_lamella(session: GridSession, number: int) -> None:
    """Try focus and tilt range of a lamella if that is wanted and was not done.

    A failure is reported, and Acquire of the lamella's items is turned off.
    """
    if not _is_due(session, number):
        return
    stem = session.map_stem(number)
    log.info("%s: focus and tilt range are tried...", stem)
    with survives(
        f"{stem}: focus and tilt range were tried and failed",
        "It is not acquired. It is tried again when the script is run again; with "
        "try_focus_and_tilt = False it is acquired without.",
    ) as outcome:
        numbers = _try(targets_files(session, number)[0], session.settings.max_tilt)
        note(session.directory, Kind.LAMELLA_TRIED, session.grid, number, "", failed=0, **numbers)
    if outcome.failed:
        reason = outcome.reason
        note(session.directory, Kind.LAMELLA_TRIED, session.grid, number, reason, failed=1)
    with survives(f"{stem}: what came of it was not noted"):
        tried.keep(session, number, outcome.reason)
        steering.keep_skipped_off(session)


def try_earlier(session: GridSession, numbers: list[int]) -> None:
    """Try the lamellae that were set up in earlier runs, and those that failed then."""
    if not session.settings.try_focus_and_tilt:
        if tried.failed(session):
            tried.forget_failures(session)
            steering.keep_skipped_off(session)
        return
    due = [number for number in numbers if _is_due(session, number)]
    for number in steering.visits(session, due):
        try_lamella(session, number)


def _is_due(session: GridSession, number: int) -> bool:
    """Whether a lamella has targets with which nobody has begun, and was not tried well.

    What failed is not tried again while Acquire at Items is running.
    """
    if not session.settings.try_focus_and_tilt or number in steering.left_out(session):
        return False
    paths = targets_files(session, number)
    if not paths or is_begun(session, number) or has_no_targets(session, number):
        return False
    why = tried.outcomes(session).get(number)
    if why is not None:
        return bool(why) and not navigator.is_acquiring()
    items = [navigator.map_with_note(path.name) for path in paths]
    return any(item is not None and navigator.acquire_is_on(item.index) for item in items)


def _try(path: Path, max_tilt_deg: float) -> dict[str, float]:
    """Tilt and focus at the tracking target of a targets file; return what was found."""
    targets = pacetomo.read(path)
    item = navigator.map_with_note(path.name)
    if item is None:
        raise SpaceError("Its targets have no item in the Navigator.", path.name)
    angles = tilt_range(targets, max_tilt_deg)
    navigator.move_to(item.index)
    states.go_to_area("V")
    try:
        for angle_deg in (angles.lowest_deg, angles.highest_deg, angles.start_deg):
            stage.tilt_to(angle_deg)
        found = _focus(path, targets, angles.start_deg)
    finally:
        stage.level_stage()
        states.go_to_area("V")
    log.info(
        "%s: the stage tilts from %g to %g degrees%s.",
        path.name,
        angles.lowest_deg,
        angles.highest_deg,
        "" if found is None else f"; autofocus measures {found:.1f} um at {angles.start_deg:g}",
    )
    numbers = {"lowest_deg": angles.lowest_deg, "highest_deg": angles.highest_deg}
    return numbers if found is None else {**numbers, "defocus_um": found}


def _focus(path: Path, targets: pacetomo.TargetsFile, tilt_deg: float) -> float | None:
    """Measure the defocus beside the targets; None where that cannot be done."""
    place_um = place_to_focus_um(targets)
    beside = series_needs.focus_beside_record()
    if place_um is None or beside:
        log.warning(
            "%s: only the tilt range was tried, not the focus: %s.",
            path.name,
            "Focus lies beside Record, and would expose what lies there"
            if beside
            else "there is no geometry point, and a target would be exposed",
        )
        return None
    first = targets.targets[0]
    if first.viewfile:
        preview.centre_on(path.parent / first.viewfile)
    try:
        states.go_to_area("R")
        scope.shift_image(place_um[0], place_um[1] * math.cos(math.radians(tilt_deg)))
        return focusing.measured_defocus_um()
    finally:
        scope.set_image_shift(0.0, 0.0)
