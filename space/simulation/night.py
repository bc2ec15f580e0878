"""A night of several grids on the simulated microscope, with faults, judged by the truth.

The truth answers in place of the models. A person who finds that everything has stopped (an error
of the acquisition, STOP, the death of SerialEM) runs the script again, and does nothing else.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

from space import jobs, workflow
from space.microscope import read_navigator_file
from space.project import POST_ACTION, STAND_IN, project_folder
from space.simulation.bench import script_text, without_plots
from space.simulation.scripts import read_script, with_settings
from space.simulation.series_truth import off_lamella
from space.simulation.truth_worker import TruthWorker
from space.simulator import Policy, Script
from space.simulator.column import FAULT_KINDS, INSTRUMENT_FOLDER, Fault, Faults
from space.simulator.judging import by_series, double_exposed
from space.simulator.keeping import Setup, open_session, pictures
from space.simulator.specimen import LABELS

if TYPE_CHECKING:
    from space.simulator import Exposure, ScriptResult, Simulation
    from space.simulator.column import FaultName
    from space.simulator.specimen import Grid

SCRIPT_NUMBERS = {"SPACEtomo": 1, "PACEtomo": 2, "post action": 3}
TILTS_DEG = (0.0, 30.0, -30.0)
FINISHED = "SPACEtomo has finished level 5"

_MOST_COMMANDS = 200_000
_OCCASIONS: dict[FaultName, int] = {
    "camera-timeout": 60,
    "stage-failure": 40,
    "stage-off": 25,
    "dark-image": 60,
    "drift": 60,
    "lost-focus": 60,
    "refill": 60,
    "disk-full": 25,
    "user-stop": 900,
    "script-error": 200,
    "serialem-death": 900,
    "state-off": 15,
    "tilt-off": 20,
}
"""About how many occasions a lamella gives for each kind; for all others, there is one a grid."""


class SessionDied(BaseException):
    """Stands in for the end of the process, which takes the script with it."""


class NightFaults(Faults):
    """Faults of one run of the program; they can be carried over to the next one."""

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        super().__init__(faults, seed, die=self._end)
        self.commands = 0

    def _end(self) -> None:
        raise SessionDied

    def __bool__(self) -> bool:
        return True

    def command_begins(self, name: str, acquiring: bool = False) -> None:
        """Count a command; a night that does not end is a mistake."""
        self.commands += 1
        if self.commands > _MOST_COMMANDS:
            raise RuntimeError("The night does not come to an end.")
        super().command_begins(name, acquiring)

    def left(self) -> list[Fault]:
        """Return the faults that have not struck yet, counted from now on."""
        rest = []
        for fault in self.faults:
            done = self._occasions[fault.name]
            if fault.first > done:
                rest.append(replace(fault, first=fault.first - done, last=fault.first - done))
        return rest


def faults_of_a_night(seed: int, grids: int, lamellae: int, share: float) -> list[Fault]:
    """Draw the faults of a night: each lamella has one with a probability of `share`."""
    random = np.random.default_rng((seed, 17))
    kinds = list(FAULT_KINDS)
    found = []
    for _ in range(grids * lamellae):
        if random.random() >= share:
            continue
        kind = kinds[int(random.integers(len(kinds)))]
        most = _OCCASIONS[kind] * grids * lamellae if kind in _OCCASIONS else grids
        at = 1 + int(random.integers(most))
        found.append(Fault(kind, at, at))
    return found


def small_camera(folder: Path, moved_by_loading: bool = True) -> Path:
    """Write an instrument with small pictures, and a beam so wide that there are few targets.

    No frames are saved: they are larger than such pictures, and nothing of a night reads them.
    Grids can be made to lie the same each time that they are loaded.
    """
    text = (INSTRUMENT_FOLDER / "krios_k3.toml").read_text(encoding="utf-8")
    text = text.replace("{ binning = 4", "{ binning = 16").replace("4, 8]", "4, 8, 16]")
    text = text.replace("beam_um = 1.6", "beam_um = 6.0")
    text = text.replace('frame_folder = "frames"', 'frame_folder = ""')
    if not moved_by_loading:
        text = text.replace("turn_deg = 2.0", "turn_deg = 0.0")
        text = text.replace("shift_um = 45.0", "shift_um = 0.0")
    path = folder / "small_camera.toml"
    path.write_text(text, encoding="utf-8")
    return path


@dataclass
class OwnTime:
    """CPU time of the product in seconds: not that of the microscope, and not that of models.

    `starts` counts the scripts: SerialEM starts Python for each, and what this takes is not in
    `seconds`.
    """

    seconds: float = 0.0
    starts: int = 0
    others_s: float = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what the block takes, less what others take in it."""
        self.starts += 1
        start, others = time.process_time(), self.others_s
        try:
            yield
        finally:
            self.seconds += time.process_time() - start - (self.others_s - others)

    @contextmanager
    def of_others(self) -> Iterator[None]:
        """Take the block out; within another one, it counts once."""
        start, others = time.process_time(), self.others_s
        try:
            yield
        finally:
            self.others_s = others + time.process_time() - start


