"""Labels of a data set drawn by hand: saved as its labels, undone later, and never lost."""

from __future__ import annotations

import json

import numpy as np
import pytest

from space import labelling, learning
from space.labelling import OutdatedError, Shape, Stroke
from space.learning import arrays, label_path, read_data_set, read_labels, relabelling
from space.learning.dataset import layer_path
from space.learning.picture_files import read_layer, write_labels
from tests.learning.sets import CLASSES, STEMS, item, labels, made, odd_set

DOT = Stroke(Shape.BRUSH, "mitos", ((4.5, 6.5),), 1.5)
WALL = Stroke(Shape.BRUSH, "Zellwand äußere", ((1.5, 1.5),), 1.0)


def sample_of(folder, stem):
    return next(one for one in read_data_set(folder)[0].samples if one.stem == stem)


def draw(folder, stem, *strokes):
    sample = sample_of(folder, stem)
    seen = learning.drawable(folder, sample)
    return learning.save_drawn(folder, sample.file, strokes, seen.of)


def dot(base):
    changed = base.copy()
    changed[3:6, 5:8] = 3
    return changed


@pytest.fixture
def folder(tmp_path):
    odd_set(tmp_path)
    return tmp_path


@pytest.mark.parametrize("stem", STEMS)
def test_what_is_drawn_are_the_labels_and_can_be_undone_later(folder, stem):
    sample = sample_of(folder, stem)
    before = read_labels(folder, sample)
    draw(folder, stem, DOT)
    done = sample_of(folder, stem)
    now = read_labels(folder, done)
    assert (now == dot(before)).all()
    assert done.label_hash == arrays.content_hash(now) != sample.label_hash
    assert done.origin.kind == "corrected" and done.split == sample.split
    seen = learning.drawable(folder, done)
    assert seen.strokes == (DOT,) and (seen.base == before).all()
    draw(folder, stem, DOT, WALL)
    assert len(learning.drawable(folder, done).strokes) == 2
    draw(folder, stem)
    assert (read_labels(folder, sample_of(folder, stem)) == before).all()
    assert sample_of(folder, stem).label_hash == sample.label_hash


def test_a_picture_without_labels_gets_them_from_nothing(tmp_path):
    made(tmp_path, item(labels=None))
    draw(tmp_path, "G1_L03", DOT)
    labels_now = read_labels(tmp_path, sample_of(tmp_path, "G1_L03"))
    assert (labels_now == dot(np.zeros((9, 12), np.uint8))).all()


def test_labels_that_somebody_changed_elsewhere_are_not_overwritten_and_begin_anew(folder):
    stem = STEMS[0]
    draw(folder, stem, DOT)
    sample = sample_of(folder, stem)
    seen = learning.drawable(folder, sample)
    theirs = np.full(sample.shape, 7, np.uint8)
    write_labels(label_path(folder, stem), theirs)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(OutdatedError, match="changed elsewhere"):
        learning.save_drawn(folder, sample.file, (DOT, WALL), seen.of)
    with pytest.raises(OutdatedError):
        learning.save_drawn(folder, "none.png", (DOT,), seen.of)
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    draw(folder, stem, DOT)
    assert (read_labels(folder, sample) == dot(theirs)).all()
    kept = json.loads(
        (folder / "corrections" / f"{stem}_corrected_earlier.json").read_text("utf-8")
    )
    assert len(kept["strokes"]) == 1
    assert (folder / "corrections" / f"{stem}_seg_earlier.png").is_file()


@pytest.mark.parametrize("damage", ["_corrected.json", "_corrected_1.png", "_seg.png"])
def test_strokes_that_cannot_be_read_any_more_are_kept_and_the_labels_can_be_drawn_on(
    folder, damage
):
    stem = STEMS[0]
    draw(folder, stem, DOT)
    now = read_labels(folder, sample_of(folder, stem))
    path = folder / "corrections" / f"{stem}{damage}"
    path.write_bytes(path.read_bytes()[:-20])
    seen = learning.drawable(folder, sample_of(folder, stem))
    assert seen.strokes == () and (seen.base == now).all()
    draw(folder, stem, WALL)
    assert read_labels(folder, sample_of(folder, stem))[4, 6] == 3
    assert (folder / "corrections" / f"{stem}_corrected_earlier.json").is_file()


def test_layers_get_what_was_drawn_and_keep_what_lies_below(tmp_path):
    below = labels(1) == 3
    made(tmp_path, item(labels=None, layers={"mitos": below, "Zellwand äußere": labels(2) == 7}))
    draw(tmp_path, "G1_L03", DOT, Stroke(Shape.BRUSH, "Zellwand äußere", ((4.5, 6.5),), 1.0))
    mitos = read_layer(layer_path(tmp_path, "mitos", "G1_L03")) != 0
    wall = read_layer(layer_path(tmp_path, "Zellwand äußere", "G1_L03")) != 0
    assert mitos[3:6, 5:8].all() and (mitos[below]).all() and wall[4, 6]
    assert read_labels(tmp_path, sample_of(tmp_path, "G1_L03"))[4, 6] == 7


@pytest.mark.parametrize("writer", ["save_correction", "write_labels", "write_data_set"])
def test_a_save_that_ends_in_between_loses_no_labels_and_no_strokes(folder, writer):
    class Died(BaseException):
        pass

    def dies(*args, **about):
        raise Died

    stem = STEMS[0]
    before = read_labels(folder, sample_of(folder, stem))
    owner = labelling if writer == "save_correction" else relabelling
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, writer, dies)
        with pytest.raises(Died):
            draw(folder, stem, DOT)
    now = read_labels(folder, sample_of(folder, stem))
    assert (now == before).all() or (now == dot(before)).all()
    seen = learning.drawable(folder, sample_of(folder, stem))
    assert (seen.base == before).all()
    assert seen.strokes == (() if writer == "save_correction" else (DOT,))
    draw(folder, stem, *seen.strokes, WALL)
    draw(folder, stem)
    assert (read_labels(folder, sample_of(folder, stem)) == before).all()
    assert {one.name for one in CLASSES} == set(read_data_set(folder)[0].values)
