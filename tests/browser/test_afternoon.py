"""From twelve maps with odd names to a session with a model of one's own, as docs/data.md has it.

Only two things are not as for a user: the truth stands for the detector of lamellae, and nothing is
drawn by hand but by a script in the browser. Labels, training, numbers and targets are real.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.draw import polygon2mask

from space.cli import main
from space.images import read_png
from space.learning import read_data_set, read_labels
from space.simulation import Bench, script_text, without_plots
from space.simulator.specimen import LABEL, Grid
from tests.browser.conftest import PATIENCE_MS
from tests.session.small_session import small_camera

pytestmark = [pytest.mark.session, pytest.mark.models]

ROOT = Path(__file__).resolve().parents[2]
PIXEL_NM = 40
CELL = [LABEL[name] for name in LABEL if 5 <= LABEL[name] <= 13]
NAMES = (
    "Süd Zelle 1.png", "Süd Zelle 1.tif", "Süd Zelle 1.mrc", "map (2) left.png", "a.b.c.tiff",
    "ÄÖÜ ß.mrc", "07.png", "7.tif", "G1_L03.png", "Karte, alt.npy", "X-1.tif", "x_2.png",
)  # fmt: skip
"""Blanks, umlauts, points, and one stem with three endings."""

CORNERS = 10
BY_HAND = 10
TRAINING = """
data = "my set"
out = "runs/first"
encoder = "tu-mobilenetv3_small_100"
pixel_nm = 80.0
patch_px = 64
steps = 12
epochs = 8
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A folder of the project with the shipped models, for maps of a coarse pixel."""
    folder = tmp_path_factory.mktemp("afternoon") / "SPACEtomo"
    shutil.copytree(ROOT / "models", folder / "models")
    shutil.copy(ROOT / "SPACEtomo_nnUNet.py", folder)
    text = script_text("SPACEtomo_config.py", segmentation_pixel_nm=PIXEL_NM)
    (folder / "SPACEtomo_config.py").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def bench(project) -> Iterator[Bench]:
    """A session of which maps of three lamellae were taken; beside them lies what is on them."""
    session = project.parent / "session"
    session.mkdir()
    grid = Grid.make(11, 3, name="G1", kinds=["good"] * 3)
    made = Bench(session, project, grid, instrument=str(small_camera(project.parent)))
    with made.worker.instead_of_models(), without_plots():
        made.place_lamellae()
        assert made.run(3).ok
    for path in session.glob("*_seg.png"):
        path.rename(path.with_name(f"{path.stem}.truth"))
    yield made
    made.simulation.close()  # which ends the worker


def write(path: Path, grey: np.ndarray, number: int) -> None:
    """Write a picture as one of the programs that there are would: 8 or 16 bits, or numbers."""
    wide = grey.astype(np.uint16) * 150 + 2000
    if path.suffix == ".mrc":
        values = wide.astype(np.int16) if number % 2 else grey.astype(np.float32) / 7 - 3
        with mrcfile.new(path) as file:
            file.set_data(np.ascontiguousarray(values))
    elif path.suffix == ".npy":
        np.save(path, wide)
    elif path.suffix == ".png":
        Image.fromarray(wide if number % 2 else grey).save(path)
    else:
        tifffile = pytest.importorskip("tifffile")
        tifffile.imwrite(path, (wide, grey, grey.astype(np.float32))[number % 3])


def cells(bench: Bench, folder: Path) -> dict[str, np.ndarray]:
    """Write parts of two maps as pictures; return where cells are in each, by the grey values."""
    folder.mkdir()
    found = {}
    quarters = [(row, column) for row in (0, 0.5) for column in (0, 0.5)]
    for number, name in enumerate(NAMES):
        which = 1 + number // 4
        grey, _ = read_png(bench.directory / f"G1_L0{which}.png")
        truth, _ = read_png(bench.directory / f"G1_L0{which}_seg.truth")
        top, left = (int(part * side) for part, side in zip(quarters[number % 4], grey.shape))
        part = np.s_[top : top + 150 + number, left : left + 137]
        write(folder / name, grey[part], number)
        found[name] = np.isin(truth[part], CELL)
    return found


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Return corners (row, column) around each cell, as a person would click them."""
    labels, count = ndimage.label(ndimage.binary_closing(np.pad(mask, 8), iterations=5)[8:-8, 8:-8])
    found = []
    for number in range(1, count + 1):
        inside = np.argwhere(labels == number) + 0.5
        if len(inside) < 150:
            continue
        middle = inside.mean(axis=0)
        angles = np.arctan2(*(inside - middle).T)
        far = np.hypot(*(inside - middle).T)
        corners = []
        for angle in np.linspace(-np.pi, np.pi, CORNERS, endpoint=False):
            near = np.abs((angles - angle + np.pi) % (2 * np.pi) - np.pi) < 0.2
            reach = far[near].max() if near.any() else 1.0
            corners.append(middle + reach * np.array([np.sin(angle), np.cos(angle)]))
        found.append(np.clip(corners, 1, np.array(mask.shape) - 1))
    return found


