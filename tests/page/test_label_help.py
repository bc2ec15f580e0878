"""Proposals on the page of a data set: asked, shown, taken or discarded by a person."""

from __future__ import annotations

import base64
import sys
import threading
import time
from urllib.parse import quote

import numpy as np
import pytest

from space import labelling, learning
from space.errors import SpaceError
from space.learning import Assistant, Candidate, read_data_set, read_labels
from space.page.label_help import Helpers
from space.page.label_set import LabelSet, make_label_app
from space.page.security import Key
from space.page.tiles import Tiles
from tests.learning.sets import item, made
from tests.page.browser import Browser

NAMES = {"background": 0, "mitos": 1}
BY = "my.onnx (SHA-256 00ff)"


class Model:
    """Stands in for the process that proposes labels."""

    def __init__(self, folder) -> None:
        self.folder, self.asked, self.may = folder, [], threading.Event()
        self.may.set()

    def ask(self, order):
        assert self.may.wait(20)
        self.asked.append(order["stem"])
        data = read_data_set(self.folder)[0]
        (sample,) = [one for one in data.samples if one.stem == order["stem"]]
        if sample.stem == "b.c":
            raise SpaceError("It is too dark.", "b.c")
        candidate = Candidate("my.onnx", lambda grey: (grey > 127).astype(np.uint8), NAMES)
        learning.propose(self.folder, data, sample, candidate, BY)
        return {"done": sample.stem}

    def close(self) -> None:
        self.may.set()


class Sam:
    """Stands in for Segment Anything: a box around all points."""

    def __init__(self, shape=(9, 12)) -> None:
        self.shape = shape

    def ask(self, order):
        places = np.array(order["points"])[np.array(order["inside"])].astype(int)
        mask = np.zeros(self.shape, bool)
        (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0)
        mask[top : bottom + 1, left : right + 1] = True
        region = labelling.region_of(mask)
        return {"box_px": [region.top, region.left, region.rows, region.columns], "by": "sam_b.pt",
                "packed": base64.b64encode(region.packed.tobytes()).decode("ascii")}  # fmt: skip

    def close(self) -> None:
        pass


@pytest.fixture
def folder(tmp_path):
    made(tmp_path / "set", item(0, "Süd 1", labels=None), item(1, "b.c", labels=None), item(2, "z"))
    return tmp_path / "set"


@pytest.fixture
def open_set(folder, tmp_path):
    opened = []

    def make(helpers: Helpers, read_only: bool = False) -> Browser:
        key = Key()
        page = LabelSet(folder, Tiles(tmp_path / "cache"), read_only, helpers)
        opened.append(Browser(make_label_app(page, key), key, page))
        return opened[-1]

    yield make
    for browser in opened:
        browser.close()
        browser.page.help.close()


def until_done(page) -> dict:
    for _ in range(500):
        table = page.json("/api/proposals")
        if not table["waiting"] and not table["working"]:
            return table
        time.sleep(0.02)
    raise AssertionError(table)


def labels_of(folder, stem):
    (sample,) = [one for one in read_data_set(folder)[0].samples if one.stem == stem]
    return read_labels(folder, sample)


def test_pictures_are_proposed_for_one_after_the_other_and_one_may_fail(open_set, folder):
    model = Model(folder)
    page = open_set(Helpers(model, "my.onnx"))
    assert page.json("/api/proposals")["ready"] == []
    model.may.clear()
    page.post("/api/propose", {"stems": ["b.c", "z"]})
    while page.json("/api/proposals")["working"] != "b.c":
        time.sleep(0.01)
    # What a person looks at comes before what waits.
    assert page.post("/api/propose", {"stems": ["Süd 1"]})["waiting"] == ["Süd 1", "z"]
    assert page.json("/api/set")["pictures"]  # the page answers meanwhile
    model.may.set()
    table = until_done(page)
    assert model.asked == ["b.c", "Süd 1", "z"] and sorted(table["ready"]) == ["Süd 1", "z"]
    assert table["failed"] == {"b.c": "It is too dark. [b.c]"}
    assert all(labels_of(folder, stem) is None for stem in ("Süd 1", "b.c"))
    model.may.clear()
    page.post("/api/propose", {"stems": ["z", "b.c", "Süd 1"]})
    assert page.post("/api/propose/stop", {})["waiting"] == []
    model.may.set()
    assert len(until_done(page)["ready"]) == 2 and len(model.asked) <= 4
    page.post("/api/propose", {"stems": ["other"]}, 404)
    page.post("/api/propose", {"stems": [3]}, 400)


