"""A volume in the browser: its sections can be gone through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from space.page.security import Key
from space.page.volume_view import VolumeView, make_volume_app
from space.volumes import Frame, OpenVolume
from tests.browser.conftest import Served


def test_sections_are_gone_through_by_keys_and_labels_lie_over_them(chromium):
    pytest.importorskip("uvicorn")
    data = np.zeros((12, 60, 80), np.float32)
    data[:] = np.arange(12)[:, None, None]
    labels = np.zeros(data.shape, np.uint16)
    labels[7] = 3
    frame = Frame((10.0, 10.0, 10.0), origin_nm=(100.0, 0.0, 0.0))

    def opened(name, values):
        return OpenVolume(Path(name), values.shape, values.dtype, frame, values.__getitem__)

    view, key = VolumeView(opened("cell.mrc", data), opened("found.zarr", labels)), Key()
    served = Served(make_volume_app(view, key), key)
    tab = chromium.new_context().new_page()
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    try:
        tab.goto(served.address)
        tab.wait_for_selector("h2:has-text('Section 6 at z = 160 nm')")
        tab.keyboard.press("n")
        tab.wait_for_selector("h2:has-text('Section 7')")
        for what, number in (("sections", 7), ("over", 7)):
            tab.wait_for_selector(f'img.section[src^="/{what}/z/{number}."]')
        tab.keyboard.press("o")
        tab.wait_for_selector('img.section[src^="/over/"][style*="opacity: 0"]', state="attached")
        for _ in range(30):
            tab.keyboard.press("j")
        tab.wait_for_selector('img.section[src="/sections/z/11.jpg"]')
        tab.keyboard.press("x")
        tab.wait_for_selector("h2:has-text('Section 40 at x = 400 nm')")
        tab.wait_for_selector('img.section[src="/sections/x/40.jpg"]')
        served.end()
        tab.keyboard.press("n")
        tab.wait_for_selector("#told:has-text('cannot be read')")
        assert not wrong
    finally:
        tab.context.close()
        served.end()
