"""Areas on the page: split, merged, distributed anew, with settings of PACEtomo of their own."""

from __future__ import annotations

import os

import numpy as np

from space.targeting import read_choice
from tests.page import maps

READY = "#/lamella/G1/2"


def test_an_area_is_split_tilted_otherwise_merged_and_a_target_improved(page, folder):
    page.go(READY, '[data-target="3"]')
    page.press("]", "x")
    page.tab.wait_for_selector('[data-target="2.1"]')
    assert page.tab.locator("[data-area]").count() == 2
    page.tab.click("[data-area='2'] summary")
    field = "[name='area 2 startTilt']"
    page.tab.fill(field, "95")
    page.press("Tab")
    page.told("startTilt is 95. Allowed: a number from -80 to 80 degrees.")
    page.tab.fill(field, "-9.5")
    page.press("Tab")
    page.tab.wait_for_selector("text=startTilt -9.5°")
    page.tab.fill("[name='area 2 maxTilt']", "66")
    page.press("Tab")
    page.tab.wait_for_selector("text=tilted to 66 degrees, beyond max_tilt")
    if picture := os.environ.get("PICTURE_OF_AREAS"):
        page.tab.screenshot(path=picture, full_page=True)
    # The target of the second area is dragged beside its mitochondrion, and finds the way back.
    page.drag('[data-handle="2.1"]', 14, 10)
    with page.tab.expect_response("**/api/areas/**"):
        page.press("m")
    page.tab.wait_for_timeout(50)
    page.tab.click("[data-area='2'] >> text=Merge areas 1 and 2")
    page.tab.wait_for_selector('[data-target="3"]')
    page.press("u", "]")
    page.tab.click("text=Montage 2 × 2")
    page.tab.wait_for_selector("text=times the dose of one series")
    assert page.tab.locator(".target").count() == 6
    if picture := os.environ.get("PICTURE_OF_MONTAGE"):
        page.tab.screenshot(path=picture, full_page=True)
    page.press("u", "s")
    page.told("Saved.")
    first, second = read_choice(folder.directory / "G1_L02_choice.json", maps.SHAPE).areas
    assert sorted(map(len, (first.targets, second.targets))) == [1, 2]
    assert dict(second.series) == {"startTilt": -9.5, "maxTilt": 66.0} and not first.series
    there = np.concatenate([first.targets_map_px, second.targets_map_px])
    for place in maps.MITOS[:3]:
        assert np.abs(there - np.array(place)).max(axis=1).min() < 8
