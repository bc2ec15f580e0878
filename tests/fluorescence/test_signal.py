"""Signal on maps: blurred by what is not known, kept beside the map, a class of the choice."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from space.errors import SpaceError
from space.fluorescence import (
    AffineFit,
    carried,
    channel_path,
    fit_pairs,
    is_signal,
    keep,
    kept_path,
    likely_signal,
    on_map,
    overlaid,
    read_kept,
    read_signal,
    register,
    usual_look,
)
from space.geometry import MapFrame
from space.images import write_png
from space.targeting import (
    ExposureOptics,
    KnownMap,
    TargetingOptions,
    class_tables,
    select_targets,
    with_signals_of_map,
)
from space.targeting.scoring import with_signals

FM_SHAPE, MAP_SHAPE = (60, 80), (240, 320)
CORNERS = np.array([[5.0, 5], [5, 75], [55, 8], [52, 70]])
NAMES = {"background": 0, "white": 1, "crack": 2, "cell": 3, "mitos": 4, "lamella": 5, "ice": 6}


def fit() -> AffineFit:
    """Four pixels of the map for one of the fluorescence picture, turned by a quarter."""
    matrix = np.array([[0.0, 4.0], [-4.0, 0.0]])
    return fit_pairs(CORNERS, CORNERS @ matrix.T + [0, 240], 0.02)


def spot(row: float, column: float, radius: float = 6) -> np.ndarray:
    rows, columns = np.indices(FM_SHAPE) + 0.5
    flat = np.full(FM_SHAPE, 100.0) + np.random.default_rng(1).normal(0, 3, FM_SHAPE)
    flat[np.hypot(rows - row, columns - column) < radius] += 500
    return flat


def middle(values: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(values.shape) + 0.5
    weights = values.astype(float)
    return np.array([(weights * rows).sum(), (weights * columns).sum()]) / weights.sum()


@pytest.mark.parametrize("factor", [1, 4, 7])
def test_a_channel_lies_on_the_map_where_the_fit_says(factor):
    flat = np.maximum(spot(20, 30) - 150, 0)
    drawn = on_map(flat, fit(), MAP_SHAPE, factor)
    (place,) = fit().to_map(np.array([[20.0, 30.0]]))
    assert middle(drawn) * factor == pytest.approx(place, abs=1.5)


@pytest.mark.parametrize("error_um", [0.0, 0.1, 0.4])
def test_signal_is_blurred_by_the_error_and_none_is_lost(error_um):
    likely = likely_signal(spot(30, 30), 300, fit(), MAP_SHAPE, error_um)
    (place,) = fit().to_map(np.array([[30.0, 30.0]]))
    assert middle(likely) == pytest.approx(place, abs=1.5)
    assert likely.sum() / 255 == pytest.approx(np.pi * 24**2, rel=0.06)
    rows, columns = np.indices(MAP_SHAPE) + 0.5
    spread = np.sqrt((likely * (rows - place[0]) ** 2).sum() / likely.sum())
    assert spread == pytest.approx(np.hypot(24 / 2, error_um / 0.02), rel=0.1)


def test_the_usual_threshold_parts_signal_from_background():
    flat = spot(30, 30)
    look = usual_look(flat, (255, 0, 0))
    signal = flat >= look.threshold
    assert signal.sum() == (np.hypot(*(np.indices(FM_SHAPE) + 0.5 - 30)) < 6).sum()
    assert look.low < 110 and look.high > 300
    usual_look(np.zeros(FM_SHAPE), (255, 0, 0))  # nothing to see, and no failure


def test_channels_over_a_map_have_their_colours():
    grey = np.full((4, 5), 100, np.uint8)
    layer = np.zeros((4, 5), np.uint8)
    layer[1, 2] = 255
    picture = overlaid(grey, [(layer, (255, 0, 0))])
    assert (picture[0, 0] == 80).all() and picture[1, 2, 0] == 255 and picture[1, 2, 1] == 40


@pytest.fixture
def map_png(tmp_path):
    path = tmp_path / "G1_L01.png"
    values = np.random.default_rng(0).integers(0, 255, MAP_SHAPE, np.uint8)
    write_png(path, values, 20.0, "test")
    return path


def kept_beside(map_png, flats):
    found = register(CORNERS, fit().to_map(CORNERS), 0.02, FM_SHAPE, MAP_SHAPE, usual_um=0.05)
    looks = {name: usual_look(flat, (255, 0, 0)) for name, flat in flats.items()}
    return keep(map_png, "fm.tif", flats, looks, found)


def test_what_is_kept_is_read_and_that_of_another_map_is_refused(map_png):
    flats = {"mCherry": spot(20, 30), "GFP": spot(40, 60)}
    kept = kept_beside(map_png, flats)
    assert read_kept(map_png) == kept and 0.01 < kept.error_um < 0.1
    likely, _ = read_signal(map_png, "mCherry", MAP_SHAPE)
    (place,) = fit().to_map(np.array([[20.0, 30.0]]))
    assert middle(likely) == pytest.approx(place, abs=2)
    with pytest.raises(SpaceError, match="fm:mCherry, fm:GFP"):
        read_signal(map_png, "DAPI", MAP_SHAPE)
    with pytest.raises(SpaceError, match="another map"):
        read_signal(map_png, "GFP", (10, 10))
    write_png(map_png, np.zeros(MAP_SHAPE, np.uint8), 20.0, "test")
    with pytest.raises(SpaceError, match="earlier map"):
        read_signal(map_png, "GFP", MAP_SHAPE)


def test_a_map_without_fluorescence_says_how_it_is_made(map_png):
    with pytest.raises(SpaceError, match="spacetomo clem register"):
        read_kept(map_png)


@pytest.mark.parametrize(
    "key, odd",
    [
        ("format", "x"), ("error_um", -1), ("error_um", None), ("fit", {}), ("channels", {}),
        ("channels", {"../a": {}}), ("channels", {"a": {"color": [1, 2, 999]}}), ("pairs", [[1]]),
        ("pairs", None), ("residuals_um", ["a"]), ("warnings", 3),
    ],
)  # fmt: skip
def test_nonsense_in_the_file_is_refused_in_words(map_png, key, odd):
    kept_beside(map_png, {"a": spot(20, 30)})
    path = kept_path(map_png)
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, key: odd}), encoding="utf-8")
    with pytest.raises(SpaceError, match="cannot be used"):
        read_kept(map_png)


def test_a_registration_is_carried_by_the_stage():
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    grid = MapFrame((240, 320), tuple(map(tuple, (turn / 0.02).tolist())), (3.0, -4.0))
    lamella = MapFrame((1000, 900), ((100.0, 0.0), (0.0, -100.0)), (2.5, -3.5))
    before = fit()
    after = carried(before, grid, lamella, 0.5)
    places = np.array([[20.0, 30.0], [44.0, 61.0]])
    assert lamella.to_stage(after.to_map(places)) == pytest.approx(
        grid.to_stage(before.to_map(places))
    )
    assert after.error_um(places) == pytest.approx(np.hypot(before.error_um(places), 0.5), rel=0.01)


OPTICS = ExposureOptics(20.0, (0.6, 0.6), 0.9, 0.0, image_shift_limit_um=10, beam_margin_um=0.1)


def labels() -> np.ndarray:
    found = np.full(MAP_SHAPE, NAMES["lamella"], np.uint8)
    found[:20] = NAMES["white"]
    found[60:200, 40:140] = NAMES["cell"]
    found[60:200, 180:280] = NAMES["cell"]
    found[100:120, 70:90] = NAMES["mitos"]
    return found


def sure(*boxes: tuple[int, int, int, int, int]) -> np.ndarray:
    found = np.zeros(MAP_SHAPE, np.uint8)
    for top, bottom, left, right, value in boxes:
        found[top:bottom, left:right] = value
    return found


def test_targets_go_to_signal_and_to_what_is_sure_first():
    options = TargetingOptions(
        ["fm:mCherry"], ["white", "crack"], target_score_threshold=0.1, max_targets=1
    )
    signal = sure((80, 150, 60, 130, 120), (80, 150, 200, 270, 255))
    known, names = with_signals(KnownMap(labels()), NAMES, {"fm:mCherry": (signal, "a")}, options)
    choice = select_targets(known, names, options, OPTICS)
    ((row, column),) = choice.areas[0].targets_map_px
    assert 80 < row < 150 and 200 < column < 270
    half = TargetingOptions(["fm:mCherry"], ["white"], target_score_threshold=0.1)
    tables = class_tables(names, half)
    assert tables.wanted[names["fm:mCherry"]] == 1
    assert tables.wanted[names["fm:mCherry@50"]] == 0.5


def test_a_score_is_the_signal_that_is_expected():
    options = TargetingOptions(["fm:a"], ["white"], target_score_threshold=0.05)
    for value, expected in ((255, 1.0), (190, 0.75), (128, 0.5), (64, 0.25), (20, 0.0)):
        signal = sure((40, 240, 0, 320, value))
        known, names = with_signals(KnownMap(labels()), NAMES, {"fm:a": (signal, "a")}, options)
        choice = select_targets(known, names, options, OPTICS)
        scores = [score for area in choice.areas for score in area.scores]
        assert (max(scores) if len(scores) else 0.0) == pytest.approx(expected, abs=0.01)


def test_classes_that_are_wanted_more_and_what_is_forbidden_stay():
    options = TargetingOptions(
        {"fm:a": 0.5, "mitos": 1.0, "cell": 0.2}, ["white", "ice"], target_score_threshold=0.1
    )
    marked = labels()
    marked[150:170, 200:220] = NAMES["ice"]
    marked[171:180, 200:220] = NAMES["crack"]
    signal = sure((0, 240, 0, 320, 255))
    known, names = with_signals(KnownMap(marked), NAMES, {"fm:a": (signal, "a")}, options)
    for name in ("white", "ice", "crack", "mitos"):
        assert np.array_equal(known.labels == names[name], marked == NAMES[name])
    assert not (known.labels == names["cell"]).any()
    weak = sure((0, 240, 0, 320, 64))  # an eighth of what is wanted is less than a cell
    known, names = with_signals(KnownMap(marked), NAMES, {"fm:a": (weak, "b")}, options)
    assert np.array_equal(known.labels == names["cell"], marked == NAMES["cell"])


def test_an_avoided_channel_is_avoided_where_it_is_likely():
    options = TargetingOptions(["cell"], ["white", "fm:auto"], target_score_threshold=0.3)
    signal = sure((50, 210, 30, 150, 200), (50, 210, 170, 290, 100))
    known, names = with_signals(KnownMap(labels()), NAMES, {"fm:auto": (signal, "a")}, options)
    choice = select_targets(known, names, options, OPTICS)
    points = np.concatenate([area.targets_map_px for area in choice.areas])
    assert len(points) and (points[:, 1] > 170).all()


def test_with_the_whole_lamella_signal_counts_as_lamella_at_least():
    options = TargetingOptions({"lamella": 0.3, "fm:a": 1.0}, ["white"], target_score_threshold=0.1)
    signal = sure((80, 150, 60, 130, 255), (80, 150, 200, 270, 64))
    known, names = with_signals(KnownMap(labels()), NAMES, {"fm:a": (signal, "a")}, options)
    tables = class_tables(names, options)
    assert tables.wanted[names["fm:a"]] == 1
    assert tables.wanted[names["fm:a@25"]] == pytest.approx(0.3)
    assert tables.wanted[names["cell"]] == pytest.approx(0.3)


def test_the_classes_of_a_map_come_from_beside_it(map_png):
    kept_beside(map_png, {"mCherry": spot(20, 30)})
    options = TargetingOptions(["fm:mCherry"], ["white"], target_score_threshold=0.1)
    known, names = with_signals_of_map(KnownMap(labels()), NAMES, map_png, options)
    choice = select_targets(known, names, options, OPTICS)
    (place,) = fit().to_map(np.array([[20.0, 30.0]]))
    points = np.concatenate([area.targets_map_px for area in choice.areas])
    assert len(points) and np.hypot(*(points - place).T).max() < 40
    same, unchanged = with_signals_of_map(
        KnownMap(labels()), NAMES, map_png, replace(options, target_list=("cell",))
    )
    assert unchanged is NAMES and np.array_equal(same.labels, labels())
    channel_path(map_png, "mCherry", True).unlink()
    with pytest.raises(SpaceError, match="missing"):
        with_signals_of_map(KnownMap(labels()), NAMES, map_png, options)


def test_names_of_signals():
    assert is_signal("fm:a") and not is_signal("fm:") and not is_signal("mitos")
