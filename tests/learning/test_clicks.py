"""A heat map learnt from clicks alone: what it is shown, a run, and its model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from space.errors import SpaceError
from space.learning import (
    Incoming,
    Item,
    Origin,
    TrainConfig,
    add,
    read_data_set,
    read_train_config,
    train,
)
from space.learning.clicks import pictures
from space.learning.keypoints import Keypoint
from space.learning.training.samples import IGNORED

pytestmark = pytest.mark.models
SPOTS = [(24, 30), (60, 80), (100, 40), (30, 110), (110, 112)]
"""(row, column) of bright spots; dark ones lie beside them."""


def picture(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    grey = rng.normal(120, 8, (140, 150))
    rows, columns = np.indices(grey.shape)
    for row, column in SPOTS:
        grey[(rows - row) ** 2 + (columns - column) ** 2 < 64] += 70
        grey[(rows - row) ** 2 + (columns - column - 18) ** 2 < 49] -= 60
    return np.clip(grey, 1, 255).astype(np.uint8)


def item(number: int, wanted=SPOTS, removed=()) -> Item:
    points = [("target", column + 0.5, row + 0.5) for row, column in wanted]
    points += [("removed", column + 0.5, row + 0.5) for row, column in removed]
    return Item(
        f"map {number}",
        picture=picture(number),
        points=tuple(points),
        pixel_nm=20.0,
        split="train",
        origin=Origin("session", "G1", number),
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clicks") / "set"
    dark = [(row, column + 18) for row, column in SPOTS[:2]]
    add(folder, Incoming([lambda: [item(1), item(2, SPOTS[:3], dark)]]), lambda line: None)
    return folder


def config(data, out, **changed) -> TrainConfig:
    usual = {"patch_px": 64, "batch": 4, "steps": 6, "epochs": 6, "rate": 0.02}
    return TrainConfig(data, out, "clicks", **{**usual, **changed})


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("clicks") / "run"
    told: list[str] = []
    train(config(data, out, click_radius_nm=120.0), told.append)
    return out, told


def test_discs_are_marked_about_clicks_at_the_pixel_of_the_network(data):
    sample = read_data_set(data)[0].samples[0]
    points = [
        Keypoint(sample.file, "target", 20.0, 10.0),
        Keypoint(sample.file, "removed", 120.0, 100.0),
        Keypoint(sample.file, "edge", 50.0, 60.0),
    ]
    seen = pictures.clicked_picture(data, sample, points, ("target",), 40.0, 160.0)
    assert seen.grey.shape == (70, 75)
    assert seen.wanted == 1
    rows, columns = np.nonzero(seen.marks == pictures.IS_WANTED)
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == (5.0, 10.0)
    assert len(rows) == pytest.approx(np.pi * 16, rel=0.1)
    rows, columns = np.nonzero(seen.marks == pictures.IS_UNWANTED)
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == (50.0, 60.0)


def test_a_step_shows_clicks_and_all_places_and_is_the_same_again(data):
    sample = read_data_set(data)[0].samples[0]
    points = [Keypoint(sample.file, "target", 75.0, 70.0)]
    seen = pictures.clicked_picture(data, sample, points, ("target",), 20.0, 80.0)
    _, marks = pictures.batch([seen], 3, 1, 8, 64)
    assert all((one == pictures.IS_WANTED).any() for one in marks[:4].numpy())
    again = pictures.batch([seen], 3, 1, 8, 64)[1]
    assert (marks == again).all()
    assert (marks[4:] == IGNORED).any(), "parts that hang over the edge do not count there"


def test_a_run_finds_what_was_clicked_and_not_what_was_removed(run):
    from space.segmentation.heat import HeatModel

    out, told = run
    assert any("8 places that are wanted and 2 that are not" in line for line in told)
    for name in ("run.json", "metrics.jsonl", "preview.png", "best.pt", "last.pt"):
        assert (out / name).is_file()
    heat = HeatModel(out / "model.onnx").heat(picture(9)) / 255
    bright = np.mean([heat[row, column] for row, column in SPOTS])
    dark = np.mean([heat[row, column + 18] for row, column in SPOTS])
    assert bright > 0.6 > 0.3 > dark
    assert heat.mean() < 0.3


def test_a_map_in_tiles_is_the_map_as_a_whole(run, monkeypatch):
    from space.segmentation import heat

    model = heat.HeatModel(run[0] / "model.onnx")
    wide = np.tile(picture(4), (2, 5))
    whole = model.heat(wide)
    monkeypatch.setattr(heat, "TILE_PX", 128)
    assert np.abs(model.heat(wide).astype(int) - whole).max() <= 1


def test_a_run_that_was_ended_goes_on_to_the_same_end(run, data, tmp_path):
    told: list[str] = []
    short = config(data, tmp_path / "run", click_radius_nm=120.0)

    def end(line: str) -> None:
        told.append(line)
        if line.startswith("epoch 4"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(short, end)
    train(short, told.append, resume=True)
    lines = [(folder / "metrics.jsonl").read_text("utf-8") for folder in (run[0], short.out)]
    losses = [[json.loads(line)["loss"] for line in text.splitlines()] for text in lines]
    assert losses[0] == losses[1]


def test_too_few_clicks_are_refused_before_anything_is_written(tmp_path):
    add(tmp_path / "set", Incoming([lambda: [item(1, SPOTS[:2])]]), lambda line: None)
    with pytest.raises(SpaceError, match="2 points called target .* at least 5"):
        train(config(tmp_path / "set", tmp_path / "run"), print)
    assert not (tmp_path / "run").exists()


def test_points_of_another_name_are_learnt_if_they_are_asked_for(tmp_path):
    named = item(1)
    named = Item(**{**vars(named), "points": tuple(("tip", *at) for _, *at in named.points)})
    add(tmp_path / "set", Incoming([lambda: [named]]), lambda line: None)
    told: list[str] = []
    asked = config(tmp_path / "set", tmp_path / "run", classes=("tip",), steps=1, epochs=1)
    train(asked, told.append)
    assert any("5 places that are wanted" in line for line in told)


def test_a_heat_map_is_refused_where_a_segmentation_is_needed(run):
    from space.models import read_labels
    from space.models.description import describe
    from space.models.store import place_of

    with pytest.raises(SpaceError, match="a heat map of learned targets"):
        read_labels(run[0] / "model.onnx")
    (problem,) = describe(place_of(run[0] / "model.onnx")).problems
    assert "learned_targets_model" in problem


def test_the_engine_of_clicks_has_settings_and_values_of_its_own(tmp_path):
    path = tmp_path / "training.toml"
    text = 'data = "a"\nout = "b"\nengine = "clicks"\n'
    path.write_text(f"{text}prior = 0.02\n", encoding="utf-8")
    read = read_train_config(path)
    assert (read.engine, read.prior, read.batch) == ("clicks", 0.02, 8)
    path.write_text(f'{text}encoder = "resnet18"\n', encoding="utf-8")
    with pytest.raises(SpaceError, match="encoder is a setting of the engine unet"):
        read_train_config(path)


def test_what_is_hot_is_decided_by_the_clicks_at_the_end(data, tmp_path, monkeypatch):
    from space.segmentation.heat import HeatModel

    monkeypatch.setattr("space.learning.clicks.training.hot_level", lambda *scores: 1000.0)
    path = train(config(data, tmp_path / "run", steps=1, epochs=1), lambda line: None)
    assert HeatModel(path).heat(picture(9)).max() == 0