@dataclass(frozen=True)
class LamellaOutcome:
    """What became of a lamella.

    Attributes
    ----------
    grid, number :
        In the truth.
    state : str
        "done"; "cut" (an interruption left its series incomplete); "none" (nothing was acquired);
        "beyond" (nothing either: the grid was loaded so that the stage does not reach the lamella).
    repeated : int
        Pictures of its series that were taken more than once.
    """

    grid: str
    number: int
    state: str
    repeated: int = 0


@dataclass
class NightOutcome:
    """How a night ended.

    Attributes
    ----------
    ended : bool
        Whether it ended with the table and the last message.
    runs : int
        How often a person ran the script, 1 if the night needed nobody.
    struck : list of str
        Faults that struck.
    lamellae : list of LamellaOutcome
    double_exposed_px : int
    position_error_um : list of float
        Of maps: from the true middle of their lamella to the middle of the map.
    target_error_um : list of float
        Of tracking targets: from their place in the map to where their series were taken, after the
        grid was loaded again.
    off_lamella : int
        Series that were taken beside any lamella.
    own_s : float
        CPU time of the product.
    starts : int
        How often Python was started for a script of the product, which is not in `own_s`.
    wall_s : float
    log : list of str
    """

    ended: bool = False
    runs: int = 0
    struck: list[str] = field(default_factory=list)
    lamellae: list[LamellaOutcome] = field(default_factory=list)
    double_exposed_px: int = 0
    position_error_um: list[float] = field(default_factory=list)
    target_error_um: list[float] = field(default_factory=list)
    off_lamella: int = 0
    own_s: float = 0.0
    starts: int = 0
    wall_s: float = 0.0
    log: list[str] = field(default_factory=list)

    def count(self, state: str) -> int:
        """Return how many lamellae are in a state."""
        return sum(one.state == state for one in self.lamellae)

    @property
    def repeated(self) -> int:
        """Pictures of tilt series that were taken more than once."""
        return sum(one.repeated for one in self.lamellae)


