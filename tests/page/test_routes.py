"""What each address of the page answers."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from space import orders
from space.journal import Kind, note
from space.overview import read_session
from space.page.session import Session
from tests.page.conftest import FRAME


def test_the_page_and_its_files_come_from_packages(page):
    index = page.get("/")
    assert index.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in index.headers["content-security-policy"]
    assert index.text.count("<script") == index.text.count("<script src=") + index.text.count(
        '<script type="module" src='
    )
    for address, kind in (("/static/app.js", "text/java"), ("/leaflet/leaflet.js", "text/java"),
                          ("/leaflet/leaflet.css", "text/css"),
                          ("/leaflet/images/layers.png", "image/png")):  # fmt: skip
        answer = page.get(address)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)
        again = page.get(address, **{"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304 and not again.content
    for address in ("/static/", "/static/..%2f__init__.py", "/leaflet/images", "/nothing", "/api"):
        assert page.get(address).status_code == 404


def test_the_state_says_what_the_overview_says(page, folder):
    state = page.json("/api/state")
    facts = read_session(folder.directory)
    (grid,) = state["grids"]
    assert [one["state"] for one in grid["lamellae"]] == [
        one.state for one in facts.grids[0].lamellae
    ]
    assert [len(one["series"]) for one in grid["lamellae"]] == [2, 0, 0, 0]
    assert state["now"]["run"] == "running" and state["session"] == "session"
    assert state["events"][-1]["text"] == "<b>The stage did not settle</b>"
    answer = page.get("/api/state")
    assert page.get("/api/state", **{"if-none-match": answer.headers["etag"]}).status_code == 304


def test_the_state_follows_the_files(page, folder):
    folder.found(4)
    page.page.session.look(now=True)
    (grid,) = page.json("/api/state")["grids"]
    assert [one["number"] for one in grid["lamellae"]] == [1, 2, 3, 4, 0]


def test_it_acquires_after_the_script_has_ended_until_that_ends_too(page, folder):
    def after(kind: Kind) -> tuple[str, bool]:
        note(folder.directory, kind, "G1")
        page.page.session.look(now=True)
        now = page.json("/api/state")["now"]
        return now["run"], now["series"] is not None

    assert after(Kind.ACQUISITION_STARTED) == ("acquiring", True)
    assert after(Kind.RUN_ENDED) == ("acquiring", True)
    assert after(Kind.PAUSED) == ("paused", False)
    assert after(Kind.RESUMED) == ("acquiring", True)
    assert after(Kind.ACQUISITION_ENDED) == ("ended", False)
    assert after(Kind.RUN_STARTED) == ("running", False)


def test_a_session_that_goes_away_is_told_and_shown_as_it_was(page, folder):
    note(folder.directory, Kind.ACQUISITION_STARTED, "G1")
    page.page.session.look(now=True)
    assert page.json("/api/state")["now"]["series"]["name"].startswith("G1_L01_ts_")
    away = folder.directory.with_name("away")
    folder.directory.rename(away)
    page.page.session.look(now=True)
    state = page.json("/api/state")
    assert state["problem"].startswith("The folder of the session cannot be read")
    assert len(state["grids"][0]["lamellae"]) == 4
    # Which series is written cannot be told now: none, rather than any.
    assert state["now"]["series"] is None
    away.rename(folder.directory)
    page.page.session.look(now=True)
    assert page.json("/api/state")["problem"] == ""


def test_while_the_maps_are_away_the_rest_of_the_session_is_followed(folder, space_dir, tmp_path):
    maps = tmp_path / "maps"
    maps.mkdir()
    session = Session(folder.directory, maps, space_dir)
    maps.rmdir()
    folder.found(4)
    seen = session.look(now=True)
    assert seen.problem == "" and "map folder is missing" in seen.facts.grids[0].problems[0]
    assert [one.number for one in seen.facts.grids[0].visited] == [1, 2, 3, 4]
    maps.mkdir()
    (maps / "G1_L04.json").write_text("{}", encoding="utf-8")
    assert "1/G1_L04.json" in session.look(now=True).files


def test_boxes_lie_where_the_frame_of_the_map_says(page):
    grid = page.json("/api/grid/G1")
    by_number = {one["number"]: one for one in grid["lamellae"]}
    top, left, bottom, right = by_number[1]["box_px"]
    middle = np.array([(top + bottom) / 2, (left + right) / 2])
    assert FRAME.to_stage(middle)[0] == pytest.approx((10.0, 5.0))
    assert ((right - left) * 0.8, (bottom - top) * 0.8) == pytest.approx((12.0, 8.0))
    to_stage = np.array(grid["map"]["to_stage"])
    assert to_stage @ [*middle[::-1], 1] == pytest.approx((10.0, 5.0))
    to_map = np.array(grid["map"]["to_map"])
    assert to_map @ [10.0, 5.0, 1] == pytest.approx(middle[::-1])
    assert (by_number[0]["visit"], by_number[3]["visit"]) == (False, True)


def test_tiles_show_the_map(page):
    tiles = page.json("/api/grid/G1")["map"]["tiles"]
    assert (tiles["max_zoom"], tiles["shape_px"]) == (1, [300, 400])
    address = "/" + tiles["url"].format(z=1, x=1, y=0)
    for _ in range(2):  # made, then kept
        answer = page.get(address)
        assert answer.headers["cache-control"].endswith("immutable")
        tile = np.asarray(Image.open(io.BytesIO(answer.content)))
        assert tile.shape == (256, 256) and tile[:, 150:].max() < 20  # beyond the map
        assert abs(int(tile[10, 100]) - (10 + 100 + 256) % 256) < 12
        page.page.tiles.wait()
    small = Image.open(io.BytesIO(page.get("/" + tiles["url"].format(z=0, x=0, y=0)).content))
    assert abs(int(np.asarray(small)[50, 20]) - 141) < 12
    for at in ((2, 0, 0), (1, 2, 0), (1, 0, 2), (0, 1, 0)):
        z, x, y = at
        assert page.get("/" + tiles["url"].format(z=z, x=x, y=y)).status_code == 404
    old = page.get("/tiles/G1/grid/0/0/0.jpg?v=old")
    assert old.status_code == 200 and "immutable" not in old.headers["cache-control"]


def test_orders_are_written_as_a_person_would(page, folder):
    assert page.post("/api/orders", {"line": "skip  L02 # now"}) == {"given": "skip L02"}
    page.post("/api/orders", {"line": "pause"})
    text = (folder.directory / orders.CONTROL_FILE).read_text(encoding="utf-8")
    assert text == "skip L02\npause\n"
    for line in ("fly", "pause\nstop", "", 3, None, "pause\x0bstop", "pause\u2028stop"):
        page.post("/api/orders", {"line": line}, 400)
    assert (folder.directory / orders.CONTROL_FILE).read_text(encoding="utf-8") == text


def test_an_address_of_what_is_not_there_says_what_is(page, folder):
    for address, there in (
        ("/api/grid/G9", "grids: G1"),
        ("/api/lamella/G1/99", "lamellae: L01, L02, L03"),
    ):
        answer = page.get(address)
        assert answer.status_code == 404
        told = answer.json()["error"]
        assert there in told["what"] and "go to Session" in told["do"]
    assert page.get("/favicon.ico").status_code == 204


def test_the_log_and_pictures_are_those_of_the_session(page, folder):
    assert page.json("/api/log/G1") == {"lines": ["one", "two"]}
    Image.new("RGB", (4, 4)).save(folder.directory / "G1_L01_segmentation.png")
    Image.new("RGB", (4, 4)).save(folder.directory / "G2_L01_segmentation.png")
    page.page.session.look(now=True)
    (picture,) = page.json("/api/state")["pictures"]
    assert page.get(f"/pictures/{picture['name']}").headers["content-type"] == "image/png"
    for name in ("G2_L01_segmentation.png", "G1.nav", "G1_wg.png"):
        assert page.get(f"/pictures/{name}").status_code == 404


def test_the_slice_of_a_tomogram_is_that_of_its_series(page, folder):
    tomograms = folder.directory / "tomograms"
    tomograms.mkdir()
    Image.new("RGB", (4, 4)).save(tomograms / "slice.png")
    facts = {"quality": {"score": 0.5}, "views": [{}], "files": {"picture": "slice.png"}}
    told = tomograms / "G1_L01_ts_001_tomogram.json"
    told.write_text(json.dumps(facts), encoding="utf-8")
    page.page.session.look(now=True)
    series = page.json("/api/lamella/G1/1")["areas"][0]["series"]
    assert [one["tomogram"] for one in series] == ["tomogram of 1 pictures, quality 0.50", None]
    assert page.get("/tomograms/G1/1/1/1").headers["content-type"] == "image/png"
    for address in ("G1/1/1/2", "G1/1/2/1", "G1/3/1/1", "G1/9/1/1", "G9/1/1/1", "G1/1/1/slice.png"):
        assert page.get(f"/tomograms/{address}").status_code == 404


def test_a_lamella_whose_map_says_nothing_is_told(page):
    facts = page.json("/api/lamella/G1/1")
    assert facts["map"] is None and "cannot be read" in facts["problems"][0]
    assert facts["exposed"] is True and [len(a["series"]) for a in facts["areas"]] == [2]
    assert page.json("/api/lamella/G1/3")["problems"] == []
    for address in ("/api/lamella/G1/9", "/api/lamella/G9/1", "/api/lamella/G1/0"):
        assert page.get(address).status_code == 404


def test_the_settings_that_change_targets_are_described(page):
    by_name = {one["name"]: one for one in page.json("/api/settings")}
    assert {"target_list", "max_targets", "sparse_targets"} <= set(by_name)
    assert by_name["max_targets"]["meaning"] and "grid_list" not in by_name
    assert json.dumps(by_name)
