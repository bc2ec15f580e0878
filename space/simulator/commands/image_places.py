"""Places in images and on the stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.commands.navigator import item_index, opened
from space.simulator.imaging.images import Image
from space.simulator.program.nav_items import image_to_stage_um, stage_to_image_px

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands


def placed_image(session: Session, letter: str) -> Image:
    """Image in a buffer whose place on the stage is known."""
    image = session.buffers.require(letter)
    if image.stage_um is None or image.mag_index <= 0 or image.binning <= 0 or image.off_center:
        raise SEMerror("The place of the image on the stage is not known")
    return image


def stage_pos_to_buf_image_pos(
    session: Session, letter: str, adjust: int, x: float, y: float
) -> tuple[float, float]:
    """Column and row at which a Navigator position is seen in an image.

    With `adjust` the place that a piece of a montage was aligned to counts.
    """
    image = placed_image(session, letter)
    column, row = stage_to_image_px(image, np.array([[x, y]]))[0]
    if adjust and image.pieces is not None:
        piece = image.pieces.locate(float(column), float(row))
        if piece is not None:
            dx, dy = image.pieces.shift_of(piece[0])
            column, row = column + dx, row + dy
    return (column, row)


def buf_image_pos_to_stage_pos(
    session: Session, letter: str, adjust: int, column: float, row: float
) -> tuple[float, ...]:
    """Navigator position of a column and row of an image.

    With `adjust` the place that a piece of a montage was aligned to counts.
    """
    image = placed_image(session, letter)
    if adjust and image.pieces is not None:
        piece = image.pieces.locate(column, row)
        if piece is not None:
            dx, dy = image.pieces.shift_of(piece[0])
            column, row = column - dx, row - dy
    return tuple(image_to_stage_um(image, np.array([[column, row]]))[0])


def stage_to_buf_image_matrix(session: Session, letter: str, adjust: int) -> tuple[float, ...]:
    """Matrix and offset that take a Navigator position to a column and row of an image.

    What `adjust` does for positions in a montage, one matrix cannot do: it changes nothing
    (inferred).
    """
    image = placed_image(session, letter)
    (a, b), (c, d) = image.stage_to_px
    column, row = stage_to_image_px(image, np.zeros((1, 2)))[0]
    return (a, b, c, d, float(column), float(row))


def buf_image_to_stage_matrix(session: Session, letter: str, adjust: int) -> tuple[float, ...]:
    """Matrix and offset that take a column and row of an image to a Navigator position.

    `adjust` as for StageToBufImageMatrix.
    """
    image = placed_image(session, letter)
    (a, b), (c, d) = np.linalg.inv(image.stage_to_px).tolist()
    x, y = image_to_stage_um(image, np.zeros((1, 2)))[0]
    return (a, b, c, d, float(x), float(y))


def report_item_image_coords(
    session: Session, index: int | None = None, letter: str | None = None
) -> tuple[float, float, float]:
    """Column and row of an item in an image, and whether it is inside."""
    place = item_index(session, index, from_end=True)
    x, y, _ = opened(session).item(place).stage_um
    image = placed_image(session, letter or "A")
    column, row = stage_to_image_px(image, np.array([[x, y]]))[0]
    rows, columns = image.data.shape
    return (column, row, float(0 <= column <= columns and 0 <= row <= rows))


def stage_shift_by_pixels(session: Session, x: float, y: float) -> None:
    """Move the stage so that what is seen at unbinned pixels (x, y) comes to the centre."""
    scope = session.scope
    dx, dy = scope.optics.camera_to_stage(scope.mag_index) @ np.array([x, y])
    here_x, here_y, _ = scope.stage.position_um
    scope.stage.move_to(here_x + float(dx), here_y + float(dy))


COMMANDS: Commands = {
    "StagePosToBufImagePos": stage_pos_to_buf_image_pos,
    "BufImagePosToStagePos": buf_image_pos_to_stage_pos,
    "StageToBufImageMatrix": stage_to_buf_image_matrix,
    "BufImageToStageMatrix": buf_image_to_stage_matrix,
    "ReportItemImageCoords": report_item_image_coords,
    "StageShiftByPixels": stage_shift_by_pixels,
}
