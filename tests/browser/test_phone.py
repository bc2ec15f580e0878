"""On a small screen and by a finger all is reached that a mouse reaches; numbers are read."""

from __future__ import annotations

import numpy as np
import pytest

from space import review
from space.targeting import read_choice
from tests.browser.conftest import FRAME, on_map, screen_px
from tests.page import maps

GRID, READY = "#/grid/G1", "#/lamella/G1/2"
# What a finger cannot do by a button it does on the map: choose, move, zoom.
KEYS_WITHOUT_BUTTON = {"?", "Esc", "[", "]", "↑", "↓", "←", "→", "+", "-", "b", "…"}

OFFERED = """() => {
    const all = document.querySelectorAll("main :is(button, input, select, summary, a[href])");
    return [...all].filter((one) => one.checkVisibility()).map((one) => [
        one.ariaLabel || one.textContent || one.name || one.closest("label").textContent,
        one.getBoundingClientRect().left, one.getBoundingClientRect().right,
        one.tagName === "BUTTON" ? one.offsetHeight : null]);
}"""
"""Name and edges of all that can be pressed or filled in, and the height of buttons."""
OPENS = "document.querySelectorAll('main details').forEach((one) => { one.open = true; })"
BOXES = """(selector) => {
    const seen = [...document.querySelectorAll(selector)].filter((one) => !one.hidden);
    return seen.map((one) => one.getBoundingClientRect())
        .map((box) => [box.left, box.top, box.right, box.bottom]);
}"""


def test_a_finger_drags_a_target_and_a_lamella_to_where_it_lets_go(open_page, folder):
    page = open_page(width=400, touch=True)
    page.go(READY, '[data-target="3"]')
    scale = screen_px(page, 0.016)
    page.finger('[data-handle="2"]', -30 * scale, 200 * scale)
    page.tab.wait_for_selector("em:has-text('not saved')")
    page.tab.locator("[data-focus='key s']").or_(page.tab.locator("[data-focus=save]")).tap()
    page.told("Saved.")
    (area,) = read_choice(folder.directory / "G1_L02_choice.json", maps.SHAPE).areas
    expected = np.array(maps.MITOS[:3], float)
    expected[1] += (200, -30)
    assert area.targets_map_px == pytest.approx(expected, abs=1)

    page.go(GRID, '[data-lamella="3"]')
    scale = screen_px(page, 0.8)
    page.finger('[data-lamella="3"]', 20 * scale, -15 * scale)
    page.tab.wait_for_selector("[data-edit]:has-text('move L03')")
    edits = review.read_review(review.review_path(folder.directory, "G1"), "G1").edits
    moved = next(one for one in edits if one.kind is review.Kind.MOVE)
    assert on_map(moved.center_um) == pytest.approx(on_map((30.0, 5.0)) + (-15, 20), abs=1)


def test_a_narrow_screen_offers_what_a_wide_one_does(page):
    last = "[name=penalty_weight]"  # the settings come after the map
    for address, sign, first in ((GRID, ".label", "n"), (READY, ".target", "]")):
        page.tab.set_viewport_size({"width": 1400, "height": 800})
        page.go(address, sign)
        if address == READY:
            page.tab.wait_for_selector(last, state="attached")
        offers_the_same(page, first)
        page.press("Escape")


def offers_the_same(page, first):
    # The second target, or lamella 2: neither the tracking target nor one that was exposed.
    page.press(first, first)
    offered = {}
    for width in (1400, 400):
        page.tab.set_viewport_size({"width": width, "height": 800})
        page.tab.evaluate(OPENS)
        parts = page.tab.evaluate(OFFERED)
        beyond = [name for name, left, right, _ in parts if left < 0 or right > width]
        assert not beyond, "beyond the edge of the screen"
        offered[width] = {name for name, *_ in parts}
    assert len(offered[1400]) > 12 and offered[400] == offered[1400]
    assert not [name for name, *_, height in parts if height and height < 36], "small buttons"
    # Each key of the help has a button that does the same.
    page.press("?")
    keys = set(page.tab.locator("#help-text th kbd").all_inner_texts())
    done = page.tab.evaluate("""() => [...document.querySelectorAll("[aria-keyshortcuts]")]
        .map((one) => one.getAttribute("aria-keyshortcuts"))""")
    left = keys - KEYS_WITHOUT_BUTTON - set(done)
    assert not left - {"9"}, "keys that nothing on the screen stands for"


def crowd(folder, count):
    """So many lamellae along rows, as close as two on one square."""
    folder.known["lamellae"], folder.items = [], []
    for number in range(1, count + 1):
        folder.found(number)
    for number, one in enumerate(folder.known["lamellae"]):
        row, column = divmod(number, 10)
        place = np.array([[30 + 45.0 * row, 25 + 36 * column + 8 * (row % 2)]])
        one["stage_um"] = FRAME.to_stage(place)[0].tolist()
        folder.items[number] = folder.items[number].replace(
            f"StageXYZ = {10.0 * (number + 1)} 5.0", "StageXYZ = {} {}".format(*one["stage_um"])
        )
    folder.named()


def boxes(page, selector):
    return page.tab.evaluate(BOXES, selector)


def covered(rectangles):
    found = []
    for index, (left, top, right, bottom) in enumerate(rectangles):
        for other in rectangles[:index]:
            if left < other[2] and other[0] < right and top < other[3] and other[1] < bottom:
                found.append((left, top))
    return found


@pytest.mark.parametrize("width", [1400, 400])
def test_no_number_covers_another_one_with_60_lamellae(open_page, folder, width):
    crowd(folder, 60)
    page = open_page(width=width, touch=width == 400)
    page.go(GRID, ".label")
    at_first = boxes(page, ".label")
    assert len(at_first) >= (60 if width == 1400 else 30) and not covered(at_first)
    note = page.tab.locator(".map-note")
    assert note.is_visible() == (len(at_first) < 61)
    if note.is_visible():
        assert note.inner_text().startswith(f"{61 - len(at_first)} of 61 numbers")
    page.press("n", "z")
    page.tab.wait_for_selector(".label.chosen")
    near = boxes(page, ".label")
    assert len(near) == 61 and not covered(near) and not note.is_visible()
    assert "good 90 %" in page.tab.locator(".label.chosen").inner_text()
    page.press("w")
    assert len(boxes(page, ".label")) >= len(at_first) - 3
