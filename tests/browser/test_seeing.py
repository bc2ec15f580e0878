"""What the page shows in a browser, on a computer and on a phone."""

from __future__ import annotations

import pytest

from space import orders
from space.journal import Kind, note

SESSION, GRID, ACQUIRED, READY = "#/", "#/grid/G1", "#/lamella/G1/1", "#/lamella/G1/2"


def text_of(page, selector):
    return page.tab.locator(selector).inner_text()


def test_the_session_is_shown_live_and_all_text_as_text(page, folder):
    assert "<b>The stage did not settle</b>" in text_of(page, ".card.events")
    assert page.tab.locator(".card.events b").count() == 0
    assert "L01" in text_of(page, ".card.grids") and "acquired" in text_of(page, ".card.grids")
    note(folder.directory, Kind.PAUSED, text="a person wanted it")
    page.tab.wait_for_selector("text=a person wanted it")
    assert "paused" in text_of(page, "#doing")


def test_orders_are_given_and_a_grave_one_is_asked_twice(page, folder):
    control = folder.directory / orders.CONTROL_FILE
    page.tab.click('[data-order="stop"]')
    assert not control.exists() and "sure?" in text_of(page, '[data-order="stop"]')
    # It is not forgotten when something changes meanwhile.
    note(folder.directory, Kind.PAUSED, text="something else")
    page.tab.wait_for_selector("text=something else")
    assert "sure?" in text_of(page, '[data-order="stop"]')
    page.tab.fill("input[name=order]", "skip L02")
    page.press("Enter")
    page.told("Given: skip L02")
    page.told("at its next step")
    # Who asks for what is not there is told so, not only that it was given.
    answers = [("2026-03-01 22:10:05", "skip L02", "There is no lamella L02.")]
    (folder.directory / orders.DONE_FILE).write_text(
        "".join(f"{when}  {line}  ->  {answer}\n" for when, line, answer in answers),
        encoding="utf-8",
    )
    page.told("skip L02: There is no lamella L02.")
    note(folder.directory, Kind.RUN_ENDED)
    page.tab.wait_for_selector("#doing:has-text('has ended')")
    page.tab.click('[data-order="pause"]')
    page.told("Given: pause. The run takes it when SPACEtomo.py runs again")
    assert control.read_text(encoding="utf-8") == "skip L02\npause\n"
    page.tab.fill("input[name=order]", "fly")
    page.press("Enter")
    page.told("fly")
    assert "refused" in page.tab.locator("#told").get_attribute("class")


def test_what_was_exposed_stays_and_says_why(page):
    page.go(ACQUIRED, ".target.exposed")
    assert "would be exposed again" in text_of(page, ".card.notes")
    page.drag('[data-target="2"]', 40, 30)
    page.press("Delete")
    assert page.tab.locator(".target").count() == 2
    assert page.tab.get_by_role("button", name="Save s", exact=True).count() == 0
    assert page.tab.locator("em:has-text('not saved')").count() == 0
    assert page.tab.locator(".leaflet-marker-draggable").count() == 0


def test_a_read_only_page_offers_nothing_and_writes_nothing(open_page, folder):
    def there():
        return {path: path.stat().st_mtime_ns for path in folder.directory.rglob("*")}

    before = there()
    page = open_page(read_only=True)
    assert page.tab.locator("#read-only").is_visible()
    assert page.tab.locator("[data-order], input[name=order]").count() == 0
    page.go(GRID, ".label")
    page.press("n", "n", "n", "1", "v", "ArrowLeft", "Delete", "d", "u", "a", "s", "Escape")
    page.drag('[data-lamella="3"]', 40, 20)
    names = page.tab.locator("main button").all_inner_texts()
    assert not [name for name in names if name.startswith(
        ("Draw", "Undo", "Approve", "Remove", "Visit", "Do not", "↑"))]  # fmt: skip
    page.go(READY, ".target")
    names = page.tab.locator("main button").all_inner_texts()
    assert not [name for name in names if name.startswith(
        ("Add", "Undo", "Approve", "Save s", "Save\n", "Remove", "Fix"))]  # fmt: skip
    assert page.tab.locator(".leaflet-marker-draggable").count() == 0
    assert "Read-only" in text_of(page, ".card.notes")
    page.press("]", "ArrowLeft", "f", "k", "Delete", "t", "g", "u", "s", "a", "o", "Escape")
    page.drag('[data-handle="1"]', 40, 20)
    assert page.tab.locator(".target").count() == 3
    assert page.methods == {"GET"} and there() == before


@pytest.mark.parametrize("scheme", ["dark"])
def test_a_phone_needs_no_scrolling_sideways(open_page, scheme):
    page = open_page(width=400, scheme=scheme)
    for address, sign in ((SESSION, ".card.now"), (GRID, ".label"), (READY, ".target")):
        page.go(address, sign)
        assert page.tab.evaluate("document.documentElement.scrollWidth") <= 400, address
    back = page.tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(value) for value in back[4:-1].split(",")) < 60


def test_the_keyboard_does_what_the_help_says(page):
    page.go(GRID, ".label")
    page.press("?")
    assert "next, previous lamella" in text_of(page, "#help-text")
    page.press("Escape", "n", "n")
    assert text_of(page, ".card.chosen h3").strip().endswith("L02 – good 90 %")
    page.press("Enter")
    page.tab.wait_for_selector(".target")
    assert page.tab.url.endswith("#/lamella/G1/2")
    page.press("]", "]")
    assert text_of(page, ".card.chosen h3") == "Target 2"
    page.press("p")
    page.tab.wait_for_selector(".target.exposed")
    page.press("b")
    page.tab.wait_for_selector(".label")


def test_lengths_are_those_of_the_map(page):
    page.go(READY, ".target")
    # Mitochondria are at (120, 150) and (120, 420) of a map with 16 nm pixels.
    first, second = page.middle('[data-handle="1"]'), page.middle('[data-handle="2"]')
    bar = page.tab.locator(".scale .bar").bounding_box()["width"]
    value, unit = text_of(page, ".scale span").split()
    um = float(value) * {"nm": 0.001, "µm": 1.0}[unit]
    assert (second[0] - first[0]) * um / bar == pytest.approx(270 * 0.016, rel=0.02)
    assert second[1] == pytest.approx(first[1], abs=1)