@contextmanager
def labelling(chromium, *words: str):
    """Have ``spacetomo label`` run, and its page open."""
    command = [sys.executable, "-m", "space.cli", "label", *words]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", env=environment)
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    try:
        lines = iter(process.stdout.readline, "")
        address = next((line.split()[1] for line in lines if line.startswith("Open http")), "")
        assert address, "it did not start"
        context.set_default_timeout(PATIENCE_MS)
        tab = context.new_page()
        tab.goto(address)
        tab.wait_for_selector(".map.labelling")
        yield tab
    finally:
        context.close()
        process.terminate()
        process.wait(20)
        process.stdout.close()


def draw(tab, corners: np.ndarray) -> None:
    """Click corners of a polygon; where a pixel is on the screen is told by a tile of the map."""
    tile = tab.wait_for_selector(".leaflet-tile-loaded[src*='/0/0.jpg']")
    box = tile.bounding_box()
    zoom, _, _ = map(int, re.search(r"/(\d+)/(\d+)/(\d+)\.jpg", tile.get_attribute("src")).groups())
    assert zoom == 0, "a map of 150 pixels is one tile"
    scale = box["width"] / 256
    tab.keyboard.press("p")
    for row, column in corners:
        tab.mouse.click(box["x"] + column * scale, box["y"] + row * scale)
    tab.keyboard.press("Enter")


def test_an_afternoon(chromium, bench, project, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    truth = cells(bench, tmp_path / "pictures")
    words = ["--to", "my set", "--pixel-nm", str(PIXEL_NM), "--class", "background=0"]
    assert main(["data", "import", "pictures", *words, "--class", "cell=1"]) == 0
    assert "12 added" in capsys.readouterr().out
    assert main(["data", "check", "my set"]) == 0

    data = read_data_set(Path("my set"))[0]
    by_file = {Path(one.origin.source).name: one for one in data.samples}
    drawn = {by_file[name].stem: outlines(mask) for name, mask in truth.items()}
    left_out = [one.stem for one in data.samples][BY_HAND:]
    with labelling(chromium, "my set") as tab:
        for number, sample in enumerate(data.samples[:BY_HAND]):
            tab.wait_for_selector(f"h2:has-text('{sample.file}')")
            tab.keyboard.press("2")
            for corners in drawn[sample.stem]:
                draw(tab, corners)
            tab.wait_for_selector(f"text={len(drawn[sample.stem])} stroke")
            tab.keyboard.press("n")
            tab.wait_for_selector(f"#doing:has-text('{number + 1} labelled')")
    data = read_data_set(Path("my set"))[0]
    assert [one.stem for one in data.samples if not one.label_hash] == left_out
    for sample in data.samples[:BY_HAND]:
        wanted = np.zeros(sample.shape, bool)
        for corners in drawn[sample.stem]:
            wanted |= polygon2mask(sample.shape, corners - 0.5)
        labels = read_labels(Path("my set"), sample)
        assert ((labels == 1) == wanted).mean() > 0.98, sample.file

    assert main(["data", "split", "my set"]) == 0
    Path("my_training.toml").write_text(TRAINING, encoding="utf-8")
    assert main(["train", "my_training.toml"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "runs/first", "--data", "my set", "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    (numbers,) = numbers if isinstance(numbers, list) else numbers["models"]
    assert numbers["mean_dice"] > 0.6

    # The rest is proposed, and taken.
    with labelling(chromium, "my set", "--model", "runs/first") as tab:
        tab.click(f"[data-focus='picture {left_out[0]}']")
        for number, stem in enumerate(left_out):
            tab.wait_for_selector(f"h2:has-text('{stem}')")
            tab.keyboard.press("a")
            tab.wait_for_selector("[data-proposed='cell'][aria-checked=true]")
            tab.keyboard.press("t")
            tab.wait_for_selector(f"#doing:has-text('{BY_HAND + number + 1} labelled')")
            tab.keyboard.press("n")
    data = read_data_set(Path("my set"))[0]
    assert all(one.label_hash for one in data.samples)
    taken = [one.origin for one in data.samples if one.stem in left_out]
    assert {one.kind for one in taken} == {"accepted"}
    assert all(one.proposed_by.startswith("first/model.onnx (SHA-256 ") for one in taken)

    at = ["--space-dir", str(project)]
    assert main(["models", "add", "runs/first", "--name", "cells", *at]) == 0
    assert main(["models", "use", "cells", *at]) == 0
    with without_plots():
        result = bench.run(
            4, target_list=["cell"], avoid_list=[], target_score_threshold=0.1, max_targets=3
        )
    assert result.ok, result.error
    _, texts = read_png(bench.directory / "G1_L03_seg.png")
    assert json.loads(texts["labels"]) == {"background": 0, "cell": 1}
    assert bench.names("G1_L0?_tgts.txt") == [f"G1_L0{number}_tgts.txt" for number in (1, 2, 3)]
