"""How good models are, by functions that stand for models."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from space import learning
from space.cli import main
from space.errors import SpaceError
from space.learning import (
    Aim,
    Candidate,
    Incoming,
    Item,
    LabelClass,
    add,
    compare,
    data_hash,
    read_data_set,
)
from space.targeting import TargetingOptions
from tests.models import onnx_files

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


def test_confidence_counts_where_labels_do_and_for_what_a_class_counts_as(data):
    asked = []

    def confident(picture, counts_as):
        asked.append(counts_as)
        labels = np.where(picture == 4, 1, 0).astype(np.uint8)
        return labels, np.where(picture == 201, 0.1, np.where(labels, 0.9, 0.6)).astype(np.float32)

    known, _ = read_data_set(data)
    names = {"background": 0, "mitos": 1, "vesicle": 5}
    candidate = Candidate("m", lambda picture: picture, names, confident=confident)
    one = compare(candidate, data, known, known.samples, 1.0, print)
    mitos, cell, rest = 3 * 225, 3 * 300, 3 * (40 * 50 - 225 - 300 - 150)
    assert sum(one.calibration.counts) == mitos + cell + rest  # none that is ignored
    expected = mitos * 0.1 + (cell + rest) * abs(0.6 - rest / (cell + rest))
    assert one.calibration.ece == pytest.approx(expected / (mitos + cell + rest), rel=1e-5)
    assert asked[0] == {0: 0, 1: 3, 5: 0}
    assert one.to_dict()["calibration"]["error"] == one.calibration.ece


def test_targets_are_chosen_on_tidied_labels_and_in_pictures_of_known_pixel(data):
    def tidied(labels, pixel_nm, picture):
        assert pixel_nm == 10.0 and picture.shape == labels.shape
        return np.zeros_like(labels)  # what it found was nothing, after all

    aim = Aim(TargetingOptions(target_list=("mitos",), avoid_list=()), (0.1, 0.1), 0.3)
    known, _ = read_data_set(data)
    find = lambda picture: np.where(picture == 4, 3, 0).astype(np.uint8)  # noqa: E731
    names = {"background": 0, "mitos": 3}
    for tidy, targets in ((None, 3), (tidied, 0)):
        candidate = Candidate("m", find, names, tidied=tidy)
        one = compare(candidate, data, known, known.samples, 1.0, print, aim=aim)
        assert (one.hits.targets, one.hits.hits, one.hits.reached) == (targets,) * 3
        assert (one.best_hits.targets, one.best_hits.places) == (3, 3)
    unknown = [replace(sample, pixel_nm=None) for sample in known.samples[:1]]
    one = compare(candidate, data, known, [*unknown, *known.samples[1:]], 1.0, print, aim=aim)
    assert one.best_hits.targets == 2 and "No targets" in one.remarks[-1]


@pytest.fixture
def command(data, monkeypatch):
    """The command with the name of a model instead of one."""

    def segment(picture):
        return np.where(picture == 4, 3, 0).astype(np.uint8)

    def confident(picture, counts_as):
        return segment(picture), np.full(picture.shape, 0.75, np.float32)

    def load(model, preset):
        names = {"background": 0, "mitos": 3}
        return Candidate(str(model), segment, names, 10.0, confident)

    monkeypatch.setattr(learning, "load_candidate", load)
    monkeypatch.setattr("space.plots.canvas.DPI", 50)
    return lambda *words: main(["evaluate", *map(str, words), "--data", str(data)])


def test_the_command_prints_a_table_and_writes_numbers_plots_and_worst_pictures(
    command, tmp_path, capsys
):
    out = tmp_path / "compared"
    words = ["one.onnx", "two.onnx", "--out", out, "--field", 0.1, 0.1, "--beam", 0.3]
    assert command(*words, "--worst", "1") == 0
    printed = capsys.readouterr().out
    assert "two.onnx: mean Dice" in printed and "mitos       1.000  1.000" in printed
    assert "confidence differs from being right by 0.0" in printed
    assert "3 targets chosen on what it finds: 3 of 3 (100%) hit" in printed
    written = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert [one["model"] for one in written] == ["one.onnx", "two.onnx"]
    assert written[0]["targets"]["hit_rate"] == 1.0
    drawn = ("model_2/worst_1.png", "dice.png", "confusion.png", "reliability.png")
    assert all((out / name).stat().st_size > 1000 for name in drawn)
    assert command(*words, "--split", "val") == 2
    assert "no labelled picture for val" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--target-list", "ribosome"], "no class ribosome"),
        (["--field", "0", "1"], "Record field must be"),
        (["--beam", "-1"], "beam diameter must be"),
    ],
)
def test_what_targets_cannot_be_chosen_for_is_said_first(command, words, said, capsys, monkeypatch):
    monkeypatch.setattr(learning, "load_candidate", None)
    assert command("one.onnx", *words) == 2
    assert said in capsys.readouterr().err


def test_data_without_what_is_wanted_by_default_are_told_how_to_name_it(command, data, capsys):
    about = data / "dataset.json"
    about.write_text(about.read_text(encoding="utf-8").replace("mitos", "plastid"), "utf-8")
    assert command("one.onnx") == 0
    assert "No targets were chosen" in capsys.readouterr().out
    assert command("one.onnx", "--target-list", "plastid", "--avoid-list", "cell") == 0
    printed = capsys.readouterr().out
    assert "0 targets chosen on what it finds" in printed and "No targets were" not in printed


# --- the card -------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", ["", "model"])
def test_a_card_gets_scores_and_a_page_and_loses_nothing(command, tmp_path, inside, capsys):
    model = tmp_path / "run 1" / inside / "model.onnx"
    model.parent.mkdir(parents=True)
    onnx_files.write(model, onnx_files.SEGMENT)
    mine = {"trained_on": "real", "note": "2 grids | *mine*", "who": "J.", "scores": {"old": 0.5}}
    card, page = model.with_name("model.card.json"), model.with_name("model.CARD.md")
    card.write_text(json.dumps(mine), encoding="utf-8")
    run = {"config": {"engine": "unet", "epochs": 60}, "pictures": {"a.png": ["train", "", ""]}}
    (tmp_path / "run 1" / "run.json").write_text(json.dumps(run), encoding="utf-8")
    assert command(model, "--card") == 0
    page.write_text(f"Ours.\n\n{page.read_text(encoding='utf-8')}\nMore.\n", encoding="utf-8")
    assert command(model, "--card") == 0
    assert "model.CARD.md were written" in capsys.readouterr().out
    written = json.loads(card.read_text(encoding="utf-8"))
    (scores,) = (written["scores"].pop(name) for name in list(written["scores"]) if name != "old")
    assert written == mine
    assert (
        scores["pictures"] == 3 and scores["dice mitos"] == 1.0 and len(scores["data_hash"]) == 64
    )
    text = page.read_text(encoding="utf-8")
    assert text.startswith("Ours.\n") and text.endswith("\nMore.\n")
    assert text.count("## How good it is") == 1 and "| mitos | 1.000 |" in text
    for said in ("2 grids \\| \\*mine\\*", "who", "epochs 60", scores["data_hash"][:12], "real"):
        assert said in text
    assert "does not know cell" in text and "simulated" not in text


def test_a_card_that_cannot_be_written_is_told_before_anything_is_computed(
    command, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(learning, "load_candidate", None)
    folder = tmp_path / "algae"
    (folder / "fold_0").mkdir(parents=True)
    assert command(folder, "--card") == 2
    assert "--set trained_on=real" in capsys.readouterr().err
    (folder / "card.json").write_text('{"trained_on": "real", "scores": "good"}', encoding="utf-8")
    assert command(folder, "--card") == 2
    assert "scores in the card of the model are no table" in capsys.readouterr().err


def test_the_hash_of_data_does_not_depend_on_names_or_order(data):
    samples = read_data_set(data)[0].samples
    renamed = [replace(sample, file=f"x{sample.file}") for sample in reversed(samples)]
    assert data_hash(samples) == data_hash(renamed) != data_hash(samples[1:])


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("run.json", b"\xff{", ""),
        ("run.json", b'["no run"]', ""),
        ("run.json", b'{"config": 1, "pictures": [2], "start_from": {}}', ""),
        ("model.CARD.md", b"\xff\xfe", "page about the model cannot be read"),
    ],
)
def test_odd_files_beside_a_model_cost_no_card(command, tmp_path, name, content, told, capsys):
    model = tmp_path / "model.onnx"
    onnx_files.write(model, onnx_files.SEGMENT)
    (tmp_path / name).write_bytes(content)
    assert command(model, "--card") == (2 if told else 0)
    assert told in capsys.readouterr().err
    assert (tmp_path / name).read_bytes() == content
    card = tmp_path / "model.card.json"
    assert card.exists() != bool(told)
    own = onnx_files.SEGMENT.trained_on  # what the file says of itself is not lost
    assert told or json.loads(card.read_text(encoding="utf-8")).get("trained_on", "") == own
