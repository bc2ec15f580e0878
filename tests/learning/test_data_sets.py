"""What a data set says about itself: written, read back, and read when something in it is odd."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.errors import OutOfSpaceError, SpaceError
from space.learning import (
    DATASET_FILE,
    DataSet,
    Incoming,
    LabelClass,
    Origin,
    Sample,
    add,
    adding,
    boxes_path,
    label_path,
    open_or_new,
    picture_path,
    read_data_set,
    read_item,
    read_labels,
    write_data_set,
)
from space.learning.adding import points_of
from space.learning.arrays import content_hash
from space.learning.dataset import from_dict, to_dict
from space.learning.keypoints import Keypoint, read_keypoints, write_keypoints
from space.learning.names import clean_stem, folded, free_stem, grid_and_lamella, is_file_name
from tests.learning.sets import CLASSES, all_items, box, item, labels, made, picture

TEXT = st.text(max_size=30).filter(lambda text: not text or text.isprintable())
ORIGINS = st.builds(
    Origin,
    TEXT,
    TEXT,
    st.integers(0, 999_999),
    st.sampled_from(["", "corrected", "accepted", "imported"]),
    TEXT,
)
FILES = st.text(min_size=1, max_size=12).map(clean_stem).map(lambda stem: f"{stem}.png")
HASH = "0123456789abcdef" * 4
SAMPLES = st.builds(
    Sample,
    FILES,
    st.tuples(st.integers(1, 9000), st.integers(1, 9000)),
    st.just(HASH),
    st.sampled_from(["", HASH]),
    st.none() | st.floats(0.01, 1e5),
    st.sampled_from(["", "train", "val", "test"]),
    ORIGINS,
)


@given(st.lists(SAMPLES, max_size=5, unique_by=lambda one: folded(one.stem)))
def test_a_data_set_is_read_as_it_was_written(samples):
    data = DataSet(CLASSES, tuple(sorted(samples, key=lambda one: one.file)), ("good",))
    assert from_dict(json.loads(json.dumps(to_dict(data)))) == (data, ())


ODD = {
    "no table": lambda one: 5,
    "leads out": lambda one: {**one, "file": "../a.png"},
    "a folder": lambda one: {**one, "file": "a/b.png"},
    "a device": lambda one: {**one, "file": "nul.png"},
    "no name": lambda one: {key: value for key, value in one.items() if key != "file"},
    "no shape": lambda one: {**one, "shape": [9]},
    "no size": lambda one: {**one, "shape": [0, 12]},
    "pixel 0": lambda one: {**one, "pixel_nm": 0},
    "pixel text": lambda one: {**one, "pixel_nm": "2.283"},
    "other split": lambda one: {**one, "split": "training"},
    "no hash": lambda one: {**one, "picture_hash": "abc"},
    "origin list": lambda one: {**one, "origin": []},
    "other kind": lambda one: {**one, "origin": {"kind": "guessed"}},
    "lamella -1": lambda one: {**one, "origin": {"lamella": -1}},
    "two lines": lambda one: {**one, "origin": {"grid": "a\nb"}},
}


@pytest.mark.parametrize("what", ODD)
def test_one_odd_picture_is_told_and_does_not_stop_the_others(tmp_path, what):
    data = made(tmp_path, item(1, "a"), item(2, "b"))
    values = to_dict(data)
    values["pictures"][0] = ODD[what](values["pictures"][0])
    (tmp_path / DATASET_FILE).write_text(json.dumps(values), encoding="utf-8")
    read, problems = read_data_set(tmp_path, strict=False)
    assert [one.stem for one in read.samples] == ["b"]
    assert len(problems) == 1 and problems[0].startswith("picture 1: ")
    with pytest.raises(SpaceError, match="picture 1"):
        read_data_set(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("format", "SPACEtomo data set 9", "format"),
        ("classes", [{"value": 256, "name": "a", "color": "#000000"}], "0 to 255"),
        ("classes", [{"value": 1, "name": "a/b", "color": "#000000"}], "class name"),
        ("classes", [{"value": 1, "name": "a", "color": "red"}], "colour"),
        ("classes", [{"value": 1, "name": n, "color": "#000000"} for n in "ab"], "share"),
        ("box_classes", ["a", "a"], "one name"),
        ("pictures", {}, "list"),
    ],
)
def test_classes_that_cannot_be_used_stop_the_data_set(tmp_path, key, value, words):
    values = {**to_dict(made(tmp_path, item())), key: value}
    (tmp_path / DATASET_FILE).write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(SpaceError, match=words):
        read_data_set(tmp_path, strict=False)


def test_two_pictures_of_one_name_on_other_systems_are_not_both_read(tmp_path):
    data = made(tmp_path, item(1, "a"), item(2, "b"))
    values = to_dict(data)
    values["pictures"][1]["file"] = "A.tif"
    assert "called" in from_dict(values)[1][0]


def test_a_folder_without_a_data_set_says_so(tmp_path):
    with pytest.raises(SpaceError, match="no data set"):
        read_data_set(tmp_path)


def test_nothing_is_put_into_a_folder_of_other_things(tmp_path):
    (tmp_path / "thesis.docx").write_text("", encoding="utf-8")
    with pytest.raises(SpaceError, match="other things"):
        open_or_new(tmp_path)


# --- adding ---------------------------------------------------------------------------------------


def test_what_is_added_is_read_back(tmp_path):
    data = made(tmp_path, item(4, "Süd map 1", boxes=(box(2.0),), points=(("tip", 1.5, 2.0),)))
    sample = data.samples[0]
    read = read_item(tmp_path, data, sample, points_of(tmp_path))
    assert np.array_equal(read.picture, picture(4)) and np.array_equal(read.labels, labels(4))
    assert read.boxes == (box(2.0),) and read.points == (("tip", 1.5, 2.0),)
    assert sample.picture_hash == content_hash(picture(4))
    assert sample.label_hash == content_hash(labels(4))
    assert (sample.file, sample.shape, sample.pixel_nm) == ("Süd map 1.png", (9, 12), 2.283)


def test_names_that_meet_get_numbers_and_no_file_is_overwritten(tmp_path):
    made(tmp_path, item(1, "a"))
    (tmp_path / "images" / "B.png").write_text("mine", encoding="utf-8")
    data = made(tmp_path, item(2, "A"), item(3, "b"))
    assert [one.file for one in data.samples] == ["A_2.png", "a.png", "b_2.png"]
    assert (tmp_path / "images" / "B.png").read_text(encoding="utf-8") == "mine"


def test_a_renamed_copy_is_not_added_again(tmp_path):
    made(tmp_path, item(1, "a"))
    told: list[str] = []
    copy = item(1, "copy", labels=labels(5))
    done = add(tmp_path, Incoming([lambda: [copy]], CLASSES), told.append)
    assert done.there == ["a.png"] and not done.added and "copy is a.png" in told[0]
    assert np.array_equal(all_items(tmp_path)["a"].labels, labels(1))


def test_labels_are_renewed_only_when_asked(tmp_path):
    made(tmp_path, item(1, "a"))
    told: list[str] = []
    renewed = Incoming([lambda: [item(1, "a", labels=labels(5))]], CLASSES)
    assert add(tmp_path, renewed, told.append, renew=True).updated == ["a.png"]
    assert np.array_equal(all_items(tmp_path)["a"].labels, labels(5))
    again = Incoming([lambda: [item(1, "a", labels=labels(5))]], CLASSES)
    assert add(tmp_path, again, told.append, renew=True).there == ["a.png"]


def test_labels_of_another_shape_cost_their_picture_alone(tmp_path):
    told: list[str] = []
    odd = item(1, "odd", labels=labels(1, (9, 13)))
    loads = [lambda: [odd], lambda: [item(2, "good")]]
    done = add(tmp_path, Incoming(loads, CLASSES), told.append)
    assert done.added == ["good.png"]
    assert "odd has 12 x 9 pixels, labels 13 x 9." in done.problems[0]


def test_what_was_added_stays_when_the_rest_fails(tmp_path):
    def fails():
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        add(tmp_path, Incoming([lambda: [item(1, "a")], fails], CLASSES), print)
    assert [one.stem for one in read_data_set(tmp_path)[0].samples] == ["a"]


@pytest.mark.parametrize("number", [28, 13])
def test_a_full_disk_ends_it_and_another_failure_costs_one_picture(tmp_path, monkeypatch, number):
    right = adding.write_labels
    calls = []

    def fails_once(path, array):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(number, "as the system says", str(path))
        right(path, array)

    monkeypatch.setattr(adding, "write_labels", fails_once)
    loads = [lambda stem=stem, seed=seed: [item(seed, stem)] for seed, stem in enumerate("abc")]
    told: list[str] = []
    if number == 28:
        with pytest.raises(OutOfSpaceError, match="as the system says"):
            add(tmp_path, Incoming(loads, CLASSES), told.append)
    else:
        add(tmp_path, Incoming(loads, CLASSES), told.append)
        assert "as the system says" in told[0]
    stems = [one.stem for one in read_data_set(tmp_path)[0].samples]
    assert stems == (["a"] if number == 28 else ["a", "c"])


def test_classes_of_two_sources_are_joined_by_name(tmp_path):
    made(tmp_path, item(1, "a", labels=labels(1, values=(0, 3))), classes=CLASSES[:2])
    others = (LabelClass(0, "background", "#000000"), LabelClass(3, "ice", "#8bd8ff"))
    data = made(tmp_path, item(2, "b", labels=labels(2, values=(0, 3))), classes=others)
    assert data.values == {"background": 0, "mitos": 3, "ice": 1}
    expected = np.where(labels(2, values=(0, 3)) == 3, 1, 0)
    assert np.array_equal(all_items(tmp_path)["b"].labels, expected)


def test_a_label_of_no_class_gets_one_and_is_told(tmp_path):
    told: list[str] = []
    add(
        tmp_path,
        Incoming([lambda: [item(1, labels=labels(1, values=(0, 9)))]], CLASSES),
        told.append,
    )
    assert "the label 9 is of no class" in told[0]
    assert read_data_set(tmp_path)[0].values["class_9"] == 9


def test_a_class_of_which_only_the_value_was_known_gets_its_name_later(tmp_path):
    one = item(labels=labels(0, values=(0, 3)))
    add(tmp_path, Incoming([lambda: [one]]), print)
    assert "class_3" in {one.name for one in read_data_set(tmp_path)[0].classes}
    told = []
    add(tmp_path, Incoming([lambda: [one]], CLASSES[:2]), told.append)
    classes = {one.name: one.value for one in read_data_set(tmp_path)[0].classes}
    assert classes == {"background": 0, "mitos": 3} and "class_3 is mitos now" in told[0]
    told.clear()
    add(tmp_path, Incoming([lambda: []], (LabelClass(3, "ribosomes", "#00ff00"),)), told.append)
    assert told == ["ribosomes has the value 1 here: 3 is mitos."]


def test_layers_are_joined_in_the_order_of_classes_and_overlap_is_told(tmp_path):
    told: list[str] = []
    mitos, wall = np.zeros((9, 12), bool), np.zeros((9, 12), bool)
    mitos[:4], wall[3:6] = True, True
    drawn = item(1, labels=None, layers={"Zellwand äußere": wall, "mitos": mitos})
    add(tmp_path, Incoming([lambda: [drawn]], CLASSES), told.append)
    assert "12 pixels are in several layers" in told[0]
    data = read_data_set(tmp_path)[0]
    found = read_labels(tmp_path, data.samples[0])
    assert found[:, 0].tolist() == [3, 3, 3, 7, 7, 7, 0, 0, 0]
    read = read_item(tmp_path, data, data.samples[0], {})
    assert np.array_equal(read.layers["mitos"], mitos)


def test_a_picture_without_boxes_is_another_thing_than_one_nobody_looked_at(tmp_path):
    data = made(tmp_path, item(1, "none", boxes=()), item(2, "unknown"))
    found = all_items(tmp_path)
    assert found["none"].boxes == () and found["unknown"].boxes is None
    assert [boxes_path(tmp_path, one.stem).exists() for one in data.samples] == [True, False]


def test_a_damaged_file_of_the_set_is_refused_in_words(tmp_path):
    data = made(tmp_path, item(1, "a", boxes=(box(1.0),)))
    for path in (label_path(tmp_path, "a"), picture_path(tmp_path, data.samples[0])):
        whole = path.read_bytes()
        path.write_bytes(whole[:-20])
        with pytest.raises(SpaceError, match="not whole"):
            read_item(tmp_path, data, data.samples[0], {})
        path.write_bytes(whole)
    boxes_path(tmp_path, "a").write_text('{"boxes": [{"x0_px": NaN}]}', encoding="utf-8")
    with pytest.raises(SpaceError, match="boxes"):
        read_item(tmp_path, data, data.samples[0], {})


def test_writing_keeps_the_old_file_until_the_new_one_is_whole(tmp_path, monkeypatch):
    data = made(tmp_path, item(1, "a"))
    before = (tmp_path / DATASET_FILE).read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError):
        write_data_set(tmp_path, DataSet(data.classes))
    assert (tmp_path / DATASET_FILE).read_bytes() == before


# --- names, keypoints -----------------------------------------------------------------------------


@given(st.text(max_size=200))
def test_every_name_can_be_cleaned(text):
    stem = clean_stem(text)
    assert is_file_name(f"{stem}.png") and clean_stem(stem) == stem


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("Süd map 1", "Süd map 1"), ("a_0000", "a_0000"), ("a/b\\c:d", "a_b_c_d"), ("nul", "_nul"),
        ("COM1.x", "_COM1.x"), (" .a. ", "a"), ("", "picture"), ("...", "picture"),
        ("u\u0308", "ü"),
        ("a\nb", "a_b"), ("\ud800", "_"),
    ],
)  # fmt: skip
def test_names_keep_what_every_system_takes(name, cleaned):
    assert clean_stem(name) == cleaned


def test_names_that_are_one_file_on_some_systems_meet():
    assert free_stem("Äb", {folded("äB")}) == "Äb_2"


@pytest.mark.parametrize(
    ("stem", "found"),
    [("G1_L03", ("G1", 3)), ("a_L1_L12", ("a_L1", 12)), ("L03", ("", 0)), ("G1_L03x", ("", 0))],
)
def test_maps_are_known_by_their_names(stem, found):
    assert grid_and_lamella(stem) == found


@given(
    st.lists(
        st.builds(
            Keypoint,
            FILES,
            st.text(min_size=1, max_size=9).filter(str.isprintable),
            st.floats(-1e5, 1e5),
            st.floats(-1e5, 1e5),
        ),
        max_size=4,
    )
)
def test_keypoints_are_read_as_they_were_written(tmp_path_factory, points):
    path = tmp_path_factory.mktemp("k") / "keypoints.csv"
    write_keypoints(path, points)
    assert read_keypoints(path) == (tuple(sorted(points, key=lambda one: one.picture)), ())


def test_an_odd_line_of_keypoints_is_told(tmp_path):
    path = tmp_path / "keypoints.csv"
    path.write_text(
        "picture,name,x_px,y_px,p\na.png,tip,1,2,0.5\na.png,tip,x,2\n", encoding="utf-8"
    )
    points, problems = read_keypoints(path, strict=False)
    assert points == (Keypoint("a.png", "tip", 1.0, 2.0),) and "line 3" in problems[0]
    with pytest.raises(SpaceError, match="line 3"):
        read_keypoints(path)
    path.write_text("a,b\n", encoding="utf-8")
    with pytest.raises(SpaceError, match="columns"):
        read_keypoints(path, strict=False)


def test_a_pixel_size_that_was_forgotten_can_be_given_later(tmp_path):
    made(tmp_path, item(0, "a", pixel_nm=None), item(1, "b", pixel_nm=1.0))
    again = made(tmp_path, item(0, "a", pixel_nm=8.0), item(1, "b", pixel_nm=8.0))
    assert [one.pixel_nm for one in again.samples] == [8.0, 1.0]
