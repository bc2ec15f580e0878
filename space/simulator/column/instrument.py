"""What a simulated microscope is made of: scope, stage and camera.

`instrument_file` reads it from a file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.optics import ColumnOptics, Magnification, Matrix
from space.simulator.column.states import Area, ImagingState

if TYPE_CHECKING:
    from space.simulator.column.letters import SetLetter

SPOT_SIZES = 11
OBJECTIVE_APERTURE = 2
EUCENTRICITY_ROUTINES = ("rough", "fine", "focus")

_LOW_MAG_OFFSET = 71  # what random numbers are drawn for


@dataclass(frozen=True)
class StageModel:
    """The stage: its axes, limits, speed and errors.

    Attributes
    ----------
    invert_x : bool
        Whether stage X runs the other way (SerialEM's property InvertStageXAxis).
    scale : tuple of float
        Stage µm per specimen µm along X and Y; a calibrated stage is some tenths of a percent off.
    limits_um : tuple of float
        Lowest and highest X, lowest and highest Y.
    error_um, readout_error_um : float
        Standard deviation per axis of where a move ends, and of what is then read.
    play_um : float
        Mechanical play: how far the position after a move depends on where the stage came from.
    backlash_um : tuple of float
        Last leg of the moves that the Navigator makes, which takes the play out.
    tilt_axis_offset_um : float
        Distance of the tilt axis from the optical axis, along specimen Y.
    tilt_range_deg : tuple of float
        Lowest and highest angle that it reaches; it refuses others, also those within the limit
        that the program knows (`max_tilt_deg`).
    tilt_error_um, tilt_readout_error_deg : float
        Standard deviations of the displacement that a tilt brings, and of the angle reached.
    """

    invert_x: bool
    scale: tuple[float, float]
    limits_um: tuple[float, float, float, float]
    z_limit_um: float
    speed_um_s: float
    settle_s: float
    error_um: float
    readout_error_um: float
    play_um: float
    backlash_um: tuple[float, float]
    tilt_axis_offset_um: float
    max_tilt_deg: float
    tilt_range_deg: tuple[float, float]
    tilt_speed_deg_s: float
    tilt_settle_s: float
    tilt_error_um: float
    tilt_readout_error_deg: float

    def specimen_to_stage(self) -> Matrix:
        """Stage µm per specimen µm: turned by 180 degrees, X the other way when inverted."""
        x, y = self.scale
        return ((x if self.invert_x else -x, 0.0), (0.0, -y))


@dataclass(frozen=True)
class BeamModel:
    """The illumination.

    Attributes
    ----------
    condensers : int
        Lenses that set the width of the beam. With 3 the illuminated area is set and read
        directly, with 2 or 1 only an intensity is.
    crossover : tuple of float
        Intensity at which the beam is smallest, for each spot size from 1 on.
    currents_nA : tuple of float
        Beam current of each spot size from 1 on.
    shift_rows : Matrix
        Specimen µm per unit of beam shift.
    tilt_direction_deg : float
        Direction on the specimen in which a beam tilt along X displaces the image.
    coma_rows : Matrix
        Beam tilt (mrad) per unit of image shift that keeps the picture free of coma.
    focus_spread_um : float
        How far from zero the reading in focus may lie.
    free_diameter_px, free_rate_e_px_s, free_low_mag_rate_e_px_s : float
        Outside low dose the beam is kept that many unbinned pixels wide and that bright.
    """

    condensers: int
    crossover: tuple[float, ...]
    currents_nA: tuple[float, ...]
    shift_rows: Matrix
    tilt_direction_deg: float
    coma_rows: Matrix
    focus_spread_um: float
    free_diameter_px: float
    free_rate_e_px_s: float
    free_low_mag_rate_e_px_s: float

    def tilt_rows(self) -> Matrix:
        """Rotation from beam tilt to the direction in which it displaces the image."""
        angle = math.radians(self.tilt_direction_deg)
        return (
            (math.cos(angle), -math.sin(angle)),
            (math.sin(angle), math.cos(angle)),
        )


@dataclass(frozen=True)
class CameraSet:
    """Parameters of one camera set; `window_px` = (left, right, top, bottom), unbinned."""

    binning: float = 4
    exposure_s: float = 1.0
    drift_s: float = 0.3
    window_px: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class CameraKind:
    """How SerialEM treats a kind of camera.

    Attributes
    ----------
    k2_type : int
        Property K2Type: 0 for all but Gatan's K2 and K3.
    counted_per_px : int
        Unbinned pixels that SerialEM counts per real one: two for cameras with super-resolution.
        Binnings in Navigator files, image shifts in pixels and matrices with a camera side are in
        the former; sizes, binnings and pixel sizes that dialogs, scripts and mdocs show are in
        real pixels.
    """

    k2_type: int
    counted_per_px: int


CAMERA_KINDS = {
    "plain": CameraKind(0, 1),
    "Falcon 4": CameraKind(0, 1),
    "super-resolution": CameraKind(0, 2),
    "K2": CameraKind(1, 2),
    "K3": CameraKind(3, 2),
}


@dataclass(frozen=True)
class CameraModel:
    """The camera.

    Attributes
    ----------
    size_px : tuple of int
        Columns and rows, real unbinned pixels.
    rotation_and_flip : int
        SerialEM's code 0-7 of how pictures are turned. Scripts can ask for it; the pictures come
        turned.
    kind : CameraKind
        How SerialEM treats it.
    frame_folder : str
        Folder for frames that scripts get; empty when the camera saves none.
    sets : dict
        Parameters of each camera set at the start, by letter.
    """

    name: str
    size_px: tuple[int, int]
    chip_pixel_um: float
    rotation_and_flip: int
    kind: CameraKind
    frame_folder: str
    binnings: tuple[int, ...]
    counts_per_electron: float
    readout_noise_counts: float
    saturation_counts: float
    min_exposure_s: float
    sets: dict[SetLetter, CameraSet]


@dataclass(frozen=True)
class Aperture:
    """An aperture holder: SerialEM's number, its name, and its size at the start (0 = out)."""

    number: int
    name: str
    size_um: int


@dataclass(frozen=True)
class Controls:
    """What scripts can drive: what is not here is refused, and done by hand.

    Attributes
    ----------
    valves, apertures : bool
        Whether the column or gun valve, and the sizes of apertures, can be set and read.
    autoloader_names : bool
        Whether the autoloader reports the names of grids.
    eucentricity : tuple of str
        Routines that find the eucentric height, of `EUCENTRICITY_ROUTINES`.
    """

    valves: bool = True
    apertures: bool = True
    autoloader_names: bool = True
    eucentricity: tuple[str, ...] = EUCENTRICITY_ROUTINES


@dataclass(frozen=True)
class Instrument:
    """A microscope with its stage and camera, as the file describes it.

    Attributes
    ----------
    source : str
        File that it was read from.
    low_mag_offset_range_um : tuple of float
        Shortest and longest distance between what stands in the centre in low magnification and
        above it; the seed of a session draws the vector.
    low_mag_field_radius_um : float
        What an inserted objective aperture leaves of the field in low magnification.
    """

    source: str
    name: str
    voltage_kV: float
    cs_mm: float
    amplitude_contrast: float
    magnifications: tuple[Magnification, ...]
    low_mag_offset_range_um: tuple[float, float]
    is_to_specimen_rows: Matrix
    is_to_specimen_low_mag_rows: Matrix
    image_shift_limit_um: float
    low_mag_image_shift_limit_um: float
    stage: StageModel
    beam: BeamModel
    camera: CameraModel
    areas: tuple[Area, ...]
    states: tuple[ImagingState, ...]
    apertures: tuple[Aperture, ...]
    low_mag_field_radius_um: float
    energy_filter: bool
    slit_width_eV: float
    autoloader_slots: int
    controls: Controls

    def optics(self, seed: int = 1) -> ColumnOptics:
        """Calibrations of this microscope; the seed sets the low magnification offset."""
        rng = np.random.default_rng([seed, _LOW_MAG_OFFSET])
        length = rng.uniform(*self.low_mag_offset_range_um)
        angle = rng.uniform(0.0, 2.0 * math.pi)
        return ColumnOptics(
            magnifications=self.magnifications,
            specimen_to_stage_rows=self.stage.specimen_to_stage(),
            is_to_specimen_rows=self.is_to_specimen_rows,
            is_to_specimen_low_mag_rows=self.is_to_specimen_low_mag_rows,
            low_mag_offset_um=(length * math.cos(angle), length * math.sin(angle)),
            tilt_axis_offset_um=self.stage.tilt_axis_offset_um,
        )

    def mag_index(self, nominal: float) -> int:
        """Index of a nominal magnification of the table.

        Raises
        ------
        ValueError
            If the table does not have it.
        """
        for mag in self.magnifications:
            if mag.nominal == nominal:
                return mag.index
        raise ValueError(f"{nominal:g}x is not in the magnification table of {self.name}")
