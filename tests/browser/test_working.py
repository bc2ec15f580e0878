"""Longer work on a lamella: points, areas, polygons, undo, keys alone, a picture of it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from space import review
from space.images import read_png
from space.targeting import read_choice, read_clicks
from tests.browser.conftest import on_map, screen_px
from tests.page import maps

GRID, READY = "#/grid/G1", "#/lamella/G1/2"


class Places:
    """Where pixels of the lamella's map are on the screen."""

    def __init__(self, page) -> None:
        self.scale = screen_px(page, 0.016)
        x, y = page.middle('[data-handle="1"]')
        row, column = maps.MITOS[0]
        self.origin = (x - column * self.scale, y - row * self.scale)

    def of(self, row: float, column: float) -> tuple[float, float]:
        return self.origin[0] + column * self.scale, self.origin[1] + row * self.scale


def areas_of(folder):
    return read_choice(folder.directory / "G1_L02_choice.json", maps.SHAPE).areas


def test_geometry_points_and_areas_are_added_moved_and_taken_back(page, folder):
    page.go(READY, '[data-target="3"]')
    places = Places(page)
    page.press("g")
    page.tab.mouse.click(*places.of(350, 100))
    page.tab.wait_for_selector('[data-point="g1"]')
    page.drag('[data-point="g1"]', 120 * places.scale, -30 * places.scale)
    page.press("Shift+ArrowDown")
    page.tab.click("text=Add area")
    page.tab.mouse.click(*places.of(320, 520))
    page.tab.wait_for_selector('[data-target="2.1"]')
    page.press("t")
    page.tab.mouse.click(*places.of(200, 600))
    page.tab.wait_for_selector('[data-target="2.2"]')
    page.press("g")
    page.tab.mouse.click(*places.of(380, 600))
    page.tab.wait_for_selector('[data-point="2.g1"]')
    # Five changes that are not wanted, taken back one after the other, by key and by button.
    page.press("[", "ArrowUp", "f", "k", "ArrowLeft", "Delete")
    assert page.tab.locator(".target").count() == 4
    page.press("u", "u", "Control+z")
    for _ in range(2):
        page.tab.click("[data-focus='key u']")
    assert page.tab.locator(".target").count() == 5
    page.press("s")
    page.told("Saved.")
    # What was clicked and not taken back is kept for learning; nothing of theirs was removed.
    clicks = read_clicks(folder.directory / "G1_L02_clicks.json", maps.SHAPE)
    there = np.concatenate([area.targets_map_px for area in areas_of(folder)])
    assert len(clicks.added_map_px) >= 2 and not len(clicks.removed_map_px)
    apart = np.hypot(*(clicks.added_map_px[:, None] - there[None]).transpose(2, 0, 1))
    assert (apart.min(axis=1) < 0.1).all()
    first, second = areas_of(folder)
    assert first.targets_map_px == pytest.approx(np.array(maps.MITOS[:3], float), abs=1)
    assert first.geometry_points_map_px == pytest.approx(np.array([[330, 220]]), abs=1)
    assert second.targets_map_px == pytest.approx(np.array([[320, 520], [200, 600]]), abs=1)
    assert second.geometry_points_map_px == pytest.approx(np.array([[380, 600]]), abs=1)
    assert not (first.fixed.any() or second.fixed.any())


def test_polygons_bound_a_new_choice_to_a_pixel(page, folder):
    page.go(READY, '[data-target="3"]')
    places = Places(page)
    page.tab.click("summary:has-text('Choose again')")

    def draws(kind: str, corners) -> None:
        page.tab.click(f"text={kind} inside …")
        for corner in corners:
            page.tab.mouse.click(*places.of(*corner))
        page.tab.wait_for_selector("[data-focus='key ⏎']")

    inside = [(60, 60), (60, 480), (240, 480), (240, 60)]
    draws("Only", inside)
    page.press("Enter")
    outside = [(90, 120), (90, 180), (150, 180), (150, 120)]
    draws("Never", outside)
    page.tab.click("[data-focus='key ⏎']")
    draws("Never", [(300, 300)])
    page.press("Escape")
    page.tab.wait_for_selector("text=Drop 1 never inside")
    with page.tab.expect_request("**/api/choose_again/**") as asked:
        page.tab.click("[data-focus=choose]")
    sent = asked.value.post_data_json
    assert sent["within_px"][0] == pytest.approx(np.array(inside, float), abs=1)
    assert sent["without_px"][0] == pytest.approx(np.array(outside, float), abs=1)
    page.tab.click("text=Take the proposal")
    page.press("s")
    page.told("Saved.")
    (area,) = areas_of(folder)
    assert len(area.targets_map_px)
    for row, column in area.targets_map_px:
        assert 60 <= row <= 240 and 60 <= column <= 480
        assert not (90 < row < 150 and 120 < column < 180)


