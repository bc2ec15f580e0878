"""Targets on the page: what is shown, checked and chosen again are those of the session itself."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from space import steps
from space.images import write_png
from space.plots import class_colors, rgb
from space.simulator.specimen import LABEL
from space.targeting import read_choice
from tests.page import maps
from tests.page.maps import MITOS, PIXEL_NM, SHAPE
from tests.page.test_security import contents


@pytest.fixture
def drawn(folder):
    """The session with a map of lamella 2, which was set up and not begun, and of 1, acquired."""
    for number in (1, 2):
        maps.draw(folder.directory, number)
        maps.choose(folder.directory, number, [MITOS[0], MITOS[1]])
    return folder


@pytest.fixture
def facts(drawn, page):
    return page.json("/api/lamella/G1/2")


def test_targets_are_told_with_what_is_drawn_around_them(facts):
    (area,) = facts["choice"]["areas"]
    assert [(one["row"], one["column"]) for one in area["targets"]] == [MITOS[0], MITOS[1]]
    assert facts["problems"] == [] and facts["choice"]["from"] == "choice file"
    optics = facts["optics"]
    corners = np.array(optics["field_corners_px"])
    assert np.ptp(corners, axis=0) == pytest.approx((600 / PIXEL_NM, 800 / PIXEL_NM), rel=0.01)
    assert optics["ellipse_px"]["across"] / optics["ellipse_px"]["along"] == pytest.approx(
        1 / math.cos(math.radians(optics["steepest_tilt_deg"]))
    )
    assert optics["beam_diameter_px"] == pytest.approx(1210 / PIXEL_NM)  # with its creep
    assert facts["map"]["shape_px"] == list(SHAPE) and not facts["begun"]
    wanted = [one["name"] for one in facts["labels"]["classes"] if one["wanted"]]
    assert wanted and {one["name"] for one in facts["labels"]["classes"]} == set(LABEL)


def test_each_target_bears_the_tilt_series_that_was_taken_of_it(drawn, page):
    facts = page.json("/api/lamella/G1/1")
    (area,) = facts["choice"]["areas"]
    assert [one["exposed"] for one in area["targets"]] == [True, True]
    assert area["targets"][1]["series"]["name"] == "G1_L01_ts_002.mrc"
    assert (facts["begun"], facts["exposed"]) == (True, True)


def test_conflicts_are_those_that_the_page_finds_by_the_matrix(drawn, page):
    first = np.array(MITOS[0], float)
    maps.choose(
        drawn.directory, 2, [tuple(first), tuple(first + (0, 60))], [tuple(first + (100, 0))]
    )
    page.page.session.look(now=True)
    facts = page.json("/api/lamella/G1/2")
    (conflict, *more) = facts["choice"]["conflicts"]
    points = [(one["row"], one["column"]) for area in facts["choice"]["areas"]
              for one in area["targets"]]  # fmt: skip
    matrix, limit = np.array(facts["optics"]["to_tilt_um"]), facts["optics"]["conflict_um"]
    found = [
        np.hypot(*(matrix @ np.subtract(points[a], points[b]))) for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    assert conflict["targets"] == [[1, 1], [1, 2]]
    assert conflict["overlap_um"] == pytest.approx(1.21 - found[0])
    assert len(more) + 1 == sum(gap < limit for gap in found)


def test_overlays_show_one_class_or_all_in_their_colours(facts, page):
    address = "/" + facts["labels"]["tiles"]["url"]
    assert facts["labels"]["tiles"]["max_zoom"] == 2
    for name in ("", "&class=mitos"):
        answer = page.get(address.format(z=2, x=0, y=0) + name)
        assert answer.headers["content-type"] == "image/png"
        tile = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))
        assert tuple(tile[120, 150]) == (*rgb(class_colors(LABEL)["mitos"]), 255)
        assert tile[60, 200, 3] == (0 if name else 255)  # bare lamella
    edge = page.get(address.format(z=2, x=2, y=1))
    tile = np.asarray(Image.open(io.BytesIO(edge.content)).convert("RGBA"))
    assert tile[250:, :, 3].max() == 0  # beyond the map
    small = page.get(address.format(z=0, x=0, y=0) + "&class=mitos")
    tile = np.asarray(Image.open(io.BytesIO(small.content)).convert("RGBA"))
    assert tile[30, 37, 3] == 255 and tile[5, 5, 3] == 0
    for wrong in ("&class=gold", "&class=../x"):
        assert page.get(address.format(z=0, x=0, y=0) + wrong).status_code == 404
    assert page.get(address.format(z=3, x=0, y=0)).status_code == 404
    assert page.get("/tiles/G1/L03_seg/0/0/0.png").status_code == 404


def test_checking_says_what_the_log_would_say_and_writes_nothing(drawn, page):
    before = contents(drawn.directory)
    areas = page.json("/api/lamella/G1/2")["choice"]["areas"]
    good = page.post("/api/check/G1/2", {"areas": areas})
    assert good["conflicts"] == [] and good["targets"] == 2
    assert all(one["score"] > 0.1 for one in good["areas"][0]["targets"])
    areas[0]["targets"][1].update(row=150, column=190)
    bad = page.post("/api/check/G1/2", {"areas": areas})
    assert bad["conflicts"][0]["targets"] == [[1, 1], [1, 2]]
    assert any("overlap by" in text for text in bad["warnings"])
    areas[0]["targets"][1].update(row=5, column=5)
    assert any("leaves the map" in text
               for text in page.post("/api/check/G1/2", {"areas": areas})["warnings"])  # fmt: skip
    assert contents(drawn.directory) == before


def test_choosing_again_takes_other_settings_polygons_and_fixed_targets(drawn, page):
    before = contents(drawn.directory)
    address, mitos = "/api/choose_again/G1/2", {"target_list": ["mitos"], "beam_margin": 0.0}
    all_of_them = page.post(address, {"settings": mitos})
    assert all_of_them["proposal"]["targets"] == len(MITOS)
    assert all_of_them["before"]["targets"] == 2
    assert all_of_them["before"]["score"] < all_of_them["proposal"]["total_score"]
    few = page.post(address, {"settings": {**mitos, "max_targets": 2}})["proposal"]
    assert few["targets"] == 2 and few["rejected"]

    def rows(answer) -> list[float]:
        areas = answer["proposal"]["areas"]
        return [one["row"] for area in areas for one in area["targets"]]

    def upper(row: int) -> list:
        return [[[0, 0], [0, 700], [row, 700], [row, 0]]]

    within = page.post(address, {"settings": mitos, "within_px": upper(145)})
    assert len(rows(within)) == 2 and max(rows(within)) < 145
    without = page.post(address, {"settings": mitos, "without_px": upper(155)})
    assert len(rows(without)) == 3 and min(rows(without)) > 155
    fixed = [{"targets": [{"row": 250, "column": 100, "fixed": True}]}]
    kept = page.post(address, {"settings": mitos, "areas": fixed})["proposal"]["areas"]
    targets = [one for area in kept for one in area["targets"]]
    assert [(one["row"], one["column"]) for one in targets if one["fixed"]] == [(250, 100)]
    assert contents(drawn.directory) == before


def test_areas_are_divided_and_have_settings_of_their_own(drawn, page):
    before = contents(drawn.directory)
    facts = page.json("/api/lamella/G1/2")
    assert [one["name"] for one in facts["series_settings"]][:4] == [
        "startTilt", "minTilt", "maxTilt", "step",
    ]  # fmt: skip
    areas = facts["choice"]["areas"]
    areas[0]["pacetomo"] = {"startTilt": 8, "step": 2}

    def asked(status=200, **values):
        return page.post("/api/areas/G1/2", {"areas": areas, **values}, status)

    halves = asked(do="split", area=1)["areas"]
    assert [len(one["targets"]) for one in halves] == [1, 1]
    assert all(one["pacetomo"] == {"startTilt": 8, "step": 2} for one in halves)
    areas = halves
    (merged,) = asked(do="merge", area=1, other=2)["areas"]
    assert len(merged["targets"]) == 2 and asked(do="redistribute")["warnings"] == []
    assert contents(drawn.directory) == before
    for values, words in (
        ({"do": "divide"}, "do is none of"),
        ({"do": "split", "area": 0}, "numbers from 1"),
        ({"do": "split", "area": 1}, "cannot be split"),
        ({"do": "merge", "area": 1, "other": 9}, "no area 9"),
        ({"do": "tile", "columns": 2.5}, "whole numbers"),
        ({"do": "tile", "rows": 9}, "2 to 5 tiles"),
    ):
        assert words in asked(400, **values)["error"]["what"]
    areas[0]["pacetomo"]["step"] = 0
    assert "step is 0" in asked(400, do="redistribute")["error"]["what"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"settings": {"grid_list": [2]}}, "changes no targets"),
        ({"settings": {"target_list": ["gold"]}}, "gold"),
        ({"settings": {"tolerance": 7}}, "tolerance"),
        ({"settings": []}, "no table"),
        ({"within_px": [[[0, 0], [1, 1]]]}, "within_px"),
        ({"within_px": [[[0, 0], [1, 1], [0, 1e300]]]}, "within_px"),
        ({"without_px": 7}, "without_px"),
        ({"areas": [{"targets": [{"row": 1, "column": 9e9}]}]}, "the map ends there"),
        ({"areas": [{"targets": [{"row": 1}]}]}, "Missing: column"),
        ({"areas": [{"targets": [{"row": 1, "column": 1}] * 3001}]}, "more than"),
        ({"areas": [{}] * 101}, "at most 100"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(drawn, page, values, words):
    told = page.post("/api/choose_again/G1/2", values, 400)["error"]
    assert words in told["what"]


def test_without_optics_or_segmentation_the_page_says_what_is_missing(drawn, page):
    for number in (1, 2):
        (drawn.directory / f"G1_L{number:02d}_choice.json").unlink()
    page.page.session.look(now=True)
    facts = page.json("/api/lamella/G1/2")
    assert facts["optics"] is None and "Record" in facts["problems"][0]
    assert facts["choice"]["from"] == "targets files"
    told = page.post("/api/check/G1/2", {"areas": []}, 422)["error"]
    assert "Record" in told["what"] and told["do"]
    told = page.post("/api/check/G1/3", {"areas": []}, 422)["error"]
    assert "no segmented map" in told["what"]


def test_a_damaged_choice_is_told_and_the_rest_is_shown(drawn, page):
    path = drawn.directory / "G1_L02_choice.json"
    path.write_text('{"format": 1', encoding="utf-8")
    page.page.session.look(now=True)
    facts = page.json("/api/lamella/G1/2")
    assert "not valid JSON" in facts["problems"][0] and facts["labels"] is not None
    with pytest.raises(Exception, match="not valid JSON"):
        read_choice(path, SHAPE)


def test_other_settings_decode_the_segmentation_once_and_a_new_one_is_seen(
    drawn, page, monkeypatch, caplog
):
    read, original = [], steps.read_segmentation
    monkeypatch.setattr(
        steps, "read_segmentation", lambda path: read.append(path) or original(path)
    )
    caplog.set_level("INFO", "space")
    facts = page.json("/api/lamella/G1/2")
    page.get("/" + facts["labels"]["tiles"]["url"].format(z=0, x=0, y=0))
    first = page.post("/api/choose_again/G1/2", {})
    for settings in ({"target_edge": True}, {"target_list": ["lamella"]}):
        page.post("/api/choose_again/G1/2", {"settings": settings})
    box = [[[0, 0], [0, 700], [500, 700], [500, 0]]]
    nothing = page.post("/api/choose_again/G1/2", {"without_px": box})
    again = page.post("/api/choose_again/G1/2", {})
    assert len(read) == 1 and again == first
    assert (
        nothing["proposal"]["targets"] == 0 and "No targets" in nothing["proposal"]["warnings"][-1]
    )
    assert not caplog.records, "what is said on the page is not said on the server's terminal"

    path = drawn.directory / "G1_L02_seg.png"
    empty = np.full(SHAPE, LABEL["lamella"], np.uint8)
    write_png(path, empty, PIXEL_NM, "model", labels=json.dumps(LABEL))
    page.page.session.look(now=True)
    assert page.post("/api/choose_again/G1/2", {})["proposal"]["targets"] == 0
    assert len(read) == 2