@dataclass
class Night:
    """A night to simulate.

    Parameters
    ----------
    directory : Path
        Folder of the session; it must not exist yet.
    space_dir : Path
        Folder of a project (`make_project`).
    grids : mapping of int to Grid
        By slot.
    seed : int
        Of the microscope and of the faults.
    faults : sequence of Fault
    most_runs : int
        How often the person runs the script at most.
    limit_um : float
        How far the stage reaches; the montage of a whole grid fills it.
    moved_by_loading : bool
        Whether a grid lies another way when it is loaded again.
    plots : bool
        Whether pictures for people are drawn.
    settings : mapping
        Further settings.
    """

    directory: Path
    space_dir: Path
    grids: dict[int, Grid]
    seed: int = 1
    faults: Sequence[Fault] = ()
    most_runs: int = 12
    limit_um: float = 240.0
    moved_by_loading: bool = True
    plots: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    show: Callable[[str], None] = lambda line: None

    def run(self) -> NightOutcome:
        """Simulate the night and judge it."""
        outcome = NightOutcome()
        left = list(self.faults)
        while outcome.runs < self.most_runs and not outcome.ended:
            faults = NightFaults(left, self.seed)
            self.run_once(faults, outcome)
            left = faults.left()
        self.judge(outcome)
        return outcome

    def run_once(self, faults: NightFaults, outcome: NightOutcome) -> None:
        """Have the person run the script once, and add to an outcome how that went."""
        own, start = OwnTime(), time.monotonic()
        lines, result = self._run_script(faults, own)
        outcome.runs += 1
        outcome.log += lines
        outcome.ended = result is not None and result.ok and _is_over(lines)
        outcome.struck += [f"{name}@{count}" for name, count in faults.struck]
        outcome.own_s += own.seconds
        outcome.starts += own.starts
        outcome.wall_s += time.monotonic() - start

    def _setup(self) -> Setup:
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        return Setup(
            seed=self.seed,
            instrument=str(small_camera(self.directory.parent, self.moved_by_loading)),
            stage_limit_um=self.limit_um,
            noise=False,
            loaded=None,
        )

    def _run_script(
        self, faults: NightFaults, own: OwnTime
    ) -> tuple[list[str], ScriptResult | None]:
        text = script_text(
            SPACE_DIR=str(self.space_dir),
            automation_level=5,
            **{
                "grid_list": sorted(self.grids),
                "screen_first": len(self.grids) > 1,
                "script_numbers": SCRIPT_NUMBERS,
                "target_score_threshold": 0.25,
                "image_shift_limit": 19,
                **self.settings,
            },
        )
        lines: list[str] = []

        def hear(line: str) -> None:
            lines.append(line)
            self.show(line)

        result: ScriptResult | None = None
        try:
            with ExitStack() as stack:
                simulation = stack.enter_context(
                    open_session(
                        self.directory,
                        self._setup(),
                        faults=faults,
                        policy=Policy(key_after_s=2 * 3600.0),
                        progress=hear,
                        time_scale=0.0,
                        grids=self.grids,
                    )
                )
                self._choose_scripts(simulation, text)
                if not self.plots:
                    stack.enter_context(without_plots())
                stack.enter_context(_measured(simulation, own))
                result = simulation.run(text, "SPACEtomo")
        except SessionDied:
            pass
        return lines, result

    def _choose_scripts(self, simulation: Simulation, text: str) -> None:
        project = project_folder()
        tilts = {"max_tilt": max(TILTS_DEG), "step": max(TILTS_DEG)}
        primary = with_settings(read_script(project / STAND_IN), tilts)
        after = with_settings(
            read_script(project / POST_ACTION), {"SPACE_DIR": str(self.space_dir)}
        )
        for name, script in (("SPACEtomo", text), ("PACEtomo", primary), ("post action", after)):
            simulation.scripts[SCRIPT_NUMBERS[name]] = Script(name, script)

    # --- the truth --------------------------------------------------------------------------------

    def judge(self, outcome: NightOutcome) -> None:
        """Add to an outcome what the truth says of the session as it lies on disk."""
        exposures = pictures(self.directory)
        for grid in self.grids.values():
            taken = [one for one in exposures if one.grid == grid.name]
            series = by_series(taken)
            outcome.double_exposed_px += double_exposed(taken).at_one_tilt
            first = {name: one[0] for name, one in series.items()}
            centers = [one.center_um for one in first.values()]
            outcome.off_lamella += off_lamella(centers, grid.lamellae, LABELS)
            by_lamella: dict[int, list[list[Exposure]]] = {one.number: [] for one in grid.lamellae}
            for one in series.values():
                by_lamella[_nearest(grid, one[0])].append(one)
            for number, its_series in by_lamella.items():
                found = _outcome_of(grid.name, number, its_series)
                if found.state == "none" and self._is_beyond(grid, number, taken):
                    found = replace(found, state="beyond")
                outcome.lamellae.append(found)
            maps = maps_of(grid.name, taken)
            outcome.target_error_um += _errors_of_targets(self.directory, grid.name, maps, first)
            outcome.position_error_um += [
                min(math.dist(middle, one.center_um) for one in grid.lamellae)
                for middle in maps.values()
            ]

    def _is_beyond(self, grid: Grid, number: int, taken: Sequence[Exposure]) -> bool:
        """Whether the stage could not reach a lamella as the grid lay last."""
        if not taken:
            return False
        (center_um,) = (one.center_um for one in grid.lamellae if one.number == number)
        return bool(np.abs(taken[-1].lying.to_stage(np.array(center_um))).max() > self.limit_um)