def test_a_lamella_is_reviewed_by_keys_alone(page, folder):
    page.go(GRID, '[data-lamella="3"]')
    # The label of lamella 2 on the map, by Tab; it keeps the focus when all is drawn anew.
    for _ in range(60):
        page.press("Tab")
        if page.tab.evaluate("document.activeElement.ariaLabel") == "L02 good":
            break
    outline = page.tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "focus is not seen"
    page.press("Enter")
    page.tab.wait_for_selector('.label.chosen[data-lamella="2"]')
    assert page.tab.evaluate("document.activeElement.ariaLabel") == "L02 good"
    page.press("n")
    page.tab.wait_for_selector('.label.chosen[data-lamella="3"]')
    page.press("1")
    page.tab.wait_for_selector("[data-edit] >> nth=0")
    page.press("v")
    page.tab.wait_for_selector("[data-edit] >> nth=1")
    page.press("a")
    page.tab.wait_for_selector("text=The lamellae are approved.")
    scale = screen_px(page, 0.8)
    page.press("Escape", "ArrowDown", "ArrowLeft", "d", "Enter")
    page.tab.wait_for_selector("[data-edit] >> nth=2")
    page.press("p", "Escape", "n", "n")
    page.tab.wait_for_selector('.label.chosen[data-lamella="2"]')
    page.tab.evaluate("document.activeElement.blur()")
    page.press("Enter")
    page.tab.wait_for_selector('[data-target="3"]')
    page.press("]", "]", "Shift+ArrowDown", "f", "t", "Enter", "Shift+ArrowUp", "s")
    page.told("Saved.")
    page.press("a")
    page.tab.wait_for_selector("text=The targets are approved.")
    found = review.read_review(review.review_path(folder.directory, "G1"), "G1")
    kinds = [(edit.kind, edit.number) for edit in found.edits]
    assert kinds == [
        (review.Kind.CLASS, 3), (review.Kind.VISIT, 3), (review.Kind.ADD, 0),
        (review.Kind.TARGETS, 2)]  # fmt: skip
    assert on_map(found.edits[2].center_um) == pytest.approx(
        (150 + 80 / scale, 200 - 80 / scale), abs=1
    )
    assert found.lamellae_approved and tuple(found.targets_approved) == (2,)
    (area,) = areas_of(folder)
    expected = np.array([*maps.MITOS[:3], (250 - 10, 350)], float) + [
        (0, 0),
        (10, 0),
        (0, 0),
        (0, 0),
    ]
    assert area.targets_map_px == pytest.approx(expected, abs=1)
    assert list(area.fixed) == [False, True, False, False]


def test_a_saved_picture_is_the_map_with_its_targets(page, folder, tmp_path):
    page.go(READY, '[data-target="3"]')
    page.press("o")
    with page.tab.expect_download() as download:
        page.tab.click("text=Save picture")
    assert download.value.suggested_filename == "G1_L02_page.png"
    download.value.save_as(tmp_path / "saved.png")
    saved = np.asarray(Image.open(tmp_path / "saved.png").convert("RGB"), int)
    picture = read_png(folder.directory / "G1_L02.png")[0].astype(int)
    assert saved.shape == (*maps.SHAPE, 3)
    # As the map (JPEG tiles) where nothing is drawn ...
    free = (slice(430, 490), slice(350, 690))
    assert np.abs(saved[free].mean(2) - picture[free]).max() <= 6
    # ... with fields of 0.8 x 0.6 um around the targets, and a white bar of a round length.
    yellow = (saved[..., 0] > 200) & (saved[..., 1] > 180) & (saved[..., 2] < 120)
    row, column = maps.MITOS[1]
    rows, columns = np.nonzero(yellow[row - 40 : row + 40, column - 40 : column + 40])
    assert (rows.min() + rows.max()) / 2 == pytest.approx(40, abs=1.5)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(40, abs=1.5)
    assert sorted([np.ptp(rows), np.ptp(columns)]) == pytest.approx([600 / 16, 800 / 16], abs=3)
    bar = np.nonzero((saved[-27] > 240).all(axis=1))[0]
    lengths = np.array([0.5, 1.0, 2.0, 5.0]) / 0.016
    assert np.abs(lengths - len(bar)).min() <= 1
