"""What a worker does with one map: the cases that are no ordinary segmentation or detection."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import make_map
from PIL import Image

from space import segmentation
from space.errors import SpaceError
from space.images import read_png
from space.jobs import Job, JobFolder
from space.jobs.devices import Place
from space.jobs.engine import DEFAULT_THRESHOLD, Engine, detection_threshold
from space.lamellae import detector as detector_module
from space.models import PRESETS, OnnxFacts
from tests.jobs.tiny_models import write_config


class Models:
    """Stands for both networks as the engine makes them by itself."""

    made: list = []
    labels = {"background": 0}

    def __init__(self, place, *where, **more):
        self.made.append((type(self).__name__, place, where, more))

    def segment(self, image, progress):
        return np.zeros(image.shape, np.uint8)

    def detect(self, image, pixel_nm, threshold, config):
        return []


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A project with a configuration, and networks that need no torch."""
    folder = tmp_path / "program"
    folder.mkdir()
    write_config(folder)
    Models.made = []
    monkeypatch.setattr(segmentation, "Segmenter", Models)
    monkeypatch.setattr(detector_module, "Detector", Models)
    monkeypatch.setattr(
        "space.jobs.engine.place_for",
        lambda device, runtime, has_onnx: Place(runtime, f"{device}, {has_onnx}"),
    )
    return folder


