"""Pairs of points on the page: fitted as they are clicked, and kept when they are saved."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from space.fluorescence import register
from space.page.pairs import MOST_PAIRS, Beside, PairsView, make_pairs_app
from space.page.security import Key
from tests.page.browser import Browser

SHAPE, PIXEL_UM = (300, 400), 0.2
FM = np.array([[20.0, 30.0], [40.0, 170.0], [130.0, 60.0], [120.0, 180.0]])


def on_map(points: np.ndarray) -> np.ndarray:
    """Turned by 90 degrees and twice as large."""
    return np.column_stack([10 + 1.5 * points[:, 1], 390 - 2 * points[:, 0] * 0.75])


def pairs(count: int = 4) -> list[list[float]]:
    return np.hstack([FM, on_map(FM)])[:count].tolist()


@pytest.fixture
def saved():
    return []


@pytest.fixture
def page(saved):
    def fit(fm, there):
        return register(fm, there, PIXEL_UM, (150, 200), SHAPE)

    def save(found):
        saved.append(found)
        return ["It is kept."]

    fm = Beside("a.tif", np.zeros((150, 200, 3), np.uint8), None)
    there = Beside("G1_L01.png", np.full(SHAPE, 90, np.uint8), PIXEL_UM)
    key = Key()
    view = PairsView(fm, there, fit, save, pairs(1))
    browser = Browser(make_pairs_app(view, key), key, view)
    yield browser
    browser.close()


def test_both_pictures_and_what_is_known_of_them_are_there(page):
    about = page.json("/api/pairs")
    assert about["fm"] == {"name": "a.tif", "shape_px": [150, 200], "pixel_um": None}
    assert about["map"]["pixel_um"] == PIXEL_UM and about["pairs"] == pairs(1)
    for name, shape in (("fm", (150, 200, 3)), ("map", SHAPE)):
        body = page.get(f"/pictures/{name}.jpg").content
        assert np.asarray(Image.open(io.BytesIO(body))).shape == shape
    assert page.get("/pictures/other.jpg").status_code == 404


def test_pairs_are_fitted_as_soon_as_they_say_something(page, saved):
    assert page.post("/api/fit", {"pairs": pairs(2)}) == {"problem": "", "fit": None}
    fit = page.post("/api/fit", {"pairs": pairs()})["fit"]
    matrix = np.array(fit["matrix"])
    np.testing.assert_allclose(FM @ matrix[:, :2].T + matrix[:, 2], on_map(FM), atol=0.1)
    assert max(fit["residuals_um"]) < 0.05 and fit["kept"] == [True] * 4
    on_a_line = [[k, 2 * k, 3 * k, k] for k in (1.0, 20.0, 60.0)]
    answer = page.post("/api/fit", {"pairs": on_a_line})
    assert "one line" in answer["problem"] and answer["fit"] is None
    assert not saved


def test_what_is_saved_is_kept_and_there_again(page, saved):
    assert page.post("/api/save", {"pairs": pairs()})["told"] == ["It is kept."]
    assert len(saved) == 1 and len(saved[0].fm_px) == 4
    assert page.json("/api/pairs")["pairs"] == pairs()
    page.post("/api/save", {"pairs": pairs(2)}, 422)
    assert len(saved) == 1


@pytest.mark.parametrize(
    "values",
    [{}, {"pairs": 3}, {"pairs": [[1, 2, 3]]}, {"pairs": [[1, 2, 3, "x"]]},
     {"pairs": [[1, 2, 3, True]]}, {"pairs": [[1, 2, 3, 1e99]]},
     {"pairs": [[1, 2, 3, 4]] * (MOST_PAIRS + 1)}, {"pairs": [], "more": 1}],
)  # fmt: skip
def test_what_are_no_pairs_is_refused(page, saved, values):
    for address in ("/api/fit", "/api/save"):
        page.post(address, values, 400)
    assert not saved
