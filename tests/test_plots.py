import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from space.pacetomo import plot_name
from space.plots import (
    Reliability,
    SeriesLine,
    Shown,
    greys,
    plot_class_bars,
    plot_confusion,
    plot_detection,
    plot_reliability,
    plot_score,
    plot_segmentation,
    plot_series,
    plot_targets,
)
from space.plots.colours import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    SERIES_COLORS,
    SERIES_GREY,
    YELLOW,
    rgb,
)
from space.plots.detection import label_text
from space.plots.labels import place
from space.plots.segmentation import share_text, shares
from space.plots.targets import field_styles
from space.targeting import Choice, ExposureOptics, TargetArea

OPTICS = ExposureOptics(pixel_nm=20, field_um=(0.9, 0.6), beam_diameter_um=1.6, tilt_axis_deg=80.0)


@pytest.fixture
def coarse(monkeypatch):
    """Draw with fewer dots, where no test counts them: most of the time is theirs."""
    monkeypatch.setattr("space.plots.canvas.DPI", 50)


def opened(path) -> Image.Image:
    """A picture that was read whole, so that its file is closed."""
    with Image.open(path) as picture:
        picture.load()
    return picture


def colored(path, low, high) -> float:
    """Share of the picture's pixels between two colours."""
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return ((picture >= low) & (picture <= high)).all(axis=2).mean()


def share_of(path, color, off=40) -> float:
    """Share of the picture's pixels of about this colour."""
    low, high = (np.clip(np.add(rgb(color), by), 0, 255) for by in (-off, off))
    return colored(path, low, high)


@pytest.fixture
def choice():
    targets = np.array([[200.0, 300], [200, 420], [330, 250]])
    points = np.array([[100.0, 100], [350, 500]])
    return Choice((TargetArea(targets, np.ones(3), points),))


def test_targets_picture_shows_every_kind_of_mark(tmp_path, choice):
    path = tmp_path / "G1_L01_mitos_targets.png"
    image = np.full((400, 600), 90, np.uint8)
    image[:20], image[20:40] = 0, 200
    wanted = np.zeros((400, 600), bool)
    plot_targets(path, image, wanted, choice, OPTICS, "G1_L01")
    assert min(share_of(path, color) for color in (YELLOW, BLUE, ORANGE, RED)) > 0.0002
    wanted[100:200, 100:200] = True
    masked = tmp_path / "masked.png"
    plot_targets(masked, image, wanted, choice, OPTICS, "G1_L01")
    tint = (100, 30, 30), (170, 85, 85)
    assert colored(masked, *tint) > 0.02 > colored(path, *tint) + 0.01
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, masked.name]


def test_fixed_targets_and_polygons_are_marked(tmp_path, choice):
    image = np.full((400, 600), 90, np.uint8)
    area = replace(choice.areas[0], fixed=np.array([False, True, True]))
    corners = np.array([(50.0, 50), (50, 550), (350, 300)])
    marked = Choice((area,), polygons_map_px=(corners,))
    drawn_shares = []
    for name, drawn in (("plain", choice), ("marked", marked)):
        path = tmp_path / f"{name}.png"
        plot_targets(path, image, image > 100, drawn, OPTICS)
        drawn_shares.append((share_of(path, GREEN, 10), share_of(path, BLUE, 10)))
    plain, fixed = drawn_shares
    assert plain[0] == 0 and fixed[0] > 0.0005
    assert fixed[1] > plain[1] + 0.00002


def test_targets_picture_of_nothing_and_of_a_part(tmp_path, choice):
    image = np.zeros((400, 600), np.uint8)
    plot_targets(tmp_path / "none.png", image, image > 0, Choice(()), OPTICS)
    plot_targets(tmp_path / "part.png", image, image > 0, choice.areas, OPTICS, crop=True)
    empty = np.zeros((0, 0), np.uint8)
    plot_targets(tmp_path / "empty.png", empty, empty > 0, Choice(()), OPTICS)
    assert all(opened(path).width > 300 for path in tmp_path.iterdir())


