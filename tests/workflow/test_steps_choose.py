"""Targets that a person edits, polygons drawn in the Navigator, holes."""

from __future__ import annotations

import json
from types import SimpleNamespace

import fake_serialem
import numpy as np
import pytest

from space import pacetomo
from space.errors import SpaceError
from space.geometry import MapFrame
from space.microscope import read_navigator_file
from space.settings import Settings
from space.steps import choose
from space.targeting import inside


def frame_of(session) -> MapFrame:
    return MapFrame.from_dict(json.loads((session.directory / "G1_L01.json").read_text())["frame"])


def targets_px(session) -> np.ndarray:
    text = (session.directory / "G1_L01_tgts.txt").read_text()
    stage = np.array([session.place_um(target) for target in pacetomo.parse(text).targets])
    return frame_of(session).to_map(stage)


def test_an_edited_choice_is_used_once_the_targets_file_is_deleted(bench):
    session = bench(stage_error_um=0.0)
    session.place_lamellae()
    assert session.run(4).ok
    path = session.directory / "G1_L01_choice.json"
    values = json.loads(path.read_text())
    listed = values["areas"][0]["targets"]
    before = np.array([(target["row"], target["column"]) for target in listed])
    assert np.abs(before - targets_px(session)).max() < 0.1
    assert "candidate place" in session.log() and "to change targets, edit" in session.log()

    # Two targets, one of them moved by hand; the old ones' items go.
    listed[1]["row"] += 4
    del listed[2:], values["areas"][1:]
    path.write_text(json.dumps({**values, "take": "all"}))
    assert session.run(4).ok
    assert len(targets_px(session)) == len(before)  # what is set up stays
    (session.directory / "G1_L01_tgts.txt").unlink()
    result = session.run(4)
    assert result.ok, result.error
    after = targets_px(session)
    assert np.abs(after - before[:2] - [[0, 0], [4, 0]]).max() < 0.1
    assert sum("_tgt" in item.note for item in session.items()) == 2
    assert json.loads(path.read_text())["take"] == "all"

    # A fixed target stays, the rest is chosen anew, inside a polygon on the left half of the map.
    values = json.loads(path.read_text())
    values["areas"][0]["targets"][1]["fixed"] = True
    path.write_text(json.dumps({**values, "take": "fixed"}))
    frame = frame_of(session)
    rows, columns = frame.shape
    corners = np.array([(0, 0), (rows, 0), (rows, columns / 2), (0, columns / 2)])
    stage = frame.to_stage(corners)
    session.do(
        f"sem.SetVariable('px', {' '.join(map(str, stage[:, 0]))!r})",
        f"sem.SetVariable('py', {' '.join(map(str, stage[:, 1]))!r})",
        "sem.AddStagePointsAsPolygon('px', 'py', 0)",
    )
    (session.directory / "G1_L01_tgts.txt").unlink()
    result = session.run(4, target_polygons=True, max_targets=3)
    assert result.ok, result.error
    chosen = targets_px(session)
    fixed = np.hypot(*(chosen - after[1]).T) < 0.1
    assert fixed.sum() == 1 and 1 < len(chosen) <= 3
    assert inside(chosen[~fixed], [corners]).all()
    assert "1 targets in G1_L01_choice.json stay fixed" in session.log()

    # A slip of the pen: nothing is guessed, the lamella gets no targets.
    path.write_text(path.read_text().replace('"take": "fixed"', '"take": "fix"'))
    (session.directory / "G1_L01_tgts.txt").unlink()
    assert session.run(4).ok
    assert 'take is "fix". Allowed' in session.log()
    assert not (session.directory / "G1_L01_tgts.txt").exists()


FRAME = MapFrame((100, 200), ((10.0, 0.0), (0.0, -10.0)), (5.0, 5.0))


@pytest.mark.parametrize(
    ("items", "count"),
    [
        ("[Item = 1]\nType = 1\nPtsX = 0 4 4 0\nPtsY = 4 4 6 6\n", 1),
        ("[Item = 1]\nType = 0\nPtsX = 0 4 4 0\nPtsY = 4 4 6 6\n", 0),  # no polygon
        ("[Item = 1]\nType = 1\nPtsX = 90 94 94\nPtsY = 4 4 6\n", 0),  # of another lamella
        ("[Item = 1]\nType = 1\nPtsX = 0 4 4 0\nPtsY = 4 4\n", 0),
        ("", 0),
    ],
)
def test_polygons_on_the_map_count(tmp_path, items, count):
    path = tmp_path / "G1.nav"
    path.write_text("AdocVersion = 2.00\n\n" + items)
    polygons = choose.polygons_on_map(read_navigator_file(path), FRAME)
    assert len(polygons) == count
    for corners in polygons:
        # 10 px per um, rows down; the map's middle (50, 100) is at (5, 5).
        assert corners.tolist() == [[60, 50], [60, 90], [40, 90], [40, 50]]


def test_a_navigator_file_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    path = tmp_path / "none.nav"
    fake_serialem.install(monkeypatch, SaveNavigator=lambda: None, ReportNavFile=lambda: str(path))
    session = SimpleNamespace(settings=Settings(target_polygons=True))
    with pytest.raises(SpaceError, match="polygons cannot be read"):
        choose.save_and_read_polygons(session, FRAME)
