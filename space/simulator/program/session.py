"""One session at the simulated microscope: what all commands act on."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, TextIO, TypedDict

import numpy as np

from space.simulator.column.clock import Clock
from space.simulator.column.errors import SEMerror
from space.simulator.column.faults import Faults, before_picture
from space.simulator.column.hardware import Hardware
from space.simulator.column.installation import NEWEST, Installation
from space.simulator.column.instrument import Instrument
from space.simulator.column.instrument_file import load_instrument
from space.simulator.column.letters import AREA_OF_SET, SET_LETTERS, AreaLetter, SetLetter
from space.simulator.column.random_source import RandomSource
from space.simulator.column.scope import Microscope
from space.simulator.column.states import Area
from space.simulator.imaging import camera as camera_model
from space.simulator.imaging.camera import Camera
from space.simulator.imaging.images import Buffers, Image
from space.simulator.imaging.pictures import (
    Darkroom,
    Exposure,
    PictureGeometry,
    footprint,
    intensity,
    picture_geometry,
)
from space.simulator.montage.settings import MontageSettings
from space.simulator.program.acquire_state import AcquireState
from space.simulator.program.children import Children
from space.simulator.program.exposure_notes import exposure_entries
from space.simulator.program.files import FileTable
from space.simulator.program.frames import FrameNaming
from space.simulator.program.navigator import Navigator
from space.simulator.program.policy import Dialog, Keyboard, Policy, ask_yes_no
from space.simulator.program.variables import Variables
from space.simulator.program.workbench import Workbench

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from space.simulator.program.policy import DialogKind
    from space.simulator.specimen.interface import Specimen

_NOISE = 29  # what random numbers are drawn for


@dataclass(frozen=True)
class Script:
    """A script in SerialEM's script list."""

    name: str
    text: str


@dataclass
class Options:
    """What a script can change for its own run, and user settings."""

    no_message_box: bool = False
    try_level: int = 0
    python_include_path: str = ""
    suppress_reports: bool = False
    user_settings: dict[str, float] = field(
        default_factory=lambda: {
            "DriftProtection": 0.0,
            "ShiftToTiltAxis": 0.0,
            "NavAutosave": 0.0,
            "AutofocusBeamTilt": 5.0,
            "BuffersToRollOnAcquire": 6.0,
        }
    )
    align_limit_um: float = 0.0
    frames: FrameNaming = FrameNaming()
    cumulative_dose: dict[int, float] = field(default_factory=dict)
    dose_area: int = 0
    accumulate_dose: bool = False
    matrix_binning: float = 0.0
    kept_settings: dict[str, float] = field(default_factory=dict)
    keep_frame_name: bool = False


@dataclass
class Measurements:
    """Results of the last focus and alignment routines."""

    defocus_um: float = 0.0
    defocus_status: float = 0.0
    drift_nm_s: tuple[float, float] | None = None
    rough_limit_um: float | None = None  # of the next rough eucentricity
    focus_change_limits_um: tuple[float, float] | None = None


class PictureChoices(TypedDict, total=False):
    """What can be chosen for a picture; see `Session.acquire_image`."""

    camera_set: int | None
    binning: float | None
    frame_px: tuple[int, int] | None
    exposure_s: float | None
    save_frames: bool


class Keeper(Protocol):
    """What writes a session down while it runs."""

    def note(self, session: Session) -> None:
        """Write down what has changed."""


