import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from space.pacetomo import plot_name
from space.plots import plot_detection, plot_score, plot_targets
from space.targeting import Area, Choice, Optics

OPTICS = Optics(pixel_nm=20, field_um=(0.9, 0.6), beam_diameter_um=1.6, tilt_axis_deg=80.0)


def colored(path, low, high) -> float:
    """Share of the picture's pixels between two colours."""
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return ((picture >= low) & (picture <= high)).all(axis=2).mean()


@pytest.fixture
def choice():
    targets = np.array([[200.0, 300], [200, 420], [330, 250]])
    points = np.array([[100.0, 100], [350, 500]])
    return Choice((Area(targets, np.ones(3), points),))


def test_targets_picture_shows_every_kind_of_mark(tmp_path, choice):
    path = tmp_path / "G1_L01_mitos_targets.png"
    image = np.full((400, 600), 90, np.uint8)
    image[:20], image[20:40] = 0, 200
    wanted = np.zeros((400, 600), bool)
    plot_targets(path, image, wanted, choice, OPTICS, "G1_L01")
    yellow = colored(path, (215, 175, 0), (255, 215, 70))
    blue = colored(path, (50, 110, 200), (100, 170, 240))
    orange = colored(path, (220, 115, 30), (245, 150, 80))
    red = colored(path, (190, 20, 10), (230, 70, 60))
    assert min(yellow, blue, orange, red) > 0.0002
    wanted[100:200, 100:200] = True
    masked = tmp_path / "masked.png"
    plot_targets(masked, image, wanted, choice, OPTICS, "G1_L01")
    tint = colored(masked, (110, 40, 30), (170, 85, 80))
    assert tint > 0.02 > colored(path, (110, 40, 30), (170, 85, 80)) + 0.01
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, masked.name]


def test_fixed_targets_and_polygons_are_marked(tmp_path, choice):
    image = np.full((400, 600), 90, np.uint8)
    area = replace(choice.areas[0], fixed=np.array([False, True, True]))
    corners = np.array([(50.0, 50), (50, 550), (350, 300)])
    marked = Choice((area,), polygons_map_px=(corners,))
    shares = []
    for name, drawn in (("plain", choice), ("marked", marked)):
        path = tmp_path / f"{name}.png"
        plot_targets(path, image, image > 100, drawn, OPTICS)
        blue = colored(path, (70, 135, 210), (90, 155, 240))
        shares.append((colored(path, (80, 195, 110), (100, 220, 135)), blue))
    assert shares[0][0] == 0 and shares[1][0] > 0.0005
    assert shares[1][1] > shares[0][1] + 0.00002


def test_targets_picture_of_nothing_and_of_a_part(tmp_path, choice):
    image = np.zeros((400, 600), np.uint8)
    plot_targets(tmp_path / "none.png", image, image > 0, Choice(()), OPTICS)
    plot_targets(tmp_path / "part.png", image, image > 0, choice.areas, OPTICS, crop=True)
    empty = np.zeros((0, 0), np.uint8)
    plot_targets(tmp_path / "empty.png", empty, empty > 0, Choice(()), OPTICS)
    assert all(Image.open(path).size[0] > 300 for path in tmp_path.iterdir())


def box(x0_px, y0_px, x1_px, y1_px, **rest):
    return SimpleNamespace(x0_px=x0_px, y0_px=y0_px, x1_px=x1_px, y1_px=y1_px, **rest)


def test_detection_picture(tmp_path):
    boxes = [
        box(100, 5, 160, 90, category="good", probability=0.93),
        box(400, 300, 440, 380, category="new", probability=0.2),
    ]
    path = tmp_path / "G1_lamella_detected.png"
    image = np.random.default_rng(0).normal(30, 5, (500, 600)).astype(np.float32)
    plot_detection(path, image, boxes, {"good": "#00ff00", "new": "#ffffff"}, 400)
    assert colored(path, (0, 200, 0), (60, 255, 60)) > 0.001
    plot_detection(tmp_path / "none.png", image, [], {}, 400)
    plot_detection(tmp_path / "flat.png", np.zeros((40, 3000), np.uint16), [], {}, 400)


def test_score_picture(tmp_path):
    values = np.zeros((60, 80), np.float32)
    plot_score(tmp_path / "zero.png", values, 40)
    values[20:30, 20:40] = 0.7
    plot_score(tmp_path / "some.png", values, 40, points_px=np.array([[25, 30]]))
    assert colored(tmp_path / "some.png", (230, 210, 0), (255, 255, 80)) > 0.01


def test_large_map_is_drawn_small(tmp_path):
    image = np.zeros((3000, 5000), np.uint8)
    plot_targets(tmp_path / "large.png", image, image > 0, Choice(()), OPTICS)
    assert max(Image.open(tmp_path / "large.png").size) <= 2400


def test_import_leaves_matplotlib_alone():
    code = (
        "import sys, space.plots, space.pacetomo, space.targeting; "
        "print([name for name in ('matplotlib', 'scipy.signal', 'scipy.spatial', 'torch') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_picture_tells_its_pixel_size_and_what_it_shows(tmp_path):
    path = tmp_path / "grid.png"
    image = np.zeros((400, 600), np.uint8)
    plot_detection(path, image, [], {}, 400.0, "G1: 0 lamellae detected")
    drawn = Image.open(path)
    assert drawn.info["source"] == "G1: 0 lamellae detected"
    # 600 px of 400 nm fill no more than the picture's width
    assert 600 * 400.0 / float(drawn.info["pixel_nm"]) <= drawn.width
    assert float(drawn.info["pixel_nm"]) < 2000


ODD_NAMES = ("a/b", "$x$", "$\\alpha", "two\nlines", "_hidden", "a:b*c?", "..", "", " ", "\ud800",
             "ä" * 200, "<good>", "100%", "{x}", "tab\tnul\0")  # fmt: skip


@pytest.mark.parametrize("names", [*((name,) for name in ODD_NAMES), ODD_NAMES], ids=repr)
def test_pictures_are_drawn_whatever_classes_are_called_and_however_many(tmp_path, choice, names):
    path = tmp_path / plot_name("G1_L01", names)
    image = np.full((400, 600), 90, np.uint8)
    plot_targets(path, image, image > 100, choice, OPTICS, f"G1_L01: 3 targets on {names}")
    assert path.is_file() and path.parent == tmp_path
    assert re.fullmatch(r"G1_L01_[A-Za-z0-9_.+-]+_targets\.png", path.name) and len(path.name) < 150
    found = [box(100, 50, 160, 90, category=name, probability=0.9) for name in names]
    plot_detection(tmp_path / "found.png", image, found, dict.fromkeys(names, "#00ff00"), 400)
    assert colored(tmp_path / "found.png", (0, 200, 0), (60, 255, 60)) > 0.001
    assert all(Image.open(file).size[0] > 300 for file in tmp_path.iterdir())


def test_fifteen_classes_stand_in_the_legend_within_the_picture(tmp_path):
    image = np.full((400, 600), 90, np.uint8)
    names = [f"a class with quite a long name {number}" for number in range(15)]
    found = [box(100, 50, 160, 90, category=name, probability=0.9) for name in names]
    plot_detection(tmp_path / "found.png", image, found, dict.fromkeys(names, "#00ff00"), 400)
    drawn = np.asarray(Image.open(tmp_path / "found.png").convert("RGB")).astype(int)
    legend = (np.abs(drawn - 45) < 2).all(axis=2)  # its background
    assert legend[-60:].mean() > 0.3 and not legend[-60:, [0, -1]].any()
