"""The areas of a lamella and their tilt series, from targets files, run files and mdocs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from space import pacetomo
from space.errors import SpaceError
from space.files import read_bytes_bounded
from space.microscope import SavedItem, mdoc
from space.overview.facts import AreaFacts, SeriesFacts
from space.series import TOMOGRAMS, tomogram_beside
from space.steps import (
    FilesOfGrid,
    Listing,
    begun_files,
    cut_files,
    find_files,
    has_no_targets,
    targets_files,
)

_LARGEST_MDOC_BYTES = 32_000_000
_PICTURE = re.compile(rb"^\s*\[\s*ZValue\s*=", re.MULTILINE)
_TILT = re.compile(rb"^\s*TiltAngle\s*=\s*(-?\d{1,3}(?:\.\d*)?)", re.MULTILINE)


def areas_of(
    files: FilesOfGrid, number: int, notes: Mapping[str, SavedItem], listing: Listing
) -> tuple[AreaFacts, ...]:
    """Return the areas of a lamella that have a targets file with targets.

    Parameters
    ----------
    files : FilesOfGrid
    number : int
        Number of the lamella.
    notes : mapping of str to SavedItem
        The maps of the Navigator file by note.
    listing : Listing
        What is in the session's directory.
    """
    if has_no_targets(files, number):
        return ()
    paths = targets_files(files, number, listing)
    cut = set(cut_files(files, number, listing))
    found = [
        _area(path, area, notes.get(path.name), path in cut, listing)
        for area, path in enumerate(paths, 1)
    ]
    return tuple(area for area in found if area.targets or area.problem)


def _area(
    path: Path, number: int, item: SavedItem | None, is_cut: bool, listing: Listing
) -> AreaFacts:
    runs = find_files(path.parent, pacetomo.run_files_pattern(path.name), listing)
    newest = max(runs, default=path)
    area = AreaFacts(
        number,
        path,
        newest,
        in_navigator=item is not None,
        acquire=item is not None and item.acquire,
        begun=bool(begun_files(path, listing)),
    )
    try:
        content = pacetomo.read(newest)
    except SpaceError as error:
        return replace(area, problem=str(error))
    has_tomograms = bool(listing.find(TOMOGRAMS))
    series = tuple(
        _series(path.parent, target_number, target, has_tomograms)
        for target_number, target in enumerate(content.targets, 1)
    )
    planned_deg, step_deg = _planned(content)
    return replace(
        area,
        targets=len(series),
        geometry_points=len(content.geo_points),
        planned_deg=planned_deg,
        step_deg=step_deg,
        series=series,
        problem=f"{path.name} is incomplete" if is_cut else "",
    )


def _planned(content: pacetomo.TargetsFile) -> tuple[tuple[float, float] | None, float]:
    """Return the range of tilts and the step that a run file says; None and 0 if it has none."""
    given = {name: float(value) for word, name, value in content.head if word == "_set"}
    if not {"minTilt", "maxTilt"} <= given.keys():
        return None, 0.0
    return (given["minTilt"], given["maxTilt"]), abs(given.get("step", 0.0))


def _series(folder: Path, number: int, target: pacetomo.Target, has_tomograms: bool) -> SeriesFacts:
    path = folder / target.tsfile
    notes = mdoc.path_of(path)
    pictures, tilts = pictures_in(notes)
    return SeriesFacts(
        target.tsfile,
        number,
        path if path.is_file() else None,
        notes if notes.is_file() else None,
        target.skip,
        target.score,
        pictures,
        min(tilts, default=None),
        max(tilts, default=None),
        tomogram_beside(path) if has_tomograms else None,
    )


def pictures_in(path: Path) -> tuple[int, list[float]]:
    """Return how many pictures an mdoc tells of, and their tilts; an odd file tells nothing."""
    try:
        data = read_bytes_bounded(path, _LARGEST_MDOC_BYTES)
    except OSError:
        return 0, []
    return len(_PICTURE.findall(data)), [float(found) for found in _TILT.findall(data)]