class Session(Hardware):
    """Microscope, camera, files, Navigator and the rest of the program's state.

    Parameters
    ----------
    directory : Path
        Current directory at the start.
    seed : int
        Seed of everything random.
    grids : mapping, optional
        Autoloader slot → grid.
    time_scale : float
        Real seconds slept per simulated second of a delay.
    progress : callable, optional
        Called with each log line.
    noise : bool
        Whether images carry shot noise.
    loaded : int or None
        Slot of the grid on the stage at the start.
    stage_error_um : float, optional
        Standard deviation of a stage move per axis, in place of the instrument's.
    instrument : Instrument, optional
        Scope, stage and camera; the standard 300 kV microscope otherwise.
    faults : Faults, optional
        What goes wrong.
    installation : Installation
        Which SerialEM it is.
    """

    HARDWARE: ClassVar[tuple[str, ...]] = ("loaded_slot", "dewars_full_at_s", "last_apertures")
    OF_ONE_RUN: ClassVar[tuple[str, ...]] = (
        "grids",
        "installation",
        "faults",
        "policy",
        "keyboard",
        "keeper",
        "children",
        "exposures",
        "real_stdout",
        "progress",
    )
    """Attributes that each run of a kept session brings itself; exposures are in its journal."""

    def __init__(
        self,
        directory: Path,
        seed: int = 1,
        grids: Mapping[int, Specimen] | None = None,
        time_scale: float = 0.02,
        policy: Policy | None = None,
        progress: Callable[[str], None] | None = None,
        noise: bool = True,
        loaded: int | None = None,
        stage_error_um: float | None = None,
        instrument: Instrument | None = None,
        faults: Faults | None = None,
        installation: Installation = NEWEST,
    ) -> None:
        self.directory = Path(directory)
        self.seed = seed
        self.random_source = RandomSource(seed)
        self.clock = Clock(time_scale)
        self.instrument = instrument or load_instrument()
        self.installation = installation
        self.faults = Faults() if faults is None else faults
        self.scope = Microscope(self.instrument, seed, stage_error_um, self.clock, self.faults)
        self.children = Children()
        self.keeper: Keeper | None = None  # writes the session down, where it is kept on disk
        self.dewars_full_at_s = 0.0
        self.camera = Camera(self.instrument.camera)
        self.buffers = Buffers()
        self.variables = Variables()
        self.policy = policy or Policy()
        self.keyboard = Keyboard([key.upper() for key in self.policy.keys])
        self.dialogs: list[Dialog] = []
        self.log: list[str] = []
        self.log_file: Path | None = None
        self.log_start = 0
        self.log_styles: dict[int, tuple[int, ...]] = {}
        self.status_lines = [""] * 6
        self.options = Options()
        self.measured = Measurements()
        self.scripts: dict[int, Script] = {}
        self.acquire = AcquireState()
        self.grids: dict[int, Specimen] = dict(grids or {})
        self.loaded_slot = loaded
        self.exposures: list[Exposure] = []
        self.noise = noise
        self.reported: tuple[float | str, ...] = ()
        self.last_error = ""
        self.call_depth = 0  # scripts that have called the one that runs
        self.updated_areas: dict[AreaLetter, Area] = {}
        self.following_areas: set[AreaLetter] = set()
        self.rough_eucentricity_failed = False
        self.last_zlp_s: float | None = None
        self.last_apertures: dict[int, int] = {}
        self.long_operations: dict[str, float] = {}
        self.slot_names: dict[int, str] = {}
        self.navigator = Navigator(seed=seed)
        self.files = FileTable()
        self.montage = MontageSettings()
        self.workbench = Workbench()
        self.darkroom = Darkroom()
        self.real_stdout: TextIO | None = None
        self.progress = progress

    def program(self) -> dict[str, object]:
        """Give what SerialEM holds in memory: the next run of a kept session continues with it."""
        return {name: value for name, value in vars(self).items() if name not in self.OF_ONE_RUN}

    # --- log and dialogs ---------------------------------------------------------------------

    def write_log(self, text: str) -> None:
        """Add lines to the log."""
        for line in str(text).splitlines() or [""]:
            self.log.append(line)
            if self.progress is not None:
                # While a script runs its prints go to this log: progress must not follow them.
                with contextlib.redirect_stdout(self.real_stdout or sys.stdout):
                    self.progress(line)

    def answer_yes_no(self, text: str, kind: DialogKind = "yes/no") -> bool:
        """Answer of the policy to a question."""
        return ask_yes_no(self, text, kind)

    def note_dialog(self, kind: DialogKind, text: str, answer: str) -> None:
        """Keep a record of a dialog and write it to the log."""
        self.dialogs.append(Dialog(kind, text, answer))
        self.write_log(f"[{kind}] {text} -> {answer}")

    def resolve(self, name: str) -> Path:
        """Path of a file name, relative names against the current directory."""
        path = Path(name)
        return path if path.is_absolute() else self.directory / path

    def random(self, purpose: int) -> np.random.Generator:
        """Generator for a measurement at the present place of the stage."""
        return self.random_source.at(
            purpose, *self.scope.stage.position_um, *self.scope.image_shift
        )

    # --- grid --------------------------------------------------------------------------------

    @property
    def grid(self) -> Specimen | None:
        """Grid on the stage, or None."""
        return self.grids.get(self.loaded_slot) if self.loaded_slot is not None else None

    def height_um(self) -> float:
        """Height above the tilt axis of what stands in the centre of the present view."""
        return self.geometry(1.0, (2, 2)).height_um

    # --- pictures ----------------------------------------------------------------------------

    def geometry(self, binning: float, shape: tuple[int, int]) -> camera_model.View:
        """Where an image taken now would picture_geometry."""
        return picture_geometry(self, binning, shape).view

    def true_defocus_um(self) -> float:
        """Real defocus of what stands in the centre of the present view; negative is under."""
        return picture_geometry(self, 1.0, (2, 2)).defocus_um

    def acquire_image(
        self,
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
        scope = self.scope
        before_picture(self)
        scope.screen_down = False
        letter = self.camera.letter(set_letter)
        if scope.low_dose:
            scope.go_to_area(AREA_OF_SET[letter])
        parameters = self.camera.sets[letter]
        factor = float(parameters.binning if binning is None else binning)
        columns, rows = frame_px or self.camera.frame_px(letter, factor)
        if columns * factor > self.camera.size_px[0] or rows * factor > self.camera.size_px[1]:
            raise SEMerror(
                f"A frame of {columns} x {rows} at binning {factor:g} exceeds the camera"
            )
        seconds = parameters.exposure_s if exposure_s is None else exposure_s
        begin_s = self.clock.seconds + parameters.drift_s
        geometry = picture_geometry(
            self, factor, (int(rows), int(columns)), begin_s + seconds / 2.0
        )
        before, after = (
            self.scope.stage.drift.displacement_um(begin_s + t) for t in (0.0, seconds)
        )
        motion_um = (after[0] - before[0], after[1] - before[1])
        index = len(self.exposures)
        data, dose = self._expose(geometry, seconds, motion_um)
        self.clock.advance(seconds + parameters.drift_s + 0.7)
        image = self._describe(data, geometry.view, seconds, dose, index)
        number = SET_LETTERS.index(letter) if camera_set is None else camera_set
        self._note_exposure(image, geometry, motion_um, letter, number)
        entries = exposure_entries(self, letter, image, save_frames)
        return replace(image, camera_set=number, entries=entries)

    def _expose(
        self, geometry: PictureGeometry, seconds: float, motion_um: tuple[float, float]
    ) -> tuple[np.ndarray, float]:
        view, rng = geometry.view, None
        if self.noise:
            center = camera_model.center_um(self.scope.optics, view)
            rng = self.random_source.at(_NOISE, *center, view.tilt_deg, view.mag_index)
        if not self.scope.valve_open:
            dark = np.zeros(view.shape, dtype=np.float32)
            return camera_model.expose(dark, 1.0, rng, self.camera.model), 0.0
        dose = self.scope.dose_rate_e_A2_s() * seconds
        pixel_A = view.binning * self.scope.pixel_um(view.mag_index) * 1e4
        seen = intensity(self, geometry, motion_um)
        return camera_model.expose(seen, dose * pixel_A**2, rng, self.camera.model), dose

    def _describe(
        self, data: np.ndarray, view: camera_model.View, seconds: float, dose: float, index: int
    ) -> Image:
        scope = self.scope
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
            time=self.clock.date_time(),
            exposure_index=index,
        )

    def _note_exposure(
        self,
        image: Image,
        geometry: PictureGeometry,
        motion_um: tuple[float, float],
        letter: SetLetter,
        number: int,
    ) -> None:
        scope, view = self.scope, geometry.view
        low_mag = scope.optics.entry(view.mag_index).low_mag
        outside = "LM" if low_mag else "M"
        beam_center_um, beam_axes_um = footprint(self, geometry)
        seconds = max(image.exposure_s, 1e-6)
        self.exposures.append(
            Exposure(
                index=image.exposure_index,
                grid=getattr(self.grid, "name", ""),
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
                true_stage_um=scope.stage.true_um,
            )
        )
        if self.keeper is not None:
            self.keeper.note(self)

    def between_commands(self) -> None:
        """Let happen what happens when a command has been carried out."""
        if self.keeper is not None:
            self.keeper.note(self)
        if self.faults.strikes("serialem-death"):
            self.children.end()
            self.faults.die()

    def take(self, set_letter: str, **choices: Unpack[PictureChoices]) -> Image:
        """Take a picture into buffer A after rolling the buffers."""
        image = self.acquire_image(set_letter, **choices)
        self.buffers.push(image)
        return image

    def note_saved(self, image: Image, file_name: str, section: int) -> None:
        """Fill file and section of the exposure that an image came from."""
        index = image.exposure_index
        if 0 <= index < len(self.exposures):
            self.exposures[index] = replace(
                self.exposures[index], file=str(file_name), section=int(section)
            )
