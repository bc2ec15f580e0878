"""What people corrected and approved in sessions becomes a data set."""

from __future__ import annotations

import json

import numpy as np
import pytest

from space import cli, labelling, steps
from space.errors import SpaceError
from space.geometry import MapFrame
from space.images import read_png, write_json_beside, write_png
from space.labelling import Shape, Stroke, hash_of, save_correction
from space.learning import check, collect, read_data_set
from space.learning.collecting import TEST, TRAIN
from space.review import (
    Answer,
    Edit,
    Kind,
    Review,
    answers_path,
    review_path,
    save_review,
    write_answers,
)
from space.steps import GridOnDisk
from space.targeting import Choice, TargetArea, write_choice
from tests.learning.sets import all_items
from tests.overview.folders import Folder

CLASSES = {"background": 0, "lamella": 1, "mitos": 9}
SHAPE = (20, 30)
FRAME = MapFrame((300, 400), ((1.25, 0.0), (0.0, -1.25)), (20.0, 5.0))


def segmented(folder: Folder, number: int) -> None:
    """A lamella with a map and a segmentation of its own."""
    folder.found(number).mapped(number)
    rng = np.random.default_rng(number)
    stem = folder.directory / f"G1_L{number:02d}"
    write_png(stem.with_suffix(".png"), rng.integers(0, 256, SHAPE, np.uint8), 16.0, "map")
    labels = rng.choice(np.array([0, 1], np.uint8), SHAPE)
    write_png(
        stem.with_name(f"{stem.name}_seg.png"), labels, 16.0, "model", labels=json.dumps(CLASSES)
    )


@pytest.fixture
def folder(tmp_path) -> Folder:
    """A session: three lamellae with maps and labels, one left out, and the map of the grid."""
    made = Folder(tmp_path / "session").named()
    for number in (1, 2, 3):
        segmented(made, number)
    made.left_out("broken")
    picture = made.directory / "G1_wg.png"
    write_json_beside(picture, {"pixel_nm": 800.0, "frame": FRAME.to_dict()})
    write_png(picture, (np.arange(300 * 400) % 251).reshape(300, 400).astype(np.uint8), 800.0, "G1")
    return made


def approve(folder: Folder, *numbers: int, lamellae: bool = False, edits=()) -> None:
    path = review_path(folder.directory, "G1")
    path.unlink(missing_ok=True)
    seen = {number: targets_seen(folder, number) for number in numbers}
    save_review(path, Review("G1", 0, {1: "seen"} if lamellae else None, seen, tuple(edits)))


def targets_seen(folder: Folder, number: int, row: float = 8.0) -> str:
    """Choose a target of a lamella; return what stands for it."""
    choice = {"areas": [{"targets": [{"row": row, "column": 9.0}]}]}
    path = folder.directory / f"G1_L{number:02d}_choice.json"
    path.write_text(json.dumps(choice), encoding="utf-8")
    return steps.stamp_of_targets(GridOnDisk(folder.directory, folder.directory, "G1"), number)


def correct(folder: Folder, number: int, column: float = 10.0):
    """Draw a mitochondrion on the labels of a lamella, as the page does."""
    path = folder.directory / f"G1_L{number:02d}_seg.png"
    before = labelling.read_correction(path)
    stroke = Stroke(Shape.BRUSH, "mitos", ((8.0, column),), 3.0)
    revision = before.revision if before else 0
    return save_correction(path, (stroke,), CLASSES, hash_of(path), revision)


def collected(folder: Folder, to):
    told: list[str] = []
    return collect([folder.directory], to, told.append), told


def splits(to) -> dict[str, tuple[str, str]]:
    data = read_data_set(to)[0]
    return {one.stem: (one.origin.kind, one.split) for one in data.samples}


def test_what_nobody_looked_at_is_left_out(folder, tmp_path):
    found, told = collected(folder, tmp_path / "set")
    assert found.not_looked_at == ["G1 L01", "G1 L02", "G1 L03"] and told == []
    assert not found.done.added and not (tmp_path / "set").exists()


