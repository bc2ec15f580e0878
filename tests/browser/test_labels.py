"""Labels corrected in the browser end in the right files, to a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from space import labelling, review
from space.images import read_png
from space.labelling import Shape
from space.plots import class_colors, rgb
from space.simulator.specimen import LABEL
from tests.browser.test_correcting import READY, asked, screen_px
from tests.page.maps import MITOS, SHAPE

ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
OPEN = ".map.labelling"


class Editor:
    """The labels of lamella 2, opened, with the whole map on the screen."""

    def __init__(self, page, folder) -> None:
        self.page, self.segmentation = page, folder.directory / "G1_L02_seg.png"
        page.go(READY, '[data-target="3"]')
        page.press("w")
        page.press("l")
        page.tab.wait_for_selector(OPEN)
        self.scale = screen_px(page, 0.016)
        (row, column), (x, y) = MITOS[0], page.middle('[data-handle="1"]')
        self.origin = x - column * self.scale, y - row * self.scale

    def at(self, row: float, column: float) -> tuple[float, float]:
        return self.origin[0] + column * self.scale, self.origin[1] + row * self.scale

    def draw(self, *places: tuple[float, float]) -> None:
        """Press, move along some places of the map, and let go."""
        mouse = self.page.tab.mouse
        mouse.move(*self.at(*places[0]))
        mouse.down()
        for place in places[1:]:
            mouse.move(*self.at(*place), steps=4)
        mouse.up()

    def click(self, *places: tuple[float, float]) -> None:
        for place in places:
            self.page.tab.mouse.click(*self.at(*place))

    def counts(self, number: int) -> None:
        """Wait until there are so many strokes."""
        word = f"{number} stroke" + ("" if number == 1 else "s")
        self.page.tab.wait_for_selector(f".card.labels >> text={word}.")

    def name(self, category: str) -> None:
        self.page.tab.click(f'.card.labels [data-class="{category}"]')

    def save(self) -> np.ndarray:
        self.page.tab.click("[data-focus='label save']")
        self.page.tab.wait_for_selector(OPEN, state="detached")
        return read_png(labelling.labels_that_count(self.segmentation).path)[0]


@pytest.fixture
def editor(page, folder) -> Editor:
    return Editor(page, folder)


def edge_px(mask: np.ndarray, other: np.ndarray) -> float:
    """How far the pixels that differ lie from an edge of the first mask."""
    wrong = mask != other
    if not wrong.any():
        return 0.0
    from_edge = np.maximum(distance_transform_edt(mask), distance_transform_edt(~mask))
    return float(from_edge[wrong].max())


def test_brush_polygon_fill_and_eraser_end_in_the_file_to_a_pixel(editor, page, folder):
    before = editor.segmentation.read_bytes()
    model = read_png(editor.segmentation)[0]
    editor.name("vesicles")
    editor.draw((400, 100), (400, 300), (350, 300))
    editor.counts(1)
    page.press("p")
    editor.click((200, 300), (200, 400), (260, 350))
    page.press("Enter")
    editor.counts(2)
    page.press("f")
    editor.name("lipiddroplets")
    editor.click(MITOS[3])
    editor.counts(3)
    page.press("e", "b", "[", "[")
    editor.draw((400, 200))
    editor.counts(4)
    radius, thin = 12.0, 12 / 1.25**2
    labels = editor.save()

    expected = model.copy()
    across = (abs(ROWS - 400) <= radius) & (COLUMNS > 100) & (COLUMNS < 300)
    along = (abs(COLUMNS - 300) <= radius) & (ROWS > 350) & (ROWS < 400)
    ends = [
        np.hypot(ROWS - r, COLUMNS - c) <= radius for r, c in ((400, 100), (400, 300), (350, 300))
    ]
    expected[across | along | np.any(ends, axis=0)] = LABEL["vesicles"]
    right = (COLUMNS - 400) * 60 < -(ROWS - 200) * 50
    left = (COLUMNS - 300) * 60 > (ROWS - 200) * 50
    expected[(ROWS > 200) & left & right] = LABEL["vesicles"]
    row, column = MITOS[3]
    droplet = np.hypot(np.floor(ROWS) - row, np.floor(COLUMNS) - column) < 30
    expected[droplet] = LABEL["lipiddroplets"]
    hole = np.hypot(ROWS - 400, COLUMNS - 200) <= thin
    expected[hole] = model[hole]
    for name in ("vesicles", "lipiddroplets", "mitos", "lamella"):
        assert edge_px(expected == LABEL[name], labels == LABEL[name]) <= 1.5, name
    assert ((labels == LABEL["lipiddroplets"]) == droplet).all()
    assert editor.segmentation.read_bytes() == before
    found = labelling.read_correction(editor.segmentation)
    assert [one.shape for one in found.strokes] == [
        Shape.BRUSH, Shape.POLYGON, Shape.FILL, Shape.BRUSH,
    ]  # fmt: skip
    assert [one.category for one in found.strokes] == [
        "vesicles", "vesicles", "lipiddroplets", "",
    ]  # fmt: skip
    assert sorted(found.layers) == ["lipiddroplets", "vesicles"]
    # The run is asked, and the page shows targets on these labels beside those that are there.
    (edit,) = asked(folder)
    assert (edit.kind, edit.number) == (review.Kind.LABELS, 2)
    page.tab.wait_for_selector(".comparison")
    assert page.tab.locator(".target.proposed").count() == 4
    page.tab.wait_for_selector("text=Labels corrected by hand")
    page.tab.wait_for_selector("text=choose the targets of L02 on its labels")


def test_what_is_undone_was_never_drawn(editor, page):
    editor.name("vesicles")
    editor.draw((400, 100), (400, 200))
    editor.draw((450, 100), (450, 200))
    editor.draw((460, 300))
    page.press("u", "u", "r", "Control+z", "u")
    editor.counts(0)
    assert page.tab.locator("[data-focus='label save']").is_disabled()
    page.press("r")
    editor.counts(1)
    labels = editor.save()
    assert (labels[440:] == read_png(editor.segmentation)[0][440:]).all()
    assert labels[400, 150] == LABEL["vesicles"]
    # What was saved can be undone, too.
    page.press("l")
    editor.counts(1)
    page.tab.click("text=All back")
    page.press("u", "u")
    editor.counts(0)
    assert (editor.save() == read_png(editor.segmentation)[0]).all()
    assert not labelling.labels_that_count(editor.segmentation).corrected


def test_strokes_that_were_not_saved_are_back_when_the_page_is(editor, page):
    editor.name("vesicles")
    editor.draw((400, 100), (400, 200))
    editor.counts(1)
    page.tab.reload()
    page.tab.wait_for_selector('[data-target="3"]')
    page.press("l")
    page.tab.wait_for_selector("text=Strokes that were not saved are back")
    editor.counts(1)
    assert editor.save()[400, 150] == LABEL["vesicles"]
    page.press("l")
    editor.counts(1)


def test_a_stale_save_tells_the_person_who_decides(editor, page):
    editor.name("vesicles")
    editor.draw((400, 100), (400, 200))
    of = labelling.hash_of(editor.segmentation)
    theirs = (labelling.Stroke(Shape.BRUSH, "mitos", ((450.0, 450.0),), 9.0),)
    labelling.save_correction(editor.segmentation, theirs, LABEL, of, 0)
    page.press("s")
    page.told("corrected elsewhere")
    assert labelling.read_correction(editor.segmentation).strokes == theirs
    page.tab.click("text=Save mine")
    page.tab.wait_for_selector(OPEN, state="detached")
    (mine,) = labelling.read_correction(editor.segmentation).strokes
    assert mine.category == "vesicles"


def test_the_preview_shows_what_the_file_will_have(editor, page):
    """Colours on the screen, of what was drawn and of what was set back."""
    editor.name("vesicles")
    editor.draw((230, 100), (230, 300))
    page.press("e")
    editor.draw((230, 200))
    editor.name("lamella")
    page.press("f")
    with page.tab.expect_response("**/api/fill/**"):
        editor.click(MITOS[0])
    editor.counts(3)
    page.tab.mouse.move(5, 5)
    page.tab.wait_for_timeout(500)
    shown = page.tab.evaluate(
        """places => {
            const canvas = document.querySelector(".label-canvas");
            const box = canvas.getBoundingClientRect();
            const pen = canvas.getContext("2d");
            return places.map(([x, y]) => [...pen.getImageData(
                (x - box.left) * canvas.width / box.width,
                (y - box.top) * canvas.height / box.height, 1, 1).data]);
        }""",
        [editor.at(*place) for place in ((230, 130), (230, 200), MITOS[0], MITOS[1], (60, 300))],
    )  # fmt: skip
    colors = class_colors(LABEL)
    names = ("vesicles", "lamella", "lamella", "mitos", "lamella")
    for (*seen, alpha), name in zip(shown, names):
        assert np.abs(np.subtract(seen, rgb(colors[name]))).max() <= 3, (name, shown)
        assert alpha == pytest.approx(0.55 * 255, abs=3)


def test_two_fingers_move_the_map_and_one_draws(open_page, folder):
    page = open_page(width=400)
    editor = Editor(page, folder)
    tools = page.tab.context.new_cdp_session(page.tab)
    editor.name("vesicles")

    def touch(kind: str, *points) -> None:
        found = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        tools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": found})

    page.tab.locator(".map").scroll_into_view_if_needed()
    box = page.tab.locator(".map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch("touchStart", (x, y))
    for step in range(1, 6):
        touch("touchMove", (x + 6 * step, y))
    touch("touchEnd")
    editor.counts(1)
    assert page.tab.locator(".map").bounding_box() == box  # nothing was scrolled to

    def apart() -> float:
        left, right = (page.middle(f'[data-handle="{number}"]') for number in (1, 2))
        return right[0] - left[0]

    before = apart()
    touch("touchStart", (x, y))
    touch("touchStart", (x, y), (x + 60, y))
    touch("touchMove", (x - 30, y), (x + 90, y))
    touch("touchMove", (x - 50, y), (x + 120, y))
    touch("touchEnd")
    page.tab.wait_for_timeout(300)
    editor.counts(1)
    assert apart() > 1.5 * before
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 400


def test_a_read_only_page_and_a_map_without_labels_offer_no_editor(open_page, folder):
    page = open_page(read_only=True)
    page.go(READY, '[data-target="3"]')
    page.press("l")
    assert page.tab.locator("text=Correct labels").count() == 0
    assert page.tab.locator(OPEN).count() == 0


def test_the_keys_are_those_of_the_help(editor, page):
    page.press("?")
    text = page.tab.locator("#help-text").inner_text()
    assert "eraser" in text and "next, previous target" not in text
    page.press("Escape")
    chosen = ".card.labels [data-class][aria-pressed=true]"
    page.press("1")
    assert (
        page.tab.locator(chosen).get_attribute("data-class") == "mitos"
    )  # what is wanted comes first
    page.press("2", ".", "e")
    assert page.tab.locator(chosen).get_attribute("data-class") == ""
    page.press("]")
    assert "30 px" in page.tab.locator(".card.labels").inner_text()
    targets = page.tab.locator(".target").count()
    page.press("Delete", "t")
    assert page.tab.locator(".target").count() == targets
    page.press("Escape")
    page.tab.wait_for_selector(OPEN, state="detached")
