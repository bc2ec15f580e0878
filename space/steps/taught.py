"""What the tilt series of one area have taught about a lamella, for its next areas."""

from __future__ import annotations

import logging
import math
from pathlib import Path

from space import pacetomo
from space.errors import SpaceError
from space.files import read_bytes_bounded, write_bytes_atomic
from space.journal import Kind, note
from space.microscope import survives
from space.steps.session import GridSession
from space.steps.target_facts import begun_files, find_files, targets_files

STEEPEST_PRETILT_DEG = 45.0
"""No lamella is milled steeper; a measurement that says so has failed."""

_NAMES = ("pretilt", "rotation")
log = logging.getLogger("space.workflow")


def teach_next_areas(session: GridSession, number: int) -> None:
    """Give the areas of a lamella that cannot measure its geometry what another one has measured.

    PACEtomo notes the values in its run files. They go into the heads of targets files with which
    it has not begun. Where a file says something about them already, or has geometry points
    enough to measure anew, it stays as it is.
    """
    paths = targets_files(session, number)
    if len(paths) < 2:
        return
    taught = next((values for path in paths if (values := _measured(path))), None)
    if taught is None:
        return
    for path in paths:
        with survives(f"{path.name} did not get the measured geometry", level=logging.WARNING):
            if _needs_teaching(path):
                _teach(path, taught)
                _tell(session, number, path, taught)


def _measured(targets_file: Path) -> dict[str, str] | None:
    """Return what PACEtomo has measured in an area; None if it has not.

    Its run files name a pretilt in any case: without geometry points it is that of its settings.
    """
    runs = find_files(targets_file.parent, pacetomo.run_files_pattern(targets_file.name))
    try:
        if not runs or not _measures(pacetomo.read(targets_file)):
            return None
        head = pacetomo.read(runs[-1]).head
    except (OSError, SpaceError):
        return None
    values = {name: value for word, name, value in head if word == "_set" and name in _NAMES}
    return values if _is_likely(values) else None


def _is_likely(values: dict[str, str]) -> bool:
    try:
        pretilt, rotation = (float(values[name]) for name in _NAMES)
    except (KeyError, ValueError):
        return False
    return abs(pretilt) <= STEEPEST_PRETILT_DEG and math.isfinite(rotation) and abs(rotation) <= 180


def _measures(read: pacetomo.TargetsFile) -> bool:
    enough = len(read.geo_points) >= pacetomo.FEWEST_GEO_POINTS
    return enough and pacetomo.MEASURE_GEOMETRY in read.head


def _needs_teaching(targets_file: Path) -> bool:
    if begun_files(targets_file):
        return False
    read = pacetomo.read(targets_file)
    told = {name for word, name, _ in read.head if word == "_set"}
    return bool(read.targets) and not _measures(read) and not told & set(_NAMES)


def _teach(targets_file: Path, values: dict[str, str]) -> None:
    """Put the values before all that is in the file, which stays as it is."""
    text = read_bytes_bounded(targets_file)
    end = "\r\n" if b"\r\n" in text else "\n"
    head = "".join(f"_set {name} = {values[name]}{end}" for name in _NAMES)
    write_bytes_atomic(targets_file, head.encode("ascii") + text)


def _tell(session: GridSession, number: int, path: Path, values: dict[str, str]) -> None:
    pretilt, rotation = (float(values[name]) for name in _NAMES)
    log.info(
        "%s: pretilt %.1f and rotation %.1f degrees, as PACEtomo measured them on this lamella.",
        path.name,
        pretilt,
        rotation,
    )
    note(
        session.directory,
        Kind.GEOMETRY_TAKEN_OVER,
        session.grid,
        number,
        path.name,
        pretilt_deg=pretilt,
        rotation_deg=rotation,
    )
