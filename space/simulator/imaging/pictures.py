"""Taking a picture: which place it shows, what arrives there, and the truth about it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.aberrations import (
    apparent_focus,
    astigmatism_in,
    tilt_displacement_um,
)
from space.simulator.column.instrument import OBJECTIVE_APERTURE
from space.simulator.column.lying import Lying
from space.simulator.column.optics import ColumnOptics, tilted_height_um
from space.simulator.imaging import camera as camera_model
from space.simulator.imaging import damage
from space.simulator.imaging import electrons as imaging
from space.simulator.specimen import grain, texture
from space.simulator.specimen.interface import (
    DEPTH_BELOW_UM,
    DeepSpecimen,
    InclinedSpecimen,
    Inside,
)

if TYPE_CHECKING:
    from space.simulator.column.optics import Matrix
    from space.simulator.column.scope import Microscope
    from space.simulator.program.session import Session
    from space.simulator.specimen.interface import Specimen

KEPT_BYTES = 40_000_000  # of transmissions, some six of an ordinary size
_STILL_PX = 0.05  # drift is counted in steps of this, so that a stage comes to a rest
_GRAIN_SEED, _BUBBLE_SEED = 63, 64


@dataclass(frozen=True)
class Exposure:
    """The truth about one picture.

    Attributes
    ----------
    grid : str
        Name of the grid in the microscope.
    area : str
        Low dose area letter (P for Preview), or "LM" / "M" outside low dose.
    center_um : tuple of float
        Specimen point in the image centre in the middle of the exposure, grid frame.
    radius_um : float
        Radius of the illuminated disc.
    dose_e_A2 : float
        Electrons that hit the illuminated disc, per Å² across the beam.
    defocus_um : float
        Of what is in the image centre; negative is under focus.
    target_defocus_um : float
        What the defocus was meant to be (SetTargetDefocus).
    height_um : float
        Height of what is in the image centre above the tilt axis, at the tilt of the picture.
    slope : (dz/dx, dz/dy)
        Of the specimen in the image centre, grid frame.
    beam_center_um : tuple of float
        Middle of the beam on the specimen, grid frame.
    beam_axes_um : tuple of tuple of float
        (2, 2) matrix that takes the unit disc to the beam's footprint in the grid frame.
    drift_um : tuple of float
        Displacement of the specimen on the stage in the middle of the exposure, stage frame.
    drift_nm_s : tuple of float
        Mean velocity of it during the exposure.
    beam_tilt_mrad : tuple of float
        Beam tilt at the exposure.
    astigmatism_um : tuple of float
        Largest less smallest underfocus, times the cosine and the sine of twice the angle from
        the tilt axis to the direction of the largest; beam tilt not included.
    coma_tilt_mrad : tuple of float
        Tilt of the beam against the coma-free axis, specimen frame.
    true_stage_um : tuple of float
        Where the stage really stood, drift not included.
    frames : str
        File of the frames, "" when none were saved.
    frame_offsets_um : tuple of tuple of float
        Where the specimen was in the middle of each frame, relative to where the picture shows
        it: displacement (x, y), stage frame. Empty when the exposure was not divided.
    turned_deg, moved_um : float, tuple of float
        How the grid lay on the stage, as in `Lying`.
    """

    index: int
    grid: str
    area: str
    camera_set: int
    center_um: tuple[float, float]
    radius_um: float
    tilt_deg: float
    dose_e_A2: float
    mag_index: int
    file: str = ""
    section: int = -1
    defocus_um: float = 0.0
    target_defocus_um: float = 0.0
    height_um: float = 0.0
    beam_center_um: tuple[float, float] = (0.0, 0.0)
    beam_axes_um: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (0.0, 0.0))
    drift_um: tuple[float, float] = (0.0, 0.0)
    drift_nm_s: tuple[float, float] = (0.0, 0.0)
    beam_tilt_mrad: tuple[float, float] = (0.0, 0.0)
    astigmatism_um: tuple[float, float] = (0.0, 0.0)
    coma_tilt_mrad: tuple[float, float] = (0.0, 0.0)
    true_stage_um: tuple[float, float] = (0.0, 0.0)
    slope: tuple[float, float] = (0.0, 0.0)
    frames: str = ""
    frame_offsets_um: tuple[tuple[float, float], ...] = ()
    turned_deg: float = 0.0
    moved_um: tuple[float, float] = (0.0, 0.0)

    @property
    def lying(self) -> Lying:
        """How the grid lay on the stage."""
        return Lying(self.turned_deg, self.moved_um)


@dataclass(frozen=True)
class PictureGeometry:
    """Where a picture is taken, and how far out of focus.

    Attributes
    ----------
    view : View
        Which specimen point falls on which pixel.
    unshifted : View
        The same without what beam tilt does.
    height_um, defocus_um : float
        Of what is in the image centre, at the tilt of the stage; under focus is negative.
    drift_um : tuple of float
        Displacement of the specimen on the stage, stage frame.
    """

    view: camera_model.View
    unshifted: camera_model.View
    height_um: float
    defocus_um: float
    drift_um: tuple[float, float]


_Key = tuple[int, bytes, tuple[int, int], float, tuple[float, float]]
"""Grid, affine map, shape, pixel size, and where the beam's path goes."""