@pytest.fixture
def maps(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    return folder


def without_pixel_size(maps):
    path = make_map(maps, "G_L01.png", described=False)
    Image.open(path).save(path)  # without its texts
    return path


def test_the_models_are_those_of_the_configuration(program, maps):
    make_map(maps, "G_L01.png")
    engine = Engine(program, "1")
    lines = []
    engine.run(Job("G_L01.png"), maps, lines.append)
    engine.run(Job("G_L01.png", "detect"), maps, lines.append)
    (_, folder, where, more), (_, weights, device, _) = Models.made
    assert folder == program / "models/lamella_segmentation" and not more
    ways = (PRESETS["balanced"], "checkpoint_final.pth", "auto", ())
    assert where == ((0,), "1, False", *ways)
    assert weights == program / "models/lamella_detector/weights.pt" and device == (
        "1, False",
        "auto",
    )
    assert f"0 lamellae found with a probability of at least {DEFAULT_THRESHOLD:g}." in lines
    content = json.loads((maps / "G_L01_boxes.json").read_text(encoding="utf-8"))
    assert content["boxes"] == [] and content["model"] == "weights.pt"


def test_a_model_is_loaded_again_when_the_configuration_names_another(program, maps):
    make_map(maps, "G_L01.png")
    engine = Engine(program)
    for folds in ("[0]", "[0]", "[0, 1]"):
        path = program / "SPACEtomo_config.py"
        text = path.read_text(encoding="utf-8") + f"\nsegmentation_folds = {folds}\n"
        path.write_text(text, encoding="utf-8")
        engine.run(Job("G_L01.png"), maps)
    assert [where[0] for _, _, where, _ in Models.made] == [(0,), (0, 1)]


def test_a_preset_that_is_changed_during_a_run_is_that_of_the_next_one(program, maps, monkeypatch):
    make_map(maps, "G_L01.png")
    path, engine = program / "SPACEtomo_config.py", Engine(program)
    for name in ("dataset.json", "plans.json", "fold_0/checkpoint_final.pth"):
        part = program / "models/lamella_segmentation" / name
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(b"{}")
    marks = [engine.marks("segment")]

    def edits(self, image, progress):
        text = path.read_text(encoding="utf-8") + "\ninference_preset = 'fast'\n"
        path.write_text(text, encoding="utf-8")
        return np.zeros(image.shape, np.uint8)

    monkeypatch.setattr(Models, "segment", edits)
    made = [read_png(engine.run(Job("G_L01.png"), maps))[1]["model_hash"]]
    marks.append(engine.marks("segment"))
    made.append(read_png(engine.run(Job("G_L01.png"), maps))[1]["model_hash"])
    assert made == marks and made[0] != made[1]
    assert [where[2] for _, _, where, _ in Models.made] == [PRESETS["balanced"], PRESETS["fast"]]


def test_what_is_off_the_lamella_and_the_runtime_reach_the_model(program, maps):
    make_map(maps, "G_L01.png")
    path, engine = program / "SPACEtomo_config.py", Engine(program)
    for line in ("off_lamella_classes = ['hole']", "inference_runtime = 'torch'"):
        path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
        engine.run(Job("G_L01.png"), maps)
    assert [where[4:] for _, _, where, _ in Models.made] == [
        ("auto", ("hole",)),
        ("torch", ("hole",)),
    ]


def test_the_preset_of_the_configuration_decides_on_every_device(program, maps):
    make_map(maps, "G_L01.png")
    path = program / "SPACEtomo_config.py"
    text = path.read_text(encoding="utf-8") + "\ninference_preset = 'accurate'\n"
    path.write_text(text, encoding="utf-8")
    for device in ("cpu", "1"):
        Engine(program, device).run(Job("G_L01.png"), maps)
    assert [where[2] for _, _, where, _ in Models.made] == [PRESETS["accurate"]] * 2


def test_a_map_without_pixel_size_is_taken_for_one_of_the_model(program, maps):
    path = without_pixel_size(maps)
    lines = []
    target = Engine(program).run(Job("G_L01.png"), maps, lines.append)
    assert "The pixel size of the map is not known; 16 nm is assumed." in lines
    assert read_png(target)[1]["pixel_nm"] == 16.0
    with pytest.raises(SpaceError, match="needs the pixel size") as caught:
        Engine(program).run(Job("G_L01.png", "detect"), maps)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("task", ["segment", "detect"])
@pytest.mark.parametrize(
    ("runtime", "torch", "may"),
    [
        ("auto", "fits", True),
        ("auto", "is missing", False),
        ("auto", "has no weights", False),
        ("onnx", "fits", False),
    ],
)
def test_what_onnx_runtime_does_not_load_is_run_by_torch_if_that_may_be(
    program, maps, monkeypatch, task, runtime, torch, may
):
    make_map(maps, "G_L01.png")
    path = program / "SPACEtomo_config.py"
    text = path.read_text(encoding="utf-8") + f"\ninference_runtime = '{runtime}'\n"
    path.write_text(text, encoding="utf-8")

    def load(*given):
        place = next(value for value in given if isinstance(value, Place))
        if place.runtime == "onnx" or torch == "has no weights":
            raise SpaceError(f"It is not loaded by {place.runtime}.", do="Copy it again")
        return Models(place)

    monkeypatch.setattr("space.jobs.engine.is_installed", lambda name: torch != "is missing")
    monkeypatch.setattr(
        "space.jobs.engine.place_for",
        lambda device, runtime, has_onnx: Place("torch" if runtime == "torch" else "onnx", device),
    )
    engine, lines = Engine(program, make_segmenter=load, make_detector=load), []
    if may:
        engine.run(Job("G_L01.png", task), maps, lines.append)
        assert "It is not loaded by onnx. PyTorch is used instead. Copy it again" in lines
    else:
        with pytest.raises(SpaceError, match="not loaded by onnx"):
            engine.run(Job("G_L01.png", task), maps, lines.append)
        assert not Models.made


def test_an_unknown_task_is_refused_before_the_map_is_read(program, maps):
    with pytest.raises(SpaceError, match="task 'dance' is unknown"):
        Engine(program).run(Job("G_L01.png", "dance"), maps)


@pytest.mark.parametrize("task", ["segment", "detect"])
def test_progress_is_reported_while_a_map_is_processed(program, maps, task):
    make_map(maps, "G_L01.png")
    steps = []
    Engine(program).run(
        Job("G_L01.png", task), maps, progressed=lambda share=None: steps.append(share)
    )
    assert len(steps) >= 2, "a long wait without progress counts as a worker that hangs"


@pytest.mark.parametrize("content", ["", "{", "[0.3]", '{"other": 1}'])
def test_settings_that_say_nothing_leave_the_default_threshold(maps, content):
    (maps / "SPACE_settings.json").write_text(content, encoding="utf-8")
    assert detection_threshold({}, maps) == DEFAULT_THRESHOLD


@pytest.mark.parametrize("value", [-0.1, 1.1, True, "0.5", None, float("nan")])
def test_a_threshold_that_is_none_is_refused(maps, value):
    with pytest.raises(SpaceError, match="not between 0 and 1"):
        detection_threshold({"threshold": value}, maps)


def test_the_threshold_beside_a_picture_counts_before_the_folder_s_and_after_the_job_s(
    program, maps
):
    """Sessions share the folder, but not their thresholds."""
    path = make_map(maps, "G.png")
    path.with_suffix(".json").write_text('{"pixel_nm": 16, "threshold": 0.3}', encoding="utf-8")
    (maps / "SPACE_settings.json").write_text('{"WG_detection_threshold": 0.7}', encoding="utf-8")

    def used(**params) -> float:
        target = Engine(program).run(Job("G.png", "detect", params), maps)
        return json.loads(target.read_text(encoding="utf-8"))["threshold"]

    assert used() == 0.3
    assert used(threshold=0.5) == 0.5
    path.with_suffix(".json").write_text('{"pixel_nm": 16}', encoding="utf-8")
    assert used() == 0.7


def test_where_a_model_runs_is_what_the_model_says_now(program, maps, monkeypatch):
    monkeypatch.setattr(Models, "about", ("ONNX Runtime 1.9", "NVIDIA GPU 0"), raising=False)
    engine = Engine(program, "0")
    assert engine.about() == ("", ""), "nothing is loaded"
    make_map(maps, "G_L01.png")
    engine.run(Job("G_L01.png"), maps)
    assert engine.about() == ("ONNX Runtime 1.9", "NVIDIA GPU 0")
    monkeypatch.setattr(Models, "about", ("ONNX Runtime 1.9", "CPU, 3 threads"))
    assert engine.about() == ("ONNX Runtime 1.9", "CPU, 3 threads"), "the GPU failed meanwhile"


class Heat:
    """Stands for a network of learned targets: it is hot where the map is bright."""

    def heat(self, image, progress):
        return np.where(image > 128, 255, 0).astype(np.uint8)


def test_a_heat_map_lies_beside_its_map_with_the_marks_of_both(program, maps, monkeypatch):
    path = make_map(maps, "G_L01.png")
    monkeypatch.setattr(
        "space.jobs.engine.heat_facts", lambda path: OnnxFacts("heat", {}, pixel_nm=40.0)
    )
    (program / "clicks.onnx").write_bytes(b"weights")
    config = program / "SPACEtomo_config.py"
    text = config.read_text("utf-8")
    config.write_text(f"{text}\nlearned_targets_model = 'clicks.onnx'\n", encoding="utf-8")
    engine = Engine(program, "cpu", make_heat=lambda path, device: Heat())
    target = engine.run(Job("G_L01.png", "heat"), maps)
    heat, info = read_png(target)
    picture, about = read_png(path)
    assert target.name == "G_L01_heat.png" and heat.shape == picture.shape
    assert info["pixel_nm"] == about["pixel_nm"] and info["model"] == "clicks.onnx"
    folder = JobFolder(maps, models=engine.marks)
    assert folder.status("G_L01.png", "heat").state == "done"
    (program / "clicks.onnx").write_bytes(b"other weights")
    assert folder.status("G_L01.png", "heat").state == "absent", "another model: made again"


def test_a_heat_map_without_a_model_says_what_to_do(program, maps):
    make_map(maps, "G_L01.png")
    with pytest.raises(SpaceError, match="learned_targets_model .* names no model"):
        Engine(program, "cpu").run(Job("G_L01.png", "heat"), maps)
