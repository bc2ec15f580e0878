"""Alignment of images, with the image shift that follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.commands.buffers import derived
from space.simulator.measuring import alignment, between_mags, rotation
from space.simulator.program.nav_items import image_to_stage_um

if TYPE_CHECKING:
    from space.simulator.imaging.images import Image
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

NOT_FOUND = -1.0
USUAL_SCALING_PERCENT, USUAL_ROTATION_DEG = 4.0, 3.0


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

    Dark borders are cut off if the user wants that (TrimBordersInAutoalign) and `no_trim` does not
    forbid it. Periodic peaks are not removed. The units of the last two arguments are inferred.
    """
    image = session.buffers.require("A")
    reference = session.buffers.require(letter)
    moving, fixed = image, reference
    if session.options.user_settings["TrimBordersInAutoalign"] and not no_trim:
        moving, fixed = alignment.trimmed(image), alignment.trimmed(reference)
    limit_um = session.options.align_limit_um
    session.options.align_limit_um = 0.0
    options = {} if padding_percent is None else {"padding": padding_percent / 100.0}
    found = alignment.shift_between(
        session.scope.optics,
        moving,
        fixed,
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
            session.scope.optics, moving, fixed, **options
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
    scaling_percent: float | None = None,
    rotation_deg: float | None = None,
    no_shift: int | None = None,
) -> tuple[float, float]:
    """Align A to a place in a reference of another magnification; scaling and rotation found.

    One of the two pictures must show more than the other: a reference of lower magnification,
    one of the same that is larger, or a reference of higher magnification. The reference as A
    would show it is left in B; the other buffers roll. Scaling and rotation are searched up to
    the limits given, or for negative ones up to the usual limits, and not for 0 or without a
    number (inferred). A limit of the shift below 0 counts in fields, 0 is none.
    """
    image = session.buffers.require("A")
    reference = session.buffers.require(letter)
    for picture in (image, reference):
        if picture.mag_index <= 0 or picture.pixel_um <= 0:
            raise SEMerror("The magnifications of both images must be known")
    turn = _turn_between(session, reference, image)
    rows, columns = reference.data.shape
    search = between_mags.Search(
        (columns / 2.0 if center_x < 0 else center_x, rows / 2.0 if center_y < 0 else center_y),
        turn,
        limit_um,
        _search_range(scaling_percent, USUAL_SCALING_PERCENT) / 100.0,
        _search_range(rotation_deg, USUAL_ROTATION_DEG),
    )
    try:
        found = between_mags.find(image, reference, search)
    except ValueError as problem:
        raise SEMerror(str(problem)) from problem
    if found is None:
        raise SEMerror("The image was not found in the reference")
    session.clock.advance(1.0)
    session.buffers.roll()
    session.buffers.set("B", _as_seen(image, reference, search, found))
    impose_shift(session, image, found.shift_px, None, move_scope=not no_shift)
    session.buffers.displayed = "A"
    return (found.scaling, found.rotation_deg)


def _search_range(given: float | None, usual: float) -> float:
    return usual if given is not None and given < 0 else given or 0.0


def _turn_between(session: Session, reference: Image, image: Image) -> float:
    """Known rotation that takes the reference to the orientation of the image."""
    rotations = [
        session.scope.optics.entry(picture.mag_index).rotation_deg for picture in (reference, image)
    ]
    return (rotations[1] - rotations[0] + 180.0) % 360.0 - 180.0


def _as_seen(
    image: Image, reference: Image, search: between_mags.Search, found: between_mags.Match
) -> Image:
    """Give the reference at the size and orientation of an image."""
    step = image.pixel_um / reference.pixel_um / found.scaling
    turn = search.turn_deg + found.rotation_deg
    shape = (image.data.shape[0], image.data.shape[1])
    data = between_mags.resampled(reference.data, search.center_px, step, turn, shape)
    if np.issubdtype(reference.data.dtype, np.integer):
        data = np.rint(data).astype(reference.data.dtype)
    data.setflags(write=False)
    center = image_to_stage_um(reference, np.array([search.center_px]))[0]
    return replace(
        image,
        data=data,
        camera_set=reference.camera_set,
        nav_xy_um=(float(center[0]), float(center[1])),
        stage_um=(float(center[0]), float(center[1])),
        image_shift=(0.0, 0.0),
        align_shift_px=(0.0, 0.0),
        align_is_shift=(0.0, 0.0),
        file="",
        section=-1,
        from_current_file=False,
        map_id=0,
        pieces=None,
        exposure_index=-1,
        processed=True,
        entries={},
    )


def align_with_rotation(
    session: Session, letter: str, center_deg: float, range_deg: float
) -> float:
    """Turn A through a range of angles about one until it lies on a buffer; the angle found.

    Angles are counter-clockwise. The turned picture is put into A with its alignment shift, the
    others roll, and the microscope stays as it is (inferred).
    """
    image = session.buffers.require("A")
    reference = session.buffers.require(letter)
    if not 0 <= range_deg <= 360:
        raise SEMerror(f"A range of {range_deg:g} degrees is not possible")
    found = rotation.find_turn(image, reference, center_deg, range_deg / 2.0)
    if found is None:
        raise SEMerror("The images have nothing to correlate")
    session.clock.advance(2.0)
    session.buffers.roll()
    shift = (found.shift.x_px, found.shift.y_px)
    impose_shift(session, _turned(session, image, found.angle_deg), shift, reference, False)
    session.buffers.displayed = "A"
    session.write_log(f"The image lies on the reference when turned by {found.angle_deg:.2f} deg")
    return found.angle_deg


def _turned(session: Session, image: Image, angle_deg: float) -> Image:
    """Give an image turned about its middle; positions in it still go to the right place."""
    data = rotation.turned(image, angle_deg)
    if np.issubdtype(image.data.dtype, np.integer):
        data = np.rint(data).astype(image.data.dtype)
    result = derived(session, image, data)
    cosine, sine = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    # Pixels have Y down.
    (a, b), (c, d) = np.array([[cosine, sine], [-sine, cosine]]) @ result.stage_to_px
    return replace(
        result,
        stage_to_px=((float(a), float(b)), (float(c), float(d))),
        rotation_deg=image.rotation_deg + angle_deg,
        processed=True,
    )


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
    "AlignWithRotation": align_with_rotation,
    "ReportAlignShift": report_align_shift,
    "ClearAlignment": clear_alignment,
}