class Darkroom:
    """What pictures are made from and what can be made again at any time.

    It keeps the transmissions that were drawn last, so that a picture of the same view needs
    noise only, and the maps of the dose that places have had.
    """

    def __init__(self) -> None:
        self.damage = damage.Damage()
        self._drawn: OrderedDict[_Key, tuple[Specimen, np.ndarray]] = OrderedDict()
        self._deep: tuple[tuple[object, ...], DeepSpecimen, Inside | None] | None = None

    def __getstate__(self) -> dict[str, object]:
        """Nothing of it needs to be kept."""
        return vars(Darkroom())

    @property
    def kept_bytes(self) -> int:
        """Memory that transmissions take."""
        return sum(drawn.nbytes for _, drawn in self._drawn.values())

    def transmission(
        self,
        grid: Specimen,
        px_to_grid: np.ndarray,
        shape: tuple[int, int],
        pixel_um: float,
        lean: tuple[float, float] = (0.0, 0.0),
        inside: Inside | None = None,
    ) -> np.ndarray:
        """Transmission of a grid without noise, with the shadows on it, read-only.

        `lean` (dx, dy) is how far the beam's path goes sideways while it rises by 1; `inside`
        has the transmission where the specimen has depth.
        """
        key = (id(grid), px_to_grid.tobytes(), shape, pixel_um, lean)
        if key not in self._drawn:
            flat = inside.transmission if inside else grid.transmission(px_to_grid, shape, pixel_um)
            drawn = np.clip(flat, 0.0, 1.0)
            if any(lean) and isinstance(grid, InclinedSpecimen):
                shade = grid.shade(px_to_grid, shape, pixel_um, lean)
                drawn = drawn if shade is None else np.minimum(drawn, shade)
            drawn = np.asarray(drawn, dtype=np.float32)
            drawn.setflags(write=False)
            # The grid is kept with it, so that no other can have its id meanwhile.
            self._drawn[key] = (grid, drawn)
            while len(self._drawn) > 1 and self.kept_bytes > KEPT_BYTES:
                self._drawn.popitem(last=False)
        self._drawn.move_to_end(key)
        return self._drawn[key][1]

    def inside(
        self,
        grid: DeepSpecimen,
        to_px: np.ndarray,
        shape: tuple[int, int],
        pixel_um: float,
        seed: int,
    ) -> Inside | None:
        """What is inside a grid; that of the last picture is kept."""
        key = (id(grid), to_px.tobytes(), shape, pixel_um, seed)
        if self._deep is None or self._deep[0] != key:
            self._deep = (key, grid, grid.inside(to_px, shape, pixel_um, seed))
        return self._deep[2]


def picture_geometry(
    session: Session, binning: float, shape: tuple[int, int], at_s: float | None = None
) -> PictureGeometry:
    """Where a picture would be taken at a simulated time, by default now.

    A beam tilt t displaces the picture of something that is out of focus by d by t d: the
    centre shows a place that is M t d away on the specimen, M being the rotation of the
    instrument between the two. Two pictures with opposite tilts are 2 t d apart. Astigmatism and
    spherical aberration add to it (`column.aberrations`); without beam tilt nothing moves.

    Parameters
    ----------
    session : Session
    binning : float
    shape : (rows, columns)
    at_s : float, optional
        Simulated time, for drift.
    """
    scope = session.scope
    step_um = _STILL_PX * binning * scope.pixel_um(scope.mag_index)
    x, y = (round(part / step_um) * step_um for part in scope.stage.drift.displacement_um(at_s))
    stage_x, stage_y = scope.stage.true_um
    view = camera_model.View(
        mag_index=scope.mag_index,
        binning=binning,
        shape=shape,
        stage_um=(stage_x + x, stage_y + y),
        shift_um=scope.total_shift_um(),
        axis_shift_um=scope.axis_offset_um,
        tilt_deg=scope.stage.tilt_deg,
        lying=session.lying,
    )
    view = camera_model.with_height(scope.optics, view, session.grid, scope.stage.position_um[2])
    height_um = height_in_center_um(scope.optics, view)
    defocus_um = scope.true_defocus_um(height_um)
    shifted = view
    if any(scope.beam_tilt):
        along, across = view.shift_um + _tilt_displacement_um(scope, defocus_um)
        shifted = replace(view, shift_um=(float(along), float(across)))
    return PictureGeometry(shifted, view, height_um, defocus_um, (x, y))