def test_corrected_labels_are_trained_on_with_their_layers_and_where_they_come_from(
    folder, tmp_path
):
    saved = correct(folder, 2)
    found, _ = collected(folder, tmp_path / "set")
    assert found.done.added == ["G1_L02.png"] and len(found.not_looked_at) == 2
    data = read_data_set(tmp_path / "set")[0]
    sample = data.samples[0]
    assert (sample.split, sample.pixel_nm, sample.origin.kind) == (TRAIN, 16.0, "corrected")
    assert (sample.origin.grid, sample.origin.lamella) == ("G1", 2) and sample.origin.session
    assert data.values == CLASSES
    one = all_items(tmp_path / "set")["G1_L02"]
    expected = read_png(folder.directory / saved.labels)[0]
    assert np.array_equal(one.labels, expected) and (one.labels == 9).sum() > 20
    assert np.array_equal(one.layers["mitos"], one.labels == 9)
    assert np.array_equal(one.picture, read_png(folder.directory / "G1_L02.png")[0])
    assert check(tmp_path / "set").is_fit
    original = folder.directory / "G1_L02.png"
    assert (tmp_path / "set" / "images" / "G1_L02.png").read_bytes() == original.read_bytes()


def test_clicks_become_keypoints_of_maps_whose_labels_nobody_looked_at(folder, tmp_path):
    files = GridOnDisk(folder.directory, folder.directory, "G1")
    steps.save_clicks(files, 1, SHAPE, np.array([[8.0, 9.5]]), np.array([[12.0, 3.0]]))
    chosen = Choice(
        (
            TargetArea(
                np.array([[4.0, 5.0], [14.0, 25.0]]), np.ones(2), fixed=np.array([True, False])
            ),
        )
    )
    write_choice(folder.directory / "G1_L03_choice.json", chosen, "G1_L03.png", SHAPE, "fixed")
    correct(folder, 2)
    steps.save_clicks(files, 2, SHAPE, np.array([[2.0, 2.0]]), np.empty((0, 2)))
    found, told = collected(folder, tmp_path / "set")
    assert told == [] and found.not_looked_at == []
    items = all_items(tmp_path / "set")
    assert items["G1_L01"].points == (("target", 9.5, 8.0), ("removed", 3.0, 12.0))
    assert items["G1_L01"].labels is None
    assert items["G1_L02"].points == (("target", 2.0, 2.0),)
    assert items["G1_L02"].labels is not None
    assert items["G1_L03"].points == (("target", 5.0, 4.0),), "it was fixed by a person"
    assert set(splits(tmp_path / "set").values()) == {("corrected", TRAIN)}


def test_a_grid_that_was_approved_unchanged_is_for_the_test(folder, tmp_path):
    approve(folder, 1, 3)
    collected(folder, tmp_path / "set")
    assert splits(tmp_path / "set") == {"G1_L01": ("accepted", TEST), "G1_L03": ("accepted", TEST)}


def test_what_was_approved_before_targets_or_maps_changed_is_left_out(folder, tmp_path):
    approve(folder, 1, 3)
    targets_seen(folder, 1, row=12.0)
    write_png(folder.directory / "G1_L03.png", np.full(SHAPE, 7, np.uint8), 16.0, "taken again")
    found, _ = collected(folder, tmp_path / "set")
    assert found.not_looked_at == ["G1 L01", "G1 L02", "G1 L03"]


def test_no_grid_is_on_both_sides(folder, tmp_path):
    correct(folder, 2)
    approve(folder, 1)
    collected(folder, tmp_path / "set")
    assert splits(tmp_path / "set") == {
        "G1_L01": ("accepted", TRAIN),
        "G1_L02": ("corrected", TRAIN),
    }


def test_collected_again_nothing_is_there_twice_and_what_changed_is_renewed(folder, tmp_path):
    correct(folder, 2)
    collected(folder, tmp_path / "set")
    again, _ = collected(folder, tmp_path / "set")
    assert again.done.there == ["G1_L02.png"] and not again.done.added and not again.done.updated
    correct(folder, 2, column=20.0)
    third, _ = collected(folder, tmp_path / "set")
    assert (
        third.done.updated == ["G1_L02.png"]
        and len(read_data_set(tmp_path / "set")[0].samples) == 1
    )
    one = all_items(tmp_path / "set")["G1_L02"]
    assert one.labels[8, 20] == 9 and one.labels[8, 10] != 9
    assert check(tmp_path / "set").is_fit


def test_layers_that_a_person_took_back_do_not_stay(folder, tmp_path):
    correct(folder, 2)
    collected(folder, tmp_path / "set")
    path = folder.directory / "G1_L02_seg.png"
    wall = Stroke(Shape.BRUSH, "lamella", ((8.0, 10.0),), 3.0)
    save_correction(path, (wall,), CLASSES, hash_of(path), 1)
    collected(folder, tmp_path / "set")
    assert list(all_items(tmp_path / "set")["G1_L02"].layers) == ["lamella"]


