"""The labels of a data set are drawn in the browser, picture by picture."""

from __future__ import annotations

import socket
import threading
import time

import numpy as np
import pytest

from space.learning import read_data_set, read_labels
from tests.learning.sets import item, made
from tests.page.maps import SHAPE

pytestmark = pytest.mark.browser

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
def tab(chromium, folder, tmp_path):
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("starlette")
    from space.page.label_set import LabelSet, make_label_app
    from space.page.security import Key
    from space.page.tiles import Tiles

    key = Key()
    app = make_label_app(LabelSet(folder, Tiles(tmp_path / "cache")), key)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    opened, wrong = context.new_page(), []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto(f"http://127.0.0.1:{listener.getsockname()[1]}/?token={key.token}")
    opened.wait_for_selector(".map.labelling")
    yield opened
    context.close()
    server.should_exit = True
    thread.join(10)
    listener.close()
    assert not wrong, wrong


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
