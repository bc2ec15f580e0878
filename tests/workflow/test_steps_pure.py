"""What the steps decide without a microscope."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from space import pacetomo
from space.errors import SpaceError
from space.files import write_text_atomic
from space.geometry import MapFrame
from space.images import read_json_beside, read_png, write_png
from space.lamellae import Box, Lamella, lamella_number
from space.microscope import Item
from space.settings import Settings
from space.steps import acquire, area_files, grid_names, inference, lamella_list
from space.steps.pictures import save_for_model
from space.steps.session import GridSession
from space.targeting import TargetArea


@pytest.fixture
def slots(monkeypatch):
    """Names in the autoloader, by slot."""
    names = {1: "Grid A", 2: "grid_a", 3: ""}
    module = ModuleType("serialem")
    module.SEMerror = type("SEMerror", (Exception,), {})
    module.ReportSlotStatus = lambda slot: (1.0, names[slot]) if names[slot] else 1.0
    module.IsVariableDefined = lambda name: float(hasattr(module, "GetVariable"))
    monkeypatch.setitem(sys.modules, "serialem", module)
    return names


@pytest.mark.parametrize(
    ("slot", "default", "grids", "taken", "name"),
    [
        (1, "", (1,), (), "Grid_A"),
        (2, "", (1, 2), ("Grid_A",), "grid_a_S02"),
        (3, "", (3,), (), "G03"),
        (3, "yeast", (3,), (), "yeast"),
        (3, "yeast", (1, 3), (), "yeast_S03"),
        ("stage", "", ("stage",), (), "grid"),
        ("stage", "my grid", ("stage",), (), "my_grid"),
    ],
)
def test_grids_get_names_that_are_safe_and_their_own(slots, slot, default, grids, taken, name):
    settings = Settings(grid_list=grids, grid_default_name=default)
    assert grid_names.grid_name(slot, settings, taken) == name


def test_a_grid_keeps_its_name_in_later_runs_and_never_gets_anothers(slots, tmp_path):
    def name(slot, grids, default="yeast"):
        settings = Settings(grid_list=grids, grid_default_name=default)
        found = grid_names.grid_name(slot, settings, (), grid_names.earlier_names(tmp_path))
        grid_names.note_name(tmp_path, slot, found)
        return found

    slots[4] = slots[5] = ""
    assert name(3, (3,)) == "yeast"
    assert name(4, (4,)) == "yeast_S04"  # not the files of the grid before
    assert name(3, (3, 4)) == "yeast"  # another list of grids changes nothing
    assert name(5, (3, 4, 5)) == "yeast_S05"
    assert name(5, (5,)) == "yeast_S05"
    assert name("stage", ("stage",)) == "yeast_stage"
    assert name(1, (1,)) == "Grid_A" and name(2, (2,)) == "grid_a_S02"
    slots[1] = "Other"  # another cassette
    assert name(1, (1,)) == "Other"
    (tmp_path / grid_names.NAMES_FILE).write_text("[")
    assert name(3, (3,)) == "yeast"


def test_a_grid_on_the_stage_keeps_its_name_when_its_slot_counts_as_empty(slots):
    module = sys.modules["serialem"]
    module.ReportSlotStatus = lambda slot: 0.0
    module.GetVariable = lambda name: 7.0
    settings = Settings(grid_list=(7,))
    assert grid_names.grid_name(7, settings, (), {"7": "Grid_A"}) == "Grid_A"
    with pytest.raises(SpaceError, match="empty"):
        grid_names.grid_name(6, settings, (), {})


@pytest.mark.parametrize(
    ("label", "number"), [("PL1", 1), ("FL12", 12), ("L01", None), ("PL", None), ("FL1a", None)]
)
def test_labels_of_lamellae(label, number):
    assert lamella_number(label) == number


def test_the_list_of_lamellae_survives_saving_and_a_damaged_one_is_told(tmp_path):
    path = tmp_path / "list.json"
    assert lamella_list.load(path) is None
    known = lamella_list.LamellaList(
        (Lamella(1, (1.5, 2), (8, 9), "good", 0.9),),
        (Lamella(0, (5, 5), (8, 9), "broken", 0.8),),
        (6.0, 7.5),
    )
    lamella_list.save(path, known)
    assert lamella_list.load(path) == known
    path.write_text("{}")
    with pytest.raises(SpaceError, match="Delete this file"):
        lamella_list.load(path)


def test_a_point_added_by_hand_counts_with_what_its_note_tells():
    item = Item(4, "FL9", "thick (45%)", (10.0, 20.0), 0.0, 0)
    lamella = lamella_list.of_item(item, None)
    assert (lamella.number, lamella.category, lamella.probability) == (9, "thick", 0.45)
    assert lamella.stage_um == (10.0, 20.0)
    assert lamella_list.of_item(replace(item, note=""), None).category == "good"


def test_final_points_stand_before_first_ones():
    items = [
        Item(n, label, "good (80%)", (0.0, 0.0), 0.0, 0)
        for n, label in enumerate(("PL2", "FL1", "PL1", "PL3", "map"), start=1)
    ]
    assert [item.label for item in lamella_list.to_visit(items)] == ["FL1", "PL2", "PL3"]


def test_pixels_that_are_no_numbers_become_dark_and_spoil_no_others(tmp_path):
    data = np.linspace(10.0, 200.0, 90 * 90, dtype=np.float32).reshape(90, 90)
    data[40, 40], data[50, 50] = np.nan, np.inf
    frame = MapFrame((90, 90), ((100.0, 0.0), (0.0, 100.0)), (0.0, 0.0))
    save_for_model(tmp_path / "a.png", data, 10.0, 20.0, frame, "test")
    picture, _ = read_png(tmp_path / "a.png")
    assert picture.max() == 255 and picture[19:21, 10:15].min() > 80
    assert picture[20, 20] < picture[20, 25]


def test_a_picture_for_a_model_has_its_pixel_size_and_tells_where_it_lies(tmp_path):
    data = np.zeros((100, 201), np.int16)
    data[:, 100:] = 1000
    frame = MapFrame((100, 201), ((100.0, 0.0), (0.0, -100.0)), (5.0, 6.0))
    path = tmp_path / "G1_L01.png"
    small = save_for_model(path, data, 10.0, 20.0, frame, "G1_L01.mrc", lamella=1)
    picture, info = read_png(path)
    assert picture.shape == small.shape == (50, 100)
    assert info["pixel_nm"] == pytest.approx(20, rel=0.01)
    facts = read_json_beside(path)
    assert facts["lamella"] == 1 and facts["source"] == "G1_L01.mrc"
    assert MapFrame.from_dict(facts["frame"]) == small
    assert np.allclose(small.to_stage([[0, 0]]), frame.to_stage([[0, 0]]))
    assert (picture[25, 10], picture[25, 90]) == (0, 255)


NAV = """AdocVersion = 2.00