def _is_over(lines: Sequence[str]) -> bool:
    """Whether the last script has said that the session is finished, and nothing came after it."""
    ends = [n for n, line in enumerate(lines) if FINISHED in line]
    starts = [n for n, line in enumerate(lines) if line.startswith("Acquire at Items ended")]
    return bool(ends) and (not starts or ends[-1] > starts[-1])


@contextmanager
def _measured(simulation: Simulation, own: OwnTime) -> Iterator[None]:
    """Let the truth answer, and measure what the product takes."""
    worker = TruthWorker(simulation)
    session = simulation.session
    watching, between_commands = session.watching, session.between_commands
    run, run_post_action = workflow.run, workflow.run_post_action

    def answer(*arguments: Any, **named: Any) -> None:
        with own.of_others():
            worker(*arguments, **named)

    @contextmanager
    def watched(*arguments: Any) -> Iterator[None]:
        with own.of_others(), watching(*arguments):
            yield

    def kept() -> None:  # the microscope notes what has changed
        with own.of_others():
            between_commands()

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            with own.counted():
                return function(*arguments)

        return call

    with (
        worker.instead_of_models(),
        mock.patch.object(jobs, "ensure_worker", answer),
        mock.patch.object(session, "watching", watched),
        mock.patch.object(session, "between_commands", kept),
        mock.patch.object(workflow, "run", timed(run)),
        mock.patch.object(workflow, "run_post_action", timed(run_post_action)),
    ):
        yield


def _nearest(grid: Grid, exposure: Exposure) -> int:
    return min(grid.lamellae, key=lambda one: math.dist(one.center_um, exposure.center_um)).number


def _outcome_of(grid: str, number: int, series: Sequence[Sequence[Exposure]]) -> LamellaOutcome:
    if not series:
        return LamellaOutcome(grid, number, "none")
    repeated = 0
    complete = True
    for taken in series:
        tilts = Counter(round(one.tilt_deg) for one in taken)
        complete &= all(tilts[round(tilt)] for tilt in TILTS_DEG)
        sections = Counter(one.section for one in taken)
        repeated += sum(count - 1 for count in sections.values())
    return LamellaOutcome(grid, number, "done" if complete else "cut", repeated)


def maps_of(grid: str, exposures: Sequence[Exposure]) -> dict[str, np.ndarray]:
    """Places on the grid of the middles of lamella maps, by the maps' names.

    Of a montage that was cut off and taken again, the last one is the map.
    """
    pieces: dict[str, dict[int, Exposure]] = {}
    for one in exposures:
        name = Path(one.file).name if one.file else ""
        if re.fullmatch(rf"{re.escape(grid)}_L\d\d\.mrc", name):
            if one.section == 0:
                pieces[name] = {}
            pieces.setdefault(name, {})[one.section] = one
    return {
        name: np.mean([one.center_um for one in taken.values()], axis=0)
        for name, taken in pieces.items()
    }


def _errors_of_targets(
    directory: Path, grid: str, maps: Mapping[str, np.ndarray], series: Mapping[str, Exposure]
) -> list[float]:
    """Distances of tracking targets from their place in the map to where they were imaged."""
    path = directory / f"{grid}.nav"
    items = {item.note: item for item in read_navigator_file(path)} if path.is_file() else {}
    errors = []
    for name, middle in maps.items():
        note = f"{Path(name).stem}_tgts.txt"
        taken = series.get(f"{Path(name).stem}_ts_001.mrc")
        if taken is None or note not in items or name not in items:
            continue
        there, here = (np.array(items[one].numbers("StageXYZ")[:2]) for one in (note, name))
        planned = middle + (there - here) @ taken.lying.rows
        errors.append(math.dist(planned, taken.center_um))
    return errors
