"""Alignment of images, with the image shift that follows from it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.commands.buffers import derived
from space.simulator.measuring import alignment

if TYPE_CHECKING:
    from space.simulator.imaging.images import Image
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

NOT_FOUND = -1.0


def limit_next_auto_align(session: Session, limit_um: float) -> None:
    """Limit of the next alignment only."""
    session.options.align_limit_um = max(0.0, limit_um)


def impose_shift(
    session: Session,
    image: Image,
    shift_px: tuple[float, float],
    reference: Image | None = None,
    move_scope: bool = True,
) -> None:
    """Give A its alignment shift and move the image shift so that it is centred next time.

    Raises
    ------
    SEMerror
        If the image shift would pass its limit; then nothing is changed.
    """
    scope = session.scope
    x, y = shift_px
    if reference is not None:
        factor = reference.binning / image.binning
        x += reference.align_shift_px[0] * factor
        y += reference.align_shift_px[1] * factor
    camera = np.array([image.binning * x, -image.binning * y])
    change = -(scope.optics.camera_to_is(image.mag_index) @ camera)
    move = change - np.array(image.align_is_shift)
    if move_scope and not image.processed:
        dx, dy = scope.optics.convert_image_shift(move, image.mag_index, scope.mag_index)
        if not scope.shift_image_by(dx, dy):
            raise SEMerror("The shift of the alignment would exceed the image shift limit")
    else:
        change = np.zeros(2)
    session.buffers.set(
        "A",
        replace(
            image,
            align_shift_px=(float(x), float(y)),
            align_is_shift=(float(change[0]), float(change[1])),
        ),
    )


def align_to(
    session: Session,
    letter: str,
    no_shift: int | None = None,
    no_trim: int | None = None,
    periodic: int | None = None,
    show: int | None = None,
    expected_x: float | None = None,
    expected_y: float | None = None,
    sigma_um: float | None = None,
    padding_percent: int | None = None,
) -> float:
    """Align A to a buffer; -1 when there is no peak within the limit.

    With `no_shift` A gets its alignment shift and the image shift stays. With `show` the
    correlation is put into A after rolling the buffers, and nothing is shifted.

    Borders are not trimmed and periodic peaks not removed, as with SerialEM's settings for both
    switched off. The units of the last two arguments are inferred.
    """
    image = session.buffers.require("A")
    reference = session.buffers.require(letter)
    limit_um = session.options.align_limit_um
    session.options.align_limit_um = 0.0
    options = {} if padding_percent is None else {"padding": padding_percent / 100.0}
    found = alignment.shift_between(
        session.scope.optics,
        image,
        reference,
        limit_um,
        (expected_x or 0.0, expected_y or 0.0),
        sigma_um=sigma_um,
        **options,
    )
    session.clock.advance(0.5)
    if found is None:
        if limit_um:
            return NOT_FOUND
        raise SEMerror("The images have nothing to correlate")
    if show:
        surface, factor = alignment.correlation_picture(
            session.scope.optics, image, reference, **options
        )
        shown = derived(session, image, surface, factor)
        session.buffers.push(replace(shown, processed=True))
        return 0.0
    shift = (found.x_px, found.y_px)
    impose_shift(session, image, shift, reference, move_scope=not no_shift)
    return 0.0


def auto_align(session: Session) -> float:
    """Align A to B."""
    return align_to(session, "B")


def align_between_mags(
    session: Session,
    letter: str,
    center_x: float,
    center_y: float,
    limit_um: float,
    scaling: float | None = None,
    rotation: float | None = None,
    no_shift: int | None = None,
) -> tuple[float, float]:
    """Align A to a place in a reference of lower magnification; scaling and rotation used."""
    image = session.buffers.require("A")
    reference = session.buffers.require(letter)
    ratio = reference.pixel_um / image.pixel_um
    if ratio < 1.5:
        raise SEMerror("The reference must have a lower magnification than the image in A")
    optics = session.scope.optics
    turn = optics.entry(reference.mag_index).rotation_deg - image.rotation_deg
    template = alignment.rescale(image.data, ratio, turn)
    edge = max(1, round(0.02 * min(template.shape)))
    template = template[edge:-edge, edge:-edge]
    rows, columns = reference.data.shape
    x = columns / 2.0 if center_x < 0 else center_x
    y = rows / 2.0 if center_y < 0 else center_y
    field_px = math.hypot(*template.shape) / 2.0
    limit_px = limit_um / reference.pixel_um if limit_um > 0 else -limit_um * 2.0 * field_px
    reach = math.ceil(limit_px) + 2
    half = [template.shape[axis] // 2 + reach for axis in (0, 1)]
    top, left = max(0, int(y) - half[0]), max(0, int(x) - half[1])
    bottom, right = min(rows, int(y) + half[0]), min(columns, int(x) + half[1])
    region = reference.data[top:bottom, left:right]
    found = None
    if region.shape[0] > template.shape[0] and region.shape[1] > template.shape[1]:
        found = alignment.find_template(template, region, limit_px)
    if found is None:
        raise SEMerror("The image was not found in the reference")
    dx = found.x_px + (left + right) / 2.0 - x
    dy = found.y_px + (top + bottom) / 2.0 - y
    angle = math.radians(-turn)
    along, up = dx * ratio, -dy * ratio
    shift_x = math.cos(angle) * along - math.sin(angle) * up
    shift_y = -(math.sin(angle) * along + math.cos(angle) * up)
    impose_shift(session, image, (shift_x, shift_y), None, move_scope=not no_shift)
    session.clock.advance(1.0)
    return (1.0, turn)


def report_align_shift(session: Session) -> tuple[float, ...] | None:
    """Unbinned pixels (Y up), nm along the image shift axes, nm on the specimen axes."""
    image = session.buffers.get("A")
    if image is None:
        return None
    optics = session.scope.optics
    x, y = image.align_shift_px
    camera = np.array([image.binning * x, -image.binning * y])
    specimen = 1000.0 * (optics.camera_to_specimen(image.mag_index) @ camera)
    shift = optics.camera_to_is(image.mag_index) @ camera
    axes = np.hypot(*optics.is_to_specimen(image.mag_index))
    along = 1000.0 * np.abs(shift) * axes
    return (*(camera * session.camera.counted_per_px), *along, *specimen)


def clear_alignment(session: Session, keep_scope: int | None = None) -> None:
    """Take the alignment shift of A away, and the image shift that it made unless told not to."""
    image = session.buffers.require("A")
    scope = session.scope
    if not keep_scope:
        dx, dy = scope.optics.convert_image_shift(
            image.align_is_shift, image.mag_index, scope.mag_index
        )
        scope.set_image_shift(scope.image_shift[0] - dx, scope.image_shift[1] - dy)
    session.buffers.set("A", replace(image, align_shift_px=(0.0, 0.0), align_is_shift=(0.0, 0.0)))


COMMANDS: Commands = {
    "AlignTo": align_to,
    "AutoAlign": auto_align,
    "A": auto_align,
    "LimitNextAutoAlign": limit_next_auto_align,
    "AlignBetweenMags": align_between_mags,
    "ReportAlignShift": report_align_shift,
    "ClearAlignment": clear_alignment,
}
