"""What a person does on the page ends in the right file, to a pixel."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from space import journal, orders, review
from space.targeting import read_choice
from tests.browser.conftest import on_map, screen_px
from tests.page import maps

GRID, READY = "#/grid/G1", "#/lamella/G1/2"


def asked(folder) -> list[review.Edit]:
    path = review.review_path(folder.directory, "G1")
    found = review.read_review(path, "G1")
    return list(found.edits) if found else []


def wait_for(page, folder, count: int) -> list[review.Edit]:
    """The edits, as soon as there are so many."""
    page.tab.wait_for_function(
        "n => document.querySelectorAll('[data-edit]').length === n", arg=count
    )
    return asked(folder)


def test_lamellae_are_moved_resized_named_ordered_and_removed(page, folder):
    page.go(GRID, '[data-lamella="3"]')
    scale = screen_px(page, 0.8)
    middle = on_map((30.0, 5.0))
    page.drag('[data-lamella="3"]', 25 * scale, 10 * scale)
    (moved,) = wait_for(page, folder, 1)
    assert (moved.kind, moved.number) == (review.Kind.MOVE, 3)
    assert on_map(moved.center_um) == pytest.approx(middle + (10, 25), abs=1)

    page.press("z")
    page.tab.wait_for_selector(".corner")
    scale = screen_px(page, 0.8)
    page.drag(".corner >> nth=3", 4 * scale, 3 * scale)
    (_, resized) = wait_for(page, folder, 2)
    assert resized.kind is review.Kind.RESIZE
    assert resized.box_um == pytest.approx((12 + 8 * 0.8, 8 + 6 * 0.8), abs=0.8)

    page.tab.click('[data-class="broken"]')
    wait_for(page, folder, 3)
    page.press("v")
    wait_for(page, folder, 4)
    page.tab.click('[aria-label="L03 earlier"]')
    (*_, named, left, order) = wait_for(page, folder, 5)
    assert (named.kind, named.category) == (review.Kind.CLASS, "broken")
    assert (left.kind, left.visit) == (review.Kind.VISIT, False)
    assert (order.kind, order.numbers) == (review.Kind.ORDER, (1, 3, 2))
    page.press("Delete")
    assert wait_for(page, folder, 6)[-1].kind is review.Kind.DELETE
    page.press("u")
    assert len(wait_for(page, folder, 5)) == 5
    page.press("a")
    page.tab.wait_for_selector("text=The lamellae are approved.")
    assert review.read_review(review.review_path(folder.directory, "G1"), "G1").lamellae_approved


def test_an_answer_that_comes_late_does_not_hide_what_was_asked_since(page, folder):
    """A live update had asked before an edit and was answered after it: approval was refused."""
    page.go(GRID, '[data-lamella="3"]')
    page.tab.click('[data-lamella="3"]')
    held = []
    page.tab.route(
        "**/api/review/G1",
        lambda route: (
            held.append(route) if route.request.method == "GET" and not held else route.continue_()
        ),
    )
    journal.note(folder.directory, journal.Kind.LEVEL_DONE, "G1", level=1, seconds=1)  # it asks
    end_s = time.monotonic() + 30
    while not held and time.monotonic() < end_s:
        page.tab.wait_for_timeout(50)
    late = held[0].fetch()  # as it was before the edit
    page.press("v")
    page.tab.wait_for_timeout(300)
    held[0].fulfill(response=late)
    page.tab.wait_for_timeout(60)  # before the page has asked again
    page.press("a")
    page.tab.wait_for_selector("text=The lamellae are approved.", timeout=20_000)
    (edit,) = asked(folder)
    assert edit.kind is review.Kind.VISIT


def test_a_lamella_is_drawn_where_it_is_wanted(page, folder):
    page.go(GRID, '[data-lamella="3"]')
    scale = screen_px(page, 0.8)
    # A label hangs at the upper left corner of its box.
    box = page.tab.locator('.handle:has([data-lamella="1"])').bounding_box()
    mouse = page.tab.mouse
    page.press("d")
    start = (box["x"], box["y"] + 60 * scale)
    mouse.move(*start)
    mouse.down()
    mouse.move(start[0] + 10 * scale, start[1] + 5 * scale)
    mouse.move(start[0] + 20 * scale, start[1] + 10 * scale)
    mouse.up()
    (added,) = wait_for(page, folder, 1)
    # Half of 12 x 8 um from (10, 5) um.
    corner = on_map((10.0, 5.0)) - (5, 7.5)
    assert on_map(added.center_um) == pytest.approx(corner + (60 + 5, 10), abs=1)
    assert added.box_um == pytest.approx((16, 8), abs=1)


def test_whoever_works_fast_is_not_refused_and_loses_no_step(page, folder):
    page.go(GRID, '[data-lamella="3"]')
    page.press("n", "n", "n", "1", "v", *["ArrowRight"] * 6, "ArrowDown", "p", "v", "a")
    page.tab.wait_for_selector("text=The lamellae are approved.")
    page.tab.wait_for_function(
        "() => document.querySelector('.card.edits').textContent.includes('do not visit L02')"
    )
    assert page.tab.locator("#told").is_hidden()
    edits = {(edit.kind, edit.number): edit for edit in wait_for(page, folder, 4)}
    moved = edits.pop((review.Kind.MOVE, 3))
    assert on_map(moved.center_um) == pytest.approx(on_map((30.0, 5.0)) + (1, 6), abs=0.1)
    assert set(edits) == {
        (review.Kind.CLASS, 3), (review.Kind.VISIT, 3), (review.Kind.VISIT, 2)}  # fmt: skip


def test_the_answers_of_the_run_are_shown_and_what_was_done_is_taken_back(page, folder):
    page.go(GRID, '[data-lamella="3"]')
    page.press("n", "n", "n", "v")
    (edit,) = wait_for(page, folder, 1)
    page.press("n", "n", "v")
    (_, other) = wait_for(page, folder, 2)
    back = {"kind": "visit", "number": edit.number, "visit": True}
    left_out = orders.Standing(skipped=frozenset({("G1", edit.number)}))
    orders.write_standing(folder.directory, left_out)
    answers = {
        edit.id: review.Answer("applied", "", "2026-01-01T10:00:00", opposite=back),
        other.id: review.Answer("refused", "It was <i>begun</i>.", "2026-01-01T10:00:00"),
    }
    review.write_answers(review.answers_path(folder.directory, "G1"), "G1", answers)
    page.tab.wait_for_selector('[data-stand="refused"]:has-text("It was <i>begun</i>.")')
    page.tab.wait_for_selector('[data-stand="applied"]')
    page.press("u")
    (*_, asked_back) = wait_for(page, folder, 3)
    assert (asked_back.kind, asked_back.number) == (review.Kind.VISIT, edit.number)
    assert asked_back.visit
    page.press("u")  # it is not done yet
    wait_for(page, folder, 2)
    # Who has not asked for it takes it back by its button, not by the way.
    page.tab.reload()
    page.tab.wait_for_selector('[data-stand="applied"]')
    page.press("u")
    page.told("There is nothing to take back.")
    page.tab.click('[data-stand="applied"] button')
    (*_, asked_back) = wait_for(page, folder, 3)
    assert (asked_back.kind, asked_back.visit) == (review.Kind.VISIT, True)


def test_targets_are_dragged_conflicts_are_red_at_once_and_all_is_saved(page, folder):
    page.go(READY, '[data-target="3"]')
    scale = screen_px(page, 0.016)
    first, second = np.array(maps.MITOS[0]), np.array(maps.MITOS[1])
    near = first + (0, 50)
    right = (near[1] - second[1]) * scale
    page.drag('[data-handle="2"]', right, 0, lets_go=False)
    assert page.tab.locator(".target.conflict").count() == 2
    page.tab.mouse.move(page.middle('[data-handle="2"]')[0] + 120 * scale, 400)
    assert page.tab.locator(".target.conflict").count() == 0
    x, y = page.middle('[data-handle="1"]')
    page.tab.mouse.move(x + 200 * scale, y + 40 * scale)
    page.tab.mouse.up()
    page.press("f")
    page.tab.click('[data-target="3"]')
    page.press("k", "t")
    page.tab.mouse.click(x + 100 * scale, y + 250 * scale)
    page.tab.wait_for_selector('[data-target="4"]')
    page.press("ArrowRight", "s")
    page.told("Saved.")
    (area,) = read_choice(folder.directory / "G1_L02_choice.json", maps.SHAPE).areas
    expected = [maps.MITOS[2], first, first + (40, 200), first + (250, 101)]
    assert area.targets_map_px == pytest.approx(np.array(expected, float), abs=1)
    assert list(area.fixed) == [False, False, True, False]
    (edit,) = asked(folder)
    stamp = review.choice_stamp((folder.directory / "G1_L02_choice.json").read_bytes())
    assert (edit.kind, edit.number, edit.of) == (review.Kind.TARGETS, 2, stamp)
    page.press("a")
    page.tab.wait_for_selector("text=The targets are approved.")


def test_a_stale_save_tells_the_person_and_changes_nothing(page, folder):
    page.go(READY, '[data-target="3"]')
    page.press("]", "ArrowLeft")
    path = maps.choose(folder.directory, 2, [maps.MITOS[3]])
    theirs = path.read_bytes()
    page.tab.wait_for_selector("text=changed elsewhere since you began")
    page.press("s")
    page.told("changed meanwhile")
    assert path.read_bytes() == theirs and asked(folder) == []
    page.tab.click("text=Show what is there now")
    page.tab.wait_for_selector("em:has-text('not saved')", state="detached")
    assert page.tab.locator(".target").count() == 1


def test_targets_are_chosen_again_and_taken_over(page, folder):
    page.go(READY, '[data-target="3"]')
    page.tab.click("summary:has-text('Choose again')")
    page.tab.fill("input[name=max_targets]", "2")
    page.tab.click("[data-focus=choose]")
    page.tab.wait_for_selector(".comparison")
    assert page.tab.locator(".target.proposed").count() == 2
    page.tab.click("text=Take the proposal")
    assert page.tab.locator(".target:not(.proposed)").count() == 2
    before = json.loads((folder.directory / "G1_L02_choice.json").read_text(encoding="utf-8"))
    assert sum(len(area["targets"]) for area in before["areas"]) == 3
    page.press("s")
    page.told("Saved.")
    (area,) = read_choice(folder.directory / "G1_L02_choice.json", maps.SHAPE).areas
    assert len(area.targets_map_px) == 2