def test_a_grid_keeps_the_split_that_it_has(folder, tmp_path):
    approve(folder, 1)
    collected(folder, tmp_path / "set")
    correct(folder, 2)
    collected(folder, tmp_path / "set")
    assert splits(tmp_path / "set") == {"G1_L01": ("accepted", TEST), "G1_L02": ("corrected", TEST)}


def test_a_correction_of_another_segmentation_is_not_taken(folder, tmp_path):
    correct(folder, 2)
    path = folder.directory / "G1_L02_seg.png"
    write_png(path, np.ones(SHAPE, np.uint8), 16.0, "model", labels=json.dumps(CLASSES))
    found, told = collected(folder, tmp_path / "set")
    assert not found.done.added and "another segmentation" in told[0]


def test_boxes_that_were_approved_or_corrected_come_with_the_map_of_the_grid(folder, tmp_path):
    approve(folder, lamellae=True)
    collected(folder, tmp_path / "set")
    assert splits(tmp_path / "set") == {"G1_wg": ("accepted", TEST)}
    boxes = all_items(tmp_path / "set")["G1_wg"].boxes
    assert sorted(box.category for box in boxes) == ["broken", "good", "good", "good"]
    for one in boxes:  # 12 x 8 um, 0.8 um per pixel
        assert (one.x1_px - one.x0_px, one.y1_px - one.y0_px) == pytest.approx((15.0, 10.0))
    # The middle of the picture (200, 150) is at 20, 5 um: that is where lamella 2 is.
    middles = sorted((box.x0_px + box.x1_px) / 2 for box in boxes if box.category == "good")
    assert middles == pytest.approx([187.5, 200.0, 212.5], abs=0.6)


def test_a_grid_whose_lamellae_were_changed_is_trained_on(folder, tmp_path):
    edit = Edit("e1", Kind.CLASS, "", number=1, category="good")
    approve(folder, 1, lamellae=True, edits=[edit])
    collected(folder, tmp_path / "asked")
    assert splits(tmp_path / "asked")["G1_wg"] == ("accepted", TEST)  # not done: nothing changed
    write_answers(answers_path(folder.directory, "G1"), "G1", {"e1": Answer("applied", "", "now")})
    collected(folder, tmp_path / "set")
    assert splits(tmp_path / "set") == {
        "G1_L01": ("accepted", TRAIN), "G1_wg": ("corrected", TRAIN),
    }  # fmt: skip


def test_labels_without_classes_and_damaged_files_cost_themselves(folder, tmp_path):
    approve(folder, 1, 2, 3)
    write_png(folder.directory / "G1_L01_seg.png", np.ones(SHAPE, np.uint8), 16.0, "model")
    review_path(folder.directory, "G2").write_text("{", encoding="utf-8")
    found, told = collected(folder, tmp_path / "set")
    assert found.done.added == ["G1_L02.png", "G1_L03.png"]
    assert "do not say which classes" in told[0]
    review_path(folder.directory, "G1").write_text("{", encoding="utf-8")
    found, told = collected(folder, tmp_path / "other")
    assert len(found.not_looked_at) == 3 and "JSON" in told[0]


def test_models_with_other_numbers_of_classes_are_joined_by_name(folder, tmp_path):
    approve(folder, 1, 2)
    path = folder.directory / "G1_L02_seg.png"
    labels = np.full(SHAPE, 1, np.uint8)
    write_png(path, labels, 16.0, "model", labels=json.dumps({"background": 0, "mitos": 1}))
    collected(folder, tmp_path / "set")
    assert (all_items(tmp_path / "set")["G1_L02"].labels == 9).all()


def test_a_folder_without_a_session_is_refused_before_anything_is_written(folder, tmp_path):
    approve(folder, 1)
    with pytest.raises(SpaceError, match="no such folder"):
        collect([folder.directory, tmp_path / "missing"], tmp_path / "set", print)
    assert not (tmp_path / "set").exists()


def test_the_command(folder, tmp_path, capsys):
    correct(folder, 2)
    words = ["data", "collect", str(folder.directory), "--to", str(tmp_path / "set")]
    assert cli.main(words) == 0
    text = capsys.readouterr().out
    assert "1 added, 0 renewed, 0 were there" in text and "2 maps were left out" in text
    assert cli.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["there"] == ["G1_L02.png"]
