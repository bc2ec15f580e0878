"""How good models are, by functions that stand for models."""

from __future__ import annotations

import json

import numpy as np
import pytest

from space import learning
from space.errors import SpaceError
from space.learning import Candidate, Incoming, Item, LabelClass, add, compare, read_data_set

CLASSES = (
    LabelClass(0, "background", "#000000"),
    LabelClass(3, "mitos", "#ed1b00"),
    LabelClass(7, "cell", "#437f58"),
    LabelClass(200, "ignore", "#ff00ff"),
)


def labels(seed: int) -> np.ndarray:
    drawn = np.zeros((40, 50), np.uint8)
    drawn[5:20, 5:20], drawn[25:, 10:30], drawn[:3] = 3, 7, 200
    return np.roll(drawn, seed, axis=1)


@pytest.fixture
def data(tmp_path):
    items = [
        Item(f"a {n}", picture=labels(n) + 1, labels=labels(n), pixel_nm=10.0, split="test")
        for n in range(3)
    ]
    add(tmp_path, Incoming([lambda: items], CLASSES, ()), lambda line: None)
    return tmp_path


def found(data, segment, names, pixel_nm=None, tell=lambda line: None):
    known, _ = read_data_set(data)
    return compare(Candidate("m", segment, names, pixel_nm), data, known, known.samples, 1.0, tell)


def by_name(one):
    return {each.name: each for each in one.classes}


def test_a_model_that_finds_everything_by_other_numbers_scores_one(data):
    def segment(picture):
        table = np.zeros(256, np.uint8)
        table[[4, 8]] = 1, 2  # pictures are labels plus one
        return table[picture]

    one = found(data, segment, {"background": 0, "cell": 2, "mitos": 1})
    assert one.mean_dice == 1.0 and not one.remarks
    assert all(each.boundary.f1 == 1.0 and each.score.iou == 1.0 for each in one.classes)
    assert set(by_name(one)) == {"background", "mitos", "cell"}  # ignored pixels count nowhere
    assert json.loads(json.dumps(one.to_dict()))["classes"]["cell"]["dice"] == 1.0


def test_what_a_model_does_not_know_or_calls_otherwise_is_said_and_counts(data):
    def segment(picture):
        return np.where(picture == 4, 1, np.where(picture == 8, 5, 0)).astype(np.uint8)

    one = found(data, segment, {"background": 0, "mitos": 1, "vesicle": 5})
    assert by_name(one)["mitos"].score.dice == 1.0 and by_name(one)["cell"].score.dice == 0.0
    assert "does not know cell" in one.remarks[0] and "vesicle" in one.remarks[1]


def test_pictures_are_shown_to_a_model_at_its_own_pixel(data):
    shapes = []

    def segment(picture):
        shapes.append(picture.shape)
        return np.where(picture == 4, 3, 0).astype(np.uint8)

    one = found(data, segment, {"background": 0, "mitos": 3}, pixel_nm=5.0)
    assert shapes == [(80, 100)] * 3 and by_name(one)["mitos"].score.iou > 0.8


def test_the_worst_pictures_come_first_and_what_cannot_be_read_is_left_out(data):
    (data / "labels" / "a 2.png").write_bytes(b"no picture")
    calls, told = [], []

    def segment(picture):
        calls.append(1)
        return np.where(picture == 4, 3, 0).astype(np.uint8) * (len(calls) == 1)

    one = found(data, segment, {"background": 0, "mitos": 3}, tell=told.append)
    assert [each.file for each in one.pictures] == ["a 1.png", "a 0.png"]
    assert one.pictures[0].dice < one.pictures[1].dice and len(told) == 1


def test_a_model_without_any_class_of_the_data_is_refused(data):
    with pytest.raises(SpaceError, match="no class of the data set"):
        found(data, lambda picture: picture, {"ice": 1})


def test_the_command_prints_a_table_and_writes_numbers_and_worst_pictures(
    data, tmp_path, monkeypatch, capsys
):
    from space.cli import main

    def segment(picture):
        return np.where(picture == 4, 3, 0).astype(np.uint8)

    names = {"background": 0, "mitos": 3}
    monkeypatch.setattr(
        learning, "load_candidate", lambda model, preset: Candidate(str(model), segment, names)
    )
    out = tmp_path / "compared"
    words = ["evaluate", "one.onnx", "two.onnx", "--data", str(data), "--out", str(out)]
    assert main([*words, "--worst", "1"]) == 0
    printed = capsys.readouterr().out
    assert "two.onnx: mean Dice" in printed and "mitos       1.000  1.000" in printed
    written = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert [one["model"] for one in written] == ["one.onnx", "two.onnx"]
    assert (out / "model_2" / "worst_1.png").stat().st_size > 1000
    assert main([*words, "--split", "val"]) == 2
    assert "no labelled picture for val" in capsys.readouterr().err