def test_detection_picture(tmp_path):
    boxes = [
        Shown(100, 5, 160, 90, "good", 0.93, "L01"),
        Shown(400, 300, 440, 380, "new", 0.2, left_out="too close to another one"),
    ]
    path = tmp_path / "G1_lamella_detected.png"
    image = np.random.default_rng(0).normal(30, 5, (500, 600)).astype(np.float32)
    plot_detection(path, image, boxes, {"good": "#00ff00", "new": "#ffffff"}, 400, "G1")
    assert colored(path, (0, 200, 0), (60, 255, 60)) > 0.001
    plot_detection(tmp_path / "none.png", image, [], {}, 400, "G1")
    plot_detection(tmp_path / "flat.png", np.zeros((40, 3000), np.uint16), [], {}, 400, "G1")


def test_score_picture(tmp_path):
    values = np.zeros((60, 80), np.float32)
    plot_score(tmp_path / "zero.png", values, 40)
    values[20:30, 20:40] = 0.7
    plot_score(tmp_path / "some.png", values, 40, points_px=np.array([[25, 30]]))
    assert colored(tmp_path / "some.png", (230, 210, 0), (255, 255, 80)) > 0.01


def series_line(name, slope, tilts=(0, 30, -30, -60, 60)):
    tilts = np.array(tilts, float)
    return SeriesLine(name, tilts, slope * tilts, -slope * tilts, slope * tilts / 100, tilts**2)


@pytest.mark.parametrize("count", [1, 6, 40])
def test_the_first_six_series_have_colours_and_the_others_are_grey(tmp_path, count):
    path = tmp_path / "series.png"
    plot_series(path, [series_line(f"$ts_{n}$.mrc", n - 3.5) for n in range(count)], "a session")
    shown = [share_of(path, color, 10) > 0.0002 for color in SERIES_COLORS]
    assert shown == [n < count or color == "#ffffff" for n, color in enumerate(SERIES_COLORS)]
    assert (share_of(path, SERIES_GREY, 6) > 0.01) == (count > 6)
    drawn = opened(path)
    assert drawn.info["source"] == "a session" and "pixel_nm" not in drawn.info
    assert max(drawn.size) <= 2400


def test_series_of_one_picture_or_of_none_are_drawn(tmp_path):
    plot_series(tmp_path / "one.png", [series_line("", 1.0, [0.0])])
    plot_series(tmp_path / "none.png", [])
    assert all(opened(path).width > 300 for path in tmp_path.iterdir())


def test_a_map_and_what_is_wanted_on_it_are_one_picture_of_bytes_and_drawn_once(
    tmp_path, choice, coarse, monkeypatch
):
    """Floats and a second pass made a picture cost two seconds while the microscope waits."""
    from matplotlib.image import AxesImage

    drawn, make = [], AxesImage.make_image
    monkeypatch.setattr(
        AxesImage,
        "make_image",
        lambda image, *rest, **more: drawn.append(image.get_array()) or make(image, *rest, **more),
    )
    wanted = np.zeros((400, 600), bool)
    wanted[100:200] = True
    plot_targets(
        tmp_path / "targets.png", np.full((400, 600), 90, np.uint8), wanted, choice, OPTICS
    )
    assert [(picture.dtype, picture.shape) for picture in drawn] == [(np.uint8, (400, 600, 4))]
    assert tuple(drawn[0][150, 300]) != tuple(drawn[0][300, 300])


@pytest.mark.parametrize("high", [255, 4000])
def test_dark_grey_values_stay_apart_when_they_are_lifted(high):
    image = np.zeros((100, 100), np.uint16)
    image[:4], image[50:60], image[60:70] = high, high // 200, high // 100
    shown = greys.shown(image)
    assert shown[0, 0] == 255 and shown[99, 0] < shown[55, 0] < shown[65, 0] < 255