def _tilt_displacement_um(scope: Microscope, defocus_um: float) -> np.ndarray:
    """How far the beam tilt displaces the place in the centre, specimen (x, y)."""
    focus = (defocus_um, scope.astigmatism_um())
    now, untilted = (
        tilt_displacement_um(*focus, scope.coma_tilt_mrad(tilt), scope.instrument.cs_mm)
        for tilt in (scope.beam_tilt, (0.0, 0.0))
    )
    return now - untilted


def height_in_center_um(optics: ColumnOptics, view: camera_model.View) -> float:
    """Height above the tilt axis of what is in the image centre, after tilting."""
    center_um = view.lying.to_stage(np.array(camera_model.center_um(optics, view)))
    point = center_um - view.stage_um
    if optics.entry(view.mag_index).low_mag:
        point -= optics.low_mag_offset_um
    y0_um = float((optics.stage_to_specimen() @ point)[1]) - optics.tilt_axis_offset_um
    from_anchor_um = np.subtract(camera_model.center_um(optics, view), view.anchor_um)
    z0_um = view.height_um + float(np.dot(view.slope, from_anchor_um))
    return tilted_height_um(y0_um, z0_um, view.tilt_deg)


def intensity(
    session: Session, geometry: PictureGeometry, motion_um: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """Electrons that arrive on each pixel, relative to the beam without specimen.

    Parameters
    ----------
    session : Session
    geometry : PictureGeometry
    motion_um : tuple of float
        How far the specimen moves during the exposure, stage frame.

    Returns
    -------
    (rows, columns) float32; may be read-only
    """
    scope, view, grid = session.scope, geometry.view, session.grid
    pixel_um = view.binning * scope.pixel_um(view.mag_index)
    if grid is None:
        seen = transmission = np.ones(view.shape, dtype=np.float32)
    else:
        affine = camera_model.px_to_grid(scope.optics, view)
        lean = camera_model.lean(scope.optics, view)
        inside = _inside(session, grid, view, pixel_um)
        seen = session.darkroom.transmission(grid, affine, view.shape, pixel_um, lean, inside)
        dose = _dose(session, affine, view.shape)
        seen = _damaged(session, seen, affine, dose)
        seen = imaging.tilted(seen, camera_model.path(scope.optics, view))
        transmission = seen
        if pixel_um < imaging.PHASE_CONTRAST_BELOW_UM:
            noise = inside.grain if inside else _grain(session, affine, view.shape)
            lens = _lens(session, geometry.defocus_um)
            seen = imaging.phase_contrast(
                seen,
                noise,
                1e3 * pixel_um,
                lens,
                inside.potential if inside else None,
                0.0 if dose is None else float(dose.mean()),
            )
    seen = imaging.filtered(seen, transmission, scope.passed())
    light = imaging.beam(
        view.shape,
        beam_center_px(session, geometry),
        _radius_um(scope) / pixel_um,
        imaging.Light(*_brighter_towards(scope), scope.instrument.beam.unevenness),
        scope.instrument.beam.fringes,
    )
    seen = np.multiply(seen, light, out=light)
    to_px = np.array(scope.optics.stage_to_image(view.mag_index, view.binning, view.tilt_deg))
    return imaging.moved(seen, tuple(to_px @ motion_um))


def _inside(
    session: Session, grid: Specimen, view: camera_model.View, pixel_um: float
) -> Inside | None:
    if pixel_um >= DEPTH_BELOW_UM or not isinstance(grid, DeepSpecimen):
        return None
    stage_z_um = session.scope.stage.position_um[2]
    to_px = camera_model.projection(session.scope.optics, view, stage_z_um)
    return session.darkroom.inside(grid, to_px, view.shape, pixel_um, session.seed + _GRAIN_SEED)


def _dose(session: Session, affine: np.ndarray, shape: tuple[int, int]) -> np.ndarray | None:
    name = getattr(session.grid, "name", "")
    return session.darkroom.damage.dose_map(name, session.exposures).sample(affine, shape)


def _damaged(
    session: Session, seen: np.ndarray, affine: np.ndarray, dose: np.ndarray | None
) -> np.ndarray:
    if dose is None:
        return seen
    bubbles = None
    if dose.max() > damage.BUBBLING_DOSE_E_A2:
        bubbles = texture.sample(affine, seen.shape, damage.BUBBLE_UM, session.seed + _BUBBLE_SEED)
    return damage.damaged(seen, dose, bubbles)


def _grain(session: Session, affine: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return grain.sample(affine, shape, session.seed + _GRAIN_SEED)


def _lens(session: Session, defocus_um: float) -> imaging.Lens:
    """What shapes the contrast, in the axes of the picture (columns, rows)."""
    scope, instrument = session.scope, session.instrument
    tilt_mrad = scope.coma_tilt_mrad()
    focus_um, astigmatism_um = apparent_focus(
        defocus_um, scope.astigmatism_um(), tilt_mrad, instrument.cs_mm
    )
    axes = _picture_axes(scope)
    along, across = astigmatism_in(astigmatism_um, axes)
    x, y = axes.T @ np.array(tilt_mrad)
    # Rounded, so that pictures that do not differ share what is worked out from it.
    return imaging.Lens(
        round(focus_um, 4),
        instrument.voltage_kV,
        instrument.cs_mm,
        instrument.amplitude_contrast,
        astigmatism_um=(round(along, 4), round(across, 4)),
        tilt_mrad=(round(float(x), 3), round(float(y), 3)),
    )


def _picture_axes(scope: Microscope) -> np.ndarray:
    """Unit vectors of the picture (right, down) in the specimen frame, as columns."""
    to_specimen = scope.optics.camera_to_specimen(scope.mag_index) / scope.pixel_um(scope.mag_index)
    return to_specimen @ np.diag([1.0, -1.0])


def _brighter_towards(scope: Microscope) -> tuple[float, float]:
    """By how much the beam is brighter at its edge to the right, and downwards."""
    x, y = _picture_axes(scope).T @ np.array(scope.brighter_towards)
    return float(x), float(y)


def _radius_um(scope: Microscope) -> float:
    radius_um = scope.beam_diameter_um / 2.0
    if scope.optics.entry(scope.mag_index).low_mag and scope.apertures_um[OBJECTIVE_APERTURE]:
        radius_um = min(radius_um, scope.instrument.low_mag_field_radius_um)
    return radius_um


def beam_center_px(session: Session, geometry: PictureGeometry) -> tuple[float, float]:
    """Middle of the beam in the picture, (column, row).

    The beam follows the image shift, as on a microscope whose image shift is calibrated to
    move both; beam shift moves it away from there, and what beam tilt does to the picture of the
    specimen it does to that of the beam's edge.
    """
    scope, view = session.scope, geometry.view
    x, y = np.array(geometry.unshifted.shift_um) + beam_shift_um(session) - view.shift_um
    x, y = scope.optics.specimen_to_camera(view.mag_index) @ (x, y) / view.binning
    return view.shape[1] / 2.0 + float(x), view.shape[0] / 2.0 - float(y)


def beam_shift_um(session: Session) -> np.ndarray:
    """Distance of the beam from the optical axis, specimen (x, y)."""
    return session.scope.beam_shift_rows() @ np.array(session.scope.beam_shift)


def footprint(session: Session, geometry: PictureGeometry) -> tuple[tuple[float, float], Matrix]:
    """Middle and axes of the beam on the specimen in the grid frame, as `Exposure` has them."""
    scope, view = session.scope, geometry.unshifted
    x, y = np.array(view.shift_um) + beam_shift_um(session)
    center = camera_model.center_um(scope.optics, replace(view, shift_um=(x, y)))
    stretch = camera_model.onto_specimen(scope.optics, view)
    to_grid = view.lying.rows.T @ scope.optics.specimen_to_stage()
    axes = scope.beam_diameter_um / 2.0 * to_grid @ stretch
    (a, b), (c, d) = axes.tolist()
    return center, ((a, b), (c, d))
