"""The page in the browser: how soon it answers, and how much memory its server takes.

state
    Where a session of 60 lamellae stands, half of them with six tilt series each: asked for the
    first time, again, and after a file has changed.
map
    The first tile of a map of 15 000 x 7000 px that nobody has looked at, all noise, which packs
    worst; a tile of its segmentation; until all tiles are kept; one after that.
choosing
    Targets of that map chosen again: for the first time after it was opened, with other thresholds,
    classes and so on; and a check of targets that were dragged.
memory
    The highest of the server, after each part.

The server is a process of its own, asked by HTTP. For each answer there are seconds on the clock,
which depend on what else the machine does, and seconds of the server's processor. `calibration_s`
is the processor time of a piece of work that is always the same, measured before and after: times
of two machines, or of one at two times, compare by their ratio to it.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import PROJECT, parser, report
from space import settings
from space.files import write_text_atomic
from space.geometry import MapFrame
from space.images import write_json_beside, write_png
from space.microscope import RecordOptics, ViewConditions
from space.page import CACHE_FOLDER
from space.settings import Settings
from space.targeting import Choice, TargetArea, write_choice

LARGE = (7000, 15_000)
PIXEL_NM = 2.283
TARGETS = 6
CLASSES = {name: label for label, name in enumerate(
    "background white black crack coating cell mitos ice lamella".split())}  # fmt: skip
_PATIENCE_S = 120.0


def session(directory: Path, lamellae: int) -> Path:
    """Make a session with so many lamellae that were set up, half of them acquired."""
    directory.mkdir()
    settings.save(Settings(), directory)
    write_text_atomic(directory / "SPACE_grids.json", '{"1": "G1"}')
    items, known = ["AdocVersion = 2.00"], []
    for number in range(1, lamellae + 1):
        stem, acquired = f"G1_L{number:02d}", number <= lamellae // 2
        place = f"{10.0 * number} 5 0"
        items += [
            _item(f"FL{number}", 0, "good (90%)", place),
            _item(f"L{number:02d}", 2, f"{stem}.mrc", place),
            _item(f"L{number:02d}_001", 2, f"{stem}_tgts.txt", place, not acquired),
        ]
        known.append({"number": number, "stage_um": [10.0 * number, 5.0], "size_um": [12.0, 8.0],
                      "category": "good", "probability": 0.9})  # fmt: skip
        (directory / f"{stem}.mrc").write_bytes(b"map")
        write_png(directory / f"{stem}.png", np.full((200, 300), 90, np.uint8), 16.0, "map")
        write_png(directory / f"{stem}_seg.png", np.zeros((200, 300), np.uint8), 16.0, "model")
        _targets(directory, stem, acquired)
    values = {"offset_um": [0.0, 0.0], "made_with": {}, "lamellae": known, "others": []}
    write_text_atomic(directory / "G1_lamellae.json", json.dumps(values))
    write_text_atomic(directory / "G1.nav", "\n\n".join(items) + "\n")
    return directory


def _item(label: str, kind: int, note: str, place: str, acquire: bool = False) -> str:
    return (
        f"[Item = {label}]\nStageXYZ = {place}\nAcquire = {int(acquire)}\nType = {kind}\n"
        f"Note = {note}"
    )


def _targets(directory: Path, stem: str, acquired: bool) -> None:
    text = "_bset measureGeo = True\n\n"
    for target in range(1, TARGETS + 1):
        name = f"{stem}_ts_{target:03d}.mrc"
        text += (
            f"_tgt = {target:03d}\ntsfile = {name}\nSSX = {target}\nSSY = 0\nstageX = 1\n"
            "stageY = 2\nskip = False\nSPACEscore = 0.5\n\n"
        )
        if acquired:
            (directory / name).write_bytes(b"series")
            tilts = [
                f"[ZValue = {z}]\nTiltAngle = {tilt}.01" for z, tilt in enumerate(range(-60, 61, 3))
            ]
            write_text_atomic(directory / f"{name}.mdoc", "\n\n".join(tilts) + "\n")
    text += "_geo = 1\nSSX = 1\nSSY = 1\n\n SPACEtomo: end of the file\n"
    write_text_atomic(directory / f"{stem}_tgts.txt", text)
    if acquired:
        head = "_set minTilt = -60\n_set maxTilt = 60\n_set step = 3\n"
        write_text_atomic(directory / f"{stem}_tgts_run01.txt", head + text)


def with_large_map(directory: Path, number: int = 1) -> Path:
    """Give a lamella a map of real size, and its segmentation."""
    rng = np.random.default_rng(0)
    picture, labels = np.empty(LARGE, np.uint8), np.zeros(LARGE, np.uint8)
    for row in range(0, LARGE[0], 500):
        noise = rng.normal(120, 25, (min(500, LARGE[0] - row), LARGE[1]))
        picture[row : row + 500] = np.clip(noise, 0, 255)
        labels[row : row + 500, 1000:14_000] = CLASSES["lamella"]
        labels[row : row + 250, 2000:9000] = CLASSES["cell"]
        labels[row + 50 : row + 200, 3000:4500] = CLASSES["mitos"]
    frame = MapFrame(LARGE, ((438.0, 0.0), (0.0, -438.0)), (10.0, 5.0))
    stem = f"G1_L{number:02d}"
    path = directory / f"{stem}.png"
    view = asdict(ViewConditions(18, 1, 1, PIXEL_NM, 0.0))
    facts = {"pixel_nm": PIXEL_NM, "frame": frame.to_dict(), "view": view}
    write_json_beside(path, {**facts, "view_shape_px": [4092, 5760]})
    write_png(path, picture, PIXEL_NM, f"{stem}.mrc")
    write_png(directory / f"{stem}_seg.png", labels, PIXEL_NM, "model",
              labels=json.dumps(CLASSES))  # fmt: skip
    return path


class Server:
    """A server, and somebody who has its key."""

    def __init__(self, directory: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "space.cli", "inspect", str(directory)],
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        said = ""
        while "token=" not in said:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"The server ended: {said}")
            said += line
        self.address = re.findall(r"http://127\S+", said)[0]
        port, token = re.findall(r"127\.0\.0\.1:(\d+)/\?token=(\S+)", said)[0]
        self._port, self._cookie = int(port), ""
        headers = self._ask(f"/?token={token}")[1]
        self._cookie = headers["set-cookie"].partition(";")[0]

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def quiet(self) -> None:
        """Wait until the server does nothing by itself: that would be counted for an answer."""
        still = 0
        while still < 5:
            before_s = self.cpu_s
            time.sleep(0.3)
            still = still + 1 if self.cpu_s - before_s < 0.02 else 0

    def _ask(self, address: str, values: Any = None) -> tuple[bytes, dict[str, str]]:
        end = time.monotonic() + _PATIENCE_S
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE_S)
            try:
                headers = {"cookie": self._cookie}
                if values is None:
                    connection.request("GET", address, headers=headers)
                else:
                    headers["content-type"] = "application/json"
                    headers["origin"] = f"http://127.0.0.1:{self._port}"
                    connection.request("POST", address, json.dumps(values), headers)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"{address}: {answer.status} {body[:200]!r}")
                return body, {key.lower(): value for key, value in answer.headers.items()}
            except ConnectionRefusedError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
            finally:
                connection.close()

    def timed(self, address: str, values: Any = None) -> tuple[dict[str, float], bytes]:
        """Return how many seconds of clock and processor an answer takes, and the answer."""
        started, before_s = time.perf_counter(), self.cpu_s
        body = self._ask(address, values)[0]
        wall_s, cpu_s = time.perf_counter() - started, self.cpu_s - before_s
        return {"s": round(wall_s, 3), "cpu_s": round(cpu_s, 2)}, body

    @property
    def cpu_s(self) -> float:
        """Processor time of the server so far: what the machine does beside it does not count."""
        import psutil

        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    @property
    def memory_mb(self) -> float:
        """The highest memory of the server so far."""
        if sys.platform == "linux":
            text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
            return round(int(re.findall(r"VmHWM:\s+(\d+)", text)[0]) / 1024, 1)
        import psutil

        info = psutil.Process(self.process.pid).memory_info()
        return round(getattr(info, "peak_wset", info.rss) / 2**20, 1)


def state_times(folder: Path, lamellae: int) -> dict[str, Any]:
    """Return how long the state takes."""
    directory = session(folder / "session", lamellae)
    with Server(directory) as server:
        server.quiet()
        found: dict[str, Any] = {"first": server.timed("/api/state")[0]}
        found["again"] = _middle([server.timed("/api/state")[0] for _ in range(5)])
        changed = []
        for number in range(1, 6):
            series = directory / f"G1_L{number:02d}_ts_001.mrc.mdoc"
            series.write_text("[ZValue = 0]\nTiltAngle = 0.01\n", encoding="utf-8")
            time.sleep(2.5)
            changed.append(server.timed("/api/state")[0])
        found["after_a_change"] = _middle(changed)
        found["size_kB"] = round(len(server.timed("/api/state")[1]) / 1000, 1)
        found["memory_MB"] = server.memory_mb
    return found


def _middle(times: list[dict[str, float]]) -> dict[str, float]:
    return {key: sorted(one[key] for one in times)[len(times) // 2] for key in times[0]}


def map_times(folder: Path) -> dict[str, Any]:
    """Return how long tiles of a large map take, and the memory of the server."""
    directory = session(folder / "large", 2)
    path = with_large_map(directory)
    found: dict[str, Any] = {"file_MB": round(path.stat().st_size / 1e6, 1)}
    with Server(directory) as server:
        server.timed("/api/state")
        server.quiet()
        started = time.perf_counter()
        found["first_tile"], tile = server.timed("/tiles/G1/L01/0/0/0.jpg")
        found["full_tile"], full = server.timed("/tiles/G1/L01/6/20/10.jpg")
        found["label_tile"] = server.timed("/tiles/G1/L01_seg/2/0/0.png")[0]
        kept = directory / CACHE_FOLDER
        while not list(kept.glob("G1*.tiles")) and time.perf_counter() < started + _PATIENCE_S:
            time.sleep(0.1)
        found["all_tiles_s"] = round(time.perf_counter() - started, 1)
        found["kept_tile"] = server.timed("/tiles/G1/L01/6/21/11.jpg")[0]
        found["kept_MB"] = round(sum(one.stat().st_size for one in kept.iterdir()) / 1e6, 1)
        found["tile_kB"] = round(len(tile) / 1000, 1)
        found["full_tile_kB"] = round(len(full) / 1000, 1)
        found["memory_MB"] = server.memory_mb
    return found


OTHERWISE: dict[str, dict[str, Any]] = {
    "threshold": {"target_score_threshold": 0.2},
    "edge": {"target_edge": True},
    "margin": {"beam_margin": 1.0},
    "classes": {"target_list": ["cell"], "sparse_targets": False},
    "avoided": {"avoid_list": ["black"]},
    "tracking": {"extra_tracking": True},
}
"""Other settings that a person tries."""


def choosing_times(folder: Path) -> dict[str, Any]:
    """Return how long choices of targets on a large map take."""
    directory = session(folder / "choosing", 2)
    with_large_map(directory, 2)
    points = np.array([(1500.0, 3000.0), (2500.0, 4000.0)])
    choice = Choice((TargetArea(points, np.full(len(points), 0.5)),))
    record = asdict(RecordOptics((0.86, 0.61), 0.0, 1.0))
    write_choice(directory / "G1_L02_choice.json", choice, "G1_L02.png", LARGE, record=record)
    found: dict[str, Any] = {}
    with Server(directory) as server:
        server.quiet()
        before_s = server.cpu_s
        server.timed("/api/lamella/G1/2")
        server.quiet()
        found["prepared_cpu_s"] = round(server.cpu_s - before_s, 2)
        address = "/api/choose_again/G1/2"
        found["first"], body = server.timed(address, {})
        proposal = json.loads(body)["proposal"]
        found["targets"] = proposal["targets"]
        for name, settings_ in OTHERWISE.items():
            found[name] = server.timed(address, {"settings": settings_})[0]
        found["check"] = server.timed("/api/check/G1/2", {"areas": proposal["areas"]})[0]
        found["memory_MB"] = server.memory_mb
    return found


def calibration_s() -> float:
    """Processor time of some work of the kinds that the server does."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (1000, 1000), np.uint8)
    before_s = time.process_time()
    for _ in range(4):
        packed = zlib.compress(noise, 1)
        np.frombuffer(zlib.decompress(packed), np.uint8).reshape(noise.shape).sum(axis=0)
        sorted(str(number) for number in range(100_000))
    return round(time.process_time() - before_s, 3)


def machine() -> dict[str, float]:
    """Say how busy the machine is, and how quick."""
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else -1.0
    return {"load": load, "calibration_s": calibration_s()}


def main() -> None:
    """Command line."""
    args = parser(__doc__ or "", 60).parse_args()
    before = machine()
    with tempfile.TemporaryDirectory() as folder:
        result: dict[str, Any] = {
            "lamellae": args.n,
            "before": before,
            "state": state_times(Path(folder), args.n),
            "map": map_times(Path(folder)),
            "choosing": choosing_times(Path(folder)),
            "after": machine(),
        }
    report(result, args.json)


if __name__ == "__main__":
    main()
