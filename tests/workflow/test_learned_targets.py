"""Learned targets in a session: heat maps beside segmentations, and targets chosen on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from space.cli import main
from space.errors import SpaceError
from space.images import read_png, write_png
from space.steps.learned import read_heat
from tests.workflow.bench import cached_grid, make_bench, without_lamella_pictures

NAME = "G1_L01"
WANTED = ["learned"]


@pytest.fixture(scope="module")
def set_up(tmp_path_factory, space_dir, small_pictures):
    """A session at level 4 that wants learned targets."""
    with pytest.MonkeyPatch.context() as patch:
        without_lamella_pictures(patch)
        folder = tmp_path_factory.mktemp("learned") / "session"
        grid = cached_grid(("good",), 11)
        made = make_bench(folder, space_dir, patch, grid, instrument=small_pictures)
        made.place_lamellae()
        with pytest.MonkeyPatch.context() as checked:
            checked.setattr("space.settings.checks.heat_problems", lambda path: [])
            result = made.run(4, target_list=WANTED)
        assert result.ok, result.error
        yield made


@pytest.fixture
def copy(set_up, tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("space.settings.checks.heat_problems", lambda path: [])
    return Path(shutil.copytree(set_up.directory, tmp_path / "session"))


def chosen(folder: Path) -> list[tuple[float, float]]:
    values = json.loads((folder / f"{NAME}_choice.json").read_text("utf-8"))
    return [(one["row"], one["column"]) for area in values["areas"] for one in area["targets"]]


def again(folder: Path, space_dir: Path, *options: str, code: int = 0) -> None:
    fixed = ["--space-dir", str(space_dir), "--out", str(folder.parent / "out"), "--json"]
    assert main(["targets", str(folder), *fixed, *options]) == code


def test_targets_are_chosen_on_the_heat_map(set_up):
    folder = set_up.directory
    assert set_up.worker.done.count(f"{NAME}.png") == 2, "segmented, and looked at for heat"
    heat, _ = read_png(folder / f"{NAME}_heat.png")
    points = np.array(chosen(folder), int)
    assert len(points)
    hot = [heat[row - 9 : row + 10, column - 9 : column + 10].any() for row, column in points]
    assert all(hot), points
    assert "not drawn" not in set_up.log()


def test_they_are_chosen_again_without_a_microscope(copy, space_dir, capsys):
    """On another heat map there are other targets; without one it says what is missing."""
    path = copy / f"{NAME}_heat.png"
    heat, info = read_png(path)
    row, column = (int(value) for value in chosen(copy)[0])
    heat[row - 40 : row + 40, column - 40 : column + 40] = 0
    write_png(path, heat, info["pixel_nm"], info["source"], map=info["map"])
    again(copy, space_dir, "--write", "--acquisition-ended")
    points = np.array(chosen(copy))
    assert np.abs(points - (row, column)).max(axis=1).min() > 30
    path.unlink()
    capsys.readouterr()
    again(copy, space_dir, code=2)
    (told,) = json.loads(capsys.readouterr().out)["lamellae"]
    assert "has no heat map" in json.dumps(told) and "--task heat" in json.dumps(told)


def test_a_heat_map_of_another_map_is_refused(copy):
    labels, shape = copy / f"{NAME}_seg.png", read_png(copy / f"{NAME}.png")[0].shape
    assert read_heat(labels, shape)[0].shape == shape
    with pytest.raises(SpaceError, match="pixels and its map"):
        read_heat(labels, (shape[0], shape[1] + 1))
    heat, info = read_png(copy / f"{NAME}_heat.png")
    write_png(copy / f"{NAME}_heat.png", heat, info["pixel_nm"], info["source"], map="another")
    with pytest.raises(SpaceError, match="of an earlier map"):
        read_heat(labels, shape)
    (copy / f"{NAME}_heat.png").write_bytes(b"no picture")
    with pytest.raises(SpaceError):
        read_heat(labels, shape)


def test_a_session_waits_for_the_heat_map_and_says_why_there_is_none(bench, monkeypatch):
    """It failed each time, as without onnxruntime; the lamella gets no targets."""
    monkeypatch.setattr("space.settings.checks.heat_problems", lambda path: [])
    made = bench()
    made.place_lamellae()

    made.worker.failing_heat = "ONNX Runtime is missing."
    result = made.run(4, target_list=WANTED)
    assert result.ok, result.error
    assert (made.directory / f"{NAME}_seg.png").is_file()
    assert not (made.directory / f"{NAME}_tgts.txt").exists()
    assert "no heat map of learned targets (ONNX Runtime is missing" in made.log()


def test_without_a_model_nothing_moves(bench):
    made = bench()
    made.place_lamellae()
    before = made.count_exposures()
    result = made.run(4, target_list=WANTED)
    assert not result.ok and "learned_targets_model" in str(result.error)
    assert made.count_exposures() == before


def test_a_session_that_does_not_want_them_has_no_heat_map(bench):
    made = bench()
    made.place_lamellae()
    assert made.run(3).ok
    assert (made.directory / f"{NAME}_seg.png").is_file()
    assert not (made.directory / f"{NAME}_heat.png").exists()
