"""The page in the browser: how soon it answers, and how much memory its server takes.

state
    Where a session of 60 lamellae stands, half of them with six tilt series each: asked for the
    first time, again, and after a file has changed.
map
    The first tile of a map of 15 000 x 7000 px that nobody has looked at, all noise, which packs
    worst; a tile of its segmentation; until all tiles are kept; one after that.
memory
    The highest of the server, after each part.

The server is a process of its own, asked by HTTP.
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
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import PROJECT, parser, report
from space import settings
from space.files import write_text_atomic
from space.geometry import MapFrame
from space.images import write_json_beside, write_png
from space.page import CACHE_FOLDER
from space.settings import Settings

LARGE = (7000, 15_000)
PIXEL_NM = 2.283
TARGETS = 6
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


def with_large_map(directory: Path) -> Path:
    """Give lamella 1 a map of real size, and its segmentation."""
    rng = np.random.default_rng(0)
    picture, labels = np.empty(LARGE, np.uint8), np.zeros(LARGE, np.uint8)
    for row in range(0, LARGE[0], 500):
        noise = rng.normal(120, 25, (min(500, LARGE[0] - row), LARGE[1]))
        picture[row : row + 500] = np.clip(noise, 0, 255)
        labels[row : row + 250, 2000:9000] = 2
    frame = MapFrame(LARGE, ((438.0, 0.0), (0.0, -438.0)), (10.0, 5.0))
    path = directory / "G1_L01.png"
    write_json_beside(path, {"pixel_nm": PIXEL_NM, "frame": frame.to_dict()})
    write_png(path, picture, PIXEL_NM, "G1_L01.mrc")
    write_png(directory / "G1_L01_seg.png", labels, PIXEL_NM, "model",
              labels=json.dumps({"background": 0, "white": 1, "cell": 2}))  # fmt: skip
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

    def _ask(self, address: str) -> tuple[bytes, dict[str, str]]:
        end = time.monotonic() + _PATIENCE_S
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE_S)
            try:
                connection.request("GET", address, headers={"cookie": self._cookie})
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

    def timed(self, address: str) -> tuple[float, bytes]:
        """Return how many seconds an answer takes, and the answer."""
        started = time.perf_counter()
        body = self._ask(address)[0]
        return round(time.perf_counter() - started, 3), body

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


def state_times(folder: Path, lamellae: int) -> dict[str, float]:
    """Return how long the state takes."""
    directory = session(folder / "session", lamellae)
    with Server(directory) as server:
        found = {"first_s": server.timed("/api/state")[0]}
        again = sorted(server.timed("/api/state")[0] for _ in range(5))
        found["again_s"] = again[2]
        changed = []
        for number in range(1, 6):
            series = directory / f"G1_L{number:02d}_ts_001.mrc.mdoc"
            series.write_text("[ZValue = 0]\nTiltAngle = 0.01\n", encoding="utf-8")
            time.sleep(2.5)
            changed.append(server.timed("/api/state")[0])
        found["after_a_change_s"] = sorted(changed)[2]
        found["size_kB"] = round(len(server.timed("/api/state")[1]) / 1000, 1)
        found["memory_MB"] = server.memory_mb
    return found


def map_times(folder: Path) -> dict[str, float]:
    """Return how long tiles of a large map take, and the memory of the server."""
    directory = session(folder / "large", 1)
    path = with_large_map(directory)
    found: dict[str, float] = {"file_MB": round(path.stat().st_size / 1e6, 1)}
    with Server(directory) as server:
        server.timed("/api/state")
        started = time.perf_counter()
        before_s = server.cpu_s
        found["first_tile_s"], tile = server.timed("/tiles/G1/L01/0/0/0.jpg")
        found["first_tile_cpu_s"] = round(server.cpu_s - before_s, 2)
        found["full_tile_s"], full = server.timed("/tiles/G1/L01/6/20/10.jpg")
        found["label_tile_s"] = server.timed("/tiles/G1/L01_seg/2/0/0.png")[0]
        kept = directory / CACHE_FOLDER
        while not list(kept.glob("G1*.tiles")) and time.perf_counter() < started + _PATIENCE_S:
            time.sleep(0.1)
        found["all_tiles_s"] = round(time.perf_counter() - started, 1)
        found["kept_tile_s"] = server.timed("/tiles/G1/L01/6/21/11.jpg")[0]
        found["kept_MB"] = round(sum(one.stat().st_size for one in kept.iterdir()) / 1e6, 1)
        found["tile_kB"] = round(len(tile) / 1000, 1)
        found["full_tile_kB"] = round(len(full) / 1000, 1)
        found["memory_MB"] = server.memory_mb
    return found


def main() -> None:
    """Command line."""
    args = parser(__doc__ or "", 60).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result: dict[str, Any] = {
            "lamellae": args.n,
            "state": state_times(Path(folder), args.n),
            "map": map_times(Path(folder)),
        }
    report(result, args.json)


if __name__ == "__main__":
    main()