def test_a_proposal_is_taken_in_part_saved_with_its_source_and_discarded(open_set, folder):
    page = open_set(Helpers(Model(folder), "my.onnx"))
    place = quote("Süd 1")
    assert page.get(f"/api/proposal/{place}").status_code == 404
    page.post("/api/propose", {"stems": ["Süd 1"]})
    until_done(page)
    found = page.json(f"/api/proposal/{place}")
    classes = {one["name"]: one for one in found["classes"]}
    assert found["by"] == BY and set(classes) == {"background", "mitos"}
    assert classes["background"]["is_ground"] and not classes["mitos"]["is_ground"]
    assert sum(one["share"] for one in found["classes"]) == pytest.approx(1)
    taken = {"kind": "mask", "class": "mitos", "points": [], "mask": classes["mitos"]["mask"]}
    shown = page.post(f"/api/fill/{place}", {"strokes": [taken]})
    assert shown == classes["mitos"]["shown"]
    other = {**taken, "mask": "0" * 32}
    seen = page.json(f"/api/labels/{place}")
    page.post(f"/api/labels/{place}", {"of": seen["of"], "strokes": [other]}, 422)
    assert labels_of(folder, "Süd 1") is None
    saved = page.post(f"/api/labels/{place}", {"of": seen["of"], "strokes": [taken]})
    assert saved["kind"] == "accepted"
    grey = learning.picture_of(folder, read_data_set(folder)[0].samples[0])
    assert (labels_of(folder, "Süd 1") == np.where(grey > 127, 3, 0)).all()
    assert read_data_set(folder)[0].samples[0].origin.proposed_by == BY
    assert page.post(f"/api/proposal/{place}/discard", {})["ready"] == []
    dot = {"kind": "brush", "class": "ignore", "radius_px": 1.5, "points": [[4.5, 6.5]]}
    again = page.post(f"/api/labels/{place}", {"of": saved["of"], "strokes": [taken, dot]})
    assert again["kind"] == "corrected" and labels_of(folder, "Süd 1")[4, 6] == 200


def test_clicks_find_a_mask_for_the_class_that_is_chosen(open_set, folder):
    page = open_set(Helpers(sam=Sam(), why_no_model="none"))
    page.post("/api/propose", {"stems": ["z"]}, 422)
    clicks = {"points": [[2.5, 3.5], [4.5, 6.5], [8, 8]], "inside": [True, True, False]}
    found = page.post("/api/clicks/z", clicks)
    assert found["shown"]["box_px"] == [2, 3, 3, 4]
    stroke = {"kind": "mask", "class": "ignore", "points": [], "mask": found["mask"]}
    seen = page.json("/api/labels/z")
    before = labels_of(folder, "z")
    page.post("/api/labels/z", {"of": seen["of"], "strokes": [stroke]})
    expected = before.copy()
    expected[2:5, 3:7] = 200
    assert (labels_of(folder, "z") == expected).all()
    assert read_data_set(folder)[0].samples[-1].origin.proposed_by == "sam_b.pt"
    for odd in ({}, {"points": [[1, 1]], "inside": [False]}, {"points": [[1, 1]], "inside": []},
                {"points": [[1, 99]], "inside": [True]}, {"points": [["1", 1]], "inside": [True]},
                {"points": [[1, 1]] * 101, "inside": [True] * 101}):  # fmt: skip
        page.post("/api/clicks/z", odd, 400)


def test_without_models_the_page_says_how_to_have_them(open_set, folder):
    page = open_set(Helpers(why_no_model="No model.", why_no_sam=learning.HOW_TO_HAVE_SAM))
    table = page.json("/api/proposals")
    assert table["why_no_model"] == "No model." and "--sam FILE" in table["why_no_sam"]
    answer = page.post("/api/clicks/z", {"points": [[1, 1]], "inside": [True]}, 422)
    assert "mobile_sam.pt" in answer["error"]["do"]
    page.post("/api/propose", {"stems": ["z"]}, 422)
    still = open_set(Helpers(Model(folder), "my.onnx"), read_only=True)
    still.post("/api/propose", {"stems": ["z"]}, 403)


ECHO = """
import json, sys
for line in sys.stdin:
    order = json.loads(line)
    if order == {"end": 1}:
        sys.exit(3)
    if "wrong" in order:
        order = {"error": {"what": "No.", "where": "here", "do": ""}}
    print(json.dumps(order), flush=True)
"""


def test_a_process_that_ends_is_told_and_started_again():
    asked = Assistant([sys.executable, "-c", ECHO])
    try:
        assert asked.ask({"stem": "ä"}) == {"stem": "ä"}
        with pytest.raises(SpaceError, match=r"No\. \[here\]"):
            asked.ask({"wrong": 1})
        with pytest.raises(SpaceError, match="has ended"):
            asked.ask({"end": 1})
        assert asked.ask({"again": 1}) == {"again": 1}
    finally:
        asked.close()
    with pytest.raises(SpaceError, match="has ended"):
        asked.ask({"stem": "a"})
