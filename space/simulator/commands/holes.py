"""Holes of the film, and several Records at a pattern of image shifts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.commands import files, scope
from space.simulator.commands.image_places import placed_image
from space.simulator.commands.navigator import opened
from space.simulator.measuring import hole_finder
from space.simulator.program.nav_items import image_to_stage_um, point_item
from space.simulator.program.workbench import FoundHoles, HoleSettings

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

# Part of a hole's radius within which its counts are averaged.
INNER_PART = 0.7


def set_hole_finder_params(
    session: Session,
    diameter_um: float,
    spacing_um: float,
    hexagonal: int,
    error: float | None = None,
    thresholds: str | None = None,
    sigmas: str | None = None,
    show: int | None = None,
) -> None:
    """Diameter and spacing of the holes to find, in µm; square lattices only.

    Error, thresholds and sigmas are reported again and have no effect; what is left out stays.
    """
    if hexagonal:
        raise SEMerror("SetHoleFinderParams: hexagonal lattices are not simulated")
    if not 0 < diameter_um < spacing_um:
        raise SEMerror("Holes must be smaller than their spacing")
    before = session.workbench.hole_settings
    session.workbench.hole_settings = HoleSettings(
        diameter_um,
        spacing_um,
        before.error_um if error is None else error,
        before.thresholds if thresholds is None else thresholds,
        before.sigmas if sigmas is None else sigmas,
    )


def report_hole_finder_params(session: Session) -> tuple[float | str, ...]:
    """Parameters of the hole finder, in the order of SetHoleFinderParams (inferred).

    Diameter and spacing in µm, whether the lattice is hexagonal, largest error in µm, and the
    lists of thresholds and sigmas as text.
    """
    settings = session.workbench.hole_settings
    return (
        settings.diameter_um,
        settings.spacing_um,
        0.0,
        settings.error_um,
        settings.thresholds,
        settings.sigmas,
    )


def find_holes(
    session: Session,
    letter: str | None = None,
    unused: str | None = None,
    unused_too: str | None = None,
) -> None:
    """Find the holes in an image (A if none is named); MakeNavPointsAtHoles makes items of them."""
    image = placed_image(session, letter or "A")
    settings = session.workbench.hole_settings
    found = hole_finder.find_holes(
        image.data, image.pixel_um, settings.diameter_um, settings.spacing_um
    )
    if found is None:
        session.workbench.holes = None
        raise SEMerror("No lattice of holes was found in the image")
    radius = 0.5 * INNER_PART * settings.diameter_um / image.pixel_um
    usual = max(float(image.data.mean(dtype=np.float64)), 1e-6)
    centers = [(float(column), float(row)) for column, row in found.centers_px]
    means = [_disc_mean(image.data, center, radius) / usual for center in centers]
    first, second = found.vectors_px
    vectors = ((float(first[0]), float(first[1])), (float(second[0]), float(second[1])))
    session.workbench.holes = FoundHoles(image, centers, means, vectors)
    session.write_log(f"Found {len(centers)} holes")


def _disc_mean(data: np.ndarray, center: tuple[float, float], radius: float) -> float:
    column, row = center
    top, left = max(0, int(row - radius)), max(0, int(column - radius))
    part = data[top : int(row + radius) + 2, left : int(column + radius) + 2]
    y = np.arange(part.shape[0])[:, None] + top + 0.5 - row
    x = np.arange(part.shape[1])[None, :] + left + 0.5 - column
    return float(part[np.hypot(x, y) <= radius].mean(dtype=np.float64))


def _found(session: Session) -> FoundHoles:
    if session.workbench.holes is None:
        raise SEMerror("No holes have been found: use FindHoles first")
    return session.workbench.holes


def make_nav_points_at_holes(
    session: Session,
    layout: int | None = None,
    lower_mean: float | None = None,
    upper_mean: float | None = None,
    sd: float | None = None,
    blank: float | None = None,
    edge_um: float | None = None,
    unused: int | None = None,
) -> float:
    """Add a point at each hole found last, as one group; their number.

    Limits of the mean counts in a hole, relative to the mean of the picture, and the least
    distance from the edge of the picture in µm count when they are positive; the others and the
    layout have no effect. The points come row by row, turning at each end.
    """
    holes = _found(session)
    navigator = opened(session)
    image = holes.image
    rows, columns = image.data.shape
    inverse = np.linalg.inv(np.array(holes.vectors_px))
    # Number each hole in the lattice, so that its rows can be distinguished.
    steps = np.rint((np.array(holes.centers_px) - holes.centers_px[0]) @ inverse).astype(int)
    order = sorted(
        range(len(holes.centers_px)),
        key=lambda n: (steps[n][1], steps[n][0] * (1 if steps[n][1] % 2 == 0 else -1)),
    )
    group, count = navigator.unique_id(), 0
    for number in order:
        column, row = holes.centers_px[number]
        border = min(column, row, columns - column, rows - row) * image.pixel_um
        mean = holes.means[number]
        if (lower_mean and mean < lower_mean) or (upper_mean and 0 < upper_mean < mean):
            continue
        if edge_um and border < edge_um:
            continue
        x, y = image_to_stage_um(image, np.array([[column, row]]))[0]
        navigator.add(
            point_item(
                (float(x), float(y), image.stage_z_um),
                navigator.registration,
                group,
                on_map=image.map_id,
            )
        )
        count += 1
    return float(count)


def clear_hole_finder(session: Session) -> None:
    """Forget the holes found last."""
    session.workbench.holes = None


# --- several Records --------------------------------------------------------------------------


def use_hole_vectors_for_multi(session: Session, unused: int | None = None) -> None:
    """Take the lattice of the holes found last for the pattern of MultipleRecords."""
    holes = _found(session)
    optics = session.scope.optics
    # Image pixels have Y down; the camera has Y up.
    camera = np.array(holes.vectors_px) * (1.0, -1.0) * holes.image.binning
    specimen = camera @ optics.camera_to_specimen(holes.image.mag_index).T
    first, second = ((float(x), float(y)) for x, y in specimen)
    session.workbench.multishot = replace(session.workbench.multishot, vectors_um=(first, second))


def multiple_records(session: Session, *numbers: float | None) -> None:
    """Record at each position of the pattern of holes, saving to the open file.

    The pattern is that of the session (`session.workbench.multishot`, as a user sets it up in
    the dialog); numbers that would replace its parameters are not simulated. The beam tilt
    follows the image shift, and both are put back at the end.
    """
    if any(number is not None for number in numbers):
        raise SEMerror("MultipleRecords: not simulated with parameters, only with those set up")
    pattern = session.workbench.multishot
    microscope = session.scope
    if microscope.low_dose:
        microscope.go_to_area("R")
    start = microscope.image_shift
    had_saved = microscope.saved_beam_tilt
    try:
        for number, (x, y) in enumerate(pattern.positions_um(), start=1):
            microscope.set_image_shift(*start)
            if not microscope.shift_image_by_um(x, y):
                raise SEMerror(f"Hole {number} of the pattern needs too much image shift")
            scope.adjust_beam_tilt_for_is(session)
            session.take("R")
            pattern.last_um = (x, y)
            _save_shot(session, number)
    finally:
        microscope.set_image_shift(*start)
        if had_saved is None and microscope.saved_beam_tilt is not None:
            scope.restore_beam_tilt(session)


def _save_shot(session: Session, number: int) -> None:
    file = session.files.current
    if file is None:
        return
    files.save_to_file(session)
    if file.document is not None:
        file.add_to_mdoc("MultishotHoleAndPosition", f"{number} 0")
        file.write_mdoc()


def _last_hole(session: Session) -> tuple[float, float]:
    last = session.workbench.multishot.last_um
    if last is None:
        raise SEMerror("There has been no acquisition at a pattern of holes")
    return last


def image_shift_to_last_multi_hole(session: Session) -> None:
    """Image shift to the last hole of the latest MultipleRecords."""
    if not session.scope.shift_image_by_um(*_last_hole(session)):
        raise SEMerror("The image shift to the last hole would exceed the limit")


def stage_to_last_multi_hole(session: Session) -> None:
    """Move the stage to the last hole of the latest MultipleRecords."""
    dx, dy = session.scope.optics.specimen_to_stage() @ np.array(_last_hole(session))
    x, y, _ = session.scope.stage.position_um
    session.scope.stage.move_to(x + float(dx), y + float(dy))


COMMANDS: Commands = {
    "SetHoleFinderParams": set_hole_finder_params,
    "ReportHoleFinderParams": report_hole_finder_params,
    "FindHoles": find_holes,
    "MakeNavPointsAtHoles": make_nav_points_at_holes,
    "ClearHoleFinder": clear_hole_finder,
    "UseHoleVectorsForMulti": use_hole_vectors_for_multi,
    "MultipleRecords": multiple_records,
    "ImageShiftToLastMultiHole": image_shift_to_last_multi_hole,
    "StageToLastMultiHole": stage_to_last_multi_hole,
}
