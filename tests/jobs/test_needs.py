"""What is missing for the models is told before anything moves, all of it together."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from space import packages, workflow
from space.config import load_config
from space.errors import SpaceError
from space.jobs import monitor_command, needs
from space.models import segmentation_files
from space.trust import file_hash
from tests.models.nnunet_files import write_checkpoint, write_model
from tests.models.onnx_files import DETECT, SEGMENT, write
from tests.test_weights import asks_for, checkpoint

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
WHOLE = {
    "version": [3, 11, 4],
    "bits": 64,
    "packages": {
        **{name: "9.9" for names in needs.PACKAGES.values() for name in names},
        "torch": "2.15.0+cu121",
    },
}


@pytest.fixture
def project(tmp_path):
    """A project folder with models that are whole, as far as their files tell."""
    folder = tmp_path / "project"
    write_model(folder / "models/lamella_segmentation")
    write_checkpoint(folder / "models/lamella_detector/weights.pt", {"model": None})
    shutil.copy(ROOT / "SPACEtomo_config.py", folder)
    return folder


@pytest.fixture
def settings(project):
    return {"SPACE_DIR": str(project), "avoid_list": ["white"], "target_list": ["mitos"]}


@pytest.fixture
def has(monkeypatch):
    """Have the Python for the models tell something about itself."""

    def tell(**changes: object) -> None:
        told = {**WHOLE, **changes}
        monkeypatch.setattr(needs, "ask_python", lambda python, space_dir, names: (told, ""))

    tell()
    return tell


def told(settings: dict) -> str:
    try:
        workflow.checked(settings)
    except SpaceError as error:
        return str(error)
    return ""


def lacking(*names: str) -> dict[str, str]:
    return {name: v for name, v in WHOLE["packages"].items() if name not in names}


def test_nothing_is_missing(settings, has):
    assert told(settings) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": [3, 8, 10]}, ["is version 3.8.10; 3.9 or newer"]),
        ({"version": [2, 7, 18]}, ["is version 2.7.18"]),
        ({"bits": 32}, ["32-bit"]),
        ({"packages": {}}, ["lacks PIL, filelock, nnunetv2, numpy, scipy, torch", "ultralytics"]),
        ({"packages": lacking("nnunetv2")}, ["lacks nnunetv2.", "-m pip install -e .[predict]"]),
        ({"packages": {**lacking(), "torch": "1.13.1"}}, ["has only torch 1.13.1", "2.6 or newer"]),
        ({"packages": {**lacking(), "nnunetv2": "2.1", "torch": "2.4"}}, ["nnunetv2 2.1", "2.4"]),
    ],
)
def test_a_python_that_cannot_run_the_models_is_told(settings, has, changes, words):
    has(**changes)
    text = told(settings)
    assert all(word in text for word in [*words, "nothing was moved", "SPACETOMO_PYTHON"])


def test_versions_that_are_not_known_are_taken_for_new(settings, has):
    has(packages={**lacking(), "torch": "", "ultralytics": "8.4rc1", "nnunetv2": "git"})
    assert told(settings) == ""


def test_levels_1_and_2_need_the_detector_only(settings, project, has):
    has(packages=lacking("nnunetv2"))
    shutil.rmtree(project / "models/lamella_segmentation")
    assert told(dict(settings, automation_level=2)) == ""
    (project / "models/lamella_detector/weights.pt").unlink()
    assert "detection model" in told(dict(settings, automation_level=1))


def test_with_an_external_machine_nothing_else_is_needed_here(settings, project, has, tmp_path):
    has(version=[2, 7, 0])
    shutil.rmtree(project / "models/lamella_detector")
    (project / "models/lamella_segmentation/plans.json").unlink()
    assert told(dict(settings, external_map_dir=str(tmp_path))) == ""


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git-lfs"),
        (b"PK\x03\x04 and no more", "cut off"),
        (b"<!DOCTYPE html>", "web page"),
        (checkpoint(asks_for("models.yolo.DetectionModel")), "YOLOv5"),
        (checkpoint(asks_for("ultralytics.nn.tasks.SegmentationModel")), "'segment'"),
        (checkpoint(asks_for("ultralytics.nn.tasks.RTDETRDetectionModel")), "RT-DETR"),
        (checkpoint(asks_for("builtins.eval")), "spacetomo models trust"),
        (None, "missing"),
    ],
)
def test_detection_weights_that_are_none_are_told(settings, project, has, content, word):
    path = project / "models/lamella_detector/weights.pt"
    path.unlink() if content is None else path.write_bytes(content)
    text = told(settings)
    assert word in text and str(path) in text


def test_everything_is_told_together(settings, project, has, monkeypatch):
    has(packages=lacking("torch"))
    monkeypatch.setattr(packages, "OWN_PACKAGES", ("numpy", "no_such_package"))
    (project / "models/lamella_detector/weights.pt").write_bytes(b"")
    (project / "models/lamella_segmentation/plans.json").write_text("{", encoding="utf-8")
    text = told(dict(settings, max_tilt=90, target_list=("mitso",)))
    assert text.startswith("6 things are wrong")
    for word in ("max_tilt", "'mitso'", "no_such_package", "lacks torch", "empty", "plans.json"):
        assert word in text, word


def test_a_missing_model_is_told_once(settings, project, has):
    shutil.rmtree(project / "models/lamella_segmentation")
    text = told(settings)
    assert text.startswith("One thing is wrong") and "no such folder" in text


def test_the_versions_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    predict = dict(text.split(">=") for text in project["optional-dependencies"]["predict"])
    assert predict.items() >= {n: needs._dotted(old) for n, old in needs.OLDEST.items()}.items()
    assert project["requires-python"] == f">={needs._dotted(needs.OLDEST_PYTHON)}"
    # The simulator alone reads with lark.
    needed = {text.split(">=")[0] for text in project["dependencies"]} - {"tomli", "lark"}
    called = {"PIL": "Pillow"}
    assert {called.get(name, name) for name in packages.OWN_PACKAGES} == needed


# --- models that were converted -----------------------------------------------------------------


@pytest.fixture
def converted(project):
    """Have an .onnx file beside the weights of both models, made from them."""
    segmentation = project / "models/lamella_segmentation"
    weights = project / "models/lamella_detector/weights.pt"
    files = segmentation_files(segmentation, (0,), "checkpoint_final.pth")
    for target, facts, sources in (
        (weights.with_suffix(".onnx"), DETECT, {weights.name: weights}),
        (segmentation / "model.onnx", SEGMENT, files),
    ):
        write(target, replace(facts, source={n: file_hash(path) for n, path in sources.items()}))
    return weights, segmentation / "fold_0"


TORCH = ("torch", "torchvision", "ultralytics", "nnunetv2")


def test_without_torch_converted_models_are_enough(settings, project, has, converted):
    has(packages=lacking(*TORCH))
    assert told(settings) == ""
    weights, fold = converted
    weights.unlink()
    shutil.rmtree(fold)
    assert told(settings) == ""


def test_without_onnxruntime_torch_is_enough(settings, has, converted):
    has(packages=lacking("onnxruntime"))
    assert told(settings) == ""


def test_without_either_both_ways_are_told(settings, has, converted):
    has(packages=lacking(*TORCH, "onnxruntime"))
    text = told(settings)
    assert "lacks onnxruntime." in text
    assert ".[predict-lite]" in text and ".[predict]" in text


def test_without_torch_models_that_are_not_converted_are_told(settings, has):
    has(packages=lacking(*TORCH))
    text = told(settings)
    assert "lacks nnunetv2, torch" in text and ".[predict-lite], for models" in text


def test_an_onnx_of_other_weights_does_not_count(settings, has, converted):
    has(packages=lacking(*TORCH))
    write_checkpoint(converted[0], {"model": None, "other": 1})
    assert "lacks torch, torchvision, ultralytics" in told(settings)


@pytest.mark.parametrize(
    ("runtime", "away", "word"),
    [("torch", "onnxruntime", ""), ("torch", "torch", "lacks torch"), ("onnx", "torch", "")],
)
def test_the_runtime_of_the_configuration_is_the_one_that_is_asked_for(
    settings, project, has, converted, runtime, away, word
):
    path = project / "SPACEtomo_config.py"
    text = path.read_text(encoding="utf-8") + f'\ninference_runtime = "{runtime}"\n'
    path.write_text(text, encoding="utf-8")
    has(packages=lacking(away))
    assert (word in told(settings)) if word else told(settings) == ""


def test_onnx_alone_without_a_file_says_how_to_make_one(settings, project, has):
    path = project / "SPACEtomo_config.py"
    text = path.read_text(encoding="utf-8") + '\ninference_runtime = "onnx"\n'
    path.write_text(text, encoding="utf-8")
    assert told(settings).count("spacetomo models convert") == 2


# --- asking a real Python -------------------------------------------------------------------------


def test_this_python_tells_about_itself_quickly_and_lightly(tmp_path):
    (tmp_path / "ultralytics").mkdir()  # what an uninstallation left
    code = needs._QUESTION + "\nassert not {'numpy', 'torch'} & set(sys.modules)"
    names = ["numpy", "no_such_package", "ultralytics"]
    start = time.monotonic()
    told, problem = needs.ask_python(sys.executable, tmp_path, names)
    assert time.monotonic() - start < 2.0 and problem == ""
    assert told["version"] == list(sys.version_info[:3]) and told["bits"] == 64
    assert "numpy" in told["packages"] and "no_such_package" not in told["packages"]
    subprocess.run([sys.executable, "-c", code, *names], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.skipif(sys.platform == "win32", reason="scripts as programs")
@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("echo 'Python was not found' >&2; exit 9", "'Python was not found'"),
        ("exit 3", "ended with status 3"),
        ("echo 7", "does not start: '7'"),
        ("echo '{}'", "does not start"),
    ],
)
def test_a_python_that_does_not_start_is_told(tmp_path, monkeypatch, script, word):
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("SPACETOMO_PYTHON", str(path))
    (problem,) = needs.python_problems(tmp_path, ("detect",))
    assert word in problem and str(path) in problem


def test_a_python_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("SPACETOMO_PYTHON", str(tmp_path / "python.exe"))
    (problem,) = needs.python_problems(tmp_path, ("detect",))
    assert "SPACETOMO_PYTHON names no file" in problem
    (tmp_path / "python.exe").write_bytes(b"MZ")
    (problem,) = needs.python_problems(tmp_path, ("detect",))
    assert "does not start" in problem


# --- the monitor ----------------------------------------------------------------------------------


def test_a_monitor_says_at_once_what_is_missing(project, has, tmp_path, caplog):
    has(packages=lacking("torch", "nnunetv2"))
    (project / "models/lamella_segmentation/fold_0/checkpoint_final.pth").unlink()
    (project / "models/lamella_detector/weights.pt").write_bytes(b"")
    with caplog.at_level(logging.ERROR, "space"):
        status = monitor_command.main(["--dir", str(tmp_path), "--gpu", "cpu"], project)
    assert status == monitor_command.STATUS_MISSING
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3
    for word in ("lacks nnunetv2, torch", "checkpoint_final.pth", "empty"):
        assert word in caplog.text
    assert not [name for name in os.listdir(tmp_path) if name != "project"], "something was begun"


def test_the_configuration_of_a_monitor_names_another_checkpoint(project, has):
    config = load_config(project)
    fold = config.segmentation_model / "fold_0"
    os.rename(fold / "checkpoint_final.pth", fold / "checkpoint_best.pth")
    (problem,) = needs.missing_here(config, project)
    assert 'segmentation_checkpoint = "checkpoint_best.pth"' in problem
    path = project / "SPACEtomo_config.py"
    text = path.read_text(encoding="utf-8") + '\nsegmentation_checkpoint = "checkpoint_best.pth"\n'
    path.write_text(text, encoding="utf-8")
    assert needs.missing_here(load_config(project), project) == []
