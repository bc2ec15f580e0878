"""Fixtures for sessions at the simulated microscope."""

from __future__ import annotations

from pathlib import Path

import pytest

from space.simulation import Bench, make_project
from space.simulator.column import INSTRUMENT_FOLDER
from space.steps import collect
from tests.workflow.bench import cached_grid, make_bench, without_frames, without_lamella_pictures


@pytest.fixture(scope="session")
def space_dir(tmp_path_factory) -> Path:
    """A project folder with models that only seem to be there."""
    return make_project(tmp_path_factory.mktemp("project"), segmentation_pixel_nm=24)


@pytest.fixture(scope="session")
def small_pictures(tmp_path_factory) -> Path:
    """A microscope whose pictures have a quarter of the pixels, which is three times as fast."""
    text = (INSTRUMENT_FOLDER / "krios_k3.toml").read_text(encoding="utf-8")
    assert text.count("{ binning = 4") >= 7
    path = tmp_path_factory.mktemp("microscope") / "small_pictures.toml"
    text = without_frames(text.replace("{ binning = 4", "{ binning = 8"))
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def pictures_for_people(monkeypatch) -> None:
    """Draw none of lamellae, a fifth of the time; where they are looked at they are drawn."""
    without_lamella_pictures(monkeypatch)


@pytest.fixture
def bench(tmp_path, space_dir, small_pictures, monkeypatch):
    """Return a function that makes a bench with lamellae of the given kinds."""

    def make(kinds=("good",), seed: int = 11, **simulation: object) -> Bench:
        simulation.setdefault("instrument", small_pictures)
        return make_bench(
            tmp_path / "session",
            space_dir,
            monkeypatch,
            cached_grid(tuple(kinds), seed),
            **simulation,
        )

    return make


@pytest.fixture
def maps(monkeypatch) -> list[int]:
    """Numbers of the lamellae of which maps were collected; no picture is taken."""
    made: list[int] = []

    def collect_one(session, number, later, segment, somebody_there) -> None:
        made.append(number)
        collect.log.info("Saved %s.", session.map_png(number).name)

    monkeypatch.setattr(collect, "_collect", collect_one)
    monkeypatch.setattr(collect, "has_map", lambda session, number: number in made)
    monkeypatch.setattr(collect, "_finish", lambda session, number, segment: True)
    return made


@pytest.fixture
def three(bench, maps):
    """A session with three lamellae, of which nothing is done yet."""
    session = bench(("good",) * 3)
    session.place_lamellae(6.0)
    return session
