"""A session small enough to go wrong many times: two lamellae, the truth in place of the models."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from space import pacetomo
from space.microscope import SavedItem, read_navigator_file
from space.simulation import TruthWorker, with_settings
from space.simulator import Exposure, Policy, Script, ScriptResult
from space.simulator.column import INSTRUMENT_FOLDER, Faults
from space.simulator.formats import mdoc
from space.simulator.keeping import Setup, open_session, pictures
from space.simulator.specimen import Grid
from tests.workflow.bench import (
    ROOT,
    let_truth_answer,
    without_frames,
    without_lamella_pictures,
)

TILTS = (0.0, 30.0, -30.0)
MOST_COMMANDS = 20_000
PRIMARY, AFTER = 2, 3


class Died(BaseException):
    """Stands in for the end of the process, which takes the script with it."""


class WatchedFaults(Faults):
    """Faults of a run that must come to an end by itself."""

    commands = 0

    def __init__(self, specs) -> None:
        super().__init__(specs, die=self._end)

    def _end(self) -> None:
        raise Died

    def __bool__(self) -> bool:
        return True

    def command_begins(self, name: str, acquiring: bool = False) -> None:
        self.commands += 1
        assert self.commands < MOST_COMMANDS, "the script does not come to an end"
        super().command_begins(name, acquiring)


@lru_cache(maxsize=1)
def grid() -> Grid:
    """The specimen; painting it is slow, so all tests share it."""
    # Beams this wide leave no room for geometry points, so that nothing tells how a lamella leans.
    return Grid.make(7, 2, name="G1", kinds=["good", "good"], within_um=150.0, level=True)


def small_camera(folder: Path) -> Path:
    """Write an instrument with small pictures, without frames, and a beam for few targets."""
    text = (INSTRUMENT_FOLDER / "krios_k3.toml").read_text(encoding="utf-8")
    text = text.replace("{ binning = 4", "{ binning = 16").replace("4, 8]", "4, 8, 16]")
    # Focus pictures of 360 x 256 pixels hold too little for autofocus far out of focus.
    assert "\nF = { binning = 16" in text
    text = text.replace("\nF = { binning = 16", "\nF = { binning = 8")
    text = without_frames(text.replace("beam_um = 1.6", "beam_um = 6.0"))
    path = folder / "small_camera.toml"
    path.write_text(text, encoding="utf-8")
    return path


@dataclass
class Outcome:
    """How a run ended; `died` when SerialEM did."""

    result: ScriptResult | None
    log: str
    faults: WatchedFaults
    waits_s: list[float] = field(default_factory=list)

    @property
    def died(self) -> bool:
        return self.result is None


class SmallSession:
    """A session on disk.

    Parameters
    ----------
    directory : Path
        Its folder; it is always the same, since files name each other with their whole paths.
    space_dir : Path
        The project's folder.
    monkeypatch :
        To put the truth in place of the workers.
    """

    def __init__(self, directory: Path, space_dir: Path, monkeypatch) -> None:
        self.directory = directory
        self.space_dir = space_dir
        self._monkeypatch = monkeypatch
        directory.parent.mkdir(parents=True, exist_ok=True)
        self._setup = Setup(
            seed=5,
            instrument=str(small_camera(directory.parent)),
            stage_limit_um=240.0,
            noise=False,
            loaded=None,
        )

    def run(self, level: int, *specs: str, **settings: object) -> Outcome:
        """Run SPACEtomo.py up to a level, with faults."""
        values = {"SPACE_DIR": str(self.space_dir), "automation_level": level,
                  "target_score_threshold": 0.25, "image_shift_limit": 19, **settings}  # fmt: skip
        script = with_settings((ROOT / "SPACEtomo.py").read_text(encoding="utf-8"), values)
        faults = WatchedFaults(specs)
        simulation = None
        try:
            with open_session(
                self.directory, self._setup, faults=faults,
                policy=Policy(key_after_s=5.0), time_scale=0.0,
                grids={1: grid()},
            ) as simulation:  # fmt: skip
                without_lamella_pictures(self._monkeypatch)
                let_truth_answer(self._monkeypatch, TruthWorker(simulation))
                self._choose_scripts(simulation)
                result = simulation.run(script, "SPACEtomo")
        except Died:
            result = None
        return Outcome(result, "\n".join(simulation.log), faults)

    def set_acquire(self, note: str) -> None:
        """Turn Acquire on for an item, as a person does."""
        script = f"""#!Python
