"""Fluorescence over maps, in a browser."""

from __future__ import annotations

from tests.page import maps

LAYERS = ".leaflet-tile-container img[src*='class=GFP']"


def test_channels_are_shown_and_hidden_on_both_kinds_of_map(page, folder):
    maps.glow(folder.directory / "G1_wg.png", (300, 400), GFP=(0, 230, 90))
    maps.glow(folder.directory / "G1_L02.png", maps.SHAPE, GFP=(0, 230, 90), mCherry=(255, 60, 60))
    page.go("#/grid/G1", LAYERS)
    assert "fm.tif: lies right to" in page.tab.locator(".card.fluorescence").inner_text()
    page.press("c")
    page.tab.wait_for_selector(LAYERS, state="detached")
    page.press("c")
    page.tab.wait_for_selector(LAYERS)
    page.go("#/lamella/G1/2", LAYERS)
    page.tab.locator(".card.fluorescence input[type=checkbox]").first.uncheck()
    page.tab.wait_for_selector(LAYERS, state="detached")
    assert page.tab.locator(".leaflet-tile-container img[src*='class=mCherry']").count()
