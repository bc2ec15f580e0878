"""What maps show before targets are chosen, counted once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from space import replanning
from space.images import write_png
from space.orders import Standing
from space.overview import GridFacts, LamellaFacts, SessionFacts
from space.planning import PRIOR
from space.replanning import Became, problem_of
from space.replanning.wanted import WANTED_FILE, wanted_px
from space.settings import Settings
from space.simulation import make_project

NAMES = {"background": 0, "white": 1, "black": 2, "crack": 3, "ice": 4, "mitos": 5, "lamella": 6}


@pytest.fixture
def session(tmp_path):
    """Three mapped lamellae; two are segmented, and the second shows twice as much."""
    facts = []
    for number, part in ((1, 0.25), (2, 0.5), (3, 0.0)):
        one = LamellaFacts(number, "good", 1.0, (0, 0), (9, 9), "mapped")
        if part:
            labels = np.full((80, 80), NAMES["lamella"], np.uint8)
            labels[:, : int(80 * part)] = NAMES["mitos"]
            path = tmp_path / f"G1_L{number:02d}_seg.png"
            write_png(path, labels, 16.0, "model", labels=json.dumps(NAMES))
            one = replace(one, labels=path, segmentation="done")
        facts.append(one)
    grid = GridFacts("G1", "1", Path("G.nav"), None, Path("l.json"), lamellae=tuple(facts))
    return SessionFacts(tmp_path, None, tmp_path, (grid,))


@pytest.fixture
def chosen(tmp_path):
    return Settings(SPACE_DIR=str(make_project(tmp_path / "project")), target_list=("mitos",))


def test_wanted_pixels_are_counted_once(session, chosen, monkeypatch):
    found = wanted_px(session, chosen)
    assert found == {("1", 1): 1600.0, ("1", 2): 3200.0}
    assert (session.directory / WANTED_FILE).is_file()
    monkeypatch.setattr(replanning.wanted, "count_px", lambda *about: pytest.fail("counted again"))
    assert wanted_px(session, chosen) == found


def test_other_classes_and_other_labels_are_counted_again(session, chosen, tmp_path):
    wanted_px(session, chosen)
    other = replace(chosen, target_list=("lamella",))
    assert wanted_px(session, other)["1", 1] == 6400.0
    write_png(
        tmp_path / "G1_L01_seg.png",
        np.zeros((80, 80), np.uint8),
        16.0,
        "m",
        labels=json.dumps(NAMES),
    )
    assert wanted_px(session, chosen)["1", 1] == 0.0


def test_labels_that_cannot_be_read_promise_nothing(session, chosen, tmp_path):
    (tmp_path / "G1_L01_seg.png").write_bytes(b"no picture")
    assert wanted_px(session, chosen) == {("1", 2): 3200.0}
    assert wanted_px(session, replace(chosen, SPACE_DIR=str(tmp_path / "away"))) == {
        ("1", 2): 3200.0  # as it was counted before
    }


def test_a_map_that_shows_twice_as_much_is_worth_twice_as_much(session):
    found = {("1", 1): 1000.0, ("1", 2): 2000.0}
    problem = problem_of(session, Became(), Standing(), PRIOR, 1e5, wanted_px=found)
    value = {job.lamella: job.value for job in problem.jobs}
    assert value[2] == pytest.approx(2 * value[1])
    assert value[3] == pytest.approx(1.5 * value[1])  # of which nothing is known: as usual
    assert "1.3 x the usual" in problem.jobs[1].why
