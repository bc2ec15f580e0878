"""Level 4: targets of one lamella, as files and Navigator items that PACEtomo runs from."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from space import pacetomo
from space.errors import SpaceError
from space.files import write_text_atomic
from space.geometry import MapFrame, field_rotation_deg, specimen_shift_um
from space.microscope import montage, navigator, preview, scope, stage, states, virtual_map
from space.microscope.montage import MapImage
from space.microscope.navigator import Item
from space.microscope.scope import RecordOptics
from space.microscope.sem import reason
from space.models.class_table import read_labels
from space.settings import LARGEST_SHIFT_UM
from space.steps.choose import choose_targets
from space.steps.collect import map_item
from space.steps.earlier import first_free_series, put_aside
from space.steps.inference import read_segmentation
from space.steps.map_facts import MapFacts, checked_facts
from space.steps.session import GridSession, map_label
from space.steps.target_plots import draw_score, draw_segmentation, draw_targets
from space.targeting import Area, Optics, TargetingOptions, wanted_mask

POINT_COLOR_GEOMETRY = 4
"""Navigator colour of geometry points."""

_CREEP_UM = 0.01
"""Beams are taken wider by what the specimen creeps between the pictures of one tilt."""

_STAGE_DIGITS = 4
_log = logging.getLogger("space.workflow")


def set_up_targets(session: GridSession, number: int, labels_path: Path) -> int:
    """Choose the targets of a lamella and write all that PACEtomo needs.

    Parameters
    ----------
    session : GridSession
        The grid's session.
    number : int
        The lamella's number.
    labels_path : Path
        Its segmentation.

    Returns
    -------
    int
        Number of targets.
    """
    item = _map_item(session, number)
    loaded = montage.load_map(item.index)
    facts = checked_facts(session, number, loaded)
    labels, told_names = read_segmentation(labels_path)
    if labels.shape != facts.frame.shape:
        raise SpaceError(
            f"The segmentation has {labels.shape} pixels and its map {facts.frame.shape}.",
            str(labels_path),
            "Delete it and run the script again.",
        )
    record = scope.record_optics(session.settings.beam_diameter)
    optics = optics_of(session, facts, record)
    names = names_of(session, told_names, labels_path)
    options = targeting_options(session)
    _log.info("%s: choosing targets...", session.map_stem(number))
    choice = choose_targets(session, number, labels, names, options, optics, facts.frame)
    wanted = wanted_mask(labels, names, options, choice.polygons_map_px)
    draw_targets(session, number, wanted, choice.areas, optics)
    draw_score(session, number, choice, optics)
    draw_segmentation(session, number, labels_path)
    if not choice.areas:
        put_aside(session, number)
        write_text_atomic(session.targets_file(number), "")
        _log.warning(
            "%s has no targets: an empty targets file was written.", session.map_stem(number)
        )
        return 0
    navigator.move_to(item.index)  # new map items get the stage's height
    put_aside(session, number)
    tracking = [
        _write_area(session, number, area_number, area, facts, loaded)
        for area_number, area in enumerate(choice.areas, start=1)
    ]
    # The note of the first area's item says that everything is there, so it comes last.
    for index, path in reversed(tracking):
        _mark_for_acquisition(index, path)
    navigator.save()
    _log.info(
        "%s: %d targets in %d area(s).",
        session.map_stem(number),
        choice.n_targets,
        len(choice.areas),
    )
    return choice.n_targets


def _map_item(session: GridSession, number: int) -> Item:
    item = map_item(session, number)
    if item is None:
        raise SpaceError(
            "The Navigator has no item for a lamella map.",
            session.map_note(number),
            "Delete its files and run the script again.",
        )
    return item


def names_of(session: GridSession, told: dict[str, int], labels_path: Path) -> dict[str, int]:
    """Return the classes of a segmentation: as it tells itself, else as the model here has them.

    A monitor may run another model than the one that is configured here.
    """
    own = read_labels(session.config.segmentation_model)
    if told and told != own:
        _log.warning(
            "%s was made with other classes than those of the model here: its own are used.",
            labels_path.name,
        )
    return told or own


def targeting_options(session: GridSession) -> TargetingOptions:
    """Return the settings that concern target selection."""
    return TargetingOptions.of_session(session.settings, session.config.off_lamella_classes)


def optics_of(session: GridSession, facts: MapFacts, record: RecordOptics) -> Optics:
    """Return what beam and camera cover in a map."""
    return Optics(
        pixel_nm=facts.pixel_nm,
        field_um=record.field_um,
        beam_diameter_um=record.beam_diameter_um + _CREEP_UM,
        tilt_axis_deg=facts.frame.tilt_axis_deg(),
        field_rotation_deg=field_rotation_deg(record.rotation_deg, facts.view.rotation_deg),
        image_shift_limit_um=session.settings.image_shift_limit,
        max_tilt_deg=session.settings.max_tilt,
        pretilt_deg=session.settings.pretilt,
        beam_margin_um=session.settings.beam_margin,
    )


def _write_area(
    session: GridSession,
    number: int,
    area_number: int,
    area: Area,
    facts: MapFacts,
    loaded: MapImage,
) -> tuple[int, Path]:
    """Write an area's files and items; return its tracking target's item and targets file."""
    root = pacetomo.area_root(session.map_stem(number), area_number)
    points_stage_um = facts.frame.to_stage(area.targets_map_px)
    label = map_label(number) + (f"a{area_number}" if area_number > 1 else "")
    indexes = []
    _, _, z_um = stage.stage_position_um()
    for position, point in enumerate(points_stage_um, start=1):
        name = pacetomo.view_file_name(root, position)
        _write_view(session.directory / name, point, facts, loaded, z_um)
        indexes.append(
            virtual_map.register(session.directory / name, f"{label}_{position:03d}", name)
        )
    _add_geometry_items(root, label, facts.frame.to_stage(area.geometry_points_map_px))
    path = session.directory / pacetomo.targets_file_name(root)
    series = first_free_series(session, root)
    targets = _targets(root, series, area, points_stage_um, facts.frame)
    if session.settings.take_previews:
        targets = _with_previews(session, root, indexes[0], targets)
    write_text_atomic(path, pacetomo.render(targets) + pacetomo.END)
    return indexes[0], path


def _with_previews(
    session: GridSession, root: str, index: int, targets: pacetomo.TargetsFile
) -> pacetomo.TargetsFile:
    """Take a Preview of each target; where that fails, targets go without."""
    names = [pacetomo.preview_file_name(root, n) for n, _ in enumerate(targets.targets, start=1)]
    _log.info("%s: taking %d Preview pictures...", root, len(names))
    try:
        navigator.move_to(index)
        states.go_to_area("V")
        preview.centre_on(session.directory / targets.targets[0].viewfile)
        preview.take_previews(
            [
                (session.directory / name, target.shift_um or (0.0, 0.0))
                for name, target in zip(names, targets.targets)
            ]
        )
    except Exception as error:  # PACEtomo can do without, but not with refFromPreview
        _log.error(
            "%s: Preview pictures failed: %s. Its targets have none: set refFromPreview = False in "
            "PACEtomo, or delete its targets file and run the script again.",
            root,
            reason(error),
        )
        return targets
    finally:
        states.go_to_area("V")
    with_files = (replace(one, tgtfile=name) for one, name in zip(targets.targets, names))
    return replace(targets, targets=tuple(with_files))


def _mark_for_acquisition(index: int, path: Path) -> None:
    acquired = navigator.set_acquire(index)
    navigator.describe(index, note=path.name)
    if not acquired:
        _log.warning(
            "%s is set up but not marked for acquisition; turn Acquire on for its item "
            "and start Acquire at Items again.",
            path.name,
        )


def _write_view(
    path: Path, point_stage_um: np.ndarray, facts: MapFacts, loaded: MapImage, z_um: float
) -> None:
    """Cut the View picture around a target out of the montage."""
    enlarge = loaded.picture.pixel_nm / facts.view.pixel_nm
    center = loaded.frame.to_map(point_stage_um[np.newaxis])[0]
    cut = virtual_map.cut_out(
        loaded.picture.data, (center[0], center[1]), facts.view_shape_px, enlarge
    )
    raw = _stage_reading(point_stage_um)
    virtual_map.write_view(path, cut, facts.view, (float(raw[0]), float(raw[1])), z_um)


def _stage_reading(points_stage_um: np.ndarray) -> np.ndarray:
    """Return the stage readings for Navigator positions."""
    return points_stage_um - np.array(scope.navigator_offset_um())


def cut_views_again(session: GridSession, number: int, targets: Sequence[pacetomo.Target]) -> None:
    """Cut the View pictures of targets out of the lamella's map once more.

    Raises
    ------
    SpaceError
        When there is no such map, or a target has no stage position.
    """
    item = _map_item(session, number)
    loaded = montage.load_map(item.index)
    facts = checked_facts(session, number, loaded)
    for target in targets:
        if target.stage_um is None:
            raise SpaceError("A target has no stage position.", target.viewfile)
        point_stage_um = np.array(target.stage_um) + np.array(scope.navigator_offset_um())
        path = session.directory / target.viewfile
        _write_view(path, point_stage_um, facts, loaded, item.z_um)


def _targets(
    root: str, series: int, area: Area, points_stage_um: np.ndarray, frame: MapFrame
) -> pacetomo.TargetsFile:
    matrix = scope.stage_to_specimen()
    origin = points_stage_um[0]
    shifts = _rounded(specimen_shift_um(points_stage_um, origin, matrix))
    _warn_of_far_targets(root, shifts)
    readings = _rounded(_stage_reading(points_stage_um))
    geometry = _rounded(
        specimen_shift_um(frame.to_stage(area.geometry_points_map_px), origin, matrix)
    )
    measured = len(geometry) >= pacetomo.FEWEST_GEO_POINTS
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
        head=(pacetomo.MEASURE_GEOMETRY,) if measured else (),
    )


def _warn_of_far_targets(root: str, shifts_um: list[tuple[float, float]]) -> None:
    far = [n for n, shift in enumerate(shifts_um, start=1) if math.hypot(*shift) > LARGEST_SHIFT_UM]
    if far:
        _log.warning(
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


def _add_geometry_items(root: str, label: str, points_stage_um: np.ndarray) -> None:
    _, _, z_um = stage.stage_position_um()
    for position, (x_um, y_um) in enumerate(points_stage_um, start=1):
        index = navigator.add_stage_point(x_um, y_um, z_um)
        navigator.describe(index, f"{label}_geo{position}", f"{root}_geo", POINT_COLOR_GEOMETRY)
