"""Sessions at the simulated microscope in which the truth answers instead of the models."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

from space import plots
from space.jobs import launch, needs
from space.pacetomo import Target
from space.simulation.scripts import with_settings
from space.simulator import Policy, Simulation
from space.simulator.specimen import Grid
from space.simulator.specimen.labels import LABEL
from tests.workflow.truth_worker import TruthWorker

ROOT = Path(__file__).resolve().parents[2]


def make_project(folder: Path, segmentation_pixel_nm: float = 16) -> Path:
    """Make a project folder with models that only seem to be there."""
    folder.mkdir(exist_ok=True)
    text = (ROOT / "SPACEtomo_config.py").read_text(encoding="utf-8")
    values = {"segmentation_pixel_nm": segmentation_pixel_nm}
    (folder / "SPACEtomo_config.py").write_text(with_settings(text, values), encoding="utf-8")
    detector, segmentation = (
        folder / "models" / f"lamella_{name}" for name in ("detector", "segmentation")
    )
    detector.mkdir(parents=True)
    (segmentation / "fold_0").mkdir(parents=True)
    (detector / "weights.pt").write_bytes(b"")
    (segmentation / "dataset.json").write_text(json.dumps({"labels": LABEL}), encoding="utf-8")
    (segmentation / "plans.json").write_text("{}", encoding="utf-8")
    (segmentation / "fold_0/checkpoint_final.pth").write_bytes(b"")
    return folder


def script_text(name: str = "SPACEtomo.py", **settings: object) -> str:
    """Return a script's text with settings replaced, as a user would edit it."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for key, value in settings.items():
        text, count = re.subn(rf"(?m)^{key} = .*$", lambda _, k=key, v=value: f"{k} = {v!r}", text)
        assert count == 1, f"{name} has no setting {key}"
    return text


def without_lamella_pictures(monkeypatch) -> None:
    """Draw no pictures of lamellae: they take long where nobody looks at them."""
    for name in ("plot_targets", "plot_segmentation"):
        monkeypatch.setattr(plots, name, lambda *args, **about: None)


@lru_cache(maxsize=4)
def cached_grid(kinds: tuple[str, ...], seed: int, name: str = "G1") -> Grid:
    """Return a grid; painting its lamellae is slow, so tests share it."""
    return Grid.make(seed, len(kinds), name=name, kinds=list(kinds))


class Bench:
    """A simulated session with the truth as worker."""

    def __init__(
        self, directory: Path, space_dir: Path, monkeypatch, grid: Grid, **simulation: object
    ) -> None:
        self.directory = directory
        self.space_dir = space_dir
        simulation.setdefault("policy", Policy(key_after_polls=0))
        self.simulation = Simulation(
            directory, seed=5, grids={1: grid}, noise=False, time_scale=0.0, **simulation
        )
        self.grid = grid
        self.worker = TruthWorker(self.simulation)
        monkeypatch.setattr(launch, "ensure_worker", self.worker)
        monkeypatch.setattr(needs, "missing_here", lambda *asked: [])  # the truth needs no models

    def run(self, level: int, **settings: object):
        """Run SPACEtomo.py at a level."""
        return self.simulation.run(self.text(level, **settings), "SPACEtomo")

    def text(self, level: int, **settings: object) -> str:
        """Return SPACEtomo.py as a user would have edited it."""
        return script_text(SPACE_DIR=str(self.space_dir), automation_level=level, **settings)

    def do(self, *lines: str):
        """Run SerialEM commands."""
        result = self.simulation.run("\n".join(["#!Python", "import serialem as sem", *lines]))
        assert result.ok, result.error
        return result

    def place_lamellae(self, size_um: float = 8.0) -> None:
        """Put the session where level 1 ends: refined points of all lamellae, nothing else."""
        lines = ["sem.OpenNavigator()"]
        known = []
        for lamella in self.grid.lamellae:
            x, y = lamella.center_um
            lines += [
                f"i = int(sem.AddStagePosAsNavPoint({x}, {y}, 0))",
                f"sem.ChangeItemLabel(i, 'FL{lamella.number}')",
                f"sem.ChangeItemNote(i, '{lamella.kind} (90%)')",
            ]
            known.append(
                {
                    "number": lamella.number,
                    "stage_um": [x, y],
                    "size_um": [size_um, size_um],
                    "category": lamella.kind,
                    "probability": 0.9,
                }
            )
        self.do(*lines, f"sem.SaveNavigator({str(self.directory / 'G1.nav')!r})")
        (self.directory / "G1_lamellae.json").write_text(
            json.dumps({"offset_um": [0, 0], "lamellae": known, "others": []}), encoding="utf-8"
        )

    def place_um(self, target: Target) -> tuple[float, float]:
        """Return the place on the specimen that a target's stage reading centres."""
        return self.simulation.session.scope.adjust_stage_for_nav(*target.stage_um)

    def names(self, pattern: str) -> list[str]:
        """Return the sorted names of files that match."""
        return sorted(path.name for path in self.directory.glob(pattern))

    def items(self) -> list:
        """Return the Navigator table as the simulator knows it."""
        return list(self.simulation.session.navigator.items)

    def log(self) -> str:
        """Return the whole log."""
        return "\n".join(self.simulation.log)

    def count_exposures(self) -> int:
        """Return how many pictures were taken so far."""
        return len(self.simulation.exposures)
