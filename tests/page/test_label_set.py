"""The labels of a data set on the page: its pictures alone, saved whole or refused."""

from __future__ import annotations

import io
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from space.learning import read_data_set, read_labels
from space.page.label_set import LabelSet, make_label_app
from space.page.security import Key
from space.page.tiles import Tiles
from tests.learning.sets import STEMS, labels, odd_set
from tests.page.browser import Browser
from tests.page.test_security import ODD_NAMES, contents

DOT = {"kind": "brush", "class": "mitos", "radius_px": 1.5, "points": [[4.5, 6.5]]}


@pytest.fixture
def folder(tmp_path):
    odd_set(tmp_path / "set")
    return tmp_path / "set"


@pytest.fixture
def open_set(folder, tmp_path):
    opened = []

    def make(read_only: bool = False) -> Browser:
        key = Key()
        page = LabelSet(folder, Tiles(tmp_path / "cache"), read_only)
        opened.append(Browser(make_label_app(page, key), key, page))
        return opened[-1]

    yield make
    for browser in opened:
        browser.close()


def tile(page, table, z=0) -> np.ndarray:
    answer = page.get("/" + table["url"].format(z=z, x=0, y=0))
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))


def test_pictures_of_all_kinds_are_shown_drawn_on_and_saved(open_set, folder):
    page = open_set()
    table = page.json("/api/set")
    assert [one["stem"] for one in table["pictures"]] == sorted(STEMS)
    for number, stem in enumerate(STEMS):
        address = f"/api/labels/{quote(stem)}"
        seen = page.json(address)
        before = labels(number, (9 + number, 12))
        assert tile(page, seen["map"]["tiles"]).shape == (256, 256, 4)
        shown = tile(page, seen["tiles"])[: 9 + number, :12, :3]
        colors = {one["name"]: one["color"] for one in seen["classes"]}
        red = tuple(int(colors["mitos"][k : k + 2], 16) for k in (1, 3, 5))
        assert ((shown == red).all(axis=2) == (before == 3)).all()
        made = page.post(address, {"of": seen["of"], "strokes": [DOT]})
        (sample,) = [one for one in read_data_set(folder)[0].samples if one.stem == stem]
        expected = before.copy()
        expected[3:6, 5:8] = 3
        now = read_labels(folder, sample)
        assert (now == expected).all() and made["of"] == sample.label_hash
        again = page.json(address)
        assert again["strokes"] == [DOT] and again["of"] == made["of"]
        assert again["tiles"] == seen["tiles"]  # of what was there before
    kinds = {one["kind"] for one in page.json("/api/set")["pictures"]}
    assert kinds == {"corrected"}


def test_points_are_in_the_table_of_keypoints_and_those_of_others_stay(open_set, folder):
    page = open_set()
    path = folder / "keypoints.csv"
    others = [line for line in path.read_text("utf-8").splitlines() if STEMS[0] not in line]
    seen = page.json(f"/api/labels/{quote(STEMS[0])}")
    assert seen["points"] == [{"name": "lamella centre", "row": 2.0, "column": 3.5},
                              {"name": "tip", "row": 0.125, "column": 1.0}]  # fmt: skip
    assert seen["point_names"] == ["lamella centre", "tip"]
    address = f"/api/points/{quote(STEMS[0])}"
    moved = [{**seen["points"][0], "row": 7.25}, {"name": "Kante", "row": 9, "column": 12}]
    odd = {**moved[0], "name": "a\nb"}
    before = contents(folder)
    for wrong, status in (({"of": seen["points_of"], "points": [{**moved[0], "row": 9.5}]}, 422),
                          ({"of": seen["points_of"], "points": [odd]}, 422),
                          ({"of": seen["points_of"], "points": [{"name": "a"}]}, 400),
                          ({"of": seen["points_of"], "points": moved * 6000}, 400),
                          ({"points": moved}, 400),
                          ({"of": "x", "points": moved}, 409)):  # fmt: skip
        page.post(address, wrong, status)
    assert contents(folder) == before
    made = page.post(address, {"of": seen["points_of"], "points": moved})
    lines = path.read_text("utf-8").splitlines()
    assert [line for line in lines if STEMS[0] not in line] == others
    own = [line.split(",")[1:] for line in lines if STEMS[0] in line]
    assert own == [["lamella centre", "3.5", "7.25"], ["Kante", "12.0", "9.0"]]
    # A table with more in it, as of a detector, is kept.
    text = path.read_text("utf-8").replace("y_px", "y_px,score").replace("7.25", "7.25,0.5")
    path.write_text(text, "utf-8")
    page.post(address, {"of": made["of"], "points": []})
    assert (folder / "keypoints_earlier.csv").read_text("utf-8") == text
    assert STEMS[0] not in path.read_text("utf-8")


def test_what_is_stale_wrong_or_unknown_is_refused_and_changes_nothing(open_set, folder):
    page = open_set()
    address = f"/api/labels/{quote(STEMS[0])}"
    seen, before = page.json(address), contents(folder)
    good = {"of": seen["of"], "strokes": [DOT]}
    told = page.post(address, {**good, "of": "0" * 64}, 409)["error"]
    assert "changed elsewhere" in told["what"]
    for wrong in ({**good, "strokes": [{**DOT, "class": "gold"}]}, {**good, "more": 1},
                  {"strokes": []}, {**good, "of": 3}, {**good, "strokes": 7}):  # fmt: skip
        page.post(address, wrong, 400)
    fill = {"kind": "fill", "class": "mitos", "points": [[0.5, 0.5]]}
    answer = page.post(f"/api/fill/{quote(STEMS[0])}", {"strokes": [DOT, fill]})
    assert answer["png"].startswith("data:image/png") and answer["box_px"][2] >= 1
    alone = page.post(f"/api/fill/{quote(STEMS[0])}", {"strokes": [fill]})
    wall = {**DOT, "class": "ignore", "radius_px": 2, "points": [[0.5, 0.5]]}
    walled = page.post(f"/api/fill/{quote(STEMS[0])}", {"strokes": [wall, fill]})
    assert walled["box_px"][2:] == [3, 3] != alone["box_px"][2:]
    assert page.post(f"/api/fill/{quote(STEMS[0])}", {"strokes": [fill]}) == alone
    page.post(f"/api/fill/{quote(STEMS[0])}", {"strokes": [DOT]}, 400)
    for name in ODD_NAMES:
        for pattern in ("/api/labels/{}", "/tiles/{}/x/0/0/0.png", "/tiles/a_0000/{}/0/0/0.jpg"):
            assert 400 <= page.get(pattern.format(name)).status_code < 500, (pattern, name)
        sent = {"origin": "http://127.0.0.1:8765", "content-type": "application/json"}
        got = page.client.post(f"/api/labels/{name}", json=good, headers=sent)
        assert 400 <= got.status_code < 500, name
    assert contents(folder) == before


def test_a_read_only_page_saves_nothing(open_set, folder):
    page = open_set(read_only=True)
    address = f"/api/labels/{quote(STEMS[0])}"
    seen, before = page.json(address), contents(folder)
    assert page.json("/api/set")["read_only"]
    page.post(address, {"of": seen["of"], "strokes": [DOT]}, 403)
    assert contents(folder) == before
