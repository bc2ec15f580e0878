"""How good detectors are, by functions that stand for detectors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from space.cli import main
from space.errors import SpaceError
from space.lamellae import Box
from space.learning import Detection, box_lines, compare_boxes, looked_through, read_data_set
from space.learning.comparing_boxes import ANY
from tests.learning.sets import item, made
from tests.models.yolo_files import write_weights

SHAPE = (200, 300)
GOOD, BROKEN = Box(20, 30, 80, 70, "good", 1.0), Box(150, 100, 220, 150, "broken", 1.0)


def grey(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, SHAPE, np.uint8)


@pytest.fixture
def data(tmp_path):
    boxes = [(GOOD, BROKEN), (GOOD,), (), None]
    those = [
        item(n, f"map {n}", picture=grey(n), labels=None, boxes=some, pixel_nm=400.0, split="test")
        for n, some in enumerate(boxes)
    ]
    made(tmp_path / "set", *those, classes=())
    return tmp_path / "set"


def finds(*lists, classes=("broken", "good")) -> Detection:
    """Return what finds these boxes in one picture after the other."""
    left = list(lists)

    def run(picture, pixel_nm, least):
        assert pixel_nm == 400.0 and least <= 0.01
        return left.pop(0)

    return Detection(Path("m.pt"), classes, 400.0, 1024, run)


def compared(data, detector, threshold=0.1, tell=lambda line: None):
    known, _ = read_data_set(data)
    samples = looked_through(data, known.samples)
    return compare_boxes("m", detector, data, known, samples, tell, threshold)


def test_a_detector_that_finds_everything_scores_one(data):
    one = compared(data, finds((GOOD, BROKEN), (GOOD,), ()))
    assert one.mean_ap == (1.0, 1.0) and not one.remarks
    assert [each.scores.category for each in one.classes] == ["broken", "good"]
    assert one.any_class.scores.category == ANY and one.any_class.scores.true == 3
    assert one.any_class.centres.median_px == 0.0 and one.any_class.centres.within[10] == 1.0
    assert [each.f1 for each in one.pictures] == [1.0, 1.0, None]
    assert json.loads(json.dumps(one.to_dict()))["classes"]["good"]["ap50_95"] == 1.0


def test_what_is_missed_misplaced_or_improbable_counts(data):
    moved = replace(GOOD, x0_px=50, x1_px=110, probability=0.6)  # by 30 pixels: not the same
    faint = replace(BROKEN, probability=0.05)
    one = compared(data, finds((moved, faint), (replace(GOOD, probability=0.9),), (GOOD,)))
    good = one.classes[1]
    assert (good.scores.true, good.scores.found) == (2, 3)
    assert good.centres.within == {250: 1.0, 100: 1.0, 50: 1.0, 25: 0.5, 10: 0.5}
    assert one.classes[0].centres.median_px is None  # below the threshold
    assert one.classes[0].scores.ap50 == 1.0  # average precision has no threshold
    at = one.any_class.at_threshold(0.1)
    assert (at.recall, at.precision) == (1 / 3, 1 / 3)
    assert [(each.file, each.right, each.missed, each.wrong) for each in one.pictures] == [
        ("map 0.png", 0, 2, 1), ("map 2.png", 0, 0, 1), ("map 1.png", 1, 0, 0)
    ]  # fmt: skip


def test_a_box_of_another_class_is_right_only_as_any_class(data):
    called = [replace(GOOD, category="lamella"), replace(BROKEN, category="lamella")]
    one = compared(data, finds(called, called[:1], (), classes=("lamella",)))
    assert one.mean_ap == (0.0, 0.0) and one.any_class.scores.ap50_95 == 1.0
    assert "does not know good, broken" in one.remarks[0] and "has no lamella" in one.remarks[1]


def test_pictures_that_nobody_looked_through_or_that_cannot_be_read_are_left_out(data):
    (data / "images" / "map 1.png").write_bytes(b"no picture")
    told: list[str] = []
    one = compared(data, finds((GOOD, BROKEN), ()), tell=told.append)
    assert [each.file for each in one.pictures] == ["map 0.png", "map 2.png"] and len(told) == 1
    with pytest.raises(SpaceError, match="no picture with boxes"):
        compare_boxes("m", finds(), data, read_data_set(data)[0], [], told.append)


def test_the_command_compares_detectors_by_their_content(data, tmp_path, monkeypatch, capsys):
    import space.learning

    kinds = {"a.pt": "detect", "b.onnx": "detect", "c.onnx": "segment"}
    moved = replace(GOOD, x0_px=24, x1_px=84, probability=0.7)
    monkeypatch.setattr(space.learning, "model_task", lambda path: kinds[path.name])
    monkeypatch.setattr(
        space.learning, "load_model", lambda path: finds((GOOD, BROKEN), (moved,), ())
    )
    out = tmp_path / "compared"
    words = ["evaluate", "a.pt", "b.onnx", "--data", str(data), "--out", str(out), "--worst", "1"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "b.onnx: mAP50 1.000, mAP50-95 0.9" in printed and "within 250/100/50/25/10" in printed
    written = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert [one["model"] for one in written] == ["a.pt", "b.onnx"]
    assert written[0]["classes"]["good"]["centre_median_px"] == 2.0
    assert (out / "model_2" / "worst_1.png").stat().st_size > 10_000
    assert main([*words, "--split", "val"]) == 2
    assert "no picture with boxes for val" in capsys.readouterr().err
    assert main([*words[:2], "c.onnx", *words[3:]]) == 2
    assert "cannot be compared" in capsys.readouterr().err
    assert main([*words, "--probability", "2"]) == 2


def test_a_card_and_a_page_say_how_good_a_detector_is(data, tmp_path, monkeypatch, capsys):
    import space.learning

    weights = write_weights(tmp_path / "run" / "weights.pt")
    card = weights.with_name("card.json")
    card.write_text('{"trained_on": "real", "scores": {"AP50 good": 0.5}}', encoding="utf-8")
    missed = [replace(GOOD, probability=0.5)]
    monkeypatch.setattr(space.learning, "load_model", lambda path: finds(missed, (GOOD,), ()))
    assert main(["evaluate", str(tmp_path / "run"), "--data", str(data), "--card"]) == 0
    assert "card.json and CARD.md were written" in capsys.readouterr().out
    scores = json.loads(card.read_text(encoding="utf-8"))["scores"]
    assert scores["AP50 good"] == 0.5  # what was there stays
    assert (scores["set test"]["map50"], scores["set test"]["recall at 0.1"]) == (0.5, 0.6667)
    page = weights.with_name("CARD.md").read_text(encoding="utf-8")
    assert "mAP50 0.500" in page and "| good | 2 | 1.000 |" in page
    assert "AP50 below 0.5: broken" in page


def test_what_is_printed_has_a_row_for_each_class(data):
    lines = box_lines([compared(data, finds((), (), ()))])
    assert lines[0].startswith("m: mAP50 0.000, mAP50-95 0.000 on 3 pictures")
    assert [line.split()[0] for line in lines[2:5]] == ["broken", "good", "any"]
    assert "worst: map 0.png (2 missed, 0 wrong), map 1.png (1 missed, 0 wrong)" in lines[6]


def test_a_missed_a_right_and_a_wrong_box_have_colours_of_their_own(tmp_path):
    from PIL import Image

    from space.learning import draw_boxes
    from space.plots import rgb
    from space.plots.colours import BLUE, GREEN, RED, YELLOW

    wrong = Box(230, 20, 280, 60, "good", 0.5)
    path = draw_boxes(tmp_path / "a.png", grey(0), (GOOD, BROKEN), (GOOD, wrong), "a picture")
    drawn = np.asarray(Image.open(path))
    colors = [rgb(one) for one in (RED, BLUE, GREEN, YELLOW)]
    for (x, y), color in zip(((150, 120), (20, 50), (18, 50), (228, 40)), colors):
        assert tuple(drawn[y + 28, x]) == color
