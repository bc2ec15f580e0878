"""The page in the browser through a slow tunnel: 1 Mbit/s and 120 ms, nothing cached.

Chromium's own limit of the network is used; its latency counts for each request. Each way is
walked by a browser that has seen nothing before, at a server that nobody has asked before.

session, grid, lamella
    Seconds from the address with its key until the session is shown; until the map of the grid
    (4000 x 4000 px, noise) is seen with its boxes; until the map of a lamella (15 000 x 7000 px)
    is seen and a target on it can be dragged (`usable`), and until all of its tiles are there
    (`sharp`). Kilobytes and requests; processor time of the server, which began with it.
kept
    As lamella, where somebody has looked at that map before: its tiles are there.
acting
    Seconds from dragging a target until it is where it was dragged to; until the server has said
    what is wrong with it; from asking for another choice until it is shown.
away
    Requests that would have left the computer.

Times depend on what else the machine does: `load` is how many processes wanted a processor.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

from benchmarks.common import parser, report
from benchmarks.page import Server, machine, session, with_large_map
from space.geometry import MapFrame
from space.images import write_json_beside, write_png
from space.microscope import RecordOptics
from space.page import CACHE_FOLDER
from space.targeting import Choice, TargetArea, write_choice

BITS_PER_S, LATENCY_MS = 1_000_000, 120
LARGE = (7000, 15_000)
GRID = (4000, 4000)
LAMELLAE = 60
NUMBER = 31
"""The lamella that is looked at: set up, and not acquired."""

RECORD = RecordOptics((0.86, 0.61), 0.0, 1.0)
TARGETS = ((1500.0, 3000.0), (2500.0, 4000.0), (3500.0, 6000.0))
_PATIENCE_MS = 60_000
_HANDLE = '[data-handle="1"]'
_SEEN = """() => {
  const tiles = [...document.querySelectorAll(".map img.leaflet-tile")];
  return tiles.length > 0 && tiles.every((one) => one.complete && one.naturalWidth > 0);
}"""
_SOME_SEEN = """() => {
  const tiles = [...document.querySelectorAll(".map img.leaflet-tile")];
  return tiles.some((one) => one.complete && one.naturalWidth > 0);
}"""


def with_maps(directory: Path) -> None:
    """Give the grid a map, and the lamella one of real size with targets."""
    rng = np.random.default_rng(1)
    frame = MapFrame(GRID, ((2.0, 0.0), (0.0, -2.0)), (300.0, 5.0))
    write_json_beside(directory / "G1_wg.png", {"pixel_nm": 500.0, "frame": frame.to_dict()})
    noise = np.clip(rng.normal(120, 25, GRID), 0, 255).astype(np.uint8)
    write_png(directory / "G1_wg.png", noise, 500.0, "G1.mrc")
    with_large_map(directory, NUMBER)
    points = np.array(TARGETS)
    choice = Choice((TargetArea(points, np.full(len(points), 0.5)),))
    path = directory / f"G1_L{NUMBER:02d}_choice.json"
    write_choice(path, choice, f"G1_L{NUMBER:02d}.png", LARGE, record=asdict(RECORD))


class Line:
    """A browser at the end of the line, with what came through it."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self.context = browser.new_context(viewport={"width": 1400, "height": 900})
        self.context.set_default_timeout(_PATIENCE_MS)
        self.tab: Page = self.context.new_page()
        self.requests: list[str] = []
        self.bytes = 0
        self._server = server
        network = self.context.new_cdp_session(self.tab)
        network.send("Network.enable")
        network.send("Network.setCacheDisabled", {"cacheDisabled": True})
        rate = BITS_PER_S / 8
        network.send(
            "Network.emulateNetworkConditions",
            {"offline": False, "latency": LATENCY_MS, "downloadThroughput": rate,
             "uploadThroughput": rate},
        )  # fmt: skip
        network.on("Network.requestWillBeSent", self._asked)
        network.on("Network.dataReceived", self._came)
        self._begun = time.perf_counter()

    def _asked(self, event: dict[str, Any]) -> None:
        address = event["request"]["url"]
        if not address.startswith(("data:", "blob:")):
            self.requests.append(address)

    def _came(self, event: dict[str, Any]) -> None:
        self.bytes += event["encodedDataLength"]

    def open(self, hash_address: str) -> None:
        """Open the address that the server printed, then a view of it."""
        self._begun = time.perf_counter()
        self.tab.goto(self._server.address, wait_until="commit")
        # The page leads on by itself to the address without the key.
        self.tab.wait_for_selector("#places a")
        if hash_address:
            self.tab.evaluate("address => { location.hash = address; }", hash_address)

    def until(self, script: str) -> float:
        """Wait until something holds in the page; seconds since it was opened."""
        try:
            self.tab.wait_for_function(script, polling=50)
        except TimeoutError as error:
            said = self.tab.locator("#told").text_content()
            raise RuntimeError(f"It never was so: {script} ({said})") from error
        return round(time.perf_counter() - self._begun, 2)

    def again(self) -> None:
        """Count time from now."""
        self._begun = time.perf_counter()

    def table(self, **seconds: float) -> dict[str, Any]:
        """What has come so far."""
        return {**seconds, "kB": round(self.bytes / 1000, 1), "requests": len(self.requests)}

    @property
    def away(self) -> int:
        """Requests to any other computer."""
        own = self._server.address.partition("/?")[0]
        return sum(not address.startswith(own) for address in self.requests)


