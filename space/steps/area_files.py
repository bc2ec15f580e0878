"""What PACEtomo runs an area from: its targets file, View maps and Navigator items."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from space import pacetomo
from space.errors import SpaceError
from space.files import write_text_atomic
from space.geometry import specimen_shift_um
from space.microscope import (
    MapImage,
    navigator,
    preview,
    scope,
    states,
    survives,
    virtual_map,
)
from space.settings import LARGEST_SHIFT_UM
from space.steps.collect import load_lamella_map, required_map_item
from space.steps.earlier import first_free_series
from space.steps.map_facts import MapFacts, checked_facts
from space.steps.session import GridSession, map_label
from space.targeting import MEASURED, TargetArea

POINT_COLOR_GEOMETRY = 4
"""Navigator colour of geometry points."""

LOW_DOSE_AREA = "SPACEarea"
"""Key of targets for which Record is set like another low dose area; PACEtomo passes it over."""

_STAGE_DIGITS = 4
log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class MapOnStage:
    """A lamella's map, and how places in it are reached.

    Attributes
    ----------
    image : MapImage
        The map as it was collected.
    facts : MapFacts
        What was noted beside its picture.
    z_um : float
        Height of the lamella.
    navigator_offset_um : tuple of float
        Navigator position minus stage reading.
    stage_to_specimen : tuple of float
        Matrix stage → specimen.
    """

    image: MapImage
    facts: MapFacts
    z_um: float
    navigator_offset_um: tuple[float, float]
    stage_to_specimen: tuple[float, ...]

    def readings_um(self, points_stage_um: np.ndarray) -> np.ndarray:
        """Return the stage readings (n, 2) for Navigator positions (n, 2)."""
        return points_stage_um - np.array(self.navigator_offset_um)


def map_on_stage(image: MapImage, facts: MapFacts, z_um: float) -> MapOnStage:
    """Ask the microscope how places in a map are reached now."""
    return MapOnStage(image, facts, z_um, scope.navigator_offset_um(), scope.stage_to_specimen())


def write_area(
    session: GridSession,
    number: int,
    area_number: int,
    area: TargetArea,
    lamella_map: MapOnStage,
    low_dose_area: str = "",
) -> tuple[int, Path]:
    """Write an area's files and items; return its tracking target's item and targets file.

    Parameters
    ----------
    session : GridSession
        The grid's session.
    number, area_number : int
        Numbers of the lamella and of its area, from 1.
    area : TargetArea
        Targets and geometry points.
    lamella_map : MapOnStage
        The map that View maps are cut out of.
    low_dose_area : str, optional
        Name of the area that Record is to be set like for these series, which are broad ones then.
    """
    stem, label = session.map_stem(number), map_label(number)
    if low_dose_area:
        stem, label = pacetomo.broad_root(stem), f"{label}b"
    root = pacetomo.area_root(stem, area_number)
    label += f"a{area_number}" if area_number > 1 else ""
    frame = lamella_map.facts.frame
    points_stage_um = frame.to_stage(area.targets_map_px)
    geometry_stage_um = frame.to_stage(area.geometry_points_map_px)
    indexes = []
    for position, point in enumerate(points_stage_um, start=1):
        path = session.directory / pacetomo.view_file_name(root, position)
        _write_view(path, point, lamella_map)
        indexes.append(virtual_map.register(path, f"{label}_{position:03d}", path.name))
    _add_geometry_items(root, label, geometry_stage_um, lamella_map.z_um)
    targets = _targets_file(
        root,
        first_free_series(session, root),
        points_stage_um,
        area,
        geometry_stage_um,
        lamella_map,
    )
    if low_dose_area:
        targets = pacetomo.with_key(targets, LOW_DOSE_AREA, low_dose_area)
    elif session.settings.take_previews:
        targets = _with_previews(session, root, indexes[0], targets)
    path = session.directory / pacetomo.targets_file_name(root)
    write_text_atomic(path, pacetomo.render(targets) + pacetomo.END)
    return indexes[0], path


def mark_for_acquisition(index: int, path: Path) -> None:
    """Turn Acquire on for the item of a targets file, and note the file's name in it."""
    acquired = navigator.set_acquire(index)
    navigator.describe(index, note=path.name)
    if not acquired:
        log.warning(
            "%s is set up but not marked for acquisition; turn Acquire on for its item "
            "and start Acquire at Items again.",
            path.name,
        )


def cut_views_again(session: GridSession, number: int, targets: Sequence[pacetomo.Target]) -> None:
    """Cut the View pictures of targets out of the lamella's map once more.

    Raises
    ------
    SpaceError
        When there is no such map, or a target has no stage position.
    """
    item = required_map_item(session, number)
    image = load_lamella_map(session, number, item.index)
    lamella_map = map_on_stage(image, checked_facts(session, number, image), item.z_um)
    for target in targets:
        if target.stage_um is None:
            raise SpaceError("A target has no stage position.", target.viewfile)
        point_stage_um = np.array(target.stage_um) + np.array(lamella_map.navigator_offset_um)
        _write_view(session.directory / target.viewfile, point_stage_um, lamella_map)