def test_large_map_is_drawn_small(tmp_path):
    image = np.zeros((3000, 5000), np.uint8)
    plot_targets(tmp_path / "large.png", image, image > 0, Choice(()), OPTICS)
    assert max(opened(tmp_path / "large.png").size) <= 2400


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
    drawn = opened(path)
    assert drawn.info["source"] == "G1: 0 lamellae detected"
    # 600 px of 400 nm fill no more than the picture's width
    assert 600 * 400.0 / float(drawn.info["pixel_nm"]) <= drawn.width
    assert float(drawn.info["pixel_nm"]) < 2000


ODD_NAMES = ("a/b", "$x$", "$\\alpha", "two\nlines", "_hidden", "a:b*c?", "..", "", " ", "\ud800",
             "ä" * 200, "<good>", "100%", "{x}", "tab\tnul\0")  # fmt: skip


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("names", [*((name,) for name in ODD_NAMES), ODD_NAMES], ids=repr)
def test_pictures_are_drawn_whatever_classes_are_called_and_however_many(tmp_path, choice, names):
    path = tmp_path / plot_name("G1_L01", names)
    image = np.full((400, 600), 90, np.uint8)
    plot_targets(path, image, image > 100, choice, OPTICS, f"G1_L01: 3 targets on {names}")
    assert path.is_file() and path.parent == tmp_path
    assert re.fullmatch(r"G1_L01_[A-Za-z0-9_.+-]+_targets\.png", path.name) and len(path.name) < 150
    found = [Shown(100, 50, 160, 90, name, 0.9) for name in names]
    plot_detection(tmp_path / "found.png", image, found, dict.fromkeys(names, "#00ff00"), 400, "G1")
    assert colored(tmp_path / "found.png", (0, 200, 0), (60, 255, 60)) > 0.001
    assert all(opened(file).width > 300 for file in tmp_path.iterdir())


def test_fifteen_classes_stand_in_the_legend_within_the_picture(tmp_path):
    image = np.full((400, 600), 90, np.uint8)
    names = [f"a class with quite a long name {number}" for number in range(15)]
    found = [Shown(100, 50, 160, 90, name, 0.9) for name in names]
    plot_detection(tmp_path / "found.png", image, found, dict.fromkeys(names, "#00ff00"), 400, "G1")
    drawn = np.asarray(Image.open(tmp_path / "found.png").convert("RGB")).astype(int)
    legend = (np.abs(drawn - 45) < 2).all(axis=2)  # its background
    assert legend[-60:].mean() > 0.3 and not legend[-60:, [0, -1]].any()


# --- what is drawn, as numbers ----------------------------------------------------------------


def milled_grid() -> tuple[np.ndarray, dict[str, tuple[slice, slice]]]:
    """A milled grid as measured on real ones: nine tenths nearly black, windows far brighter."""
    rng = np.random.default_rng(3)
    image = rng.normal(4, 0.7, (900, 900))
    places = {"bulk": np.s_[0:200, 0:200], "film": np.s_[300:480, 300:480],
              "ice": np.s_[600:700, 100:400], "window": np.s_[700:800, 700:760]}  # fmt: skip
    image[places["film"]] = rng.normal(33, 3, (180, 180))
    image[places["ice"]] = rng.normal(12, 1.5, (100, 300))
    image[places["window"]] = rng.normal(192, 8, (100, 60))
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), places


def as_shown(image) -> np.ndarray:
    low, high = greys.limits(image)
    return np.clip((image - low) / (high - low), 0, 1) ** greys.exponent(image, low, high)


def test_bulk_film_and_windows_of_a_milled_grid_have_levels_that_can_be_told_apart():
    image, places = milled_grid()
    levels = {
        name: float(np.median(as_shown(greys.shrink(image))[at])) for name, at in places.items()
    }
    assert levels["bulk"] < 0.25
    assert levels["ice"] > levels["bulk"] + 0.08
    assert levels["film"] > levels["ice"] + 0.1 and levels["film"] > 0.35
    assert levels["window"] > 0.9 > levels["film"] + 0.2


