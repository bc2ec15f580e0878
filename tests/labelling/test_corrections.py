"""Corrected labels beside a segmentation: whole at any time, and of no other segmentation."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from space import files as space_files
from space import labelling
from space.errors import SpaceError
from space.images import read_png, write_png
from space.labelling import OutdatedError, Shape, Stroke, corrections

NAMES = {"ice": 0, "lamella": 1, "mitos": 5}
SQUARE = Stroke(Shape.POLYGON, "mitos", ((2.0, 3.0), (2.0, 9.0), (8.0, 9.0), (8.0, 3.0)))
DOT = Stroke(Shape.BRUSH, "ice", ((15.0, 15.0),), 2.0)


def segment(folder: Path, value: int = 1) -> Path:
    path = folder / "G1_L01_seg.png"
    labels = np.full((20, 30), value, np.uint8)
    write_png(path, labels, 16.0, "G1_L01.png", labels=json.dumps(NAMES), model_hash="ab")
    return path


def save(path: Path, *strokes: Stroke, revision: int = 0, of: str = "") -> labelling.Correction:
    of = of or labelling.hash_of(path)
    return labelling.save_correction(path, strokes, NAMES, of, revision, grid="G1")


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir() if not one.name.endswith(".lock"))


@pytest.fixture
def model(tmp_path) -> Path:
    return segment(tmp_path)


def test_what_was_saved_counts_and_the_segmentation_stays(model):
    before = model.read_bytes()
    assert labelling.labels_that_count(model) == labelling.Counted(model)
    saved = save(model, SQUARE, DOT)
    counted = labelling.labels_that_count(model)
    assert counted.corrected and counted.path.name == "G1_L01_corrected_1.png"
    expected = np.full((20, 30), 1, np.uint8)
    expected[2:8, 3:9] = 5
    labels, info = read_png(counted.path)
    was, info_before = read_png(model)
    dot = labels[13:17, 13:17]
    assert dot[1:3, 1:3].max() == 0 and dot[0, 0] == 1
    labels[13:17, 13:17] = 1
    assert (labels == expected).all() and (was == 1).all()
    for key in ("labels", "model_hash", "pixel_nm", "source"):
        assert info[key] == info_before[key]
    layers = {name: read_png(model.with_name(file)) for name, file in saved.layers.items()}
    assert list(layers) == ["ice", "mitos"]
    mask, about = layers["mitos"]
    assert about["class"] == "mitos" and set(np.unique(mask)) == {0, 255}
    assert (np.argwhere(mask) == np.argwhere(expected == 5)).all()
    assert model.read_bytes() == before
    assert labelling.read_correction(model) == saved
    values = json.loads(labelling.correction_path(model).read_text("utf-8"))
    assert (values["grid"], values["segmentation"]) == ("G1", labelling.hash_of(model))


def test_the_files_of_the_last_two_saves_are_kept_and_none_of_anybody_else(model):
    other = model.with_name("G1_L01_corrected_of_mine.png")
    other.write_bytes(b"x")
    for revision in range(4):
        save(model, SQUARE, *[DOT] * (revision % 2), revision=revision)
    kept = [name for name in names(model.parent) if "corrected_" in name]
    assert kept == [
        "G1_L01_corrected_3.png", "G1_L01_corrected_3_layer_5.png", "G1_L01_corrected_4.png",
        "G1_L01_corrected_4_layer_0.png", "G1_L01_corrected_4_layer_5.png", other.name,
    ]  # fmt: skip


def test_without_strokes_the_labels_of_the_model_count_again(model):
    save(model, SQUARE)
    save(model, revision=1)
    assert labelling.labels_that_count(model) == labelling.Counted(model)
    assert labelling.read_correction(model).revision == 2
    save(model, DOT, revision=2)
    assert labelling.labels_that_count(model).path.name == "G1_L01_corrected_3.png"


def test_a_map_that_was_segmented_again_has_other_labels(model):
    seen = labelling.hash_of(model)
    save(model, SQUARE)
    segment(model.parent, 0)
    counted = labelling.labels_that_count(model)
    assert counted.path == model and "is of another segmentation" in counted.why_not
    kept = set(names(model.parent))
    with pytest.raises(OutdatedError, match="segmented again"):
        save(model, DOT, revision=1, of=seen)
    assert set(names(model.parent)) == kept
    save(model, DOT, revision=1)
    assert labelling.labels_that_count(model).corrected
    # What was drawn on the former one is kept, through all saves to come.
    for revision in (2, 3, 4):
        save(model, DOT, revision=revision)
    earlier = json.loads((model.parent / "G1_L01_corrected_earlier.json").read_text("utf-8"))
    assert earlier["segmentation"] == seen and (model.parent / earlier["labels"]).is_file()


def test_saves_of_the_same_time_are_told_apart(model):
    path = labelling.correction_path(model)
    for revision in range(3):
        save(model, SQUARE, revision=revision)
        os.utime(path, ns=(1, 1))
        assert labelling.read_correction(model).revision == revision + 1
    text = path.read_text("utf-8").replace('"revision": 3', '"revision": 7')
    path.write_text(text, "utf-8")
    os.utime(path, ns=(1, 1))
    with pytest.raises(OutdatedError, match="corrected elsewhere"):
        save(model, SQUARE, revision=3)


def test_two_pages_that_save_do_not_undo_each_other(model):
    outcomes = []

    def one() -> None:
        try:
            outcomes.append(save(model, SQUARE, revision=0).revision)
        except OutdatedError as error:
            outcomes.append(error.what)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes))[0] == "1"
    assert sum("corrected elsewhere" in str(one) for one in outcomes) == 3


WRITERS = [(corrections, "write_png"), (corrections, "write_text_atomic"),
           (corrections, "remove_if_possible"), (corrections, "move_aside"),
           (space_files, "replace_patiently")]  # fmt: skip


@pytest.mark.parametrize("again", [False, True])
def test_a_save_that_ends_anywhere_leaves_the_former_labels_or_the_new_ones(tmp_path, again):
    """Also where the map was segmented again since: the former correction is then kept aside."""

    class Died(BaseException):
        pass

    left = 0

    def dies(function, *args, **about):
        nonlocal left
        left -= 1
        if left == 0:
            raise Died
        return function(*args, **about)

    for step in range(1, 100):
        folder = tmp_path / str(step)
        folder.mkdir()
        model = segment(folder)
        save(model, SQUARE)
        save(model, SQUARE, DOT, revision=1)
        before = read_png(labelling.labels_that_count(model).path)[0]
        if again:
            segment(folder, 0)
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in WRITERS:
                real = getattr(owner, name)
                patch.setattr(owner, name, lambda *a, real=real, **b: dies(real, *a, **b))
            left = step
            try:
                save(model, SQUARE, revision=2)
            except Died:
                ended = True
            else:
                ended = False
        counted = labelling.labels_that_count(model)
        labels = read_png(counted.path)[0]
        expected = np.full((20, 30), 0 if again else 1, np.uint8)
        unmade = expected if again else before
        made = expected.copy()
        made[2:8, 3:9] = 5
        assert (labels == unmade).all() or (labels == made).all(), step
        if again and not counted.corrected:
            found = [*folder.glob("G1_L01_corrected*.json")]
            assert any(json.loads(one.read_text("utf-8"))["revision"] == 2 for one in found)
        # What ended can be done again.
        revision = labelling.read_correction(model)
        saved = save(model, SQUARE, revision=revision.revision if revision else 0)
        assert (read_png(model.with_name(saved.labels))[0] == made).all()
        if not ended:
            break
    assert step > 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "x"}, "format"),
        ({"revision": True}, "revision"),
        ({"labels": "../G1_L01_seg.png"}, "none of its files"),
        ({"labels": "G1_L02_corrected_1.png"}, "none of its files"),
        ({"layers": {"mitos": "G1_L01_corrected_/../x.png"}}, "none of its files"),
        ({"replaced": ["G1_L01.png"]}, "none of its files"),
        ({"replaced": ["x"] * 9}, "replaced"),
        ({"layers": {"gold": "G1_L01_corrected_1.png"}}, "layers"),
        ({"classes": {"mitos": 256}}, "classes"),
        ({"strokes": [{"kind": "spray"}]}, "kind is 'spray'"),
    ],
)
def test_a_file_that_makes_no_sense_is_told_not_used_and_kept(model, change, words):
    save(model, SQUARE)
    path = labelling.correction_path(model)
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **change}), "utf-8")
    with pytest.raises(SpaceError, match=words):
        labelling.read_correction(model)
    counted = labelling.labels_that_count(model)
    assert counted.path == model and words in counted.why_not
    text = path.read_text("utf-8")
    saved = save(model, DOT)
    assert labelling.labels_that_count(model).path.name == saved.labels
    assert (model.parent / "G1_L01_corrected_earlier.json").read_text("utf-8") == text


def test_corrected_labels_that_were_changed_elsewhere_do_not_count(model):
    saved = save(model, SQUARE)
    write_png(model.with_name(saved.labels), np.zeros((20, 30), np.uint8), 16.0, "somebody")
    counted = labelling.labels_that_count(model)
    assert counted.path == model and "is not as it was saved" in counted.why_not
    (model.parent / saved.labels).unlink()
    assert labelling.labels_that_count(model).path == model
