"""The page lives as long as a session does: connections end, folders go, others work beside it."""

from __future__ import annotations

import pytest

from space.journal import Kind, note
from space.targeting import read_choice
from tests.page import maps

SESSION, GRID, READY = "#/", "#/grid/G1", "#/lamella/G1/2"


def test_updates_go_on_after_the_server_and_the_folder_were_gone(page, folder):
    note(folder.directory, Kind.PAUSED, text="seen at first")
    page.tab.wait_for_selector("text=seen at first")
    page.served.end()
    page.tab.wait_for_selector("#live[data-live=false]")
    assert "not connected since" in page.tab.locator("#live").inner_text()
    note(folder.directory, Kind.PAUSED, text="happened meanwhile")
    page.served.begin()
    page.tab.wait_for_selector("#live[data-live=true]")
    page.tab.wait_for_selector("text=happened meanwhile")

    away = folder.directory.with_name("away")
    folder.directory.rename(away)
    page.told("This is how it was last.")
    assert "L01" in page.tab.locator(".card.grids").inner_text()
    away.rename(folder.directory)
    page.tab.wait_for_selector("#told", state="hidden")
    note(folder.directory, Kind.PAUSED, text="the folder is back")
    page.tab.wait_for_selector("text=the folder is back")


def test_of_two_people_at_a_lamella_the_second_is_refused_with_words(page, open_page, folder):
    other = open_page()
    for one in (page, other):
        one.go(READY, '[data-target="3"]')
    page.press("]", "ArrowLeft", "s")
    page.told("Saved.")
    path = folder.directory / "G1_L02_choice.json"
    theirs = path.read_bytes()
    (area,) = read_choice(path, maps.SHAPE).areas
    assert area.targets_map_px[0] == pytest.approx((maps.MITOS[0][0], maps.MITOS[0][1] - 1))
    # Nobody has touched the other page: it shows what was saved.
    other.tab.wait_for_selector(".card.edits:has-text('take the saved targets')")
    other.press("]", "ArrowRight")
    page.press("ArrowLeft", "s")
    page.tab.wait_for_selector("em:has-text('not saved')", state="detached")
    other.tab.wait_for_selector("text=changed elsewhere since you began")
    theirs = path.read_bytes()
    other.press("s")
    other.told("changed meanwhile")
    assert path.read_bytes() == theirs


@pytest.mark.parametrize("address", ["#/grid/G1", READY])
def test_news_that_come_during_a_drag_wait_until_it_ends(page, folder, address):
    is_grid = address != READY
    handle = '[data-lamella="3"]' if is_grid else '[data-handle="2"]'
    page.go(address, handle)
    x, y = page.middle(handle)
    held = page.tab.locator(f".handle:has({handle})").element_handle()
    page.tab.mouse.move(x, y)
    page.tab.mouse.down()
    asks = "/api/grid/" if is_grid else "/api/lamella/"
    with page.tab.expect_response(lambda answer: asks in answer.url):
        if is_grid:
            note(folder.directory, Kind.PAUSED, text="somebody paused", grid="G1")
        else:
            (folder.directory / "G1_L02_choice.json").touch()
    page.tab.wait_for_timeout(300)
    assert held.evaluate("one => one.isConnected"), "drawn anew under the hand"
    page.tab.mouse.move(x + 30, y - 20)
    page.tab.mouse.move(x + 31, y - 20)
    page.tab.mouse.up()
    sign = "[data-edit]:has-text('move L03')" if is_grid else "em:has-text('not saved')"
    page.tab.wait_for_selector(sign)


def test_of_what_is_not_there_keys_do_nothing_and_nothing_is_approved(page, folder):
    for address in ("#/lamella/G1/99", "#/grid/G9"):
        page.go(address, "#told:has-text('Choose one under')")
        page.press("l", "n", "1", "a", "ArrowUp", "Enter", "Escape")
    page.go("#/lamella/G1/3", "text=0 targets")
    assert not page.tab.locator("[data-focus=approve]").count()
    page.press("a")
    page.told("no targets yet that could be approved")


def test_a_map_that_is_left_while_it_glides_is_left(page):
    """A drag makes a map glide from the next frame on; by then another view may be shown."""
    page.tab.add_init_script(
        "const frame = requestAnimationFrame.bind(window); window.late = null;"
        "window.requestAnimationFrame = act => window.late?.push(act) ?? frame(act);"
    )
    page.tab.reload()
    page.go(GRID, ".label")
    page.tab.evaluate("window.late = []")
    x, y = page.middle(".map")
    page.tab.mouse.move(x, y)
    page.tab.mouse.down()
    page.tab.mouse.move(x - 60, y - 40)
    page.tab.mouse.move(x - 120, y - 80)
    page.tab.mouse.up()
    page.go(SESSION, ".card.now")
    assert page.tab.evaluate("late.map(act => act()).length") > 0
