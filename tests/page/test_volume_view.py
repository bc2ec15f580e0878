"""The page of a volume: its sections as they are, and nothing else."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from space.page.security import Key
from space.page.volume_view import Sections, VolumeView, make_volume_app
from space.volumes import Frame, OpenVolume
from tests.page.browser import Browser

SHAPE = (5, 40, 60)


def opened(data: np.ndarray, voxel_nm=(20.0, 10.0, 10.0)) -> OpenVolume:
    from pathlib import Path

    return OpenVolume(Path("cell.mrc"), data.shape, data.dtype, Frame(voxel_nm), data.__getitem__)


def volume() -> OpenVolume:
    """Brighter from section to section, and in one corner of each."""
    data = np.empty(SHAPE, np.float32)
    data[:] = np.arange(5, dtype=np.float32)[:, None, None]
    data[:, :20, :20] += 10
    data[2, 0, 0] = np.nan
    return opened(data)


@pytest.fixture
def open_view():
    made = []

    def make(labels: np.ndarray | None = None, of: OpenVolume | None = None) -> Browser:
        key = Key()
        page = VolumeView(of or volume(), None if labels is None else opened(labels))
        made.append(Browser(make_volume_app(page, key), key, page))
        return made[-1]

    yield make
    for browser in made:
        browser.close()


def picture(page, address: str) -> np.ndarray:
    answer = page.get(address)
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA")).astype(int)


def test_sections_along_each_axis_are_those_of_the_volume(open_view):
    page = open_view()
    about = page.json("/api/volume")
    assert about["shape"] == [5, 40, 60] and about["sides_px"] == [10, 40, 60]
    first, last = picture(page, "/sections/z/0.jpg"), picture(page, "/sections/z/4.jpg")
    assert first.shape == (40, 60, 4)
    assert (last[25:, 25:, 0] > first[25:, 25:, 0] + 5).all()
    assert (first[:18, :18, 0] > first[25:, 25:, 0].max() + 100).all()
    # Across z the picture has square pixels: each section is twice as thick as a pixel is wide.
    across = picture(page, "/sections/y/30.jpg")[..., 0]
    assert across.shape == (10, 60) and (np.diff(across[::2, 30]) > 0).all()
    assert picture(page, "/sections/x/59.jpg").shape == (10, 40, 4)


def test_labels_have_colours_and_what_is_none_has_no_colour(open_view):
    labels = np.zeros(SHAPE, np.uint16)
    labels[1, 10:20, 30:40], labels[1, 30:, 30:] = 1, 300
    page = open_view(labels)
    assert page.json("/api/volume")["over"] == "labels"
    seen = picture(page, "/over/z/1.png")
    assert (seen[..., 3] > 0).tolist() == (labels[1] > 0).tolist()
    assert (seen[15, 35] != seen[35, 35]).any()
    assert not picture(page, "/over/z/0.png")[..., 3].any()


def test_of_probabilities_those_that_are_large_enough_are_shown(open_view):
    shares = np.zeros(SHAPE, np.uint8)
    shares[:] = np.arange(60, dtype=np.uint8) * 4
    page = open_view(shares)
    assert page.json("/api/volume")["over"] == "shares"
    for least in (1, 100, 236):
        seen = picture(page, f"/over/z/2.png?least={least}")[..., 3] > 0
        assert seen.tolist() == (shares[2] >= least).tolist()


def test_what_is_not_there_is_refused_and_nothing_can_be_sent(open_view):
    page = open_view()
    for address in ("/sections/z/5.jpg", "/sections/w/0.jpg", "/sections/z/-1.jpg", "/over/z/0.png",
                    "/sections/z/99999999999999999999.jpg", "/over/z/0.png?least=x"):  # fmt: skip
        assert 400 <= page.get(address).status_code < 500, address
    labelled = open_view(np.zeros(SHAPE, np.uint8))
    for least in ("x", "-1", "1000", "٣"):
        assert 400 <= labelled.get(f"/over/z/0.png?least={least}").status_code < 500, least
    page.post("/api/volume", {}, 403)


def test_sections_near_each_other_are_read_once():
    asked = []
    data = np.arange(64 * 8 * 8, dtype=np.float32).reshape(64, 8, 8)

    def read(box):
        asked.append(box)
        return data[box]

    whole = opened(data)
    sections = Sections(OpenVolume(whole.path, whole.shape, whole.dtype, whole.frame, read))
    for axis, size in enumerate(data.shape):
        for index in range(size):
            assert (sections.at(axis, index) == data.take(index, axis)).all()
    assert len(asked) == 4  # 64 sections in two parts, and 8 in one each
