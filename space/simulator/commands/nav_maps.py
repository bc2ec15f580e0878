"""Navigator commands that make maps, load them and find places on them again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.column.letters import AREA_OF_SET, SET_LETTERS
from space.simulator.commands.files import load_into_buffer, store
from space.simulator.formats.autodoc import one_line
from space.simulator.formats.navfile import MAP, NavItem
from space.simulator.imaging.images import Image
from space.simulator.montage.piece_alignment import find_shift
from space.simulator.program.nav_items import map_item, stage_to_image_px
from space.simulator.program.navigator import Navigator, NavigatorError

if TYPE_CHECKING:
    from space.simulator.column.letters import AreaLetter
    from space.simulator.program.files import ImageFile
    from space.simulator.program.session import Session

SMALL_REMAINDER_UM = 1.0
REALIGN_LIMIT_UM = 25.0
COMPARED_PX = 512


def load_other_map(session: Session, index: int, buffer: str | None = None) -> None:
    """Load a map: a single one into the buffer, a montage into A, B and the buffer."""
    navigator = _navigator(session)
    item = _item(navigator, index)
    if item.kind != MAP:
        raise SEMerror(f"Item {item.label} is not a map")
    path = map_path(session, item)
    if path is None:
        # The program only shows a message; the script continues with what was in the buffer.
        session.note_dialog("message", f"Map file {item.values.get('MapFile')} not found", "ok")
        return
    unbinned = bool(session.options.user_settings["LoadMapsUnbinned"])
    section, change = item.integer("MapSection"), as_map(session, item)
    load_into_buffer(session, path, section, buffer, change, unbinned)


def map_path(session: Session, item: NavItem) -> Path | None:
    """Find a map's image file, where the item says or beside the Navigator file."""
    name = item.values.get("MapFile", "")
    # Files written on Windows name their folders with backslashes, wherever they are read.
    bare = name.replace("\\", "/").rsplit("/", 1)[-1]
    places = [session.resolve(name), session.directory / bare]
    if session.navigator.path is not None:
        places.insert(1, Path(session.navigator.path).parent / bare)
    for place in places:
        if name and place.is_file():
            return place
    return None


def as_map(session: Session, item: NavItem) -> Callable[[Image], Image]:
    """Give a function that adds to an image what the map item holds about it."""
    counted_per_px = session.camera.counted_per_px

    def change(image: Image) -> Image:
        rows, columns = image.data.shape
        width, height = item.floats("MapWidthHeight") or (columns, rows)
        a, b, c, d = item.floats("MapScaleMat")
        across, down = columns / width, rows / height
        camera_set = item.integer("MapLDConSet", -1)
        counted = item.section.number("MapBinning")
        binning = counted / counted_per_px if counted > 0 else image.binning
        raw = item.floats("RawStageXY") or item.stage_um[:2]
        return replace(
            image,
            binning=binning / across,
            mag_index=item.integer("MapMagInd", image.mag_index),
            camera=item.integer("MapCamera", image.camera),
            camera_set=camera_set if camera_set >= 0 else image.camera_set,
            low_dose=camera_set >= 0,
            exposure_s=item.section.number("MapExposure", image.exposure_s),
            stage_um=(raw[0], raw[1]),
            stage_z_um=item.stage_um[2],
            tilt_deg=item.section.number("MapTiltAngle", image.tilt_deg),
            nav_xy_um=item.stage_um[:2],
            stage_to_px=((a * across, b * across), (c * down, d * down)),
            map_id=item.map_id,
        )

    return change


def new_map(session: Session, action: int | None = None, note: str | None = None) -> float:
    """Make a map of buffer A, or of the overview in B when a montage file is current."""
    navigator = _navigator(session)
    file = session.files.current
    if file is None:
        raise SEMerror("There must be an open file to make a map")
    if action is not None and note is None:
        raise SEMerror("NewMap needs a text when there is a number")
    letter = "B" if file.montage is not None else "A"
    image = _image_for_map(session, file, letter)
    text = one_line(_joined(f"Sec {image.section} - {Path(image.file).name}", action, note))
    offset = _defocus_offset_um(session, image)
    item = map_item(
        replace(image, file=session.shown(image.file)),
        session.scope.stage.position_um[2],
        text,
        navigator.registration,
        offset,
        session.instrument.stage.backlash_um,
        session.camera.counted_per_px,
    )
    index = navigator.add(item)
    session.buffers.set(letter, replace(image, map_id=navigator.item(index).map_id))
    return float(index)


def _image_for_map(session: Session, file: ImageFile, letter: str) -> Image:
    """Image of a buffer that can be a map, saved if need be.

    Raises
    ------
    SEMerror
        If it cannot.
    """
    image = session.buffers.require(letter)
    if image.processed:
        raise SEMerror("A map cannot be made of a processed image")
    if file.montage is None and image.pieces is None and not image.file:
        question = "The image has to be saved before it can be a map. Save it now?"
        if not session.acquire.acquiring and not session.answer_yes_no(question):
            raise SEMerror("The image was not saved, so no map was made")
        image = store(session, image, file)
        session.buffers.set(letter, image)
    if not session.files.is_current(image.file) or image.section < 0:
        raise SEMerror("The image is not in the current file")
    if (file.montage is not None) != (image.pieces is not None):
        raise SEMerror(f"The image in buffer {letter} is not a montage overview")
    if image.stage_um is None or image.mag_index <= 0 or image.binning <= 0:
        raise SEMerror("The image has no stage position, magnification or binning")
    return image


