"""What says by which model a result was made."""

import os
from dataclasses import replace

import pytest

from space import trust
from space.config import Config
from space.jobs import ModelMarks
from tests.models.onnx_files import DETECT, SEGMENT, graph, write


def config_of(folder, **changes):
    config = Config(
        detection_weights=folder / "w.pt", detection_pixel_nm=400.0, detection_window_px=1024,
        categories={}, segmentation_model=folder, segmentation_folds=(), segmentation_pixel_nm=12.0,
        runs_per_gpu=1,
    )  # fmt: skip
    return replace(config, **changes)


def marks_of(folder, **changes):
    return ModelMarks(lambda: config_of(folder, **changes))


def test_a_mark_is_that_of_the_content(tmp_path):
    assert marks_of(tmp_path)("detect") == ""
    weights = tmp_path / "w.pt"
    weights.write_bytes(b"one")
    first = marks_of(tmp_path)("detect")
    weights.write_bytes(b"other")
    second = marks_of(tmp_path)("detect")
    weights.write_bytes(b"one")
    os.utime(weights, (1e9, 1e9))
    assert first and first != second and marks_of(tmp_path)("detect") == first


def test_weights_that_have_not_changed_are_read_once(tmp_path):
    """Also by others who ask: each look at a job makes its own."""
    (tmp_path / "w.pt").write_bytes(b"weights")
    before = trust._hash.cache_info().misses
    for _ in range(5):
        marks_of(tmp_path)("detect")
    assert trust._hash.cache_info().misses == before + 1


@pytest.mark.parametrize(
    ("task", "changes", "same"),
    [
        ("segment", {"tidy_segmentation": False}, False),
        ("segment", {"segmentation_pixel_nm": 6.0}, False),
        ("segment", {"inference_preset": "fast"}, False),
        ("segment", {"inference_runtime": "onnx"}, True),
        ("detect", {"inference_preset": "fast"}, True),
        ("detect", {"detection_pixel_nm": 500.0}, False),
        ("detect", {"detection_window_px": 640}, False),
        ("detect", {"tidy_segmentation": False}, True),
        ("segment", {"detection_window_px": 640}, True),
        ("segment", {"runs_per_gpu": 4}, True),
    ],
)
def test_results_of_a_model_that_was_used_otherwise_are_made_anew(tmp_path, task, changes, same):
    for name in ("w.pt", "dataset.json", "plans.json"):
        (tmp_path / name).write_bytes(b"{}")
    before = marks_of(tmp_path)(task)
    assert before
    assert (marks_of(tmp_path, **changes)(task) == before) == same


@pytest.mark.parametrize("converted", [False, True])
def test_it_does_not_matter_which_fold_is_named_first(tmp_path, converted):
    """Scores of folds are averaged; by another model a result is made anew."""
    names = ("dataset.json", "plans.json", "fold_2/c.pth", "fold_10/c.pth", "fold_3/c.pth")
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    if converted:
        source = {name: trust.file_hash(tmp_path / name) for name in names}
        facts = replace(SEGMENT, source=source, folds=(2, 10, 3))
        outputs = graph(outputs=[f"fold_{fold}" for fold in facts.folds])
        write(tmp_path / "model.onnx", facts, inside=outputs)
        for name in names[2:]:
            (tmp_path / name).unlink()

    def mark(*folds, preset="balanced"):
        changes = {"segmentation_folds": folds, "inference_preset": preset}
        return marks_of(tmp_path, segmentation_checkpoint="c.pth", **changes)("segment")

    assert mark(2, 10) and mark(2, 10) == mark(10, 2) != mark(2, 3)
    assert mark(2, 10, preset="fast") != mark(10, 2, preset="fast")


def with_onnx(folder, task):
    """Write the source of a model and the .onnx file that was made from it; return that file."""
    if task == "detect":
        files = {"w.pt": folder / "w.pt"}
    else:
        files = {name: folder / name for name in ("dataset.json", "plans.json", "fold_0/c.pth")}
    for name, path in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    source = {name: trust.file_hash(path) for name, path in files.items()}
    facts = replace(DETECT if task == "detect" else SEGMENT, source=source)
    target = folder / ("w.onnx" if task == "detect" else "model.onnx")
    return files, write(target, facts)


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_a_converted_model_has_the_mark_of_what_it_was_made_from(tmp_path, task):
    ways = {"segmentation_folds": (0,), "segmentation_checkpoint": "c.pth"}
    files, onnx = with_onnx(tmp_path, task)
    mark = marks_of(tmp_path, **ways)(task)
    assert mark
    weights = list(files.values())[-1]
    content = weights.read_bytes()
    weights.unlink()
    assert marks_of(tmp_path, **ways)(task) == mark, "the .onnx stands for weights that are away"
    named = {"detection_weights": onnx} if task == "detect" else {"segmentation_model": onnx}
    assert marks_of(tmp_path, **ways, **named)(task) == mark
    weights.write_bytes(b"other weights")
    assert marks_of(tmp_path, **ways)(task) not in ("", mark)
    weights.write_bytes(content)
    assert marks_of(tmp_path, **ways)(task) == mark
    onnx.write_bytes(b"")
    assert marks_of(tmp_path, **ways, **named)(task) == ""
