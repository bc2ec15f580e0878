"""A worker that answers jobs with the simulator's truth instead of with a model's opinion."""

from __future__ import annotations

import json
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
from space.jobs import Claim, JobFolder, Worker, result_path

if TYPE_CHECKING:
    from space.simulator import Simulation
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
    unseen : set of str
        Pictures in which it detects nothing.
    probability : float
        Probability of a detected lamella, less 0.01 for each number.
    done : list of str
        Names of the maps answered, in order.
    displaced_um : dict of str to tuple of float
        Map name → true position of what it shows, minus that of its frame.
    """

    simulation: Simulation
    held_back: set[str] = field(default_factory=set)
    failing: dict[str, str] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)
    probability: float = 0.9
    done: list[str] = field(default_factory=list)
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
            elif name in self.failing:
                folder.fail(claim, self.failing[name])
            else:
                answer = self._detect if claim.job.task == "detect" else self._segment
                answer(Path(map_dir) / name, claim)
                if not folder.finish(claim):
                    raise RuntimeError(f"The result for {name} was not accepted.")
                self.done.append(name)
        for claim in skipped:
            folder.release(claim)

    @property
    def _grid(self) -> Grid:
        grid: Grid = self.simulation.session.grid  # type: ignore[assignment] # the truth is needed
        return grid

    def _detect(self, picture: Path, claim: Claim) -> None:
        session = self.simulation.session
        frame = _frame_of(picture)
        if picture.stem.endswith("_im"):
            center = session.exposures[-1].center_um
        else:
            (x, y), (dx, dy) = frame.center_stage_um, session.scope.optics.low_mag_offset_um
            center = (x + dx, y + dy)
        frame = replace(frame, center_stage_um=center)
        boxes = []
        for lamella in self._grid.lamellae:
            x0, y0, x1, y1 = lamella.box_um
            corners = frame.to_map(np.array([[x0, y0], [x0, y1], [x1, y0], [x1, y1]]))
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

    def _segment(self, picture: Path, claim: Claim) -> None:
        session = self.simulation.session
        frame = _frame_of(picture)
        # The stage put each piece a bit elsewhere; aligned to each other, they all lie as far
        # from their places as they did on average.
        taken = {
            piece.section: piece.center_um
            for piece in session.exposures
            if Path(piece.file).name == f"{picture.stem}.mrc"
        }
        if taken:
            middle = np.mean(list(taken.values()), axis=0)
            self.displaced_um[picture.name] = tuple(middle - frame.center_stage_um)
            frame = replace(frame, center_stage_um=tuple(middle))
        array, info = read_png(picture)
        labels = self._grid.label_map(_px_to_grid(frame), array.shape)
        write_png(
            result_path(picture.parent, picture.name, "segment"),
            labels,
            info["pixel_nm"],
            picture.name,
            map=fingerprint(picture),
        )


def nothing_missing(*asked: object) -> list[str]:
    """Stand in for `space.jobs.missing_here`: the truth needs no models."""
    return []


def _frame_of(picture: Path) -> MapFrame:
    return MapFrame.from_dict(read_json_beside(picture)["frame"])


def _px_to_grid(frame: MapFrame) -> np.ndarray:
    """Return the (2, 3) map from (column, row, 1) to the grid."""
    corner, right, down = frame.to_stage(np.array([[0, 0], [0, 1], [1, 0]]))
    return np.column_stack([right - corner, down - corner, corner])
