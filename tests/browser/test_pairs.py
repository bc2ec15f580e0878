"""Pairs clicked in the browser lay a fluorescence picture on a map."""

from __future__ import annotations

import numpy as np
import pytest

from space.fluorescence import register
from space.page import Beside, PairsView
from space.page.pairs import make_pairs_app
from space.page.security import Key
from tests.browser.conftest import Served

FM, MAP = (200, 200), (300, 300)


def test_pairs_are_clicked_shown_and_saved(chromium):
    pytest.importorskip("uvicorn")
    saved = []

    def fit(fm, there):
        return register(fm, there, 0.1, FM, MAP)

    def save(found):
        saved.append(found)
        return ["Kept beside the map."]

    view = PairsView(
        Beside("a.tif", np.zeros((*FM, 3), np.uint8), 0.15),
        Beside("G1_L01.png", np.full(MAP, 90, np.uint8), 0.1), fit, save,
    )  # fmt: skip
    key = Key()
    served = Served(make_pairs_app(view, key), key)
    tab = chromium.new_context(viewport={"width": 1400, "height": 900}).new_page()
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))

    def click(side: int, row: float, column: float) -> None:
        """Click at a place of a picture, as a part of its sides."""
        box = tab.locator("img.section").nth(2 * side).bounding_box()
        tab.mouse.click(box["x"] + column * box["width"], box["y"] + row * box["height"])

    try:
        tab.goto(served.address)
        tab.wait_for_selector("h2:has-text('0 pairs')")
        tab.wait_for_selector("img.section >> nth=3")
        places = ((0.2, 0.2), (0.2, 0.8), (0.8, 0.3))
        for number, place in enumerate(places, start=1):
            click(0, *place)
            tab.wait_for_selector("text=Now click the same thing on the map")
            click(1, *place)
            tab.wait_for_selector(f'.two-maps [data-pair="{number}"] >> nth=1')
        tab.wait_for_selector("text=pixels of 0.15")
        click(1, 0.7, 0.75)
        tab.wait_for_selector("path.leaflet-interactive, .two-maps svg path", state="attached")
        tab.keyboard.press("Escape")
        tab.wait_for_selector("text=Now click", state="detached")
        tab.keyboard.press("s")
        tab.wait_for_selector("#told:has-text('Kept beside the map.')")
        (found,) = saved
        np.testing.assert_allclose(
            np.array(found.fm_px) / FM, np.array(found.map_px) / MAP, atol=0.01
        )
        tab.keyboard.press("u")
        tab.keyboard.press("u")
        tab.wait_for_selector("h2:has-text('3 pairs'), h2:has-text('2 pairs')")
        assert not wrong
    finally:
        tab.context.close()
        served.end()
