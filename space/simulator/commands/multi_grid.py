"""Grids that come back into the microscope, and sessions with several grids."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.commands.low_dose import go_to_imaging_state
from space.simulator.commands.nav_maps import (
    go_to_map_state,
    like_picture,
    load_other_map,
    restore_state,
)
from space.simulator.commands.navigator import existing_index, opened, stage_target_um
from space.simulator.formats.autodoc import number_text
from space.simulator.formats.navfile import MAP
from space.simulator.measuring import rotation
from space.simulator.program.nav_items import image_to_stage_um

if TYPE_CHECKING:
    from space.simulator.imaging.images import Image
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

USUAL_ROTATION_DEG = 15.0  # after reloading (inferred)
USUAL_REFINED_DEG = 3.0
LEAST_PROMINENCE = 7.0  # of a correlation peak over noise, which stays below 6


def realign_reloaded_grid(
    session: Session,
    index: int,
    expected_deg: float,
    move_z: int | None = None,
    largest_deg: float | None = None,
    transform: int | None = None,
) -> None:
    """Find by a map how a grid lies now that it is loaded again, and move the items with it.

    A picture as the map was is taken at the middle of the map. The rotation, counter-clockwise
    on the stage, is looked for up to `largest_deg` from the expected one. With `move_z` the stage
    goes to the map's height; without `transform` the items stay where they are (inferred).
    """
    item = opened(session).item(existing_index(session, index))
    if item.kind != MAP:
        raise SEMerror(f"Item {item.label} is not a map")
    scope = session.scope
    before = (scope.low_dose, scope.area, scope.mag_index)
    letter = go_to_map_state(session, item)
    z_um = item.stage_um[2] if move_z else None
    reach_deg = USUAL_ROTATION_DEG if largest_deg is None or largest_deg <= 0 else largest_deg
    try:
        _realign(session, index, letter, (expected_deg, reach_deg), 0.0, z_um, bool(transform))
    finally:
        restore_state(session, before)


def refine_grid_map_alignment(
    session: Session,
    index: int,
    state: str,
    largest_deg: float | None = None,
    largest_um: float | None = None,
    unused: float | None = None,
) -> None:
    """Find in an imaging state how a grid lies by a map of it, and move the items with it.

    What the numbers are is inferred: the largest rotation, and the largest shift in µm.
    """
    item = opened(session).item(existing_index(session, index))
    if item.kind != MAP:
        raise SEMerror(f"Item {item.label} is not a map")
    if go_to_imaging_state(session, state):
        raise SEMerror(f"{state!r} stands for no imaging state")
    letter = "V" if session.scope.low_dose else "R"
    reach_deg = USUAL_REFINED_DEG if largest_deg is None or largest_deg <= 0 else largest_deg
    _realign(session, index, letter, (0.0, reach_deg), largest_um or 0.0, None, True)


def _realign(
    session: Session,
    index: int,
    letter: str,
    angles_deg: tuple[float, float],
    largest_um: float,
    z_um: float | None,
    transform: bool,
) -> None:
    """Compare a picture at the middle of a map with the map, and move the items with the grid."""
    read_buffer = session.buffers.read_buffer
    load_other_map(session, index, read_buffer)
    reference = session.buffers.require(read_buffer)
    rows, columns = reference.data.shape
    middle_um = image_to_stage_um(reference, np.array([[columns / 2.0, rows / 2.0]]))[0]
    session.scope.set_image_shift(0.0, 0.0)
    x, y = stage_target_um(session, (float(middle_um[0]), float(middle_um[1])))
    session.scope.stage.move_to(x, y, z_um, backlash=True)
    picture = session.take(letter)
    patch = replace(picture, data=like_picture(reference, picture, middle_um))
    way = float(np.sign(np.linalg.det(picture.stage_to_px)))
    expected_deg, reach_deg = angles_deg
    found = rotation.find_turn(picture, patch, way * expected_deg, reach_deg)
    if found is None or found.shift.prominence < LEAST_PROMINENCE:
        raise SEMerror("The grid was not recognized in the picture")
    matrix, offset_um = _movement(picture, found, middle_um)
    moved_um = matrix @ middle_um + offset_um - middle_um
    if largest_um > 0 and np.hypot(*moved_um) > largest_um:
        raise SEMerror(f"The grid would have moved by {np.hypot(*moved_um):.1f} um")
    session.write_log(
        f"The grid is turned by {way * found.angle_deg:.2f} degrees, and the middle of the map "
        f"has moved by {moved_um[0]:.2f}, {moved_um[1]:.2f} um"
    )
    if transform:
        _move_items(session, index, matrix, offset_um)


def _movement(
    picture: Image, found: rotation.Turn, middle_um: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and offset that take Navigator positions of before to those of now.

    A feature at u in the picture (pixels from its middle) was seen at v = R u + s, with R and s
    the rotation and shift found. Both are where the stage transform M of the picture says.
    """
    angle = np.radians(found.angle_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    to_px = np.array(picture.stage_to_px)
    back = np.linalg.inv(to_px) @ turn.T
    shift = np.array([found.shift.x_px, found.shift.y_px])
    matrix = back @ to_px
    return matrix, np.array(picture.nav_xy_um) - matrix @ middle_um - back @ shift


def _move_items(session: Session, index: int, matrix: np.ndarray, offset_um: np.ndarray) -> None:
    """Give the items of a map's registration the positions that they have now."""
    navigator = opened(session)
    registration = navigator.item(index).registration
    for number, item in enumerate(list(navigator.items), start=1):
        if item.registration != registration:
            continue
        x, y = matrix @ item.stage_um[:2] + offset_um
        points = np.array(item.points_um).reshape(-1, 2) @ matrix.T + offset_um
        moved = item.moved_to(
            (float(x), float(y), item.stage_um[2]), tuple((px, py) for px, py in points.tolist())
        )
        if item.kind == MAP:
            scale = np.array(item.floats("MapScaleMat")).reshape(2, 2) @ np.linalg.inv(matrix)
            moved = moved.updated({"MapScaleMat": number_text(scale.ravel().tolist(), 9)})
        navigator.replace(number, moved)


# --- sessions with several grids --------------------------------------------------------------


def _no_session(name: str) -> NoReturn:
    raise SEMerror(f"{name} needs a session with several grids, and there is none")


def load_all_grid_maps(session: Session, suffix: str | None = None) -> None:
    """Refused: there is no session with several grids."""
    _no_session("LoadAllGridMaps")


def report_current_mul_grid_id(session: Session) -> float:
    """Refused: there is no session with several grids."""
    _no_session("ReportCurrentMulGridID")


COMMANDS: Commands = {
    "RealignReloadedGrid": realign_reloaded_grid,
    "RefineGridMapAlignment": refine_grid_map_alignment,
    "LoadAllGridMaps": load_all_grid_maps,
    "ReportCurrentMulGridID": report_current_mul_grid_id,
}
