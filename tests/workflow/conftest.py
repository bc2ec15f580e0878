"""Fixtures for sessions at the simulated microscope."""

from __future__ import annotations

from pathlib import Path

import pytest

from space.simulation import Bench, make_project
from tests.workflow.bench import cached_grid, make_bench, without_lamella_pictures


@pytest.fixture(scope="session")
def space_dir(tmp_path_factory) -> Path:
    """A project folder with models that only seem to be there."""
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(autouse=True)
def pictures_for_people(monkeypatch) -> None:
    """Draw none of lamellae, a fifth of the time; where they are looked at they are drawn."""
    without_lamella_pictures(monkeypatch)


@pytest.fixture
def bench(tmp_path, space_dir, monkeypatch):
    """Return a function that makes a bench with lamellae of the given kinds."""

    def make(kinds=("good",), seed: int = 11, **simulation: object) -> Bench:
        return make_bench(
            tmp_path / "session",
            space_dir,
            monkeypatch,
            cached_grid(tuple(kinds), seed),
            **simulation,
        )

    return make
