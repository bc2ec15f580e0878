"""One session at the simulated microscope: what all commands act on."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, TextIO

import numpy as np

from space.simulator.column.clock import Clock
from space.simulator.column.errors import SEMerror
from space.simulator.column.faults import Faults
from space.simulator.column.hardware import Hardware
from space.simulator.column.installation import NEWEST, Installation
from space.simulator.column.instrument import Instrument
from space.simulator.column.instrument_file import load_instrument
from space.simulator.column.letters import AreaLetter
from space.simulator.column.lying import Lying, lying
from space.simulator.column.random_source import RandomSource
from space.simulator.column.scope import Microscope
from space.simulator.column.states import Area
from space.simulator.imaging import camera as camera_model
from space.simulator.imaging.camera import Camera
from space.simulator.imaging.images import Buffers, Image
from space.simulator.imaging.pictures import (
    Darkroom,
    Exposure,
    picture_geometry,
)
from space.simulator.montage.settings import MontageSettings
from space.simulator.program import picture_taking, user_settings
from space.simulator.program.acquire_state import AcquireState
from space.simulator.program.children import Children
from space.simulator.program.drive import Drive
from space.simulator.program.files import FileTable
from space.simulator.program.frames import FrameNaming
from space.simulator.program.navigator import Navigator
from space.simulator.program.policy import Dialog, Keyboard, Policy, ask_yes_no
from space.simulator.program.variables import Variables
from space.simulator.program.workbench import Workbench

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from space.simulator.program.picture_taking import PictureChoices
    from space.simulator.program.policy import DialogKind
    from space.simulator.python.host import ScriptResult
    from space.simulator.specimen.interface import Specimen


@dataclass(frozen=True)
class Script:
    """A script in SerialEM's script list."""

    name: str
    text: str


@dataclass
class Options:
    """What a script can change for its own run, and user settings.

    Attributes
    ----------
    user_settings : dict
        Those that are not part of another object (see `program.user_settings`), by name.
    settings_before : dict
        What user settings were that the script has changed for itself.
    """

    no_message_box: bool = False
    try_level: int = 0
    python_include_path: str = ""
    suppress_reports: bool = False
    user_settings: dict[str, float] = field(default_factory=user_settings.defaults)
    align_limit_um: float = 0.0
    frames: FrameNaming = FrameNaming()
    cumulative_dose: dict[int, float] = field(default_factory=dict)
    dose_area: int = 0
    accumulate_dose: bool = False
    matrix_binning: float = 0.0
    settings_before: dict[str, float] = field(default_factory=dict)
    keep_frame_name: bool = False


@dataclass
class Measurements:
    """Results of the last focus and alignment routines."""

    defocus_um: float = 0.0
    defocus_status: float = 0.0
    drift_nm_s: tuple[float, float] | None = None
    rough_limit_um: float | None = None  # of the next rough eucentricity
    focus_change_limits_um: tuple[float, float] | None = None
    absolute_focus_limits: tuple[float, float] | None = None


class Keeper(Protocol):
    """What writes a session down while it runs."""

    def note(self, session: Session) -> None:
        """Write down what has changed."""


class Watcher(Protocol):
    """What notes for a report what happens in a session."""

    def command(self, name: str, simulated: bool) -> AbstractContextManager[None]:
        """Note a command while it is carried out."""

    def picture(self, image: Image, exposure: Exposure) -> None:
        """Note a picture."""

    def script(self, name: str, result: ScriptResult) -> None:
        """Note how a script has ended."""


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

    HARDWARE: ClassVar[tuple[str, ...]] = (
        "loaded_slot",
        "loads",
        "dewars_full_at_s",
        "pump_stops_at_s",
        "last_apertures",
    )
    OF_ONE_RUN: ClassVar[tuple[str, ...]] = (
        "grids",
        "installation",
        "faults",
        "policy",
        "keyboard",
        "keeper",
        "watcher",
        "children",
        "exposures",
        "real_stdout",
        "progress",
        "drive",
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
        self.watcher: Watcher | None = None  # notes what happens, where a report is wanted
        self.dewars_full_at_s = 0.0
        self.pump_stops_at_s = 0.0
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
        folder = self.instrument.camera.frame_folder
        frames = FrameNaming(folder=self.directory / folder if folder else None)
        self.options = Options(frames=frames)
        self.measured = Measurements()
        self.scripts: dict[int, Script] = {}
        self.acquire = AcquireState()
        self.grids: dict[int, Specimen] = dict(grids or {})
        self.loaded_slot = loaded
        # How often the grid of a slot was loaded; what is on the stage at the start, once.
        self.loads: dict[int, int] = {} if loaded is None else {loaded: 1}
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
        self.drive: Drive | None = None  # how the folders of its own computer are named

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
        """Path of a file name, relative names against the current directory.

        Raises
        ------
        SEMerror
            If the name is empty, which would stand for the directory itself.
        """
        if not str(name).strip():
            raise SEMerror("The name of a file or folder is missing: the text is empty")
        if self.drive is not None:
            name = self.drive.place_of(str(name))
        path = Path(name)
        return path if path.is_absolute() else self.directory / path

    def shown(self, path: str | Path) -> str:
        """Path of a file as the program tells it."""
        return str(path) if self.drive is None else self.drive.name_of(str(path))

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

    @property
    def lying(self) -> Lying:
        """How the grid on the stage lies there; another way each time it is loaded."""
        loads = self.loads.get(self.loaded_slot, 1) if self.loaded_slot is not None else 1
        name = getattr(self.grid, "name", "")
        return lying(self.instrument.loading, self.seed, name, loads)

    def height_um(self) -> float:
        """Height above the tilt axis of what stands in the centre of the present view."""
        return self.geometry(1.0, (2, 2)).height_um

    # --- pictures ----------------------------------------------------------------------------

    def geometry(self, binning: float, shape: tuple[int, int]) -> camera_model.View:
        """Where an image would be taken now."""
        return picture_geometry(self, binning, shape).view

    def true_defocus_um(self) -> float:
        """Real defocus of what stands in the centre of the present view; negative is under."""
        return picture_geometry(self, 1.0, (2, 2)).defocus_um

    def acquire_image(self, set_letter: str, **choices: Unpack[PictureChoices]) -> Image:
        """Take a picture with a camera set (V F T R P S or M); buffers stay as they are."""
        return picture_taking.acquire(self, set_letter, **choices)

    def watching(self, name: str, simulated: bool) -> AbstractContextManager[None]:
        """Give the context in which a command is carried out."""
        if self.watcher is None:
            return contextlib.nullcontext()
        return self.watcher.command(name, simulated)

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
