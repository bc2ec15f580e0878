"""Taking a picture: what happens at the microscope, and what is known about it afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from space.simulator.column.errors import SEMerror, TaskError
from space.simulator.column.faults import before_picture
from space.simulator.column.letters import AREA_OF_SET, SET_LETTERS, SetLetter
from space.simulator.imaging import camera as camera_model
from space.simulator.imaging import electrons
from space.simulator.imaging.images import Image
from space.simulator.imaging.pictures import (
    Exposure,
    PictureGeometry,
    footprint,
    intensity,
    picture_geometry,
)
from space.simulator.program import frame_notes, frame_saving
from space.simulator.program.exposure_notes import exposure_entries
from space.simulator.program.frame_saving import Fractions, FrameStack, fractions

if TYPE_CHECKING:
    from space.simulator.program.session import Session

_NOISE = 29  # what random numbers are drawn for


class PictureChoices(TypedDict, total=False):
    """What can be chosen for a picture; see `acquire`."""

    camera_set: int | None
    binning: float | None
    frame_px: tuple[int, int] | None
    exposure_s: float | None
    save_frames: bool


def acquire(
    session: Session,
    set_letter: str,
    *,
    camera_set: int | None = None,
    binning: float | None = None,
    frame_px: tuple[int, int] | None = None,
    exposure_s: float | None = None,
    save_frames: bool = True,
) -> Image:
    """Take a picture with a camera set; buffers stay as they are.

    Parameters
    ----------
    set_letter : str
        V F T R P S or M.
    camera_set : int, optional
        Set number to record in the image (8 for pieces of a montage).
    binning, frame_px, exposure_s : optional
        Replace those of the set; `frame_px` is (columns, rows), centred.
    save_frames : bool
        Whether frames are saved if the set says so.
    """
    scope = session.scope
    before_picture(session)
    scope.screen_down = False
    letter = session.camera.letter(set_letter)
    if scope.low_dose:
        scope.go_to_area(AREA_OF_SET[letter])
    parameters = session.camera.sets[letter]
    factor = float(parameters.binning if binning is None else binning)
    columns, rows = frame_px or session.camera.frame_px(letter, factor)
    if columns * factor > session.camera.size_px[0] or rows * factor > session.camera.size_px[1]:
        raise SEMerror(f"A frame of {columns} x {rows} at binning {factor:g} exceeds the camera")
    seconds = parameters.exposure_s if exposure_s is None else exposure_s
    begin_s = session.clock.seconds + parameters.drift_s
    geometry = picture_geometry(session, factor, (int(rows), int(columns)), begin_s + seconds / 2.0)
    before, after = (session.scope.stage.drift.displacement_um(begin_s + t) for t in (0.0, seconds))
    motion_um = (after[0] - before[0], after[1] - before[1])
    index = len(session.exposures)
    parts = fractions(session, letter, geometry, begin_s, seconds) if save_frames else None
    data, dose = _expose(session, geometry, seconds, motion_um, letter, parts)
    divided = bool(session.options.user_settings["CameraDivide16BitBy2"])
    if divided:
        data //= 2
    session.clock.advance(seconds + parameters.drift_s + 0.7)
    image = _describe(session, data, geometry.view, seconds, dose, index)
    number = SET_LETTERS.index(letter) if camera_set is None else camera_set
    stack = frame_saving.exposed(session, geometry, parts, image.tilt_deg) if parts else None
    _note_exposure(session, image, geometry, motion_um, letter, number, parts, stack)
    entries = exposure_entries(session, letter, image)
    image = replace(image, camera_set=number, entries=entries, divided_by_2=divided)
    return image if stack is None else _with_frames(session, image, stack)


def _with_frames(session: Session, image: Image, stack: FrameStack) -> Image:
    """Save the frames of an image; give the image with what its mdoc says of them."""
    frame_saving.save(session, stack)
    image = replace(image, entries={**image.entries, **stack.entries()})
    try:
        frame_notes.note(session, image, stack)
    except OSError as problem:
        raise TaskError(f"The mdoc of the frames could not be written: {problem}") from problem
    return image


def _expose(
    session: Session,
    geometry: PictureGeometry,
    seconds: float,
    motion_um: tuple[float, float],
    letter: SetLetter,
    parts: Fractions | None,
) -> tuple[np.ndarray, float]:
    view, rng = geometry.view, None
    model, mode = session.camera.model, session.camera.mode(letter)
    if session.noise:
        center = camera_model.center_um(session.scope.optics, view)
        rng = session.random_source.at(_NOISE, *center, view.tilt_deg, view.mag_index)
    if not session.scope.valve_open:
        dark = np.zeros(view.shape, dtype=np.float32)
        return camera_model.expose(dark, 1.0, rng, model, mode), 0.0
    dose = session.scope.dose_rate_e_A2_s() * seconds
    pixel_A = view.binning * session.scope.pixel_um(view.mag_index) * 1e4
    if parts is None:
        seen = intensity(session, geometry, motion_um)
    else:
        seen = _summed(session, intensity(session, geometry), view.binning, parts)
    shown = session.camera.returned_fraction(letter, seconds)
    return camera_model.expose(seen, shown * dose * pixel_A**2, rng, model, mode), dose


def _summed(session: Session, seen: np.ndarray, binning: float, parts: Fractions) -> np.ndarray:
    """What the frames show together: aligned with each other if the camera set says so."""
    if session.camera.sets[parts.letter].align_frames:
        return seen
    return electrons.wandered(seen, frame_saving.path_px(session, parts.offsets_um, binning))


def _describe(
    session: Session,
    data: np.ndarray,
    view: camera_model.View,
    seconds: float,
    dose: float,
    index: int,
) -> Image:
    scope = session.scope
    data.setflags(write=False)
    x, y, z = scope.stage.position_um
    (a, b), (c, d) = scope.optics.stage_to_image(view.mag_index, view.binning, view.tilt_deg)
    return Image(
        data=data,
        binning=view.binning,
        pixel_um=view.binning * scope.pixel_um(view.mag_index),
        mag_index=view.mag_index,
        magnification=scope.magnification(view.mag_index),
        low_dose=scope.low_dose,
        exposure_s=seconds,
        stage_um=(x, y),
        stage_z_um=z,
        tilt_deg=scope.stage.tilt_deg,
        image_shift=scope.image_shift,
        nav_xy_um=scope.adjust_stage_for_nav(x, y, *scope.image_shift),
        stage_to_px=((float(a), float(b)), (float(c), float(d))),
        rotation_deg=scope.rotation_deg(view.mag_index),
        defocus_um=scope.defocus_um,
        dose_e_A2=dose,
        intensity=scope.intensity,
        spot_size=scope.spot_size,
        probe_mode=scope.probe_mode,
        time=session.clock.date_time(),
        tick_s=session.clock.seconds,
        exposure_index=index,
    )


def _note_exposure(
    session: Session,
    image: Image,
    geometry: PictureGeometry,
    motion_um: tuple[float, float],
    letter: SetLetter,
    number: int,
    parts: Fractions | None,
    stack: FrameStack | None,
) -> None:
    scope, view = session.scope, geometry.view
    low_mag = scope.optics.entry(view.mag_index).low_mag
    outside = "LM" if low_mag else "M"
    beam_center_um, beam_axes_um = footprint(session, geometry)
    seconds = max(image.exposure_s, 1e-6)
    session.exposures.append(
        Exposure(
            index=image.exposure_index,
            grid=getattr(session.grid, "name", ""),
            area=letter if scope.low_dose else outside,
            camera_set=number,
            center_um=camera_model.center_um(scope.optics, view),
            radius_um=scope.beam_diameter_um / 2.0,
            tilt_deg=scope.stage.tilt_deg,
            dose_e_A2=image.dose_e_A2,
            mag_index=view.mag_index,
            defocus_um=geometry.defocus_um,
            target_defocus_um=scope.target_defocus_um,
            height_um=geometry.height_um,
            beam_center_um=beam_center_um,
            beam_axes_um=beam_axes_um,
            drift_um=geometry.drift_um,
            drift_nm_s=(1e3 * motion_um[0] / seconds, 1e3 * motion_um[1] / seconds),
            beam_tilt_mrad=scope.beam_tilt,
            astigmatism_um=scope.astigmatism_um(),
            coma_tilt_mrad=scope.coma_tilt_mrad(),
            true_stage_um=scope.stage.true_um,
            slope=view.slope,
            frames=str(stack.path) if stack is not None else "",
            frame_offsets_um=() if parts is None else parts.offsets(),
            turned_deg=view.lying.turned_deg,
            moved_um=view.lying.moved_um,
        )
    )
    if session.keeper is not None:
        session.keeper.note(session)
    if session.watcher is not None:
        session.watcher.picture(image, session.exposures[-1])
