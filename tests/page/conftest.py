"""Sessions and servers for the page."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from space.geometry import MapFrame
from space.images import write_json_beside, write_png
from space.journal import Kind, note
from space.page.app import Page, make_app
from space.page.security import Key
from space.page.session import Session
from space.page.tiles import CACHE_FOLDER, Tiles
from space.simulation import make_project
from tests.overview.folders import Folder, with_targets

if TYPE_CHECKING:
    from tests.page.browser import Browser

# On the oldest Python, where SerialEM may be and the page never is, its packages are missing.
collect_ignore_glob = [] if importlib.util.find_spec("starlette") else ["test_*.py"]

FRAME = MapFrame((300, 400), ((1.25, 0.0), (0.0, -1.25)), (20.0, 5.0))
"""Of the whole-grid map: 0.8 um per pixel, rows run against stage Y."""


@pytest.fixture(scope="session")
def space_dir(tmp_path_factory) -> Path:
    """A project folder with models that only seem to be there."""
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def folder(tmp_path) -> Folder:
    """A session: one lamella acquired, one set up, one found, one left out; with a grid map."""
    made = with_targets(Folder(tmp_path / "session").named(), 1, 2).series(1).acquire_off(1)
    made.found(3).left_out()
    picture = tmp_path / "session" / "G1_wg.png"
    write_json_beside(picture, {"pixel_nm": 800.0, "frame": FRAME.to_dict()})
    rows = np.arange(300, dtype=np.uint16)[:, None] + np.arange(400)[None]
    write_png(picture, (rows % 256).astype(np.uint8), 800.0, "G1.mrc")
    (tmp_path / "session" / "G1.mrc").write_bytes(b"map")
    (tmp_path / "session" / "G1.log").write_text("one\ntwo\n", encoding="utf-8")
    note(tmp_path / "session", Kind.RUN_STARTED, level=5)
    note(tmp_path / "session", Kind.WARNING, "G1", text="<b>The stage did not settle</b>")
    return made


@pytest.fixture
def open_page(folder, space_dir, tmp_path):
    """Return a function that opens the page of that session, as a browser does."""
    from tests.page.browser import Browser

    opened = []

    def make(directory: Path | None = None, read_only: bool = False, **about: object) -> Browser:
        place = directory or folder.directory
        cache = tmp_path / "cache" if read_only else place / CACHE_FOLDER
        page = Page(
            Session(place, None, about.pop("space_dir", space_dir)), Tiles(cache), read_only
        )
        key = Key()
        opened.append(Browser(make_app(page, key), key, page))
        return opened[-1]

    yield make
    for browser in opened:
        browser.close()


@pytest.fixture
def page(open_page) -> Browser:
    """The page of that session."""
    return open_page()
