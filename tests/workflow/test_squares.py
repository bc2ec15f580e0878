"""Grids without lamellae: squares, positions, targets without a model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from space import pacetomo
from space.config import load_config
from space.geometry import MapFrame
from space.images import read_png, write_json_beside, write_png
from space.microscope import SavedItem, read_navigator_file
from space.settings import Settings, load
from space.simulation import (
    Bench,
    double_exposed,
    make_project,
    script_text,
    with_settings,
    without_plots,
)
from space.simulator import Script
from space.simulator.specimen import unmilled_grid
from space.steps import GridSession, manual
from space.steps.find_positions import marked_items
from space.steps.question import read_record
from space.steps.rechoose import choose_again
from space.targeting import MANUAL_CLASSES, TargetingOptions, read_choice
from tests.workflow.bench import ROOT

REACH_UM = 230.0
PRIMARY, AFTER = 2, 3
TILTS = {"max_tilt": 30.0, "step": 30.0}


@pytest.fixture(scope="module")
def grid():
    return unmilled_grid(41)


@pytest.fixture
def bench(tmp_path, grid):
    project = make_project(tmp_path / "project", segmentation_pixel_nm=32)
    with without_plots():
        yield Bench(tmp_path / "session", project, grid, stage_limit_um=REACH_UM)


def square_at(grid, place_um):
    return min(grid.film.squares(), key=lambda s: np.hypot(*np.subtract(s.center_um, place_um)))


def from_holes_um(points_um: np.ndarray, film) -> np.ndarray:
    holes = film.holes_um(tuple(points_um.mean(axis=0)), 40.0)
    return np.array([np.hypot(*(holes - point).T).min() for point in points_um])


def test_squares_are_mapped_and_series_are_taken_in_their_holes(bench, grid, tmp_path):
    primary = (ROOT / "examples/parallel_tilt_series.py").read_text(encoding="utf-8")
    scripts = bench.simulation.scripts
    scripts[PRIMARY] = Script("primary", with_settings(primary, TILTS))
    after = script_text("SPACEtomo_postAction.py", SPACE_DIR=str(bench.space_dir))
    scripts[AFTER] = Script("after", after)
    bench.simulation.acquire_params(primary=PRIMARY, after=AFTER)
    # No model is there: a worker that is asked for one would fail.
    result = bench.run(
        5, sample="squares", max_squares=1, place_size=8.0, manual_selection=True,
        hole_pattern=True, max_targets=3, max_tilt=30,
    )  # fmt: skip
    assert result.ok, result.error
    known = json.loads((bench.directory / "G1_lamellae.json").read_text(encoding="utf-8"))
    assert len(known["lamellae"]) == 1 and len(known["others"]) >= 8
    right = []
    offset_um = np.array(bench.simulation.session.scope.optics.low_mag_offset_um)
    for one in known["lamellae"] + known["others"]:
        place_um = np.add(one["stage_um"], offset_um)
        true = square_at(grid, place_um)
        assert np.hypot(*np.subtract(true.center_um, place_um)) < 3.0
        right.append(one["category"] == true.kind)
    assert np.mean(right) > 0.8
    point = next(item for item in bench.items() if item.label == "PL1")
    assert point.note.startswith("intact (")
    targets = pacetomo.parse((bench.directory / "G1_L01_tgts.txt").read_text("utf-8")).targets
    assert len(targets) == 3
    series = {
        target.tsfile: [e for e in bench.simulation.exposures if e.file.endswith(target.tsfile)]
        for target in targets
    }
    assert [len(taken) for taken in series.values()] == [3, 3, 3]
    first = np.array([taken[0].center_um for taken in series.values()])
    # The stage misses a square by some um, and the map shows by how much; all series alike.
    assert np.ptp(from_holes_um(first, grid.film)) < 0.3
    assert double_exposed(bench.simulation.exposures).at_one_tilt == 0
    assert all(abs(e.defocus_um + 4.0) < 1.0 for taken in series.values() for e in taken[:1])
    again = bench.run(5, sample="squares", max_squares=1, place_size=8.0, manual_selection=True)
    assert again.ok and "Grid G1 was acquired already: skipped" in bench.log()


def test_positions_of_the_navigator_are_taken_as_they_are(bench, grid):
    inside = [s for s in grid.film.squares() if max(map(abs, s.center_um)) < REACH_UM - 40]
    (x, y), (u, v) = (s.center_um for s in [s for s in inside if s.kind == "intact"][:2])
    bench.do(
        "sem.OpenNavigator()",
        f"sem.SaveNavigator({str(bench.directory / 'G1.nav')!r})",
        f"i = int(sem.AddStagePosAsNavPoint({x}, {y}, 0))",
        "sem.SetItemAcquire(i, 1)",
        f"sem.AddStagePosAsNavPoint({x} + 2, {y} + 2, 0)",
        f"sem.AddStagePosAsNavPoint({x} + 60, {y}, 0)",
        "sem.SetLowDoseMode(1)",
        "sem.GoToLowDoseArea('V')",
        f"sem.MoveStageTo({u}, {v}, 0)",
        "sem.V()",
        "sem.OpenNewFile('mine.mrc')",
        "sem.S()",
        "sem.SetItemAcquire(int(sem.NewMap(0, 'mine')), 1)",
        "sem.CloseFile()",
        "sem.SaveNavigator()",
    )
    before = bench.count_exposures()
    result = bench.run(4, sample="positions", manual_selection=True, place_size=8.0, max_targets=2)
    assert result.ok, result.error
    notes = {item.label: item.note for item in bench.items()}
    assert notes["FL1"] == notes["FL2"] == "position (100%)"
    taken = {e.file.rpartition("/")[2] for e in bench.simulation.exposures[before:] if e.file}
    assert "G1_L01.mrc" in taken and "G1_L02.mrc" not in taken and "G1.mrc" not in taken
    assert "Targets are at 2 points of the Navigator" in bench.log()
    first = pacetomo.parse((bench.directory / "G1_L01_tgts.txt").read_text("utf-8")).targets
    places = np.array([bench.place_um(target) for target in first])
    assert np.sort(np.hypot(*(places - (x, y)).T)) == pytest.approx([0, np.sqrt(8)], abs=1.0)
    assert (bench.directory / "G1_L02_tgts.txt").stat().st_size > 0
    saved = read_navigator_file(bench.directory / "G1.nav")
    assert {i.note for i in saved if i.acquire} == {"G1_L01_tgts.txt", "G1_L02_tgts.txt"}
    # Chosen again from the files alone, as `spacetomo targets` does, they are at the same points.
    directory = bench.directory
    config = load_config(bench.space_dir)
    session = GridSession(load(directory), config, directory, directory, "G1")
    record = read_record(directory / "G1_L01_choice.json")
    labels = directory / "G1_L01_seg.png"
    again = choose_again(session, 1, labels, record, saved).choice
    before = read_choice(directory / "G1_L01_choice.json", again_shape(labels))
    assert np.allclose(again.areas[0].targets_map_px, before.areas[0].targets_map_px, atol=0.1)


def again_shape(labels) -> tuple[int, int]:
    return read_png(labels)[0].shape


def test_without_marked_positions_the_run_says_what_to_do(bench):
    result = bench.run(1, sample="positions", manual_selection=True)
    assert not result.ok and "no item of the Navigator has Acquire on" in bench.log()


def saved(kind: int, acquire: bool, x: float, y: float, **values: str) -> SavedItem:
    about = {"Type": str(kind), "Acquire": str(int(acquire)), "StageXYZ": f"{x} {y} 3"}
    return SavedItem("7", {**about, **values})


def test_points_polygons_and_maps_with_acquire_are_positions():
    corners = {"PtsX": "0 40 40 0", "PtsY": "10 10 30 30"}
    items = (
        saved(0, True, 5, 6),
        saved(0, False, 7, 8),
        saved(1, True, 0, 0, **corners),
        saved(2, True, 20, 20, **corners),
        saved(5, True, 1, 1),
    )
    found = marked_items(items, 30.0)
    assert [one.index for one in found] == [1, 3, 4]
    assert [one.place.number for one in found] == [1, 2, 3]
    assert found[0].place.stage_um == (5, 6) and found[0].place.size_um == (30, 30)
    assert found[1].place.stage_um == (20, 20) and found[1].place.size_um == (40, 20)


def test_what_is_dark_is_not_wanted_by_hand(tmp_path):
    picture = np.full((90, 120), 200, np.uint8)
    picture[:, :40] = 20
    labels = manual.labels_by_grey(picture, 30.0, (0.0, 100.0))
    assert (labels[:, :38] == MANUAL_CLASSES["black"]).all()
    assert (labels[:, 42:] == MANUAL_CLASSES["lamella"]).all()
    # With little contrast nothing is dark, and without counts nobody knows.
    for limits in ((80.0, 100.0), None):
        assert (manual.labels_by_grey(picture, 30.0, limits) == MANUAL_CLASSES["lamella"]).all()
    path = tmp_path / "G1_L01.png"
    write_json_beside(path, {"counts_of_grey": [0.0, 100.0]})
    write_png(path, picture, 30.0, "test")
    manual.ensure_labels(path)
    written, about = read_png(tmp_path / "G1_L01_seg.png")
    assert (written == labels).all() and json.loads(about["labels"]) == MANUAL_CLASSES


def test_points_of_ones_own_are_no_targets():
    frame = MapFrame((100, 100), ((1.0, 0.0), (0.0, -1.0)), (50.0, 50.0))
    items = (
        saved(0, False, 60, 40),
        saved(0, False, 300, 40),
        SavedItem("FL1", {"Type": "0", "StageXYZ": "50 50 0", "Note": "intact (90%)"}),
        saved(0, False, 50, 50, Note="G1_L01_geo"),
        saved(1, False, 50, 50),
    )
    assert manual.points_on_map(items, frame, "G1_L").tolist() == [[60.0, 60.0]]


def test_settings_say_what_counts_for_a_sample():
    squares = Settings(sample="squares", square_transmission=0.4)
    assert squares.least_probability == 0.4 and not squares.refines
    assert squares.excluded_classes == ("broken", "thick ice", "empty", "contaminated")
    positions = Settings(sample="positions")
    assert positions.excluded_classes == () and positions.least_probability == 0
    assert Settings().refines and Settings().excluded_classes == ("broken", "gone")
    options = TargetingOptions.of_session(Settings(manual_selection=True, target_edge=True))
    assert options.target_list == ("lamella",) and not options.on_lamella_only
    config = load_config(ROOT)
    assert list(config.categories_of(True))[0] == "intact"
    assert config.category("thick ice") == config.categories_of(True)["thick ice"]
