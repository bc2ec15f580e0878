"""Training of detectors: windows that they learn from, networks that they begin with, runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from space.errors import SpaceError
from space.lamellae import Box
from space.learning import (
    Detection,
    TrainConfig,
    boxes_path,
    load_model,
    looked_through,
    read_data_set,
    read_metrics,
    read_train_config,
    train,
)
from space.learning.training import detection, detection_samples, loop, run_folder
from space.learning.training.detection_samples import BoxMap, Learnt, box_batch, cut, varied
from tests.learning.deploying import deployed
from tests.learning.sets import item, made

SHAPE = (150, 200)
TINY = {"engine": "yolo", "patch_px": 64, "batch": 2, "steps": 2, "epochs": 2}


def drawn(seed: int):
    """A grey picture with a bright and a dark thing, and their boxes."""
    rng = np.random.default_rng(seed)
    grey = rng.normal(120, 8, SHAPE)
    boxes = []
    for name, level in (("good", 220), ("broken", 30)):
        row, column = int(rng.integers(10, 110)), int(rng.integers(10, 150))
        grey[row : row + 24, column : column + 32] = level
        boxes.append(Box(column, row, column + 32, row + 24, name, 1.0))
    return np.clip(grey, 0, 255).astype(np.uint8), tuple(boxes)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxes") / "Süd set"
    those = []
    for number in range(4):
        picture, boxes = drawn(number)
        split = "train" if number < 3 else "val"
        those.append(
            item(
                number, f"grid {number}", picture=picture, labels=None,
                boxes=() if number == 2 else boxes, pixel_nm=400.0, split=split,
            )
        )  # fmt: skip
    made(folder, *those, classes=())
    return folder


def config(data, out, **changed) -> TrainConfig:
    return TrainConfig(data, out, **{**TINY, **changed})


def quiet(line: str) -> None:
    pass


# --- what it is shown -----------------------------------------------------------------------------


def test_a_configuration_of_a_detector_has_values_of_its_own(tmp_path):
    path = tmp_path / "training.toml"
    path.write_text('data = "a"\nout = "b"\nengine = "yolo"\nsteps = 7\n', encoding="utf-8")
    read = read_train_config(path)
    assert (read.patch_px, read.batch, read.steps, read.architecture) == (320, 8, 7, "yolov8n")
    path.write_text('data = "a"\nout = "b"\nengine = "yolo"\ndepth = 3\n', encoding="utf-8")
    with pytest.raises(SpaceError, match="depth is a setting of the engine unet alone"):
        read_train_config(path)


def test_maps_are_shown_at_the_pixel_of_the_detector_with_the_classes_that_are_learned(data):
    known, _ = read_data_set(data)
    samples = looked_through(data, known.samples)
    seen = detection_samples.box_map(data, samples[0], ("broken",), 800.0)
    assert seen.grey.shape == (75, 100) and seen.classes.tolist() == [0]
    broken = drawn(0)[1][1]
    half = [broken.x0_px / 2, broken.y0_px / 2, broken.x1_px / 2, broken.y1_px / 2]
    assert seen.corners[0].tolist() == half
    with pytest.raises(SpaceError, match="no class of boxes ice"):
        detection_samples.box_names(known, ("ice",))
    assert detection_samples.box_names(known, ("broken",)) == ("broken",)


def bright(one: BoxMap) -> list[float]:
    """Where the bright thing in a picture is: x0, y0, x1, y1."""
    rows, columns = np.nonzero(one.grey > 170)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def one_map(x0=60, y0=40, x1=100, y1=60) -> BoxMap:
    grey = np.full((100, 160), 100, np.uint8)
    grey[y0:y1, x0:x1] = 200
    return BoxMap("a", grey, np.array([[x0, y0, x1, y1]], float), np.array([1]))


@pytest.mark.parametrize("scale", [1.0, 0.8, 1.25])
def test_boxes_of_a_window_are_around_what_the_window_shows(scale):
    window = cut(one_map(), 85.0, 45.0, 80, scale)
    assert window.grey.shape == (80, 80)
    assert window.corners[0] == pytest.approx(bright(window), abs=1.0)


def test_a_box_that_a_window_cuts_is_kept_if_half_of_it_is_inside():
    inside = cut(one_map(), 100.0, 50.0, 32)  # from column 84 on: 16 of 40
    assert len(inside.corners) == 0
    half = cut(one_map(), 94.0, 50.0, 32)  # from column 78 on: 22 of 40
    assert half.corners.tolist() == [[0.0, 6.0, 22.0, 26.0]] and half.classes.tolist() == [1]
    beyond = cut(one_map(), 0.0, 0.0, 64)
    assert (beyond.grey == 100).all() and len(beyond.classes) == 0


@pytest.mark.parametrize("seed", range(12))
def test_a_varied_window_has_its_boxes_around_the_same_things(seed):
    window = cut(one_map(), 85.0, 45.0, 80)
    other = varied(np.random.default_rng(seed), window)
    whole = other.corners[0]
    x0, y0, x1, y1 = whole.astype(int) + (3, 3, -3, -3)
    inner = other.grey[y0:y1, x0:x1]
    outer = np.median(other.grey)
    assert inner.size and np.percentile(inner, 10) > outer + 30
    assert sorted((whole[2] - whole[0], whole[3] - whole[1])) == [20.0, 40.0]


@pytest.mark.models
def test_the_windows_of_a_step_do_not_depend_on_what_came_before():
    learnt = Learnt([one_map(), one_map(20, 10, 50, 40)])
    first = box_batch(learnt, 5, 1, 3, 64, 1.0)
    other = box_batch(learnt, 6, 1, 3, 64, 1.0)
    again = box_batch(learnt, 5, 1, 3, 64, 1.0)
    assert not bool((first["img"] == other["img"]).all())
    assert all(bool((first[name] == again[name]).all()) for name in first)
    assert first["img"].shape == (3, 1, 64, 64) and first["bboxes"].shape[1] == 4
    assert float(first["img"].max()) <= 1.0 and (first["cls"] == 1).all()
    assert 0 <= float(first["bboxes"].min()) and float(first["bboxes"].max()) <= 1


def test_other_boxes_make_another_training(data, tmp_path):
    known, _ = read_data_set(data)
    before = looked_through(data, known.samples)
    copied = tmp_path / "copy"
    shutil.copytree(data, copied)
    path = boxes_path(copied, known.samples[1].stem)
    path.write_text(path.read_text("utf-8").replace("good", "bad"), encoding="utf-8")
    after = looked_through(copied, known.samples)
    changed = [a.file for a, b in zip(before, after) if a.label_hash != b.label_hash]
    assert changed == [known.samples[1].file]


def test_the_rate_rises_and_falls(tmp_path):
    asked = config(tmp_path, tmp_path, steps=100, epochs=10, rate=0.01)
    rates = [detection.rate_at(asked, step) for step in (0, 49, 500, 999)]
    assert rates[0] < 0.001 and rates[1] > 0.0099 and 0.004 < rates[2] < 0.006
    assert rates[3] < 0.0003


# --- a run ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "first"
    told: list[str] = []
    model = train(config(data, out), told.append)
    return out, model, told


@pytest.mark.models
def test_a_run_leaves_a_detector_that_a_session_takes(run, data):
    out, path, told = run
    said = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert said["classes"] == {"good": 0, "broken": 1} and len(said["pictures"]) == 4
    epochs = read_metrics(out)
    assert [one["number"] for one in epochs] == [1, 2]
    assert set(epochs[0]["ap50"]) == {"good", "broken", "any class"}
    assert "epoch 2 of 2: loss" in told[-1] and "AP50" in told[-1] and "ends about" in told[-2]
    assert (out / "preview.png").stat().st_size > 1000
    model = load_model(out)
    assert isinstance(model, Detection) and model.path == path == out / "model.pt"
    assert (model.classes, model.pixel_nm, model.window_px) == (("good", "broken"), 400.0, 224)
    assert model.detect(drawn(9)[0], 400.0, 0.9) == ()


@pytest.mark.models
def test_a_session_is_given_the_detector_by_the_commands_for_models(run, tmp_path, capsys):
    config, told = deployed(run[0], tmp_path / "Projekt Süd", capsys)
    assert config.detection_weights == tmp_path / "Projekt Süd" / "models" / "first" / "model.pt"
    assert (config.detection_pixel_nm, config.detection_window_px) == (400.0, 224)
    assert "By PyTorch on cpu" in told


@pytest.mark.models
@pytest.mark.parametrize("dies", ["in the first epoch", "before the last file"])
def test_a_training_that_died_goes_on_as_if_it_had_not(run, data, tmp_path, monkeypatch, dies):
    from space.learning.training.network import read_weights

    first, model, _ = run
    again, whole = tmp_path / "again", tmp_path / "whole"
    begins = model if dies == "in the first epoch" else None  # of given weights nothing is kept yet
    if begins is not None:
        train(config(data, whole, classes=("broken",)), quiet, begins)
    asked = config(data, again, classes=("broken",) if begins else ())
    with monkeypatch.context() as patch:
        if begins is not None:
            patch.setattr(detection.DetectorLearner, "scores", lambda self: 1 / 0)
        else:
            real = run_folder.save

            def sometimes(path, kept):
                if path.name == "last.pt" and kept["epoch"] == 2:
                    raise ZeroDivisionError
                real(path, kept)

            patch.setattr(run_folder, "save", sometimes)
        with pytest.raises(ZeroDivisionError):
            train(asked, quiet, begins)
    train(asked, quiet, resume=True)
    of_whole = whole if begins else first
    assert [one["loss"] for one in read_metrics(again)] == [
        one["loss"] for one in read_metrics(of_whole)
    ]
    one, other = (read_weights(folder / "last.pt") for folder in (again, of_whole))
    for part in ("network", "stepped"):
        assert all(bool((one[part][name] == other[part][name]).all()) for name in other[part])
    assert one["updates"] == other["updates"] == 4


@pytest.mark.models
def test_a_detector_begins_with_what_another_knows_of_classes_of_the_same_name(run, tmp_path):
    import torch

    from space.lamellae.network import load_network
    from space.learning.training.detection_network import begun_with, weights_of

    _, path, _ = run
    before, _ = load_network(path, merged=False)
    network, known = begun_with(weights_of(path.parent), ["ice", "broken", "good"])
    assert known == ["broken", "good"]
    old, new = (one.model[-1].cv3[0][-1] for one in (before, network))
    assert torch.equal(new.weight[1:], old.weight[[1, 0]])
    assert (network.model[-1].nc, network.model[-1].no) == (3, 3 + 64)
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 64, 64))[0].shape[1] == 4 + 3


@pytest.mark.models
def test_what_cannot_be_begun_or_gone_on_with_is_said_before_anything_is_written(
    run, data, tmp_path, monkeypatch
):
    out = tmp_path / "none"
    onnx = Path(__file__).resolve().parents[2] / "models" / "lamella_detector" / "weights.onnx"
    for begins, said in ((onnx, "does not begin with an ONNX file"), (tmp_path, "no model in it")):
        with pytest.raises(SpaceError, match=said):
            train(config(data, out), quiet, begins)
    with pytest.raises(SpaceError, match=r"no network yolov77.*It has .*yolov8"):
        train(config(data, out, architecture="yolov77"), quiet)
    with pytest.raises(SpaceError, match="a detector of boxes is needed|not a known kind"):
        train(config(data, out, architecture="yolov8n-seg"), quiet)
    assert not out.exists()
    with pytest.raises(SpaceError, match="a training in this folder already"):
        train(config(data, run[0]), quiet)
    with pytest.raises(SpaceError, match=r"batch was 2 and is 3"):
        train(config(data, run[0], batch=3), quiet, resume=True)
    known = loop.read_data_set(data)[0]
    boxless = tmp_path / "boxless"
    made(boxless, item(0, boxes=(), split="train", labels=None), classes=known.classes)
    with pytest.raises(SpaceError, match="no picture with boxes to learn from"):
        train(config(boxless, out), quiet)
