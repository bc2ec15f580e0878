"""Benches of tests: the truth in place of the models, and grids that tests share."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from space import jobs, plots
from space.simulation import Bench, TruthWorker, nothing_missing
from space.simulator.specimen import Grid

ROOT = Path(__file__).resolve().parents[2]


@lru_cache(maxsize=4)
def cached_grid(kinds: tuple[str, ...], seed: int, name: str = "G1") -> Grid:
    """Return a grid; painting its lamellae is slow, so tests share it."""
    return Grid.make(seed, len(kinds), name=name, kinds=list(kinds))


def make_bench(
    directory: Path, space_dir: Path, monkeypatch, grid: Grid, **simulation: object
) -> Bench:
    """Make a bench whose worker answers until the test is over."""
    bench = Bench(directory, space_dir, grid, **simulation)
    let_truth_answer(monkeypatch, bench.worker)
    return bench


def let_truth_answer(monkeypatch, worker: TruthWorker) -> None:
    """Put the truth in place of the models."""
    monkeypatch.setattr(jobs, "ensure_worker", worker)
    monkeypatch.setattr(jobs, "missing_here", nothing_missing)


def without_lamella_pictures(monkeypatch) -> None:
    """Draw no pictures of lamellae: they take long where nobody looks at them."""
    for name in ("plot_targets", "plot_segmentation"):
        monkeypatch.setattr(plots, name, lambda *args, **about: None)


def without_frames(instrument: str) -> str:
    """Have a camera save no frames, which are larger than small pictures and slow to draw."""
    text, count = re.subn(r'(?m)^frame_folder = "\w*"', 'frame_folder = ""', instrument)
    assert count == 1
    return text
