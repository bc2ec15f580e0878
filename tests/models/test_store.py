"""What models there are in a folder, and what their files say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from space.errors import SpaceError
from space.models.card import is_simulated_only
from space.models.description import describe, task_of
from space.models.store import FOLDER, ONNX, WEIGHTS, find_places, place_of
from space.models.yolo import read_categories
from space.trust import file_hash
from tests.models.nnunet_files import LABELS, checkpoint_content, write_checkpoint, write_model
from tests.models.onnx_files import DETECT, SEGMENT, write
from tests.models.yolo_files import write_weights
from tests.test_weights import asks_for, checkpoint

ROOT = Path(__file__).resolve().parents[2]


def models_in(folder: Path):
    return {place.name: describe(place) for place in find_places(folder)}


def test_each_kind_of_model_is_found_and_described(tmp_path):
    write_model(tmp_path / "yeast", folds=(0, 3))
    write_model(tmp_path / "Dataset001_all" / "nnUNetTrainer__nnUNetPlans__2d", folds=("all",))
    write_weights(tmp_path / "one" / "some name.pt")
    write_weights(tmp_path / "two" / "a.pt")
    write_weights(tmp_path / "two" / "b.pt", ["x", "y"])
    write_weights(tmp_path / "run" / "weights" / "best.pt")
    write_weights(tmp_path / "single.pt")
    (tmp_path / "README.md").write_text("text", encoding="utf-8")
    (tmp_path / ".hidden.part").mkdir()
    found = models_in(tmp_path)
    assert {name: (m.task, m.place.form) for name, m in found.items()} == {
        "yeast": ("segment", FOLDER),
        "Dataset001_all/nnUNetTrainer__nnUNetPlans__2d": ("segment", FOLDER),
        "one": ("detect", WEIGHTS),
        "two/a.pt": ("detect", WEIGHTS),
        "two/b.pt": ("detect", WEIGHTS),
        "run/weights": ("detect", WEIGHTS),
        "single.pt": ("detect", WEIGHTS),
    }
    assert not any(m.problems for m in found.values())
    assert found["yeast"].classes == tuple(LABELS) and found["yeast"].folds == (0, 3)
    assert found["Dataset001_all/nnUNetTrainer__nnUNetPlans__2d"].folds == ("all",)
    assert found["one"].classes == ("good", "broken") and found["two/b.pt"].classes == ("x", "y")
    names = {m.place.name: m.place.card.name for m in found.values()}
    assert names["one"] == names["yeast"] == "card.json"
    assert names["single.pt"] == "single.card.json" and names["two/a.pt"] == "a.card.json"


def test_onnx_files_are_models_or_belong_to_one(tmp_path):
    write(tmp_path / "alone.onnx")
    (tmp_path / "detector").mkdir()
    write(tmp_path / "detector" / "w.onnx", DETECT)
    weights = write_weights(tmp_path / "both" / "w.pt")
    write(tmp_path / "both" / "w.onnx", replace(DETECT, source={"w.pt": file_hash(weights)}))
    folder = write_model(tmp_path / "folder")
    names = ("dataset.json", "plans.json", "fold_0/checkpoint_final.pth")
    own = {name: file_hash(folder / name) for name in names}
    write(folder / "model.onnx", replace(SEGMENT, source=own))
    found = models_in(tmp_path)
    assert {name: (m.task, m.place.form) for name, m in found.items()} == {
        "alone.onnx": ("segment", ONNX),
        "both": ("detect", WEIGHTS),
        "detector": ("detect", ONNX),
        "folder": ("segment", FOLDER),
    }
    alone = found["alone.onnx"]
    assert alone.trained_on == "simulated" and alone.pixel_nm == 12 and alone.folds == (0, "all")
    assert found["detector"].window_px == 640 and found["detector"].classes == ("broken", "good")
    assert found["both"].onnx == weights.with_suffix(".onnx")
    assert found["folder"].onnx == folder / "model.onnx" and found["folder"].pixel_nm == 12
    assert not any(m.problems or m.onnx_trouble for m in found.values())
    # A card of its own goes before what an .onnx file says; one of other weights says nothing.
    assert is_simulated_only(tmp_path / "alone.onnx")
    (tmp_path / "alone.card.json").write_text('{"trained_on": "real"}', encoding="utf-8")
    assert not is_simulated_only(tmp_path / "alone.onnx")
    write(folder / "model.onnx")
    write(tmp_path / "both" / "w.onnx")
    found = models_in(tmp_path)
    assert found["folder"].onnx is None and "made from another" in found["folder"].onnx_trouble
    assert found["folder"].pixel_nm is None and "another task" in found["both"].onnx_trouble
    assert found["alone.onnx"].trained_on == "real"


def test_what_is_wrong_with_an_odd_folder_is_told_and_the_others_are_listed(tmp_path):
    write_model(tmp_path / "fine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "model.zip").write_bytes(b"PK")
    (tmp_path / "model.zip").write_bytes(b"PK")
    write_checkpoint(tmp_path / "alone.pth")
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04")
    (tmp_path / "code.pt").write_bytes(checkpoint(asks_for("os.system")))
    (tmp_path / "text.onnx").write_bytes(b"text")
    write_weights(tmp_path / "outlines.pt", kind="SegmentationModel")
    write_weights(tmp_path / "nameless.pt", names={})
    write_model(tmp_path / "no_fold", folds=())
    (write_model(tmp_path / "other") / "dataset.json").write_text("[" * 9, encoding="utf-8")
    (write_model(tmp_path / "card") / "card.json").write_text("{", encoding="utf-8")
    told = {name: " ".join(model.problems) for name, model in models_in(tmp_path).items()}
    for name, words in {
        "empty": "no model in it",
        "packed": "model.zip, which is packed",
        "model.zip": "spacetomo models add",
        "alone.pth": "Copy the whole folder",
        "cut.pt": "cut off or damaged",
        "code.pt": "spacetomo models trust",
        "text.onnx": "ONNX|onnx",
        "outlines.pt": "a detector of boxes is needed",
        "nameless.pt": "do not name categories",
        "no_fold": "no fold",
        "other": "dataset.json is cut off or damaged",
        "card": "card of the model cannot be read",
    }.items():
        assert any(word in told[name] for word in words.split("|")), (name, told[name])
    assert told["fine"] == ""


def test_the_pixel_size_is_that_of_the_card_else_of_other_files(tmp_path):
    folder = write_model(tmp_path / "m")

    def known():
        found = describe(place_of(folder))
        return found.pixel_nm, found.pixel_from

    def add(name, **values):
        before = json.loads((folder / name).read_text("utf-8")) if (folder / name).exists() else {}
        (folder / name).write_text(json.dumps({**before, **values}), encoding="utf-8")

    assert known() == (None, "")
    add("dataset.json", pixel_size_nm=12)
    assert known() == (12.0, "dataset.json")
    add("record.json", pixel_nm=True)
    assert known() == (12.0, "dataset.json")
    add("record.json", pixel_nm=13)
    assert known() == (13.0, "record.json")
    add("card.json", pixel_nm=14, trained_on="real")
    assert known() == (14.0, "card.json")


def test_the_checkpoint_that_all_folds_have_is_chosen(tmp_path):
    folder = write_model(tmp_path / "m", folds=())
    for fold in (0, 1):
        write_checkpoint(folder / f"fold_{fold}" / "checkpoint_best.pth")
    write_checkpoint(folder / "fold_1" / "checkpoint_final.pth")
    model = describe(place_of(folder))
    assert model.checkpoint == "checkpoint_best.pth" and not model.problems
    assert len(model.weights) == 2 and model.bytes == sum(p.stat().st_size for p in model.files)
    assert describe(place_of(folder), (1,)).checkpoint == "checkpoint_final.pth"
    assert "fold_7 is missing" in " ".join(describe(place_of(folder), (7,)).problems)


@pytest.mark.parametrize("kind", ["detector", "segmentation"])
def test_the_folder_of_a_training_is_its_model(tmp_path, kind):
    run = tmp_path / "runs" / "first"
    trained = run / ("model.pt" if kind == "detector" else "model.onnx")
    for name in ("best.pt", "last.pt"):  # numbers to go on with, no model
        write_weights(run / name)
    (run / "run.json").write_text("{}", encoding="utf-8")
    (run / "metrics.jsonl").write_text("", encoding="utf-8")
    unfinished = place_of(run)
    assert not unfinished.form and "--resume" in unfinished.trouble
    if kind == "detector":
        write_weights(trained)
        card = {"pixel_nm": 300, "window_px": 640}
        (run / "card.json").write_text(json.dumps(card), encoding="utf-8")
    else:
        write(trained, replace(SEGMENT, pixel_nm=300.0))
    for path in (run, trained):
        model = describe(place_of(path))
        assert (model.place.path, model.place.card, model.pixel_nm) == (
            trained,
            run / "card.json",
            300,
        )
        assert not model.problems and task_of(model.place) == model.task != ""
    assert model.window_px == (640 if kind == "detector" else None)
    assert [place.name for place in find_places(tmp_path / "runs")] == ["first"]


def test_a_training_of_nnunet_is_its_model_and_not_what_it_worked_with(tmp_path):
    run = tmp_path / "first"
    for folder in (run / "model", run / "nnunet" / "results"):
        write_model(folder)
    for name in ("run.json", "metrics.jsonl", "plans.json", "best.pt"):
        (run / name).write_text("{}", encoding="utf-8")
    place = place_of(run)
    assert (place.name, place.path, place.form) == ("first", run / "model", FOLDER)
    assert not describe(place).problems


def test_an_onnx_file_that_is_named_stands_for_itself(tmp_path):
    write(tmp_path / "a.onnx", DETECT)
    write_weights(tmp_path / "a.pt")
    assert place_of(tmp_path / "a.onnx").form == ONNX


def test_a_path_that_holds_several_models_or_none_is_told(tmp_path):
    for name in "ab":
        write_weights(tmp_path / f"{name}.pt")
    with pytest.raises(SpaceError, match="several models"):
        place_of(tmp_path)
    assert "no such file" in place_of(tmp_path / "none").trouble
    assert "no model" in place_of(Path(__file__)).trouble


@pytest.mark.parametrize("names", [{0: "a", 2: "b"}, ["a", "b"], ("a", "b"), {1: "b", 0: "a"}])
def test_categories_are_read_without_running_the_network(tmp_path, names):
    assert read_categories(write_weights(tmp_path / "a.pt", names)) == ("a", "b")


@pytest.mark.parametrize("names", [{}, "ab", {"a": 0}, {0: 1}, {0: "a\nb"}, {0: "a" * 200}])
def test_odd_categories_are_refused(tmp_path, names):
    with pytest.raises(SpaceError, match="do not name categories"):
        read_categories(write_weights(tmp_path / "a.pt", names))


def test_the_shipped_detector_names_its_categories():
    names = read_categories(ROOT / "models/lamella_detector/weights.pt")
    assert names == ("broken", "contaminated", "good", "thick", "wedge", "gone")


def test_other_checkpoints_hold_no_categories(tmp_path):
    for content in ({"model": {}}, checkpoint_content(), [1]):
        with pytest.raises(SpaceError):
            read_categories(write_checkpoint(tmp_path / "a.pth", content))
