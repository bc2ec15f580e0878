"""One door to models of every kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from space.errors import SpaceError
from space.learning import Detection, Segmentation, load_model, model_task
from space.learning.candidates import load_candidate
from space.learning.loading import at_own_pixel

MODELS = Path(__file__).resolve().parents[2] / "models"
DETECTOR, SEGMENTATION = MODELS / "lamella_detector", MODELS / "lamella_segmentation"


def test_what_a_model_is_for_is_told_by_its_content(tmp_path):
    assert model_task(DETECTOR) == model_task(DETECTOR / "weights.onnx") == "detect"
    assert model_task(SEGMENTATION) == model_task(SEGMENTATION / "model.onnx") == "segment"
    assert model_task(tmp_path) == model_task(tmp_path / "none.onnx") == ""


@pytest.mark.models
@pytest.mark.parametrize("name", [".", "weights.onnx"])
def test_a_detector_is_loaded_and_looks_at_its_own_pixel(name):
    model = load_model(DETECTOR / name)
    assert isinstance(model, Detection)
    assert (model.pixel_nm, model.window_px, model.classes[0]) == (400.0, 1024, "broken")
    picture = np.full((40, 60), 90, np.uint8)
    assert model.detect(picture, 800.0) == model.detect(picture) == ()
    with pytest.raises(SpaceError, match="a segmentation model is needed"):
        load_candidate(DETECTOR, "fast")


@pytest.mark.models
def test_a_segmentation_model_is_loaded_by_the_same_words():
    model = load_model(str(SEGMENTATION), preset="fast")
    assert isinstance(model, Segmentation)
    assert (model.pixel_nm, model.classes["background"]) == (12.0, 0)
    labels = model.segment(np.zeros((48, 64), np.uint16), pixel_nm=24.0)
    assert labels.shape == (48, 64) and labels.dtype == np.uint8


def test_a_picture_is_shown_at_the_pixel_of_the_model():
    shapes = []

    def run(picture):
        shapes.append(picture.shape)
        return picture

    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for pixel_nm, own_nm in ((20.0, 10.0), (10.0, 10.05), (None, 10.0), (10.0, None)):
        assert at_own_pixel(run, picture, pixel_nm, own_nm).shape == (3, 4)
    assert shapes == [(6, 8), (3, 4), (3, 4), (3, 4)]


def test_what_is_no_model_is_told(tmp_path):
    (tmp_path / "notes.txt").write_text("text", encoding="utf-8")
    for path, said in (
        (tmp_path, "no model in it"),
        (tmp_path / "a.pt", "no such model"),
        (tmp_path / "notes.txt", "is no model"),
    ):
        with pytest.raises(SpaceError, match=said):
            load_model(path)
    with pytest.raises(SpaceError, match="no preset"):
        load_model(DETECTOR, preset="best")
