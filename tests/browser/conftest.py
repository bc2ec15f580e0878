"""A browser that has the page of a small session open.

It is Debian's chromium (or another one that CHROMIUM names), driven by playwright. Without one of
them these tests are skipped and say so.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from space.geometry import MapFrame
from space.images import write_json_beside, write_png
from space.journal import Kind, note
from space.page.app import Page, make_app
from space.page.security import Key
from space.page.session import Session
from space.page.tiles import Tiles
from space.simulation import make_project
from tests.overview.folders import Folder, with_targets
from tests.page import maps

FRAME = MapFrame((300, 400), ((1.25, 0.0), (0.0, -1.25)), (20.0, 5.0))
"""Of the whole-grid map: 0.8 um per pixel, rows run against stage Y."""

PATIENCE_MS = 90_000


@pytest.fixture(scope="session")
def chromium():
    """The program; a browser is large and not part of what pip installs."""
    playwright_api = pytest.importorskip("playwright.sync_api")
    named = os.environ.get("CHROMIUM", "")
    found = next(
        filter(None, map(shutil.which, (named, "chromium", "chromium-browser", "google-chrome"))),
        None,
    )
    if found is None:
        pytest.skip("no chromium here (Debian: apt-get install chromium; else name it in CHROMIUM)")
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def space_dir(tmp_path_factory) -> Path:
    """A project folder with models that only seem to be there."""
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def folder(tmp_path) -> Folder:
    """Lamella 1 acquired, 2 with targets, 3 found, one left out; on a map of 300 x 400 pixels."""
    made = with_targets(Folder(tmp_path / "session").named(), 1, 2).series(1).acquire_off(1)
    made.found(3).left_out()
    directory = made.directory
    for number, targets in ((1, 2), (2, 3)):  # as many as there are series of lamella 1
        maps.draw(directory, number)
        maps.choose(directory, number, list(maps.MITOS[:targets]))
    picture = directory / "G1_wg.png"
    write_json_beside(picture, {"pixel_nm": 800.0, "frame": FRAME.to_dict()})
    rows = np.arange(300, dtype=np.uint16)[:, None] + np.arange(400)[None]
    write_png(picture, (rows % 256).astype(np.uint8), 800.0, "G1.mrc")
    (directory / "G1.mrc").write_bytes(b"map")
    (directory / "G1.log").write_text("one\ntwo\n", encoding="utf-8")
    note(directory, Kind.RUN_STARTED, level=5)
    note(directory, Kind.WARNING, "G1", text="<b>The stage did not settle</b>")
    return made


class Seen:
    """The page as a person has it open.

    Parameters
    ----------
    context : BrowserContext
    address : str
    width : int
    """

    def __init__(self, context, address: str, width: int) -> None:
        self.requests: list[str] = []
        self.wrong: list[str] = []
        context.set_default_timeout(PATIENCE_MS)
        self.context, self.tab = context, context.new_page()
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.tab.on("console", self._said)
        self.tab.goto(address)
        self.tab.wait_for_selector("#live[data-live=true]")

    def _said(self, message) -> None:
        # A refusal of the server is said there, too; that is no fault of the page.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.wrong.append(message.text)

    def go(self, address: str, waits_for: str) -> None:
        self.tab.evaluate("address => { location.hash = address; }", address)
        self.tab.wait_for_selector(waits_for)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tab.keyboard.press(key)

    def middle(self, selector: str) -> tuple[float, float]:
        """Where something is on the screen."""
        box = self.tab.locator(selector).bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag(self, selector: str, right: float, down: float, lets_go: bool = True) -> None:
        """Drag something by pixels of the screen."""
        x, y = self.middle(selector)
        mouse = self.tab.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + right / 2, y + down / 2)
        mouse.move(x + right, y + down)
        if lets_go:
            mouse.up()

    def told(self, text: str) -> None:
        """Wait until the page says something."""
        self.tab.wait_for_function(
            "text => document.querySelector('#told').textContent.includes(text)", arg=text
        )


@pytest.fixture
def open_page(chromium, folder, space_dir, tmp_path):
    """Return a function that opens the page of that session in a browser."""
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("starlette")
    ends = []

    def make(read_only: bool = False, width: int = 1400, scheme: str = "light") -> Seen:
        key = Key()
        page = Page(Session(folder.directory, None, space_dir), Tiles(tmp_path / "c"), read_only)
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(make_app(page, key), log_level="warning", ws="none",
                                timeout_graceful_shutdown=1)  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = listener.getsockname()[1]
        size = {"width": width, "height": 900}
        context = chromium.new_context(viewport=size, color_scheme=scheme)
        ends.append((context, server, thread, listener))
        made = Seen(context, f"http://127.0.0.1:{port}/?token={key.token}", width)
        made.port = port
        opened.append(made)
        return made

    opened: list[Seen] = []
    yield make
    for context, server, thread, listener in ends:
        context.close()
        server.should_exit = True
        thread.join(10)
        listener.close()
    for made in opened:
        outside = [
            address
            for address in made.requests
            if not address.startswith((f"http://127.0.0.1:{made.port}/", "data:", "blob:"))
        ]
        assert not outside, "a request left the computer"
        assert made.requests and not made.wrong, made.wrong


@pytest.fixture
def page(open_page) -> Seen:
    """That page, wide and light."""
    return open_page()
