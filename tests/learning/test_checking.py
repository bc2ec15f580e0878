"""What is wrong with a data set is said, and how it is divided."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from space import cli
from space.errors import SpaceError
from space.learning import (
    DATASET_FILE,
    DataSet,
    Origin,
    Sample,
    check,
    label_path,
    picture_path,
    read_data_set,
    show,
    split,
    write_data_set,
)
from space.learning.dataset import to_dict
from tests.learning.sets import CLASSES, box, item, labels, made, odd_set, picture


def said(folder) -> dict[str, bool]:
    """Return what is said about a data set, with the picture, and whether it is an error."""
    found = check(folder).problems
    return {f"{one.picture}: {one.what}": one.is_error for one in found}


def whole(folder, *those):
    """Return a data set with nothing wrong in it."""
    usual = [item(1, "a", split="train"), item(2, "b", split="test")]
    return made(folder, *(those or usual))


def test_nothing_is_wrong_with_a_whole_set(tmp_path):
    whole(tmp_path)
    report = check(tmp_path)
    assert report.problems == () and report.is_fit and report.labelled == 2
    assert report.pictures == {"train": 1, "test": 1}
    counts = {one.value: one for one in report.classes}
    both = np.concatenate([labels(1), labels(2)])
    assert counts[7].pixels == (both == 7).sum()
    assert counts[7].pictures == {"": 0, "train": 1, "val": 0, "test": 1}


def overwritten(folder, array):
    Image.fromarray(array).save(label_path(folder, "a"))


def changed(folder, **values):
    table = json.loads((folder / DATASET_FILE).read_text(encoding="utf-8"))
    table["pictures"][0].update(values)
    (folder / DATASET_FILE).write_text(json.dumps(table), encoding="utf-8")


CASES = {
    "another size": (
        lambda f: overwritten(f, labels(1, (9, 13))), "a.png: It has 12 x 9 pixels, its", True
    ),
    "no class": (
        lambda f: overwritten(f, np.full((9, 12), 9, np.uint8)), "a.png: Its labels 9 are", True
    ),
    "edited": (lambda f: overwritten(f, labels(5)), "a.png: Its labels were changed", False),
    "empty": (
        lambda f: overwritten(f, np.zeros((9, 12), np.uint8)), "a.png: Its labels are empty", False
    ),
    "cut labels": (lambda f: label_path(f, "a").write_bytes(b"\x89PNG"), "a.png: The pict", True),
    "no labels": (lambda f: label_path(f, "a").unlink(), "a.png: The picture cannot be read", True),
    "no picture": (lambda f: (f / "images/a.png").unlink(), "a.png: The picture cannot be", True),
    "other picture": (
        lambda f: Image.fromarray(picture(8)).save(f / "images/a.png"), "a.png: Its grey", True
    ),
    "other shape": (lambda f: changed(f, shape=[9, 99]), "a.png: It has 12 x 9 pixels,", True),
    "no pixel size": (lambda f: changed(f, pixel_nm=None), "a.png: Its pixel size is not", False),
    "odd entry": (lambda f: changed(f, shape=[9]), ": picture 1: ", True),
    "other scale": (lambda f: changed(f, pixel_nm=9.0), ": Pixels of pictures with labels", False),
    "put there": (
        lambda f: (f / "images/c.png").write_bytes(b""), "images/c.png: It is of no picture", False
    ),
    "keypoint": (
        lambda f: (f / "keypoints.csv").write_text("picture,name,x_px,y_px\nc.png,a,1,2\n"),
        "keypoints.csv: There is no picture c.png", False,
    ),
    "no keypoints": (
        lambda f: (f / "keypoints.csv").write_text("a"), "keypoints.csv: The table of key", True
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_what_is_wrong_is_said_of_its_picture(tmp_path, what):
    break_it, words, is_error = CASES[what]
    whole(tmp_path)
    break_it(tmp_path)
    found = said(tmp_path)
    assert [error for text, error in found.items() if text.startswith(words)] == [is_error]
    assert check(tmp_path).is_fit != any(found.values())


def test_a_flat_picture_and_one_of_which_nothing_is_known(tmp_path):
    flat = item(1, "a", picture=np.zeros((9, 12), np.uint8))
    whole(tmp_path, flat, item(2, "b", labels=None))
    assert {text.split(".png")[0][0]: error for text, error in said(tmp_path).items()} == {
        "a": False, "b": False,
    }  # fmt: skip


def test_a_class_that_is_nowhere_or_only_held_out_is_said(tmp_path):
    train = item(1, "a", labels=labels(1, values=(0, 3)), split="train")
    whole(tmp_path, train, item(2, "b", labels=labels(2, values=(0, 7)), split="test"))
    found = said(tmp_path)
    assert found[": The class ignore is in no picture."] is False
    assert found[": In test, but not in train: Zellwand äußere."] is False


def test_maps_of_grids_may_have_another_scale_than_maps_of_lamellae(tmp_path):
    grid = item(3, "wg", labels=None, boxes=(box(2.0),), pixel_nm=400.0)
    whole(tmp_path, item(1, "a"), item(2, "b"), grid)
    assert said(tmp_path) == {}


def test_boxes_outside_of_the_picture(tmp_path):
    whole(tmp_path, item(1, "a", boxes=(box(2.0), box(40.0))))
    assert said(tmp_path)["a.png: 1 of its boxes are outside of it."] is True
    assert check(tmp_path).boxes == {"good": 2, "broken": 0}


def with_copy(folder, first: str, second: str):
    """A data set with a renamed copy of a picture, as somebody has put it there by hand."""
    data = whole(folder)
    one = data.samples[0]
    copy = Sample("Kopie.png", one.shape, one.picture_hash, one.label_hash, one.pixel_nm, second)
    for path, other in ((picture_path(folder, one), picture_path(folder, copy)),
                        (label_path(folder, "a"), label_path(folder, "Kopie"))):  # fmt: skip
        other.write_bytes(path.read_bytes())
    changed(folder, split=first)
    write_data_set(folder, read_data_set(folder)[0].with_samples([copy]))


@pytest.mark.parametrize(
    ("first", "second", "is_error"),
    [
        ("train", "test", True),
        ("train", "train", False),
        ("train", "", False),
        ("val", "test", True),
    ],
)
def test_a_renamed_copy_in_two_splits_is_refused(tmp_path, first, second, is_error):
    with_copy(tmp_path, first, second)
    found = {text: error for text, error in said(tmp_path).items() if "same picture" in text}
    assert list(found.values()) == [is_error]
    assert cli.main(["data", "check", str(tmp_path)]) == int(is_error)


@pytest.mark.parametrize(
    ("lamellae", "is_error"), [((3, 3), True), ((3, 4), False), ((0, 0), False)]
)
def test_a_grid_on_both_sides_is_said_and_a_lamella_refused(tmp_path, lamellae, is_error):
    those = [
        item(number, f"m{number}", split=part, origin=Origin("s", "G1", lamella))
        for number, (part, lamella) in enumerate(zip(("train", "test"), lamellae))
    ]
    whole(tmp_path, *those)
    found = [error for text, error in said(tmp_path).items() if "trained on and held out" in text]
    assert found == [is_error]


# --- splitting ------------------------------------------------------------------------------------


def samples(*grids: str) -> DataSet:
    return DataSet(
        CLASSES,
        tuple(
            Sample(f"{n:03d}.png", (9, 12), f"{n:064x}", origin=Origin("s", grid, n + 1))
            for n, grid in enumerate(grids)
        ),
    )


@given(st.lists(st.sampled_from("ABCDEFGH"), min_size=3, max_size=40), st.integers(0, 99))
def test_whole_grids_are_dealt_about_as_wished_and_the_same_for_one_seed(grids, seed):
    data = samples(*grids)
    if len(set(grids)) < 3:
        with pytest.raises(SpaceError, match="cannot be divided"):
            split(data, seed=seed)
        return
    done = split(data, seed=seed)
    of_grid = {}
    for one in done.samples:
        of_grid.setdefault(one.origin.grid, set()).add(one.split)
    assert all(len(parts) == 1 for parts in of_grid.values())
    assert {one.split for one in done.samples} == {"train", "val", "test"}
    assert split(data, seed=seed) == done == split(done, seed=seed + 1)
    largest = max(Counter(grids).values())
    train = sum(one.split == "train" for one in done.samples)
    assert abs(train - 0.7 * len(grids)) <= 2 * largest + 2


def test_another_seed_divides_otherwise():
    data = samples(*"ABCDEFGHIJKL")
    assert len({split(data, seed=seed) for seed in range(5)}) == 5


def test_lamellae_of_one_grid_are_divided_only_when_asked():
    data = samples("A", "A", "A", "A")
    with pytest.raises(SpaceError, match="4 pictures of 1 grid cannot"):
        split(data)
    done = split(data, by="lamella")
    assert Counter(one.split for one in done.samples) == {"train": 2, "val": 1, "test": 1}


def test_copies_stay_together_whatever_is_asked():
    data = samples(*"ABCDEF")
    copy = Sample("x.png", (9, 12), data.samples[0].picture_hash, origin=Origin("s", "B", 9))
    done = split(data.with_samples([copy]), by="picture")
    assert len({one.split for one in done.samples if one.picture_hash == copy.picture_hash}) == 1
    for seed in range(8):
        together = split(data.with_samples([copy]), {"train": 0.5, "test": 0.5}, seed)
        assert len({one.split for one in together.samples if one.origin.grid in "AB"}) == 1


def test_what_has_a_split_keeps_it_and_its_grid_follows():
    data = samples("A", "A", "B", "C", "D")
    first = data.samples[0]
    kept = split(data.with_samples([Sample(**{**vars(first), "split": "test"})]))
    assert [one.split for one in kept.samples[:2]] == ["test", "test"]
    anew = split(kept, {"train": 1.0}, anew=True)
    assert {one.split for one in anew.samples} == {"train"}


def test_a_person_decides_by_names():
    data = samples(*"ABCDEF")
    done = split(data, named=[("val", "00?"), ("test", "005.png")], shares={"train": 1})
    assert [one.split for one in done.samples] == ["val"] * 5 + ["test"]


@pytest.mark.parametrize("shares", [{"train": 0}, {"train": -1, "test": 2}, {"other": 1}])
def test_shares_that_are_none(shares):
    with pytest.raises(SpaceError, match="shares"):
        split(samples("A"), shares)


# --- the sheet and the commands -------------------------------------------------------------------


def test_the_sheet_shows_pictures_labels_and_boxes(tmp_path):
    halves = np.zeros((40, 60), np.uint8)
    halves[:, 30:] = 3
    one = item(1, "Süd", picture=picture(1, (40, 60)), labels=halves, boxes=(box(2.0),))
    whole(tmp_path, one, item(2, "b", labels=None, picture=picture(2, (60, 40), np.uint16)))
    told: list[str] = []
    assert show(tmp_path, read_data_set(tmp_path)[0], tmp_path / "sheet.png", told.append) == 2
    with Image.open(tmp_path / "sheet.png") as opened:
        drawn = np.asarray(opened.convert("RGB")).astype(int)
    red = (drawn[..., 0] > drawn[..., 1] + 60) & (drawn[..., 0] > drawn[..., 2] + 60)
    assert red.sum() > 5000  # mitos
    assert told == [] and drawn.shape[0] > 300


def test_a_picture_that_cannot_be_shown_is_told(tmp_path):
    whole(tmp_path)
    (tmp_path / "images/a.png").unlink()
    told: list[str] = []
    data = read_data_set(tmp_path)[0]
    assert show(tmp_path, data, tmp_path / "sheet.png", told.append, most=2) == 1
    assert "a.png" in told[0]
    with pytest.raises(SpaceError, match="no pictures to show"):
        show(tmp_path, DataSet(), tmp_path / "sheet.png", told.append)


def run(capsys, *words) -> tuple[int, str]:
    code = cli.main(["data", *map(str, words)])
    return code, capsys.readouterr().out


def test_from_pictures_to_a_data_set_by_the_commands(tmp_path, capsys):
    for number in range(4):
        for name, array in (("images", picture(number)), ("labels", labels(number))):
            (tmp_path / "in" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(tmp_path / "in" / name / f"G{number}_L01.png")
    named = [f"--class={one.name}={one.value}" for one in CLASSES]
    mine = tmp_path / "mine"
    code, text = run(capsys, "import", tmp_path / "in", "--to", mine, "--pixel-nm", 2, *named)
    assert code == 0 and "Read as folder: 4 added" in text
    code, text = run(capsys, "import", tmp_path / "in", "--to", mine, "--json", *named)
    assert json.loads(text)["there"] == [f"G{number}_L01.png" for number in range(4)]
    assert run(capsys, "split", mine, "--val", 0, "--test", 0.25, "--put", "test=G3*")[0] == 0
    code, text = run(capsys, "check", mine)
    assert code == 0 and "4 pictures (3 train, 1 test), 4 with labels." in text
    code, text = run(capsys, "check", mine, "--json")
    assert json.loads(text)["fit"] and json.loads(text)["classes"][1]["name"] == "mitos"
    assert run(capsys, "show", mine)[0] == 0 and (mine / "sheet.png").exists()
    code, text = run(capsys, "export", mine, "--to", "folder", "--out", tmp_path / "out")
    assert code == 0 and "4 pictures for folder" in text
    assert json.loads(run(capsys, "split", mine, "--json", "--anew")[1]).keys() == {
        f"G{number}_L01.png" for number in range(4)
    }


def test_what_is_wrong_is_printed_first_and_not_without_end(tmp_path, capsys):
    odd_set_of = [item(n, f"p{n:02d}", pixel_nm=None) for n in range(45)]
    data = whole(tmp_path, *odd_set_of)
    (tmp_path / "images" / data.samples[-1].file).unlink()
    code, text = run(capsys, "check", tmp_path)
    assert code == 1 and "more (--json tells of all)." in text
    first = next(line for line in text.splitlines() if line.startswith(("WRONG", "look at")))
    assert first.startswith("WRONG: p44.png")


@pytest.mark.parametrize(
    "words",
    [
        ("import", "missing", "--to", "a"),
        ("import", ".", "--to", "a", "--class", "mitos"),
        ("import", ".", "--to", "a", "--class", "mitos=256"),
        ("import", ".", "--to", "a", "--pixel-nm", "-1"),
        ("split", "missing"),
        ("split", ".", "--put", "later=a"),
        ("check", "missing"),
        ("show", "missing", "--most", "0"),
        ("export", "missing", "--to", "coco", "--out", "a"),
    ],
)
def test_what_cannot_be_is_refused_with_words(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["data", *words]) == 2
    assert capsys.readouterr().err.strip() and not (tmp_path / "a").exists()


def test_the_choices_of_the_command_are_the_formats():
    from space.cli.data import exchange
    from space.learning import IN, OUT

    assert set(exchange.IN_FORMS) == set(IN) and set(exchange.OUT_FORMS) == set(OUT)


def test_a_set_of_all_odd_things_is_checked(tmp_path):
    pytest.importorskip("tifffile")
    data = odd_set(tmp_path)
    assert to_dict(data)["pictures"] and check(tmp_path).is_fit


def test_a_picture_with_points_alone_is_not_called_empty(tmp_path):
    points = (("target", 3.0, 4.0),)
    made(tmp_path, item(labels=None, points=points), item(1, "b", labels=None))
    told = {one.picture: one.what for one in check(tmp_path).problems}
    assert "neither" not in told.get("G1_L03.png", "") and "nor points" in told["b.png"]


@pytest.mark.parametrize("command", ["data show", "evaluate model.onnx --data"])
def test_a_place_that_cannot_be_written_is_told_in_words(tmp_path, capsys, command):
    made(tmp_path / "set", item(split="test"))
    (tmp_path / "a file").write_text("")
    words = [*command.split(), str(tmp_path / "set"), "--out", str(tmp_path / "a file" / "out")]
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert "cannot be read or written" in said and "a file" in said and "->" in said