import serialem as sem
sem.SetItemAcquire(int(sem.NavIndexWithNote({note!r})), 1)
"""
        with open_session(
            self.directory, self._setup, time_scale=0.0, grids={1: grid()}
        ) as simulation:
            result = simulation.run(script, "person")
        assert result.ok, result.error

    def _choose_scripts(self, simulation) -> None:
        primary = (ROOT / "examples/parallel_tilt_series.py").read_text(encoding="utf-8")
        after = (ROOT / "SPACEtomo_postAction.py").read_text(encoding="utf-8")
        tilts = {"max_tilt": max(TILTS), "step": max(TILTS)}
        simulation.scripts[PRIMARY] = Script("primary", with_settings(primary, tilts))
        simulation.scripts[AFTER] = Script(
            "after", with_settings(after, {"SPACE_DIR": str(self.space_dir)})
        )
        simulation.acquire_params(primary=PRIMARY, after=AFTER)

    def copy_to(self, folder: Path) -> None:
        """Keep the session as it is now."""
        shutil.copytree(self.directory, folder)

    def start_from(self, folder: Path | None) -> None:
        """Go back to a session that was kept, or to none."""
        shutil.rmtree(self.directory, ignore_errors=True)
        if folder is not None:
            shutil.copytree(folder, self.directory)

    # --- what is there, and whether it is true ----------------------------------------------------

    @property
    def items(self) -> tuple[SavedItem, ...]:
        """The Navigator as it is on disk."""
        return read_navigator_file(self.directory / "G1.nav")

    @property
    def exposures(self) -> list[Exposure]:
        """The truth about all pictures."""
        return pictures(self.directory)

    def sections(self, name: str, exposures: list[Exposure]) -> list[Exposure]:
        """The truth about the pictures that a file holds, in its order, of that about all."""
        path = str(self.directory / name)
        latest = {one.section: one for one in exposures if one.file == path}
        count = len(mdoc.read(mdoc.path_for(path)).images)
        return [latest[number] for number in range(count)]

    def repeated(self) -> set[str]:
        """Names of files of which a picture was taken more than once."""
        taken = Counter((Path(one.file).name, one.section) for one in self.exposures if one.file)
        return {name for (name, _), count in taken.items() if count > 1}

    def targets(self) -> dict[int, pacetomo.TargetsFile]:
        """Targets files by lamella."""
        return {
            int(re.search(r"_L(\d+)", path.name)[1]): pacetomo.parse(path.read_text("utf-8"))
            for path in sorted(self.directory.glob("G1_L??_tgts.txt"))
        }

    def check(self, level: int = 5) -> None:
        """Hold that all is there once, where it should be, as level `level` leaves it."""
        lamellae = grid().lamellae
        points = [item for item in self.items if re.fullmatch(r"FL\d+", item.label)]
        assert len(points) == len(lamellae), [item.label for item in self.items]
        assert not [item for item in self.items if re.fullmatch(r"PL\d+", item.label)]
        for item in points:
            self._nearest(item.numbers("StageXYZ")[:2], within_um=3.0)
        exposures = self.exposures
        if level >= 2:
            self._check_maps(exposures)
        if level >= 4:
            self._check_targets()
        if level >= 5:
            self._check_tilt_series(exposures)

    def _nearest(self, stage_um, within_um: float) -> int:
        away = [np.hypot(*np.subtract(stage_um, one.center_um)) for one in grid().lamellae]
        assert min(away) < within_um, f"{stage_um} is {min(away):.1f} um from any lamella"
        return int(np.argmin(away))

    def _check_maps(self, exposures: list[Exposure]) -> None:
        notes = [item.note for item in self.items if re.fullmatch(r"G1_L\d\d\.mrc", item.note)]
        assert sorted(notes) == ["G1_L01.mrc", "G1_L02.mrc"]
        seen = set()
        for note in notes:
            taken = self.sections(note, exposures)
            assert all(one.dose_e_A2 > 0 for one in taken), f"{note} has dark pieces"
            assert all(abs(one.tilt_deg) < 0.5 for one in taken), f"{note} was taken at a tilt"
            assert all(-75 < one.defocus_um < -45 for one in taken), f"{note} is not in focus"
            assert len({one.index for one in taken}) == len(taken)
            center = np.mean([one.center_um for one in taken], axis=0)
            seen.add(self._nearest(center, within_um=4.0))
        assert len(seen) == len(notes), "two maps of one lamella"

    def _check_targets(self) -> None:
        targets = self.targets()
        assert sorted(targets) == [1, 2]
        notes = [item.note for item in self.items]
        for number, file in targets.items():
            assert file.targets, f"lamella {number} has no targets"
            assert notes.count(f"G1_L{number:02d}_tgts.txt") == 1
            for target in file.targets[1:]:
                assert notes.count(target.viewfile) == 1

    def _check_tilt_series(self, exposures: list[Exposure]) -> None:
        assert not [item.note for item in self.items if item.acquire]
        for file in self.targets().values():
            for target in file.targets:
                taken = self.sections(target.tsfile, exposures)
                assert [round(one.tilt_deg) for one in taken] == list(TILTS), target.tsfile
                assert all(one.dose_e_A2 > 0 for one in taken), f"{target.tsfile} is dark"
                assert abs(taken[0].defocus_um + 4.0) < 1.0, f"{target.tsfile} is not in focus"
                self._nearest(taken[0].center_um, within_um=15.0)
                away = np.subtract([one.center_um for one in taken], taken[0].center_um)
                assert np.hypot(*away.T).max() < 1.2, f"{target.tsfile} wanders"
