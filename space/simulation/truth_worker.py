"""A worker that answers jobs with the simulator's truth instead of with a model's opinion."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np

from space import jobs
from space.files import write_text_atomic
from space.geometry import MapFrame
from space.images import fingerprint, read_json_beside, read_png, write_png
from space.jobs import HEAT, Claim, JobFolder, Worker, result_path
from space.simulation.map_truth import to_grid
from space.simulator.specimen import LABEL

if TYPE_CHECKING:
    from space.simulator import Exposure, Simulation
    from space.simulator.column import Lying
    from space.simulator.specimen import Grid


@dataclass
class TruthWorker:
    """A worker for `space.jobs.ensure_worker`: does every waiting job at once.

    It works in this process, and needs no models.

    Parameters
    ----------
    simulation : Simulation
        Its grids are the truth.
    held_back : set of str
        Map names that it leaves waiting.
    failing : dict of str to str
        Map name → reason with which its job fails, every time.
    failing_heat : str
        Reason with which all heat maps fail.
    unseen : set of str
        Pictures in which it detects nothing.
    probability : float
        Probability of a detected lamella, less 0.01 for each number.
    done : list of str
        Names of the maps answered, in order.
    hot : str
        Class that heat maps find.
    displaced_um : dict of str to tuple of float
        Map name → true position of what it shows, minus that of its frame.
    """

    simulation: Simulation
    held_back: set[str] = field(default_factory=set)
    failing: dict[str, str] = field(default_factory=dict)
    failing_heat: str = ""
    unseen: set[str] = field(default_factory=set)
    probability: float = 0.9
    done: list[str] = field(default_factory=list)
    hot: str = "mitos"
    displaced_um: dict[str, tuple[float, float]] = field(default_factory=dict)

    @contextmanager
    def instead_of_models(self) -> Iterator[None]:
        """Let it answer all jobs of this process, which then need no models."""
        with (
            mock.patch.object(jobs, "ensure_worker", self),
            mock.patch.object(jobs, "missing_here", nothing_missing),
        ):
            yield

    def __call__(
        self, folder: JobFolder, space_dir: Path, devices: Sequence[str] | None = None
    ) -> None:
        """Do all waiting jobs."""
        map_dir = folder.map_dir
        skipped: list[Claim] = []
        # A worker has one claim at a time, so each one here has its own worker.
        while (claim := folder.claim(Worker.this_process())) is not None:
            name = claim.job.map_name
            if name in self.held_back:
                skipped.append(claim)
            elif claim.job.task == HEAT and self.failing_heat:
                folder.fail(claim, self.failing_heat)
            elif name in self.failing:
                folder.fail(claim, self.failing[name])
            else:
                answers = {"detect": self._detect, HEAT: self._heat}
                answer = answers.get(claim.job.task, self._segment)
                answer(Path(map_dir) / name, claim)
                if not folder.finish(claim):
                    raise RuntimeError(f"The result for {name} was not accepted.")
                self.done.append(name)
        for claim in skipped:
            folder.release(claim)

    def _shown(self, picture: Path) -> list[Exposure]:
        """Exposures of the pieces that a picture of a map shows."""
        stem = picture.stem[: -len("_wg")] if picture.stem.endswith("_wg") else picture.stem
        exposures = self.simulation.session.exposures
        return [e for e in exposures if Path(e.file).name == f"{stem}.mrc"]

    def _grid(self, name: str) -> Grid:
        session = self.simulation.session
        named = [grid for grid in session.grids.values() if grid.name == name]
        grid: Grid = named[0] if named else session.grid  # type: ignore[assignment] # the truth
        return grid

    def _lying(self, frame: MapFrame, middle_um: np.ndarray, grid: str) -> Lying:
        """How a grid lies where a frame says that it shows a point of it in the middle."""
        exposures = self.simulation.session.exposures
        ways = dict.fromkeys(e.lying for e in exposures if e.grid == grid)
        return min(ways, key=lambda w: math.dist(w.to_stage(middle_um), frame.center_stage_um))

    def _detect(self, picture: Path, claim: Claim) -> None:
        session = self.simulation.session
        frame = _frame_of(picture)
        exposure = (self._shown(picture) or session.exposures)[-1]
        lying = exposure.lying
        if picture.stem.endswith("_im"):
            exposure = session.exposures[-1]
            lying = exposure.lying
            center = lying.to_stage(np.array(exposure.center_um))
        else:
            center = np.add(frame.center_stage_um, session.scope.optics.low_mag_offset_um)
        frame = replace(frame, center_stage_um=tuple(center.tolist()))
        boxes = []
        for lamella in self._grid(exposure.grid).lamellae:
            x0, y0, x1, y1 = lamella.box_um
            corners_um = lying.to_stage(np.array([[x0, y0], [x0, y1], [x1, y0], [x1, y1]]))
            corners = frame.to_map(corners_um)
            (top, left), (bottom, right) = corners.min(axis=0), corners.max(axis=0)
            row, column = (top + bottom) / 2, (left + right) / 2
            inside = 0 < row < frame.shape[0] and 0 < column < frame.shape[1]
            if inside and picture.name not in self.unseen:
                boxes.append(
                    {
                        "x0_px": left,
                        "y0_px": top,
                        "x1_px": right,
                        "y1_px": bottom,
                        "category": lamella.kind,
                        "probability": self.probability - 0.01 * lamella.number,
                    }
                )
        target = result_path(picture.parent, picture.name, "detect")
        write_text_atomic(
            target,
            json.dumps(
                {
                    "boxes": boxes,
                    "threshold": claim.job.params["threshold"],
                    "map": fingerprint(picture),
                }
            ),
        )

    def _heat(self, picture: Path, claim: Claim) -> None:
        labels, pixel_nm = self._labels(picture)
        heat = np.where(labels == LABEL[self.hot], 255, 0).astype(np.uint8)
        target = result_path(picture.parent, picture.name, HEAT)
        write_png(target, heat, pixel_nm, picture.name, map=fingerprint(picture))

    def _segment(self, picture: Path, claim: Claim) -> None:
        labels, pixel_nm = self._labels(picture)
        target = result_path(picture.parent, picture.name, "segment")
        write_png(target, labels, pixel_nm, picture.name, map=fingerprint(picture))

    def _labels(self, picture: Path) -> tuple[np.ndarray, float]:
        """Return the true labels of what a picture shows, and its pixel in nm."""
        frame = _frame_of(picture)
        grid, lying = self.simulation.session.grid, self.simulation.session.lying
        name = grid.name if grid is not None else ""
        # The stage put each piece a bit elsewhere; aligned to each other, they all lie as far
        # from their places as they did on average.
        shown = self._shown(picture)
        taken = {piece.section: piece.center_um for piece in shown}
        if taken:
            name = shown[-1].grid
            middle_um = np.mean(list(taken.values()), axis=0)
            lying = self._lying(frame, middle_um, name)
            middle = lying.to_stage(middle_um)
            self.displaced_um[picture.name] = tuple(middle - frame.center_stage_um)
            frame = replace(frame, center_stage_um=tuple(middle))
        array, info = read_png(picture)
        labels = self._grid(name).label_map(to_grid(frame, lying), array.shape)
        return labels, info["pixel_nm"]


def nothing_missing(*asked: object) -> list[str]:
    """Stand in for `space.jobs.missing_here`: the truth needs no models."""
    return []


def _frame_of(picture: Path) -> MapFrame:
    return MapFrame.from_dict(read_json_beside(picture)["frame"])
