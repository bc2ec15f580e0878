"""``spacetomo models convert``: which models, with what, and what is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from space import cli
from space.cli.models import converting
from space.errors import SpaceError
from space.images import write_png
from space.lamellae import conversion as of_detectors
from space.segmentation import conversion as of_segmentations
from tests.models.nnunet_files import write_model
from tests.test_weights import asks_for, checkpoint

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path):
    """A project folder with both models, as far as their files tell."""
    write_model(tmp_path / "models/lamella_segmentation")
    weights = tmp_path / "models/lamella_detector/weights.pt"
    weights.parent.mkdir()
    weights.write_bytes(checkpoint(asks_for("ultralytics.nn.tasks.DetectionModel")))
    shutil.copy(ROOT / "SPACEtomo_config.py", tmp_path)
    return tmp_path


@pytest.fixture
def asked(monkeypatch):
    """Have the conversions note what they are asked for, and write nothing."""
    calls = []

    def detector(weights, pixel_nm, window_px, out, pictures, trained_on):
        calls.append((weights.name, pixel_nm, window_px, out, len(pictures)))
        return of_detectors.ConvertedDetector(
            weights.with_suffix(".onnx"), 6_200_000, True,
            of_detectors.Agreement(3, 427, 0.0001, 2e-6, 2.4, 1.8),
        )  # fmt: skip

    def segmentation(folder, folds, out, name, pixel_nm, pictures):
        calls.append((folder.name, folds, out, name, [p.shape for p in pictures]))
        return of_segmentations.ConvertedSegmentation(
            folder / "model.onnx", 8_700_000, False,
            of_segmentations.Agreement(1.0, 0.999999, 5, 3.0, 1.5),
        )  # fmt: skip

    monkeypatch.setattr(converting, "is_installed", lambda name: True)
    monkeypatch.setattr(of_detectors, "convert_detector", detector)
    monkeypatch.setattr(of_segmentations, "convert_segmentation", segmentation)
    return calls


def convert(project, *words) -> int:
    return cli.main(["models", "convert", *map(str, words), "--space-dir", str(project)])


def test_without_names_the_models_that_are_used_are_converted(project, asked, capsys):
    assert convert(project) == 0
    detector, segmentation = sorted(asked, key=lambda call: call[0] != "weights.pt")
    assert detector == ("weights.pt", 400.0, 1024, None, 0)
    assert segmentation == ("lamella_segmentation", (0,), None, "checkpoint_final.pth", [])
    told = capsys.readouterr().out
    assert "(6.2 MB, weights of 16 bits)" in told and "(8.7 MB, weights of 32 bits)" in told
    assert "2.4 s for a window with torch, 1.8 s with ONNX Runtime" in told


def test_the_fold_trained_on_everything_is_converted_where_it_is_used(project, asked):
    write_model(project / "models/lamella_segmentation", folds=(0, 1, "all"))
    assert convert(project, "lamella_segmentation") == 0
    path = project / "SPACEtomo_config.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(f'{text}segmentation_folds = ["all"]\n', encoding="utf-8")
    assert convert(project, "lamella_segmentation") == 0
    assert [call[1] for call in asked] == [(0, 1), (0, 1, "all")]


def test_maps_are_compared_at_the_pixel_size_of_the_model(project, asked, tmp_path):
    write_png(tmp_path / "map.png", np.zeros((60, 80), np.uint8), 6.0, "map.png")
    folder = project / "models/lamella_segmentation"
    assert convert(project, folder, "--maps", tmp_path / "map.png") == 0
    assert [call[-1] for call in asked] == [[(30, 40)]]


def test_a_refusal_is_told_and_the_others_go_on(project, asked, capsys, monkeypatch):
    def refuse(*given):
        raise SpaceError("ONNX Runtime finds other boxes than torch.", "weights.pt")

    monkeypatch.setattr(of_detectors, "convert_detector", refuse)
    assert convert(project, "--json") == 1
    one, other = sorted(json.loads(capsys.readouterr().out), key=lambda told: "problem" in told)
    assert one["agreement"]["share"] == 0.999999 and one["path"].endswith("model.onnx")
    assert "finds other boxes" in other["problem"]


def test_packages_that_are_missing_are_told_before_anything_is_loaded(
    project, asked, capsys, monkeypatch
):
    monkeypatch.setattr(converting, "is_installed", lambda name: name == "onnxruntime")
    assert convert(project) == 2
    told = capsys.readouterr()
    said = told.out + told.err
    assert "torch, ultralytics, onnx, nnunetv2." in said and "[predict,convert]" in said
    assert convert(project, "lamella_segmentation") == 2
    assert "torch, nnunetv2, onnx." in "".join(capsys.readouterr())
    assert asked == []


def test_options_that_do_not_fit_are_told(project, asked, capsys, tmp_path):
    assert convert(project, "--out", tmp_path / "a.onnx") == 2
    assert "--out is for one model" in capsys.readouterr().err
    weights = project / "models/lamella_detector/weights.pt"
    assert convert(project, weights, "--folds", "0") == 1
    assert "no folds" in capsys.readouterr().out
    assert convert(project, project / "nothing") == 2
    assert asked == []