def _joined(default: str, action: int | None, note: str | None) -> str:
    if note is None:
        return default
    if action is None or int(action) == 0:
        return note
    return f"{default} {note}" if int(action) > 0 else f"{note} {default}"


def _defocus_offset_um(session: Session, image: Image) -> float:
    areas: dict[int, AreaLetter] = {0: "V", 5: "S"}
    if not image.low_dose or image.camera_set not in areas:
        return 0.0
    return session.scope.areas[areas[image.camera_set]].defocus_offset_um


# --- finding a place again --------------------------------------------------------------------


def realign_to_other_item(
    session: Session,
    index: int,
    restore: int,
    continuous: int | None = None,
    threshold: float | None = None,
    resets: int | None = None,
    leave_zero: float | None = None,
) -> None:
    """Move to an item and correct the stage error with the map that shows it.

    Images are taken as the map was and compared with the part of the map around the item. A
    poor correlation is not noticed: the shift is believed as long as it is in range.
    """
    navigator = _navigator(session)
    item = _item(navigator, index)
    on_map = navigator.map_under(int(index))
    if not on_map:
        raise SEMerror("Realign failed (4): no map shows the item")
    source = navigator.item(on_map)
    if map_path(session, source) is None:
        raise SEMerror("Realign failed (5): the map's file is not accessible")
    scope = session.scope
    before = (scope.low_dose, scope.area, scope.mag_index)
    letter = go_to_map_state(session, source)
    load_other_map(session, on_map, session.buffers.read_buffer)
    reference = session.buffers.require(session.buffers.read_buffer)
    x, y, z = item.stage_um
    wanted = np.array([x, y])
    scope.set_image_shift(0.0, 0.0)
    offset = np.array(scope.adjust_stage_for_nav(0.0, 0.0))
    stage_x, stage_y = wanted - offset
    scope.stage.move_to(stage_x, stage_y, z, backlash=True)
    error = _stage_error_um(session, letter, reference, wanted)
    if leave_zero or np.hypot(*error) > SMALL_REMAINDER_UM:
        here = np.array(scope.stage.position_um[:2])
        scope.stage.move_to(*(here + error), backlash=True)
        error = _stage_error_um(session, letter, reference, wanted)
    if not leave_zero:
        specimen = scope.optics.stage_to_specimen() @ error
        scope.shift_image_by_um(float(specimen[0]), float(specimen[1]))
    if restore:
        restore_state(session, before)


def go_to_map_state(session: Session, source: NavItem) -> str:
    """Set the magnification the map was taken at; the letter of the camera set to use."""
    scope = session.scope
    camera_set = source.integer("MapLDConSet", -1)
    if camera_set >= 0:
        if not scope.low_dose:
            scope.set_low_dose(True)
        letter = SET_LETTERS[min(camera_set, 5)]
        scope.go_to_area(AREA_OF_SET[letter])
        return letter
    if scope.low_dose:
        scope.set_low_dose(False)
    scope.set_mag_index(source.integer("MapMagInd"))
    return "R"


def restore_state(session: Session, before: tuple[bool, str, int]) -> None:
    """Bring back low dose, area and magnification."""
    low_dose, area, mag_index = before
    scope = session.scope
    scope.set_low_dose(low_dose)
    if low_dose and area:
        scope.go_to_area(area)
    elif not low_dose:
        scope.set_mag_index(mag_index)


def _stage_error_um(
    session: Session, letter: str, reference: Image, wanted: np.ndarray
) -> np.ndarray:
    """Take a picture and find how far the stage still has to go, in stage µm."""
    picture = session.take(letter)
    patch = like_picture(reference, picture, wanted)
    reducing = max(1, round(max(picture.data.shape) / COMPARED_PX))
    rows, columns = (n // reducing * reducing for n in picture.data.shape)
    small = [
        a[:rows, :columns].reshape(rows // reducing, reducing, -1, reducing).mean(axis=(1, 3))
        for a in (patch, picture.data.astype(np.float32))
    ]
    limit_px = REALIGN_LIMIT_UM / picture.pixel_um / reducing
    found = find_shift(small[0], small[1], limit_px, judge=False)
    shift_px = np.array(found[0] if found else (0.0, 0.0)) * reducing
    # The picture must be shifted by shift_px to lie on the map: its content sits too far the
    # other way, so the stage has to follow by A^-1 of minus the shift.
    return np.linalg.solve(np.asarray(picture.stage_to_px), -shift_px)


def like_picture(reference: Image, picture: Image, center_um: np.ndarray) -> np.ndarray:
    """Resample the map as a picture centred on a point would show it."""
    from scipy import ndimage

    rows, columns = picture.data.shape
    # Output pixel → stage → map pixel, as one affine in (row, column).
    matrix = np.asarray(reference.stage_to_px) @ np.linalg.inv(np.asarray(picture.stage_to_px))
    center = stage_to_image_px(reference, center_um[None, :])[0]
    swap = np.array([[0, 1], [1, 0]])
    in_rows = swap @ matrix @ swap
    middle = np.array([rows / 2 - 0.5, columns / 2 - 0.5])
    offset = center[::-1] - 0.5 - in_rows @ middle
    data = reference.data.astype(np.float32)
    return ndimage.affine_transform(
        data, in_rows, offset, (rows, columns), order=1, mode="constant", cval=float(data.mean())
    )


def _navigator(session: Session) -> Navigator:
    if not session.navigator.is_open:
        raise SEMerror("The Navigator must be open to execute this command")
    return session.navigator


def _item(navigator: Navigator, index: int) -> NavItem:
    try:
        return navigator.item(int(index))
    except NavigatorError as problem:
        raise SEMerror(str(problem)) from problem
