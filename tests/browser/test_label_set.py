"""The labels of a data set are drawn in the browser, picture by picture, or proposed and taken."""

from __future__ import annotations

import socket
import threading
import time

import numpy as np
import pytest

from space.learning import read_data_set, read_labels
from space.page.label_help import Helpers
from tests.learning.sets import item, made
from tests.page.maps import SHAPE
from tests.page.test_label_help import BY, Model, Sam

NO_HELP = Helpers(why_no_model="none", why_no_sam="no weights")
STEMS = ("Süd map 1", "b.c")


@pytest.fixture
def folder(tmp_path):
    rows = np.arange(SHAPE[0], dtype=np.uint16)[:, None] * 90 + np.arange(SHAPE[1])[None]
    base = np.zeros(SHAPE, np.uint8)
    base[100:400, 100:600] = 7
    those = [item(0, STEMS[0], picture=rows.astype(np.uint16), labels=base),
             item(1, STEMS[1], picture=(rows // 300).astype(np.uint8), labels=None)]  # fmt: skip
    made(tmp_path / "set", *those)
    return tmp_path / "set"


@pytest.fixture
def open_set(chromium, tmp_path):
    """Return a function that opens the page of a data set in a browser."""
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("starlette")
    from space.page.label_set import LabelSet, make_label_app
    from space.page.security import Key
    from space.page.tiles import Tiles

    ends, wrong = [], []

    def make(folder, helpers=NO_HELP):
        key = Key()
        page = LabelSet(folder, Tiles(tmp_path / "cache"), False, helpers)
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(make_label_app(page, key), log_level="warning", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        context = chromium.new_context(viewport={"width": 1400, "height": 900})
        ends.append((context, server, thread, listener, page))
        opened = context.new_page()
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.goto(f"http://127.0.0.1:{listener.getsockname()[1]}/?token={key.token}")
        opened.wait_for_selector(".map.labelling")
        return opened

    yield make
    for context, server, thread, listener, page in ends:
        context.close()
        page.help.close()
        server.should_exit = True
        thread.join(10)
        listener.close()
    assert not wrong, wrong


@pytest.fixture
def tab(open_set, folder):
    return open_set(folder)


def until(holds) -> None:
    for _ in range(500):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to be")


def labels_of(folder, stem):
    (sample,) = [one for one in read_data_set(folder)[0].samples if one.stem == stem]
    return read_labels(folder, sample)


def test_one_picture_after_the_other_is_labelled_and_saved_on_the_way(tab, folder):
    def middle() -> tuple[float, float]:
        box = tab.locator(".map").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    assert "1 of 2; 1 labelled" in tab.locator("#doing").inner_text()
    tab.click('[data-class="mitos"]')
    tab.keyboard.press("f")
    with tab.expect_response("**/api/fill/**"):
        tab.mouse.click(*middle())
    tab.wait_for_selector("text=1 stroke.")
    tab.keyboard.press("n")
    tab.wait_for_selector("h2:has-text('b.c')")
    first = labels_of(folder, STEMS[0])
    assert set(np.unique(first[100:400, 100:600])) == {3} and first[50, 50] == 0
    x, y = middle()
    tab.click('[data-class="Zellwand äußere"]')
    tab.keyboard.press("b")
    tab.mouse.move(x - 50, y)
    tab.mouse.down()
    tab.mouse.move(x + 50, y, steps=5)
    tab.mouse.up()
    tab.wait_for_selector("text=1 stroke.")
    tab.keyboard.press("s")
    tab.wait_for_selector("#told:has-text('Saved.')")
    second = labels_of(folder, STEMS[1])
    assert second[SHAPE[0] // 2, SHAPE[1] // 2] == 7 and 0 < (second == 7).mean() < 0.1
    tab.keyboard.press("k")
    tab.fill("[aria-label='Name of the next point']", "tip")
    tab.mouse.click(x, y)
    tab.wait_for_selector("[data-point='0']")
    tab.mouse.click(x + 100, y + 50)
    tab.wait_for_selector("[data-point='1']")
    tab.keyboard.press("Delete")
    box = tab.locator("[data-point='0'] .cross").bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(x - 120, y, steps=4)
    tab.mouse.up()
    tab.keyboard.press("s")
    tab.wait_for_selector("#told:has-text('Saved.')")
    # Back at the first one, what was saved is undone.
    tab.keyboard.press("N")
    tab.wait_for_selector("h2:has-text('Süd map 1')")
    tab.wait_for_selector("text=1 stroke.")
    tab.keyboard.press("u")
    tab.keyboard.press("s")
    tab.wait_for_selector("text=0 strokes.")
    tab.wait_for_selector("#told:has-text('Saved.')")
    assert set(np.unique(labels_of(folder, STEMS[0]))) == {0, 7}
    (_, point) = (folder / "keypoints.csv").read_text("utf-8").splitlines()
    picture, name, column, row = point.split(",")
    assert (picture, name) == ("b.c.png", "tip")
    assert float(row) == pytest.approx(SHAPE[0] / 2, abs=1.5)
    assert float(column) < SHAPE[1] / 2 - 50


def test_a_proposal_is_hatched_and_becomes_labels_when_it_is_taken(open_set, folder, tmp_path):
    tab = open_set(folder, Helpers(Model(folder), "my.onnx", sam=Sam()))

    def hatched() -> int:
        """How many pixels on the screen have the colour of mitochondria, or nearly."""
        return tab.evaluate("""() => {
          const canvas = document.querySelector(".label-canvas");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let count = 0;
          for (let k = 0; k < data.length; k += 4) {
            count += data[k] > 200 && data[k + 1] < 90 && data[k + 3] > 30;
          }
          return count;
        }""")

    before = labels_of(folder, STEMS[0])
    assert hatched() == 0
    tab.keyboard.press("a")
    tab.wait_for_selector("[data-proposed='mitos'][aria-checked=true]")
    tab.wait_for_selector("[data-proposed='background'][aria-checked=false]")  # there are labels
    until(lambda: hatched() > 1000)
    assert (labels_of(folder, STEMS[0]) == before).all()
    tab.click("[data-proposed='mitos']")
    until(lambda: hatched() == 0)
    tab.keyboard.press("t")
    tab.wait_for_selector("#told:has-text('No class is ticked')")
    tab.click("[data-proposed='mitos']")
    tab.keyboard.press("t")
    tab.wait_for_selector("#told:has-text('Saved.')")
    tab.wait_for_selector("[data-proposed]", state="detached")
    grey = np.arange(SHAPE[0])[:, None] * 90 + np.arange(SHAPE[1])[None]
    taken = labels_of(folder, STEMS[0])
    assert 0.3 < (taken == 3).mean() < 0.7 and (taken[taken != 3] == before[taken != 3]).all()
    assert ((taken == 3) == (grey > grey[taken == 3].min() - 1)).mean() > 0.99
    (sample,) = [one for one in read_data_set(folder)[0].samples if one.stem == STEMS[0]]
    assert sample.origin.proposed_by == BY and sample.origin.kind == "accepted"
    tab.keyboard.press("u")
    tab.keyboard.press("s")
    tab.wait_for_selector("text=0 strokes.")
    tab.wait_for_selector("#told:has-text('Saved.')")
    assert (labels_of(folder, STEMS[0]) == before).all()


def test_clicks_are_taken_by_enter_and_discarded_by_escape(open_set, folder):
    tab = open_set(folder, Helpers(sam=Sam(SHAPE), why_no_model="none"))
    box = tab.locator(".map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.keyboard.press("i")
    tab.keyboard.press("2")  # a class that is chosen does not end it
    tab.mouse.click(x, y, button="right")
    tab.wait_for_selector("#told:has-text('First click what is meant')")
    tab.mouse.click(x, y)
    tab.wait_for_selector("text=Enter takes it")
    tab.keyboard.press("Escape")
    tab.wait_for_selector("text=Left click what is meant")
    assert "0 strokes" in tab.locator(".card.labels").inner_text()
    tab.mouse.click(x - 60, y - 40)
    tab.wait_for_selector("text=Enter takes it")
    tab.mouse.click(x + 60, y + 40)
    tab.mouse.click(x + 90, y + 90, button="right")
    tab.wait_for_selector("text=Enter takes it")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("text=1 stroke.")
    tab.keyboard.press("n")
    tab.wait_for_selector("h2:has-text('b.c')")
    rows, columns = np.nonzero(labels_of(folder, STEMS[0]) == 7)
    middle = SHAPE[0] / 2, SHAPE[1] / 2
    assert len(rows) and (rows.mean(), columns.mean()) == pytest.approx(middle, abs=2)


def test_without_weights_the_page_says_where_they_are_from(tab):
    tab.keyboard.press("i")
    tab.wait_for_selector("#told.refused:has-text('no weights')")
    assert tab.locator(".card.proposal summary").inner_text() == "No model proposes labels"


def test_twelve_pictures_are_labelled_by_keys_alone_and_saved_by_themselves(open_set, tmp_path):
    rows = np.arange(60)[:, None] + np.arange(80)[None]
    those = [
        item(number, f"map {number:02d}", picture=((rows + number) % 251).astype(np.uint8),
             labels=None)
        for number in range(12)
    ]  # fmt: skip
    made(tmp_path / "twelve", *those)
    tab = open_set(tmp_path / "twelve")
    press = tab.keyboard.press
    for number in range(12):
        tab.wait_for_selector(f"h2:has-text('map {number:02d}')")
        for key in ("2", "ArrowRight", "+", "f", "Enter"):
            press(key)
        tab.wait_for_selector("text=1 stroke.")
        if number == 0:
            press("u")
            tab.wait_for_selector("text=0 strokes.")
            press("r")
            tab.wait_for_selector("text=1 stroke.")
        if number < 11:
            press("n")
    tab.clock.install()
    press("3")
    press("Enter")
    tab.wait_for_selector("text=2 strokes.")
    assert "11 labelled" in tab.locator("#doing").inner_text()
    tab.clock.run_for(16_000)
    tab.wait_for_selector("#doing:has-text('12 labelled')")
    stems = [f"map {number:02d}" for number in range(12)]
    found = [np.unique(labels_of(tmp_path / "twelve", stem)).tolist() for stem in stems]
    assert found == [[3]] * 11 + [[7]]