def chromium() -> str:
    """Return the program.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise RuntimeError("There is no chromium here; name it in CHROMIUM.")
    return found


def walked(browser: Browser, directory: Path) -> dict[str, Any]:
    """Walk all ways; each at a server of its own."""
    found: dict[str, Any] = {}
    away = 0
    handle = f"() => document.querySelector('{_HANDLE}')"
    ways = {
        "session": ("", "() => document.querySelector('#view h2')", "() => true"),
        "grid": (
            "#/grid/G1",
            _SOME_SEEN,
            "() => document.querySelectorAll('.map .handle').length > 5",
        ),
        "lamella": (f"#/lamella/G1/{NUMBER}", _SOME_SEEN, handle),
        "kept": (f"#/lamella/G1/{NUMBER}", _SOME_SEEN, handle),
    }
    for name, (address, seen, usable) in ways.items():
        kept = directory / CACHE_FOLDER
        if name != "kept":
            shutil.rmtree(kept, ignore_errors=True)
        with Server(directory) as server:
            line = Line(browser, server)
            line.open(address)
            seconds = {"usable_s": max(line.until(usable), line.until(seen))}
            if address:
                seconds["sharp_s"] = line.until(_SEEN)
            found[name] = {**line.table(**seconds), "server_cpu_s": server.cpu_s}
            if name == "lamella":
                found["acting"] = acted(line)
                while not list(kept.glob("G1_L*.tiles")):
                    time.sleep(0.2)
            away += line.away
            line.context.close()
    return {**found, "away": away}


def acted(line: Line) -> dict[str, float]:
    """Drag a target, and choose again."""
    tab, found = line.tab, {}
    box = tab.locator(_HANDLE).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    line.again()
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + 20, y + 10)
    tab.mouse.move(x + 40, y + 20)
    tab.mouse.up()
    place = f"document.querySelector('{_HANDLE}').getBoundingClientRect().x"
    found["dragged_s"] = line.until(f"() => Math.abs({place} - {box['x'] + 40}) < 3")
    found["checked_s"] = line.until(
        "() => document.querySelector('.card.summary').textContent.includes('total score')"
    )
    tab.locator(".card.again summary").first.click()
    line.again()
    tab.get_by_role("button", name="Choose", exact=True).click()
    found["chosen_s"] = line.until("() => document.querySelector('.comparison')")
    return found


def main() -> None:
    """Command line."""
    args = parser(__doc__ or "", 1).parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        directory = session(Path(folder) / "session", LAMELLAE)
        with_maps(directory)
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        result = walked(browser, directory)
        browser.close()
    line = {"bits_per_s": BITS_PER_S, "latency_ms": LATENCY_MS, **machine()}
    report({**line, **result}, args.json)


if __name__ == "__main__":
    main()