[Item = FL1]
Type = 0
Note = good (90%)

[Item = L01]
Type = 2
Note = G1_L01.mrc

[Item = L01_001]
Type = 2
Note = G1_L01_tgts.txt
"""


def test_a_grid_is_acquired_when_its_files_say_so(tmp_path):
    session = GridSession(Settings(), None, tmp_path, tmp_path, "G1")
    assert not acquire.is_acquired(session)
    session.navigator_file.write_text(NAV)
    assert not acquire.is_acquired(session)
    lamella_list.save(session.lamellae_file, lamella_list.LamellaList(()))
    assert not acquire.is_acquired(session)
    session.targets_file(1).write_text("_tgt = 001\n")
    assert acquire.is_acquired(session)
    session.navigator_file.write_text(NAV + "Acquire = 1\n")
    assert not acquire.is_acquired(session)
    session.navigator_file.write_text(NAV + "\n[Item = FL2]\nType = 0\n")
    assert not acquire.is_acquired(session)


def test_more_boxes_than_lamellae_on_any_grid_are_refused(tmp_path):
    path = tmp_path / "G_boxes.json"
    box = Box(1.0, 2.0, 3.0, 4.0, "good", 0.5).to_dict()
    write_text_atomic(path, json.dumps({"boxes": [box] * inference.MOST_BOXES}))
    assert len(inference.read_boxes(path)) == inference.MOST_BOXES
    write_text_atomic(path, json.dumps({"boxes": [box] * (inference.MOST_BOXES + 1)}))
    with pytest.raises(SpaceError, match="5001 boxes, more than any grid has lamellae"):
        inference.read_boxes(path)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("[1, 2]", "not a table of names and labels"),
        ('{"a": 256}', "the label of a is 256"),
        ('{"a": "1"}', "the label of a is 1"),
        ('{"a\\nb": 1}', "not a short name"),
        ("{", "Expecting"),
    ],
)
def test_a_segmentation_whose_class_table_is_damaged_is_not_taken_for_another_model(
    tmp_path, table, told
):
    path = tmp_path / "a_seg.png"
    labels = np.eye(5, dtype=np.uint8)
    write_png(path, labels, 2.0, "a.png", labels='{"background": 0, "mitos": 1}')
    assert inference.read_segmentation(path)[1] == {"background": 0, "mitos": 1}
    write_png(path, labels, 2.0, "a.png")  # another program, which does not tell
    assert inference.read_segmentation(path)[1] == {}
    write_png(path, labels, 2.0, "a.png", labels=table)
    with pytest.raises(SpaceError, match=f"table of classes .* cannot be read: .*{told}"):
        inference.read_segmentation(path)


def test_what_a_person_sets_for_an_area_stands_in_the_head_of_its_targets_file():
    points = np.array([(1.0, 2.0), (3.0, 4.0), (5.0, 1.0)])
    measured = ("_bset", "measureGeo", "True")

    def head(series, points=points):
        area = TargetArea(np.ones((1, 2)), np.ones(1), points, series=series)
        written = pacetomo.TargetsFile(
            (pacetomo.Target("a.mrc", (0.0, 0.0), (1.0, 2.0)),), head=area_files.head_of(area)
        )
        assert pacetomo.parse(pacetomo.render(written)) == written  # as PACEtomo reads it
        return written.head

    assert head({}) == (measured,) and head({}, points[:2]) == ()
    assert head({"startTilt": -8.5}) == (measured, ("_set", "startTilt", "-8.5"))
    # A geometry that a person gives is not measured.
    assert head({"pretilt": 9.0}) == (("_set", "pretilt", "9"),)