def _write_view(path: Path, point_stage_um: np.ndarray, lamella_map: MapOnStage) -> None:
    """Cut the View picture around a target out of the montage."""
    image, facts = lamella_map.image, lamella_map.facts
    enlarge = image.picture.pixel_nm / facts.view.pixel_nm
    row, column = image.frame.to_map(point_stage_um[np.newaxis])[0]
    cut = virtual_map.cut_out(
        image.picture.data, (row, column), facts.view_shape_px, enlarge, facts.turned_deg
    )
    x_um, y_um = lamella_map.readings_um(point_stage_um)
    # As a View picture is taken now, on a grid that may lie turned against its map.
    view = replace(facts.view, rotation_deg=facts.view.rotation_deg - facts.turned_deg)
    virtual_map.write_view(path, cut, view, (float(x_um), float(y_um)), lamella_map.z_um)


def _add_geometry_items(root: str, label: str, points_stage_um: np.ndarray, z_um: float) -> None:
    for position, (x_um, y_um) in enumerate(points_stage_um, start=1):
        index = navigator.add_stage_point(x_um, y_um, z_um)
        navigator.describe(index, f"{label}_geo{position}", f"{root}_geo", POINT_COLOR_GEOMETRY)


def _targets_file(
    root: str,
    series: int,
    points_stage_um: np.ndarray,
    area: TargetArea,
    geometry_stage_um: np.ndarray,
    lamella_map: MapOnStage,
) -> pacetomo.TargetsFile:
    matrix, origin = lamella_map.stage_to_specimen, points_stage_um[0]
    shifts = _rounded(specimen_shift_um(points_stage_um, origin, matrix))
    _warn_of_far_targets(root, shifts)
    readings = _rounded(lamella_map.readings_um(points_stage_um))
    geometry = _rounded(specimen_shift_um(geometry_stage_um, origin, matrix))
    return pacetomo.TargetsFile(
        targets=tuple(
            pacetomo.Target(
                tsfile=pacetomo.tilt_series_name(root, position, series),
                shift_um=shift,
                stage_um=reading,
                viewfile=pacetomo.view_file_name(root, position),
                score=round(float(score), 4),
            )
            for position, (shift, reading, score) in enumerate(
                zip(shifts, readings, area.scores), start=1
            )
        ),
        geo_points=tuple(pacetomo.GeoPoint(shift) for shift in geometry),
        head=head_of(area),
    )


def head_of(area: TargetArea) -> tuple[tuple[str, str, str], ...]:
    """Return what the targets file of an area sets of PACEtomo's script, for these targets alone.

    What a person gives of the lamella's geometry counts in place of what PACEtomo would measure.
    """
    given = any(name in area.series for name in MEASURED)
    measured = len(area.geometry_points_map_px) >= pacetomo.FEWEST_GEO_POINTS and not given
    first = (pacetomo.MEASURE_GEOMETRY,) if measured else ()
    return (*first, *pacetomo.overrides(area.series))


def _warn_of_far_targets(root: str, shifts_um: list[tuple[float, float]]) -> None:
    far = [n for n, shift in enumerate(shifts_um, start=1) if math.hypot(*shift) > LARGEST_SHIFT_UM]
    if far:
        log.warning(
            "%s: PACEtomo will skip target(s) %s, more than %g um from the tracking target. "
            "Lower image_shift_limit.",
            root,
            ", ".join(map(str, far)),
            LARGEST_SHIFT_UM,
        )


def _rounded(points: np.ndarray) -> list[tuple[float, float]]:
    # Tenths of a nanometre; adding 0.0 turns a negative zero into a plain one.
    return [
        (round(float(x), _STAGE_DIGITS) + 0.0, round(float(y), _STAGE_DIGITS) + 0.0)
        for x, y in points
    ]


def _with_previews(
    session: GridSession, root: str, index: int, targets: pacetomo.TargetsFile
) -> pacetomo.TargetsFile:
    """Take a Preview of each target; if that fails, return the targets without them.

    PACEtomo needs Preview pictures only for refFromPreview.
    """
    names = [pacetomo.preview_file_name(root, n) for n, _ in enumerate(targets.targets, start=1)]
    log.info("%s: taking %d Preview pictures...", root, len(names))
    try:
        with survives(
            f"{root}: Preview pictures failed",
            "Its targets have none: set refFromPreview = False in PACEtomo, or delete its targets "
            "file and run the script again.",
        ) as outcome:
            navigator.move_to(index)
            states.go_to_area("V")
            preview.centre_on(session.directory / targets.targets[0].viewfile)
            preview.take_previews(
                [
                    (session.directory / name, target.shift_um or (0.0, 0.0))
                    for name, target in zip(names, targets.targets)
                ]
            )
    finally:
        states.go_to_area("V")
    if outcome.failed:
        return targets
    with_files = (replace(target, tgtfile=name) for target, name in zip(targets.targets, names))
    return replace(targets, targets=tuple(with_files))
