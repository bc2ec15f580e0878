"""What a model proposes is none of the labels until a person takes it."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from space import learning
from space.errors import SpaceError
from space.images import read_png, write_png
from space.labelling import Shape, Stroke
from space.learning import Candidate, LabelClass, assistant, read_data_set, read_labels
from space.learning.candidates import model_at, said_of
from space.learning.dataset import write_data_set
from tests.learning.sets import CLASSES, item, made, picture

BY = "my.onnx (SHA-256 00ff)"
NAMES = {"background": 0, "ice": 1, "mitos": 2}


def segment(grey: np.ndarray) -> np.ndarray:
    return np.where(grey > 180, 2, np.where(grey < 40, 1, 0)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    made(tmp_path / "set", item(0, "Süd map 1", labels=None), item(1, "b.c"))
    return tmp_path / "set"


def first(folder):
    data = read_data_set(folder)[0]
    return data, data.samples[0]


def propose(folder, **known):
    candidate = Candidate("my.onnx", segment, NAMES, **known)
    learning.propose(folder, *first(folder), candidate, BY)
    return learning.read_proposal(folder, *first(folder))


def test_classes_are_those_of_the_same_name_and_nothing_is_a_label(folder):
    before = [(path, path.read_bytes()) for path in folder.rglob("*.*")]
    found = propose(folder)
    expected = np.where(picture(0) > 180, 3, 0)
    assert (found.labels == expected).all() and found.by == BY
    assert found.classes == ("background", "mitos")
    assert any("Zellwand" in text for text in found.remarks) and "ice" in found.remarks[1]
    assert all(path.read_bytes() == data for path, data in before)
    assert read_labels(folder, first(folder)[1]) is None
    assert learning.proposed(folder, first(folder)[0]) == ["Süd map 1"]


def test_a_picture_is_shown_at_the_pixel_of_the_model(folder):
    seen = []

    def look(grey):
        seen.append(grey.shape)
        return np.zeros(grey.shape, np.uint8)

    candidate = Candidate("my.onnx", look, NAMES, pixel_nm=4.566)
    learning.propose(folder, *first(folder), candidate, BY)
    rows, columns = first(folder)[1].shape
    assert seen == [(round(rows / 2), columns // 2)]
    assert learning.read_proposal(folder, *first(folder)).labels.shape == (rows, columns)


@pytest.mark.parametrize("how", ["classes", "picture", "shape", "text", "damaged"])
def test_a_proposal_that_does_not_fit_any_more_is_none(folder, how):
    propose(folder)
    data, sample = first(folder)
    path = learning.proposal_path(folder, sample)
    labels, texts = read_png(path)
    pixel = texts.pop("pixel_nm")
    if how == "classes":
        data = replace(data, classes=(*CLASSES[:1], LabelClass(9, "mitos", "#ed1b00")))
        write_data_set(folder, data)
    elif how == "picture":
        sample = replace(sample, picture_hash="0" * 64)
    elif how == "shape":
        write_png(path, labels[1:], pixel, **texts)
    elif how == "text":
        write_png(path, labels, pixel, **{**texts, "classes": "[1"})
    else:
        path.write_bytes(path.read_bytes()[:-20])
    assert learning.read_proposal(folder, data, sample) is None


def test_what_is_taken_become_labels_with_who_proposed_them(folder):
    found = propose(folder)
    data, sample = first(folder)
    masks = found.masks(data.values)
    strokes = tuple(Stroke(Shape.MASK, name, (), mask=mask) for name, (mask, _) in masks.items())
    seen, by_name = learning.drawable(folder, sample), dict(masks.values())
    with pytest.raises(SpaceError):
        learning.save_drawn(folder, sample.file, strokes, seen.of)
    done = learning.save_drawn(folder, sample.file, strokes, seen.of, by_name.__getitem__)
    assert (read_labels(folder, done) == found.labels).all()
    assert (done.origin.kind, done.origin.proposed_by) == ("accepted", BY)
    learning.discard_proposal(folder, sample)
    assert learning.read_proposal(folder, data, sample) is None
    # The masks are kept: more is drawn on them without the proposal.
    dot = Stroke(Shape.BRUSH, "Zellwand äußere", ((4.5, 6.5),), 1.5)
    done = learning.save_drawn(folder, sample.file, (*strokes, dot), done.label_hash)
    assert (done.origin.kind, done.origin.proposed_by) == ("corrected", BY)
    assert read_labels(folder, done)[4, 6] == 7
    assert first(folder)[1].origin == done.origin
    done = learning.save_drawn(folder, sample.file, (dot,), done.label_hash)
    assert done.origin.proposed_by == ""


def answers(does, *orders):
    out = io.StringIO()
    assistant.answer_all([json.dumps(one) for one in orders], does, out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_the_process_answers_each_order_also_one_that_fails(folder, monkeypatch, tmp_path):
    loaded = []

    def load(model, preset):
        loaded.append(preset)
        return Candidate("my.onnx", segment, NAMES)

    monkeypatch.setattr(assistant, "load_candidate", load)
    (tmp_path / "my.onnx").write_bytes(b"weights")
    does = assistant.Proposing(folder, tmp_path / "my.onnx", "fast")
    stems = [one.stem for one in read_data_set(folder)[0].samples]
    done = answers(does, {"stem": stems[0]}, {"stem": "no"}, {"stem": stems[1]})
    assert [one.get("done") for one in done] == [stems[0], None, stems[1]]
    assert "no such picture" in done[1]["error"]["what"] and loaded == ["fast"]
    found = learning.read_proposal(folder, *first(folder))
    assert found.by == said_of(tmp_path / "my.onnx") and "my.onnx (SHA-256 " in found.by


class Clicks:
    """Stands in for Segment Anything: what is as bright as the first point."""

    def __init__(self, weights) -> None:
        self.shown = []

    def show(self, grey) -> None:
        self.shown.append(grey.shape)
        self.grey = grey

    def mask(self, points, inside):
        (row, column), *_ = points
        return self.grey == self.grey[int(row), int(column)]


def test_clicks_find_a_mask_in_the_part_of_a_large_picture_around_them(tmp_path):
    large = np.zeros((30, 5000), np.uint8)
    large[10:14, 4000:4040] = 200
    made(tmp_path / "set", item(0, "large", picture=large, labels=None))
    (tmp_path / "sam_b.pt").write_bytes(b"weights")
    asked = []

    def load(weights):
        asked.append(Clicks(weights))
        return asked[0]

    does = assistant.Prompting(tmp_path / "set", tmp_path / "sam_b.pt", load)
    order = {"stem": "large", "points": [[12.5, 4001.5]], "inside": [True]}
    more = {**order, "points": [[12.5, 4001.5], [1, 1]], "inside": [True, False]}
    far = {**order, "points": [[2, 2]]}
    one, two, three = answers(does, order, more, far)
    assert one["box_px"] == two["box_px"] == [10, 4000, 4, 40]
    assert three["box_px"][:3] == [0, 0, 30] and "sam_b.pt" in one["by"]
    assert len(asked) == 1 and asked[0].shown == [(30, 2048), (30, 2048)]


def test_models_are_found_by_path_name_and_run(tmp_path):
    run = tmp_path / "runs" / "first"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    with pytest.raises(SpaceError, match="yet"):
        model_at(str(run), tmp_path)
    (run / "model").mkdir()
    assert model_at(str(run), tmp_path) == run / "model"  # of nnU-Net
    (run / "model.onnx").write_bytes(b"model")
    assert model_at(str(run), tmp_path) == run / "model.onnx"
    assert said_of(run / "model.onnx").startswith("first/model.onnx (SHA-256 ")
    (tmp_path / "models" / "mine").mkdir(parents=True)
    assert model_at("mine", tmp_path) == tmp_path / "models" / "mine"
    with pytest.raises(SpaceError, match="no such model"):
        model_at("other", tmp_path)