def test_a_grid_that_is_not_milled_and_empty_maps_are_shown_as_they_are():
    image = np.full((400, 400), 6, np.uint8)
    image[20:380, 20:380] = 150
    image[100:200, 100:200] = 185
    assert greys.exponent(image, *greys.limits(image)) == 1
    for flat in (np.zeros((50, 50), np.uint8), np.full((50, 50), 255, np.uint8)):
        assert greys.exponent(flat, *greys.limits(flat)) == 1


def test_labels_are_made_small_by_their_colours_and_not_by_their_numbers():
    labels = np.zeros((40, 60), np.uint8)
    labels[:, 1::2] = 9  # every second column
    table = np.zeros((256, 3), np.uint8)
    table[9] = 200, 100, 0
    small = greys.shrink(labels, 30, table)
    assert small.shape == (20, 30, 3)
    assert np.allclose(small, (100, 50, 0))
    assert np.allclose(greys.shrink(np.arange(6.0).reshape(2, 3), 2), [[2.0, 3.5]])


def shared(a, b) -> float:
    return float(np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)))


@pytest.mark.parametrize("seed", range(3))
def test_labels_hide_neither_one_another_nor_other_lamellae(seed):
    """Thirty lamellae in a crowd, a few of them closer than their labels are wide."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform((0, 0), (1780, 1570), (30, 2))
    corners[:4] = corners[4] + rng.uniform(-30, 30, (4, 2))
    frames = np.hstack([corners, corners + (20, 30)])
    sizes = np.column_stack([rng.uniform(120, 220, 30), np.full(30, 26.0)])
    middles = place(frames, sizes, (0, 0, 1800, 1600))
    boxes = np.hstack([middles - sizes / 2, middles + sizes / 2])
    area = sizes.prod(axis=1)
    for i, one in enumerate(boxes):
        assert sum(shared(one, frame) for frame in frames) < 0.25 * area[i]
        assert sum(shared(one, boxes[j]) for j in range(i)) < 0.05 * area[i]
        assert shared(one, np.array([0, 0, 1800, 1600])) > 0.95 * area[i]
        nearest = np.clip(middles[i], frames[i, :2], frames[i, 2:])
        assert np.abs(middles[i] - nearest).max() < sizes[i].max() / 2 + 6 * 26


def test_a_label_stands_above_its_lamella_where_nothing_is_in_the_way():
    ((x, y),) = place([[100, 100, 120, 140]], [[60, 20]], (0, 0, 500, 500))
    assert x == 110 and 150 < y < 160
    ((x, y),) = place([[100, 470, 120, 495]], [[60, 20]], (0, 0, 500, 500))
    assert x == 110 and y < 470  # no room above
    assert place([], [], (0, 0, 9, 9)).shape == (0, 2)


def test_a_lamella_is_called_as_its_files_and_says_why_it_is_left_out():
    letters = {"of an excluded class": "a", "below the threshold": "b"}
    assert label_text(Shown(0, 0, 9, 9, "good", 0.934, "L07"), letters) == "L07 good 93%"
    assert label_text(Shown(0, 0, 9, 9, "good", None, "L12"), letters) == "L12 good by hand"
    left = Shown(0, 0, 9, 9, "gone", 0.5, left_out="below the threshold")
    assert label_text(left, letters) == "gone 50% (b)"


def test_areas_of_targets_are_drawn_each_in_its_own_way():
    styles = field_styles(9)
    assert len(set(styles)) == 9 and styles[0].color == BLUE and styles[0].line == "solid"
    assert len({style.color for style in styles[:3]}) == 3


def test_areas_have_names_and_a_tilt_axis_that_is_seen_on_black_and_on_white(tmp_path, choice):
    image = np.zeros((400, 600), np.uint8)
    image[:, 300:] = 255
    one = choice.areas[0]
    for index, column in enumerate((100.0, 500.0)):
        targets = np.array([[200.0, column], [300, column]])
        area = replace(one, targets_map_px=targets, scores=np.ones(2), fixed=np.zeros(2, bool),
                       geometry_points_map_px=np.empty((0, 2)))  # fmt: skip
        path = tmp_path / f"{index}.png"
        plot_targets(path, image, image > 255, (area,), replace(OPTICS, tilt_axis_deg=90.0))
        drawn = np.asarray(Image.open(path).convert("L")).astype(int)
        scale = drawn.shape[1] / 600
        line = drawn[60:300, round((column - 4) * scale) : round((column + 4) * scale)]
        assert (line.min(axis=1) < 60).any() and (line.max(axis=1) > 200).any()
        across = line.max(axis=1) - line.min(axis=1)
        assert (across > 150).mean() > 0.4  # along the axis, something other than the map


def test_segmentation_picture_shows_classes_in_colours_beside_the_map(tmp_path):
    labels = np.zeros((300, 400), np.uint8)
    labels[100:200, 100:300] = 9
    names = {"background": 0, "mitos": 9, "golgi": 3}
    path = tmp_path / "G1_L01_segmentation.png"
    grey = np.full((300, 400), 90, np.uint8)
    plot_segmentation(path, grey, labels, names, 12.0, "G1_L01", shows="x")
    drawn = opened(path)
    assert 1500 <= max(drawn.size) <= 2000
    assert drawn.info["shows"] == "x" and drawn.info["source"] == "G1_L01"
    assert 0.03 < colored(path, (230, 20, 0), (244, 34, 6)) < 0.12
    plot_segmentation(tmp_path / "tall.png", grey.T, labels.T, names, 12.0, "G1_L02")
    long = np.zeros((40, 4000), np.uint8)
    plot_segmentation(tmp_path / "long.png", long, long, names, 12.0, "G1_L03")
    empty = np.zeros((0, 0), np.uint8)
    plot_segmentation(tmp_path / "empty.png", empty, empty, {}, 12.0, "")


def test_parts_of_classes_are_told_in_words():
    labels = np.zeros((10, 10), np.uint8)
    labels[0, :3] = 5
    parts = shares(labels, {"cell": 5, "background": 0, "mitos": 9})
    assert parts == {"background": 0.97, "cell": 0.03, "mitos": 0.0}
    assert [share_text(p) for p in (0, 0.0004, 0.031)] == ["none", "< 0.1 %", "3.1 %"]


# --- models side by side --------------------------------------------------------------------------


def test_bars_are_as_high_as_the_numbers_and_none_has_none(tmp_path, coarse):
    path = tmp_path / "dice.png"
    names = ["_odd $x$", "mitos"]
    plot_class_bars(path, names, {"a": [1.0, None], "b": [0.25, 0.25]}, "Dice")
    yellow, blue = share_of(path, YELLOW, 10), share_of(path, BLUE, 10)
    assert yellow > 0.05 and blue == pytest.approx(yellow / 2, rel=0.15)


def test_a_table_of_confusion_shows_shares_of_each_row(tmp_path, coarse):
    path = tmp_path / "confusion.png"
    counts = np.array([[900, 100], [0, 0]])
    plot_confusion(path, ["_odd $x$", "mitos"], {"a": counts, "b": counts, "c": counts.T}, "")
    bright, dark = (189, 223, 38), (68, 1, 84)  # of 0.9 and 0 on the scale of colours
    assert colored(path, np.add(bright, -9), np.add(bright, 9)) > 0.01
    assert colored(path, np.add(dark, -9), np.add(dark, 9)) > 0.03


def test_reliability_shows_a_line_for_each_model(tmp_path, coarse):
    path = tmp_path / "reliability.png"
    at = np.linspace(0.1, 1.0, 9)
    models = {"a": Reliability(at, at**2, at / 5, 0.1), "b": Reliability(at, at, at / 5, 0.0)}
    plot_reliability(path, models, "Reliability")
    assert share_of(path, YELLOW) > 0.001 and share_of(path, BLUE) > 0.001
