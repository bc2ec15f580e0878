"""What a simulated microscope is made of: scope, stage and camera.

`instrument_file` reads it from a file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.aberrations import AberrationModel
from space.simulator.column.energy_filter import FilterModel
from space.simulator.column.gun import GunModel
from space.simulator.column.lying import LoadModel
from space.simulator.column.optics import ColumnOptics, Magnification, Matrix
from space.simulator.column.states import Area, ImagingState

if TYPE_CHECKING:
    from space.simulator.column.letters import SetLetter

SPOT_SIZES = 11
OBJECTIVE_APERTURE = 2
EUCENTRICITY_ROUTINES = ("rough", "fine", "focus")
LINEAR, COUNTING, SUPER_RESOLUTION = range(3)
"""SerialEM's numbers of the read modes of a direct detector."""

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
    nanoprobe_width : float
        Width of the beam in nanoprobe, in parts of that in microprobe at the same intensity.
    nanoprobe_shift_rows : Matrix
        Specimen µm per unit of beam shift in nanoprobe.
    unevenness : float
        How much brighter the beam is in its middle than at its edge; besides, it grows brighter
        to one side, by half of this to all of it from the middle to the edge.
    fringes : float
        Strength of the Fresnel fringes at the edge of the beam, 1 for those of an aperture that
        is not in focus, 0 for fringe-free illumination.
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
    nanoprobe_width: float
    nanoprobe_shift_rows: Matrix
    unevenness: float
    fringes: float
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
    """Parameters of one camera set.

    Attributes
    ----------
    window_px : tuple of int, optional
        Left, right, top and bottom of the part of the chip that is read, unbinned.
    read_mode : int
        LINEAR, COUNTING or SUPER_RESOLUTION; of no matter to a camera without such modes.
    frame_s : float
        Exposure time of a frame.
    fractionate, save_frames, align_frames : bool
        Whether the exposure is divided into frames; and whether these are saved, and aligned with
        each other in the picture.
    processing : int
        0 none, 1 dark subtracted, 2 gain normalized.
    """

    binning: float = 4
    exposure_s: float = 1.0
    drift_s: float = 0.3
    window_px: tuple[int, int, int, int] | None = None
    read_mode: int = COUNTING
    frame_s: float = 0.1
    fractionate: bool = False
    save_frames: bool = False
    align_frames: bool = False
    processing: int = 2


@dataclass(frozen=True)
class ReadMode:
    """What a read mode makes of electrons; factors on what the instrument file says.

    Attributes
    ----------
    gain, noise : float
        On the counts per electron, and on the readout noise.
    spread : float
        On the shot noise: where electrons are not counted, each gives more or less of a signal.
    """

    gain: float = 1.0
    noise: float = 1.0
    spread: float = 1.0


ONE_MODE = (ReadMode(),)
THREE_MODES = (ReadMode(gain=5.0, noise=8.0, spread=1.4), ReadMode(), ReadMode())
"""Linear, counting and super-resolution. The detective quantum efficiency without readout noise is
1 / spread²: about half of that of counting, as measured for such detectors (G. McMullan et al.,
Ultramicroscopy 147 (2014))."""


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
    modes : tuple of ReadMode
        By number; one for a camera that has no choice of them.
    half_modes : tuple of int
        Modes in which pictures of half pixels can be taken, whose binning is shown as 0.5.
    shortest_frame_s : float
        Shortest exposure of a frame.
    mrc_frames : bool
        Whether frames are saved as MRC whatever SerialEM's options for frame files are.
    """

    k2_type: int
    counted_per_px: int
    modes: tuple[ReadMode, ...] = ONE_MODE
    half_modes: tuple[int, ...] = ()
    shortest_frame_s: float = 0.025
    mrc_frames: bool = False


CAMERA_KINDS = {
    "plain": CameraKind(0, 1),
    "Falcon 4": CameraKind(0, 1, shortest_frame_s=0.004, mrc_frames=True),
    "super-resolution": CameraKind(0, 2, half_modes=(LINEAR,)),
    "K2": CameraKind(1, 2, THREE_MODES, (SUPER_RESOLUTION,)),
    "K3": CameraKind(3, 2, THREE_MODES, (COUNTING, SUPER_RESOLUTION), 0.013),
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
        Folder in which frames are saved at the start; empty when the camera saves none.
    frame_size_px : int
        Saved frames are cropped to squares of this many pixels, so that they stay small; 0 saves
        them whole.
    sets : dict
        Parameters of each camera set at the start, by letter.
    """

    name: str
    size_px: tuple[int, int]
    chip_pixel_um: float
    rotation_and_flip: int
    kind: CameraKind
    frame_folder: str
    frame_size_px: int
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
    loaded_slot_occupied : bool
        Whether the slot of the grid that is on the stage counts as occupied.
    eucentricity : tuple of str
        Routines that find the eucentric height, of `EUCENTRICITY_ROUTINES`.
    """

    valves: bool = True
    apertures: bool = True
    autoloader_names: bool = True
    loaded_slot_occupied: bool = False
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
    loading : LoadModel
        How differently a grid lies each time it is loaded.
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
    aberrations: AberrationModel
    camera: CameraModel
    areas: tuple[Area, ...]
    states: tuple[ImagingState, ...]
    apertures: tuple[Aperture, ...]
    low_mag_field_radius_um: float
    energy_filter: FilterModel | None
    gun: GunModel
    autoloader_slots: int
    controls: Controls
    loading: LoadModel = LoadModel()

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
