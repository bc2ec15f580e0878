"""The choice as a file that a person edits: nothing is lost, nothing is guessed."""

import json
from dataclasses import replace

import numpy as np
import pytest

from space.errors import SpaceError
from space.targeting import Choice, Counts, TargetArea
from space.targeting.choice_file import parse, read_choice, render, write_choice

SHAPE = (400, 600)
AREAS = (
    TargetArea(
        np.array([(200.0, 300.128), (100, 50)]),
        np.array([0.51239, 0.25]),
        np.array([(10.0, 20), (30, 40), (50.5, 60)]),
        fixed=np.array([False, True]),
    ),
    TargetArea(np.array([(350.0, 550), (320, 400)]), np.array([0.0, 0.3]), extra_tracking=True),
)
CHOICE = Choice(AREAS, ("Too little room.",), Counts(targets=4, total_score=1.5), None, {"max": 2})


def edited(**changes) -> str:
    return json.dumps({**json.loads(render(CHOICE, "G1_L01.png", SHAPE)), **changes})


def with_target(**changes) -> str:
    values = json.loads(edited())
    values["areas"][1]["targets"][1].update(changes)
    return json.dumps(values)


def test_what_is_written_is_read():
    text = render(CHOICE, "G1_L01.png", SHAPE, "fixed")
    back = parse(text, SHAPE)
    assert back.take == "fixed" and back.fixed_map_px.tolist() == [[100, 50]]
    assert len(back.areas) == len(AREAS)
    for area, again in zip(AREAS, back.areas):
        assert np.abs(area.targets_map_px - again.targets_map_px).max() <= 0.005
        assert np.abs(area.scores - again.scores).max() <= 0.0001
        assert np.array_equal(area.geometry_points_map_px, again.geometry_points_map_px)
        assert np.array_equal(area.fixed, again.fixed)
        assert area.extra_tracking == again.extra_tracking
    assert render(Choice(back.areas, CHOICE.warnings, CHOICE.counts, None, CHOICE.rejected),
                  "G1_L01.png", SHAPE, "fixed") == text  # fmt: skip


def test_a_person_finds_each_target_on_a_line_and_how_to_edit():
    lines = render(CHOICE, "G1_L01.png", SHAPE).splitlines()
    assert '  {"row": 100.0, "column": 50.0, "score": 0.25, "fixed": true}],' in lines
    assert any("delete the lamella's targets file" in line for line in lines)
    assert '"take": "nothing",' in lines


def test_settings_of_an_area_are_kept_and_checked():
    series = {"startTilt": 9.0, "minTilt": -45.0, "maxTilt": 60.0, "step": 2.5}
    text = render(Choice((replace(AREAS[0], series=series), AREAS[1])), "G1_L01.png", SHAPE)
    assert [dict(area.series) for area in parse(text, SHAPE).areas] == [series, {}]
    for wrong, words in (
        ({"starttilt": 1}, "Unknown: 'starttilt'"),
        ({"step": 0}, "step is 0"),
        ({"step": True}, "step is true"),
        ({"maxTilt": 81}, "maxTilt is 81"),
        ({"minTilt": 20, "startTilt": 10}, "is not below startTilt"),
        ({"minTilt": 20, "maxTilt": 20}, "is not below maxTilt"),
        ([], "no table"),
    ):
        values = json.loads(text)
        values["areas"][0]["pacetomo"] = wrong
        with pytest.raises(SpaceError, match=words) as told:
            parse(json.dumps(values), SHAPE)
        assert "area 1, pacetomo" in told.value.where


def test_edits_by_hand_are_understood():
    values = json.loads(edited(take="all"))
    first, second = values["areas"]
    del first["geometry_points"], values["report"], values["how to edit"]
    first["targets"].append({"row": 5, "column": 7.5})
    second["targets"] = []
    back = parse(json.dumps(values), SHAPE)
    assert len(back.areas) == 1 and back.areas[0].targets_map_px[-1].tolist() == [5, 7.5]
    assert back.areas[0].geometry_points_map_px.shape == (0, 2)
    assert parse(edited(areas=[]), SHAPE).areas == ()


@pytest.mark.parametrize(
    ("text", "said", "where"),
    [
        ('{"format": "SPACEtomo targets 1",}', "line 1 column", "L01"),
        ("[]", "not a table", "L01"),
        (edited(format="other"), 'format is "other"', "L01"),
        (edited(take="some"), 'Allowed: "nothing", "fixed", "all"', "L01"),
        (edited(map_shape_px=[4, 6]), r"\[4, 6\] pixels; this map has \[400, 600\]", "L01"),
        (edited(notes="mine"), "Unknown: 'notes'", "L01"),
        (edited(areas={}), "areas is {}", "L01"),
        (edited(areas=[[]]), "not a table", "L01_choice.json, area 1"),
        (edited(areas=[{}]), "Missing: targets", "L01_choice.json, area 1"),
        (edited(areas=[{"targets": {}}]), "targets is {}", "L01_choice.json, area 1"),
        (edited(areas=[{"targets": [{"row": 1}]}]), "Missing: column", "area 1, target 1"),
        (with_target(row=401), "row is 401. Allowed: a number from 0 to 400", "area 2, target 2"),
        (with_target(column=-1), "column is -1", "area 2, target 2"),
        (with_target(row="12"), 'row is "12"', "area 2, target 2"),
        (with_target(row=True), "row is true", "area 2, target 2"),
        (with_target(column=float("nan")), "column is NaN", "area 2, target 2"),
        (with_target(fixed="yes"), 'fixed is "yes". Allowed: true or false', "area 2, target 2"),
        (with_target(score="good"), "score is", "area 2, target 2"),
        (with_target(fixd=True), "Unknown: 'fixd'. Known: column, fixed", "target 2"),
        (with_target(for_tracking_alone=True), "Only the first target", "area 2, target 2"),
        (
            edited(areas=[{"targets": [], "geometry_points": [{"row": 1, "column": 700}]}]),
            "column is 700",
            "area 1, geometry point 1",
        ),
    ],
)
def test_what_is_not_understood_is_told_with_its_place(text, said, where):
    with pytest.raises(SpaceError, match=said) as told:
        parse(text, SHAPE, "G1_L01_choice.json")
    assert where in told.value.where and told.value.do


def test_files_appear_whole_and_forgotten_edits_are_kept(tmp_path):
    path = tmp_path / "G1_L01_choice.json"
    assert read_choice(path, SHAPE) is None
    write_choice(path, CHOICE, "G1_L01.png", SHAPE)
    write_choice(path, CHOICE, "G1_L01.png", SHAPE)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    mine = path.read_text(encoding="utf-8").replace("100.0", "111.0")
    path.write_text(mine, encoding="utf-8")
    write_choice(path, CHOICE, "G1_L01.png", SHAPE)
    assert read_choice(path, SHAPE).areas[0].targets_map_px[1, 0] == 100
    kept = tmp_path / "G1_L01_choice_earlier.json"
    assert kept.read_text(encoding="utf-8") == mine
    # As some editors on Windows save it.
    path.write_text(mine.replace("\n", "\r\n"), encoding="utf-8-sig")
    assert read_choice(path, SHAPE).areas[0].targets_map_px[1, 0] == 111
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpaceError, match="cannot be read"):
        read_choice(path, SHAPE)
