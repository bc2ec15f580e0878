"""Items in a Navigator file that lie where the grid lies now."""

from __future__ import annotations

import numpy as np
import pytest

from space.geometry import MapFrame
from space.microscope.moved_items import moved, moved_values, was_moved
from space.microscope.navfile import read_navigator_file
from space.registration import Movement

TEXT = (
    "AdocVersion = 2.00\r\nLastSavedAs = C:\\x\\G1.nav\r\n\r\n"
    "[Item = L01]\r\nColor = 2\r\nStageXYZ = 100.5 -20.25 3.125\r\nNumPts = 2\r\nType = 2\r\n"
    "Note = G1_L01.mrc = \xe4\r\nRawStageXY = 1 2\r\nMapScaleMat = -10 0.5 0.5 10\r\n"
    "MapWidthHeight = 400 200\r\nPtsX = 90 110\r\nPtsY = -30 -10\r\n\r\n"
    "[Item = FL1]\r\nStageXYZ = 0 10 -1\r\nType = 0\r\nPtsX = 0\r\nPtsY = 10\r\n\r\n"
    "[StateParam = 0]\r\nStageXYZ = 7 7 7\r\n"
)
XML = (
    '<?xml version="1.0"?>\n<navigator><PreData><AdocVersion>2.00</AdocVersion></PreData>\n'
    '<Item name="FL1"><StageXYZ>0 10 -1</StageXYZ><Type>0</Type><Note>a &amp; b</Note>'
    "<PtsX>0</PtsX><PtsY>10</PtsY></Item></navigator>\n"
)
MOVEMENT = Movement(3.0, (12.0, -7.0))


def test_items_move_and_the_rest_stays_byte_for_byte(tmp_path):
    before = TEXT.encode("cp1252")
    after, count = moved(before, MOVEMENT)
    assert count == 2
    changed = [(a, b) for a, b in zip(before.split(b"\r\n"), after.split(b"\r\n")) if a != b]
    keys = [a.split(b" = ")[0].decode() for a, _ in changed]
    assert keys == ["StageXYZ", "MapScaleMat", "PtsX", "PtsY"] + ["StageXYZ", "PtsX", "PtsY"]
    path = tmp_path / "a.nav"
    path.write_bytes(after)
    lamella_map, point = read_navigator_file(path)
    assert point.numbers("StageXYZ")[:2] == pytest.approx(
        MOVEMENT.apply(np.array([(0.0, 10.0)]))[0], abs=1e-3
    )
    assert point.numbers("StageXYZ")[2] == -1 and lamella_map.numbers("StageXYZ")[2] == 3.125
    # What was at a pixel of the map is there still.
    old = MapFrame((200, 400), ((-10.0, 0.5), (0.5, 10.0)), (100.5, -20.25))
    new = MapFrame(
        (200, 400), lamella_map.stage_to_px((200, 400)), lamella_map.numbers("StageXYZ")[:2]
    )
    pixels = np.array([(0.0, 0.0), (200.0, 400.0)])
    assert new.to_stage(pixels) == pytest.approx(MOVEMENT.apply(old.to_stage(pixels)), abs=1e-3)


def test_what_was_moved_is_known_by_the_file_of_before(tmp_path):
    path = tmp_path / "G1.nav"
    path.write_text(TEXT.replace("= \xe4", ""), encoding="utf-8")
    assert not was_moved(path, "G1_L01.mrc")
    (tmp_path / "G1_before_reload.nav").write_bytes(path.read_bytes())
    assert was_moved(path, "G1_L01.mrc") and not was_moved(path, "G1_L02.mrc")


def test_a_file_in_xml(tmp_path):
    after, count = moved(XML.encode(), MOVEMENT)
    assert count == 1
    path = tmp_path / "a.nav"
    path.write_bytes(after)
    (point,) = read_navigator_file(path)
    assert point.numbers("PtsX") == pytest.approx((12.0 - 10 * np.sin(np.radians(3)),), abs=1e-3)
    assert point.note == "a & b" and b"a &amp; b" in after


def test_moving_there_and_back_changes_nothing_that_counts():
    there, _ = moved(TEXT.encode("cp1252"), MOVEMENT)
    x, y = -MOVEMENT.matrix.T @ MOVEMENT.offset_um
    back, _ = moved(there, Movement(-3.0, (float(x), float(y))))
    again = moved_values({"StageXYZ": "100.5 -20.25 3.125"}, Movement())
    assert again == {"StageXYZ": "100.5000 -20.2500 3.125"}
    assert b"StageXYZ = 100.5000 -20.2500 3.125" in back


@pytest.mark.parametrize("place", ["", "1 2", "a b c", "1 nan 3"])
def test_an_item_without_a_readable_place_stays(place):
    assert moved_values({"StageXYZ": place, "PtsX": "1", "PtsY": "2"}, MOVEMENT) == {}
