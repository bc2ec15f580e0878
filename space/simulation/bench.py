"""A person at the simulated microscope: edits and runs SPACEtomo.py, and the truth answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from space import drawing
from space.config import CONFIG_FILE
from space.pacetomo import Target
from space.project import SCRIPT, project_folder
from space.simulation.scripts import read_script, with_settings
from space.simulation.truth_worker import TruthWorker
from space.simulator import Policy, ScriptResult, Simulation
from space.simulator.specimen import LABEL, Grid

if TYPE_CHECKING:
    from space.simulator.formats.navfile import NavItem


def make_project(folder: Path, segmentation_pixel_nm: float = 16) -> Path:
    """Make a project folder whose models are empty files.

    Parameters
    ----------
    folder : Path
        Where it is made.
    segmentation_pixel_nm : float
        Pixel size of lamella maps in the configuration.

    Returns
    -------
    Path
        The folder.
    """
    folder.mkdir(exist_ok=True)
    text = with_settings(
        read_script(project_folder() / CONFIG_FILE),
        {"segmentation_pixel_nm": segmentation_pixel_nm},
    )
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
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


def script_text(name: str = SCRIPT, **settings: Any) -> str:
    """Return the text of a script of the project with settings changed, as a user would do it."""
    return with_settings(read_script(project_folder() / name), settings)


@contextmanager
def without_plots() -> Iterator[None]:
    """Draw no pictures for people: they take long, and nobody looks at them."""
    with mock.patch.object(drawing, "hand_over", lambda directory, orders: None):
        yield


class Bench:
    """A simulated session, and what a person does and sees in it.

    Parameters
    ----------
    directory : Path
        Folder of the session.
    space_dir : Path
        Folder of the project (`make_project`).
    grid : Grid
        Grid in slot 1 of the autoloader.
    **simulation
        Further arguments of `Simulation`.

    Attributes
    ----------
    simulation : Simulation
    worker : TruthWorker
        Answers in place of the models, within `TruthWorker.instead_of_models`.
    """

    def __init__(self, directory: Path, space_dir: Path, grid: Grid, **simulation: Any) -> None:
        self.directory = directory
        self.space_dir = space_dir
        simulation.setdefault("policy", Policy(key_after_polls=0))
        simulation.setdefault("seed", 5)
        self.simulation = Simulation(
            directory, grids={1: grid}, noise=False, time_scale=0.0, **simulation
        )
        self.grid = grid
        self.worker = TruthWorker(self.simulation)

    def run(self, level: int, **settings: Any) -> ScriptResult:
        """Run SPACEtomo.py at a level."""
        return self.simulation.run(self.text(level, **settings), "SPACEtomo")

    def text(self, level: int, **settings: Any) -> str:
        """Return SPACEtomo.py as a user would have edited it."""
        return script_text(SPACE_DIR=str(self.space_dir), automation_level=level, **settings)

    def do(self, *lines: str) -> ScriptResult:
        """Run SerialEM commands.

        Raises
        ------
        RuntimeError
            If one of them fails.
        """
        result = self.simulation.run("\n".join(["#!Python", "import serialem as sem", *lines]))
        if not result.ok:
            raise RuntimeError(result.error)
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
        """Return the place on the specimen that a target's stage reading centres.

        Raises
        ------
        ValueError
            If the target has no stage reading.
        """
        if target.stage_um is None:
            raise ValueError(f"{target.tsfile} has no stage position.")
        return self.simulation.session.scope.adjust_stage_for_nav(*target.stage_um)

    def names(self, pattern: str) -> list[str]:
        """Return the sorted names of files that match."""
        return sorted(path.name for path in self.directory.glob(pattern))

    def items(self) -> list[NavItem]:
        """Return the Navigator table as the simulator knows it."""
        return list(self.simulation.session.navigator.items)

    def log(self) -> str:
        """Return the whole log."""
        return "\n".join(self.simulation.log)

    def count_exposures(self) -> int:
        """Return how many pictures were taken so far."""
        return len(self.simulation.exposures)
