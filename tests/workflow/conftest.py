"""Fixtures for sessions at the simulated microscope."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from bench import ROOT, Bench, cached_grid

from space.simulator.specimen.labels import LABEL


@pytest.fixture(scope="session")
def space_dir(tmp_path_factory) -> Path:
    """A project folder with models that only seem to be there."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "SPACEtomo_config.py", folder)
    (folder / "models/lamella_detector").mkdir(parents=True)
    (folder / "models/lamella_segmentation").mkdir()
    (folder / "models/lamella_detector/weights.pt").write_bytes(b"")
    (folder / "models/lamella_segmentation/dataset.json").write_text(
        json.dumps({"labels": LABEL}), encoding="utf-8"
    )
    (folder / "models/lamella_segmentation/plans.json").write_text("{}", encoding="utf-8")
    (folder / "models/lamella_segmentation/fold_0").mkdir()
    (folder / "models/lamella_segmentation/fold_0/checkpoint_final.pth").write_bytes(b"")
    return folder


@pytest.fixture
def bench(tmp_path, space_dir, monkeypatch):
    """Return a function that makes a bench with lamellae of the given kinds."""

    def make(kinds=("good",), seed: int = 11, **simulation: object) -> Bench:
        return Bench(
            tmp_path / "session",
            space_dir,
            monkeypatch,
            cached_grid(tuple(kinds), seed),
            **simulation,
        )

    return make
