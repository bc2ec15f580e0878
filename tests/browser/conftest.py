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
from space.page.security import App, Key
from space.page.session import Session
from space.page.tiles import Tiles
from space.simulation import make_project
from tests.overview.folders import Folder, with_targets
from tests.page import maps

FRAME = MapFrame((300, 400), ((1.25, 0.0), (0.0, -1.25)), (20.0, 5.0))
"""Of the whole-grid map: 0.8 um per pixel, rows run against stage Y."""

PATIENCE_MS = 90_000


HERE = Path(__file__).resolve().parent


@pytest.hookimpl(tryfirst=True)  # before what -m leaves out is decided
def pytest_collection_modifyitems(items):
    """Mark all tests of this folder.

    One that went without the mark ran beside all others: playwright leaves the loop of asyncio
    running, and a test of the page that needed one failed or not, by the order of files.
    """
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


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
    """

    def __init__(self, context, address: str) -> None:
        self.requests: list[str] = []
        self.methods: set[str] = set()
        self.wrong: list[str] = []
        context.set_default_timeout(PATIENCE_MS)
        self.context, self.tab = context, context.new_page()
        self.tab.on("request", self._asked)
        self.tab.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.tab.on("console", self._said)
        self.tab.goto(address)
        self.tab.wait_for_selector("#live[data-live=true]")

    def _asked(self, request) -> None:
        self.requests.append(request.url)
        self.methods.add(request.method)

    def _said(self, message) -> None:
        # A refusal of the server, or its end, is said there, too; that is no fault of the page.
        is_of_network = "Failed to load resource" in message.text or "net::ERR" in message.text
        if message.type == "error" and not is_of_network:
            self.wrong.append(message.text)

    def go(self, address: str, waits_for: str) -> None:
        self.tab.evaluate("address => { location.hash = address; }", address)
        self.tab.wait_for_selector(waits_for)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tab.keyboard.press(key)

    def middle(self, selector: str) -> tuple[float, float]:
        """Where something is on the screen, once it rests there."""
        before, box = None, self.tab.locator(selector).bounding_box()
        while box is None or box != before:
            self.tab.wait_for_timeout(50)
            before, box = box, self.tab.locator(selector).bounding_box()
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

    def finger(self, selector: str, right: float, down: float) -> None:
        """Drag something by a finger."""
        x, y = self.middle(selector)
        hand = self.context.new_cdp_session(self.tab)

        def moves(kind: str, *places: tuple[float, float]) -> None:
            points = [{"x": place[0], "y": place[1]} for place in places]
            hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        moves("touchStart", (x, y))
        for part in (0.3, 0.7, 1.0):
            moves("touchMove", (x + part * right, y + part * down))
        moves("touchEnd")

    def told(self, text: str) -> None:
        """Wait until the page says something."""
        self.tab.wait_for_function(
            "text => document.querySelector('#told').textContent.includes(text)", arg=text
        )


def on_map(place_um) -> np.ndarray:
    """Where a place of the stage is on the map of the grid, in its pixels."""
    return FRAME.to_map(np.array([place_um], float))[0]


def screen_px(page: Seen, pixel_um: float) -> float:
    """Pixels of the screen for a pixel of the map, by the scale bar."""
    # In one call: the bar is drawn anew when the map finds its size.
    scale = page.tab.wait_for_selector(".scale .bar").evaluate_handle(
        "bar => bar.closest('.scale')"
    )
    bar, text = scale.evaluate(
        "s => [s.querySelector('.bar').getBoundingClientRect().width,"
        " s.querySelector('span').innerText]"
    )
    value, unit = text.split()
    um = float(value) * {"nm": 0.001, "µm": 1.0, "mm": 1000.0}[unit]
    return bar / um * pixel_um


class Served:
    """A page on a port of this computer; it can be ended and begun again.

    Parameters
    ----------
    app : App
    key : Key
    """

    def __init__(self, app: App, key: Key) -> None:
        self._app, self._key = app, key
        self.port = 0
        self.begin()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={self._key.token}"

    def begin(self) -> None:
        import uvicorn

        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        config = uvicorn.Config(self._app, log_level="warning", ws="none",
                                timeout_graceful_shutdown=1)  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}
        )
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def end(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()


@pytest.fixture
def open_page(chromium, folder, space_dir, tmp_path):
    """Return a function that opens the page of that session in a browser."""
    pytest.importorskip("uvicorn")
    pytest.importorskip("starlette")
    opened: list[Seen] = []

    def make(
        read_only: bool = False, width: int = 1400, scheme: str = "light", touch: bool = False
    ) -> Seen:
        cache = tmp_path / f"cache{len(opened)}"
        shown = Page(Session(folder.directory, None, space_dir), Tiles(cache), read_only)
        key = Key()
        served = Served(make_app(shown, key), key)
        size = {"width": width, "height": 900}
        context = chromium.new_context(
            viewport=size, color_scheme=scheme, has_touch=touch, is_mobile=touch
        )
        opened.append(Seen(context, served.address))
        opened[-1].served = served
        return opened[-1]

    yield make
    for made in opened:
        made.context.close()
        made.served.end()
    for made in opened:
        here = (f"http://127.0.0.1:{made.served.port}/", "data:", "blob:")
        outside = [address for address in made.requests if not address.startswith(here)]
        assert not outside, "a request left the computer"
        assert made.requests and not made.wrong, made.wrong


@pytest.fixture
def page(open_page) -> Seen:
    """That page, wide and light."""
    return open_page()
