"""The judge itself: it must find what is wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from space import pacetomo
from space.geometry import MapFrame
from space.settings import Settings
from space.simulation import judge, map_truth, series_truth
from space.simulation.run import columns_on_stage_deg, targeting_options
from space.simulation.summary import summarise, summary_table
from space.simulator.column import AS_DRAWN, load_instrument, shipped
from space.simulator.imaging import View, px_to_grid
from space.simulator.judging import DOSE_PIXEL_UM, DoubleExposure, double_exposed
from space.simulator.specimen import LABELS, Grid
from space.targeting import TargetingOptions, class_tables

OPTICS = judge.SeriesOptics((0.864, 0.614), 1.6, 60.0)
MITOS = TargetingOptions()


def item(label, xy, note=""):
    return SimpleNamespace(label=label, note=note, stage_um=(*xy, 0.0), kind=0)


def test_a_refined_position_takes_the_place_of_the_first_one():
    known = judge.positions(
        [item("PL1", (0, 0), "good (90%)"), item("FL1", (5, 5), "thick (80%)"), item("L01", (9, 9))]
    )
    assert known[1][1] == "thick" and tuple(known[1][0]) == (5, 5)
    assert list(known) == [1]


def test_a_lamella_left_out_for_its_class_was_found(tmp_path):
    grid = Grid.make(900_202, 1, name="G1", kinds=["broken"])
    x, y = grid.lamellae[0].center_um
    other = {"stage_um": [x - 9.0, y + 4.0], "category": "broken"}
    path = tmp_path / "G1_lamellae.json"
    for offset, found in (([9.0, -4.0], True), (None, True), ([90.0, -4.0], False)):
        path.write_text(json.dumps({"offset_um": offset, "others": [other]}), encoding="utf-8")
        verdict = judge.judge_grid(grid, tmp_path, tmp_path, [], [], LABELS, MITOS, OPTICS, 0.0)
        assert verdict.lamellae[0].found is found
        assert verdict.false_positions == (0 if found else 1)
    assert verdict.errors_um == ()


def test_each_position_is_matched_once():
    truth = np.array([[0.0, 0.0], [10.0, 0.0]])
    found = np.array([[1.0, 0.0], [2.0, 0.0]])
    pairs = judge.match(truth, found)
    assert pairs == [(0, 0, 1.0), (1, 1, 8.0)]
    assert judge.match(truth, found + 100) == []


@pytest.mark.parametrize(
    "points, conflicts",
    [
        ([(0, 0), (1.5, 0)], 1),
        ([(0, 0), (1.595, 0)], 0),  # touching
        ([(0, 0), (1.7, 0)], 0),
        ([(0, 0), (0, 3.1)], 1),  # perpendicular to the axis the beam is twice as long
        ([(0, 0), (0, 3.3)], 0),
        ([(0, 0), (1, 0), (2, 0)], 2),
        ([], 0),
    ],
)
def test_beam_conflicts_are_counted_in_squeezed_coordinates(points, conflicts):
    assert judge.beam_conflicts(points, OPTICS) == conflicts


@pytest.mark.parametrize("rise", [np.tan(np.radians(10.0)), -np.tan(np.radians(10.0))])
def test_beams_on_a_lamella_that_rises_across_the_tilt_axis_need_more_room(rise):
    """At +60 or -60 degrees of the stage it is tilted by 70."""
    seen = np.cos(np.radians(70.0)) / np.cos(np.radians(10.0))
    for apart_um, conflicts in ((1.57 / seen, 1), (1.6 / seen, 0)):
        points = [(0.0, 0.0), (0.0, apart_um)]
        assert judge.beam_conflicts(points, OPTICS, (0.0, rise)) == conflicts
        assert judge.beam_conflicts(points, OPTICS) == 0
    # What rises along the axis is seen sheared.
    diagonal = [(0.0, 0.0), (1.0, 2.6)]
    assert judge.beam_conflicts(diagonal, OPTICS) == 0
    assert judge.beam_conflicts(diagonal, OPTICS, (0.3, 0.0)) == 1


def test_dice_counts_classes_that_are_there_and_ignores_what_has_no_picture():
    truth = np.array([[1, 1, 2, 2, 0, 0]])
    predicted = np.array([[1, 2, 2, 2, 2, 1]])
    dice = map_truth.dice_by_class(predicted, truth, ["background", "a", "b", "c"], min_px=1)
    assert dice == {"a": pytest.approx(2 / 3), "b": pytest.approx(4 / 5)}


def test_beams_are_compared_in_specimen_micrometres():
    optics = judge.SeriesOptics((1, 1), 1.6, 0.0, ((-1.1, 0.0), (0.0, -1.0)))
    assert judge.beam_conflicts([(0, 0), (1.5, 0)], optics) == 0
    assert judge.beam_conflicts([(0, 0), (0, 1.5)], optics) == 1


def beam(series, center, tilt_deg=0.0, diameter_um=1.6):
    """An exposure of a tilt series; the tilt axis lies along the stage's X."""
    radius = diameter_um / 2
    axes = ((radius, 0.0), (0.0, radius / np.cos(np.radians(tilt_deg))))
    file = f"/session/G1_L01_ts_{series:03d}.mrc" if series else ""
    return SimpleNamespace(
        file=file, tilt_deg=tilt_deg, beam_center_um=center, beam_axes_um=axes, center_um=center
    )


def test_pixels_that_two_targets_hit_are_counted_at_every_tilt():
    tilts = (0.004, -30.0, 60.0)
    places = {1: (0.0, 0.0), 2: (1.605, 0.0), 3: (0.0, 1.9)}
    taken = [beam(n, place, tilt) for tilt in tilts for n, place in places.items()]
    found = double_exposed(taken)
    assert list(found.by_tilt) == [-30, 0, 60]
    assert found.by_tilt[0] == 0
    # At -30 degrees beams are 1.848 um long, at 60 degrees 3.2 um: 1 and 3 overlap, also 2 and 3.
    assert found.by_tilt[-30] == 0
    exact = overlap_um2(places[1], places[3], 60.0) + overlap_um2(places[2], places[3], 60.0)
    assert found.by_tilt[60] * DOSE_PIXEL_UM**2 == pytest.approx(exact, rel=0.02)
    assert found.at_one_tilt == found.all_tilts == found.by_tilt[60]


def overlap_um2(one, other, tilt_deg, diameter_um=1.6):
    """Area common to two beams: that of two discs in squeezed coordinates, stretched again."""
    squeeze = np.cos(np.radians(tilt_deg))
    distance = np.hypot(other[0] - one[0], (other[1] - one[1]) * squeeze)
    if distance >= diameter_um:
        return 0.0
    half = np.arccos(distance / diameter_um)
    return diameter_um**2 / 4 * (2 * half - np.sin(2 * half)) / squeeze


def test_targets_that_are_hit_at_different_tilts_are_counted_apart():
    wanders = [beam(1, (0, 0)), beam(2, (1.7, 0)), beam(1, (0.2, 0), 30), beam(2, (1.9, 0), 30)]
    found = double_exposed(wanders)
    assert found.at_one_tilt == 0 and found.all_tilts > 100


def test_a_target_may_be_exposed_again_and_other_pictures_do_not_count():
    again = [beam(1, (0, 0)), beam(1, (0.1, 0)), beam(0, (0, 0)), beam(0, (0.5, 0))]
    found = double_exposed(again)
    assert found.by_tilt == {0: 0} and found.all_tilts == 0
    assert double_exposed([]) == DoubleExposure()


def test_three_targets_on_one_pixel_count_it_once():
    twice = double_exposed([beam(1, (0, 0)), beam(2, (0, 0))]).at_one_tilt
    assert double_exposed([beam(n, (0, 0)) for n in (1, 2, 3)]).at_one_tilt == twice
    area = np.pi * 0.8**2 / DOSE_PIXEL_UM**2
    assert twice == pytest.approx(area, rel=0.01)


@pytest.mark.parametrize("place", [(0.0, 0.0), (10.24, -10.24), (-3.3, 700.1), (10.25, 5.1)])
def test_the_count_does_not_depend_on_the_place(place):
    def count(shift):
        x, y = np.add(place, shift)
        return double_exposed([beam(1, (x, y), 60), beam(2, (x + 1.0, y), 60)]).at_one_tilt

    expected = overlap_um2((0, 0), (1.0, 0), 60) / DOSE_PIXEL_UM**2
    assert count((0.0, 0.0)) == pytest.approx(expected, rel=0.02)
    assert count((0.007, 0.013)) == pytest.approx(expected, rel=0.02)


def shot(series, center, tilt_deg, defocus_um, asked_um=-5.0, slope=(0.0, 0.0)):
    """An exposure of a tilt series with what is known of its focus."""
    taken = beam(series, center, tilt_deg)
    return SimpleNamespace(
        **vars(taken),
        defocus_um=defocus_um,
        target_defocus_um=asked_um,
        slope=slope,
        lying=AS_DRAWN,
    )


TO_SPECIMEN = ((-1.0, 0.0), (0.0, -1.0))


def test_the_defocus_of_every_picture_is_held_against_what_was_asked_for():
    # The series of a target 1.5 um beside the tilt axis, which nothing compensates.
    tilts = (0.0, 45.0, -45.0, 60.0)
    ramp = [shot(1, (7.0, 3.0), tilt, -5 - 1.5 * np.sin(np.radians(tilt))) for tilt in tilts]
    other = [shot(0, (7.0, 3.0), 0.0, -60.0), shot(2, (9.0, 3.0), 0.0, -3.8, asked_um=-4.0)]
    errors = series_truth.defocus_errors_um([*ramp, *other], TO_SPECIMEN)
    assert errors == pytest.approx((0.0, 1.0607, 1.0607, 1.2990, 0.2), abs=1e-4)


@pytest.mark.parametrize(("tilt_deg", "there"), [(0.0, -5.0), (30.0, -4.75), (-30.0, -5.25)])
def test_the_defocus_is_that_of_the_target_even_if_the_picture_wanders(tilt_deg, there):
    """The specimen's Y is minus the stage's; what lies farther along it is higher at plus tilts."""
    wandered = shot(1, (7.0, 3.5), tilt_deg, -5.0)
    found = series_truth.defocus_at_um(wandered, (7.0, 3.0), TO_SPECIMEN)
    assert found == pytest.approx(there)
    along = shot(1, (7.5, 3.0), tilt_deg, -5.0)
    assert series_truth.defocus_at_um(along, (7.0, 3.0), TO_SPECIMEN) == pytest.approx(-5.0)


@pytest.mark.parametrize("tilt_deg", [0.0, 30.0, -50.0])
def test_on_an_inclined_lamella_the_defocus_follows_its_plane(tilt_deg):
    slope, away = (0.03, -0.17), (0.4, -0.6)
    wandered = shot(1, np.add((7.0, 3.0), away), tilt_deg, -5.0, slope=slope)
    angle, z_um = np.radians(tilt_deg), -np.dot(slope, away)
    expected = -5.0 + away[1] * np.sin(angle) + z_um * np.cos(angle)
    found = series_truth.defocus_at_um(wandered, (7.0, 3.0), TO_SPECIMEN)
    assert found == pytest.approx(expected)


PIECES = """
..........................
.llllllccllllll.....ll....
.llllllccllllllDD...ll....
.llllllccllllllDD.........
.lmmlllccllllllDD......b..
..........................
"""


@pytest.mark.parametrize(
    ("row", "column", "on"),
    [
        (1, 1, True),
        (4, 2, True),  # an organelle
        (2, 7, True),  # a crack within the lamella ...
        (2, 12, True),  # ... and what lies behind it
        (2, 15, False),  # coating
        (1, 20, False),  # a shred
        (4, 23, False),  # bulk
        (0, 0, False),
    ],
)
def test_what_counts_as_lamella(row, column, on):
    names = {".": "white", "l": "lamella", "c": "crack", "D": "coating", "m": "mitos", "b": "black"}
    lines = PIECES.strip().splitlines()
    labels = np.array([[LABELS.index(names[sign]) for sign in line] for line in lines])
    assert series_truth.on_lamella(labels, LABELS)[row, column] == on


def test_places_beside_a_lamella_and_on_one_that_is_gone_are_counted():
    there, gone = (
        Grid.make(900_203, 1, name="G1", kinds=[kind], within_um=150.0).lamellae[0]
        for kind in ("good", "gone")
    )
    milling = np.radians(there.angle_deg)
    across = np.array([-np.sin(milling), np.cos(milling)])
    center = np.array(there.center_um)
    inside = [tuple(center + across * far_um) for far_um in (-4.0, 4.0)]
    beside = [tuple(center + across * far_um) for far_um in (-10.0, 10.0, 300.0)]
    assert series_truth.off_lamella(inside, [there], LABELS) == 0
    assert series_truth.off_lamella([*inside, *beside], [there], LABELS) == 3
    assert series_truth.off_lamella(inside, [], LABELS) == 2
    x, y = gone.center_um
    everywhere = [(x + dx, y + dy) for dx in range(-12, 13) for dy in range(-12, 13)]
    assert series_truth.off_lamella(everywhere, [gone], LABELS) == len(everywhere)
    assert series_truth.off_lamella([], [there], LABELS) == 0


@pytest.mark.parametrize(
    ("target_list", "avoid_list", "wanted"),
    [
        (["mitos"], ["black"], "mitos"),
        ({"mitos": 1, "vesicles": 0.5}, [], "mitos vesicles"),
        (["lamella"], ["black", "white", "ice", "crack"],
         "cell cellwall nucleus vacuole mitos lipiddroplets vesicles multivesicles "
         "membranes dynabeads cryst lamella"),
        (["lamella"], ["cell", "cellwall", "dynabeads", "cryst", "nucleus", "vacuole"],
         "mitos lipiddroplets vesicles multivesicles membranes ice lamella"),
        # What follows "lamella" is wanted even if it were no lamella by itself.
        (["lamella", "crack"], ["lamella", "cell", "cellwall", "nucleus", "vacuole",
         "lipiddroplets", "multivesicles", "membranes", "dynabeads", "ice", "cryst"],
         "mitos vesicles crack"),
        (["mitos", "lamella"], [], "mitos lamella"),  # not first: the bare surface
        (["mitos", "ribosomes"], ["fiducials"], "mitos"),  # classes of another model
        (["ribosomes"], [], ""),
    ],
)  # fmt: skip
def test_wanted_is_what_the_session_asked_for(target_list, avoid_list, wanted):
    options = TargetingOptions(target_list=target_list, avoid_list=avoid_list)
    values = judge.wanted_values(options, LABELS)
    assert values == {LABELS.index(name) for name in wanted.split()}


def test_wanted_leaves_out_what_the_session_takes_for_vacuum(tmp_path):
    """The judge and the choice of targets count the same classes."""
    config = (Path(judge.__file__).parents[2] / "SPACEtomo_config.py").read_text(encoding="utf-8")
    changed = re.sub(r"(?m)^off_lamella_classes = .*", 'off_lamella_classes = ["ice"]', config)
    assert changed != config
    (tmp_path / "SPACEtomo_config.py").write_text(changed, encoding="utf-8")
    names = {name: value for value, name in enumerate(LABELS)}
    for avoid in ((), ("crack", "coating")):
        used = Settings(SPACE_DIR=str(tmp_path), target_list=("lamella",), avoid_list=avoid)
        asked = targeting_options(used)
        assert asked.off_lamella == ("ice",)
        wanted = judge.wanted_values(asked, LABELS)
        assert wanted == set(np.flatnonzero(class_tables(names, asked).wanted))
        assert {names["white"], names["black"]} <= wanted and names["ice"] not in wanted
    unread = targeting_options(Settings(SPACE_DIR=str(tmp_path / "none")))
    assert unread == TargetingOptions()


@pytest.mark.parametrize("name", shipped())
def test_the_judged_field_is_turned_as_the_camera_sees_it(name):
    instrument = load_instrument(name)
    optics = instrument.optics()
    record = next(area.mag_index for area in instrument.areas if area.letter == "R")
    seen = View(mag_index=record, binning=4, shape=(100, 100), stage_um=(0.0, 0.0))
    x, y = px_to_grid(optics, seen)[:, 0]
    rotation_deg = optics.entry(record).rotation_deg
    angle = columns_on_stage_deg(rotation_deg, instrument.stage.invert_x)
    apart = (np.degrees(np.arctan2(y, x)) - angle) % 180
    assert min(apart, 180 - apart) < 0.5


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A map whose labels are the truth, seen 0.6 µm off."""
    folder = tmp_path_factory.mktemp("session")
    grid = Grid.make(900_201, 1, name="G1", kinds=["good"])
    center = grid.lamellae[0].center_um
    px = 0.064
    frame = MapFrame((300, 420), ((0.0, 1 / px), (1 / px, 0.0)), center)
    away = replace(frame, center_stage_um=(center[0] + 0.6, center[1] - 0.5))
    labels = grid.label_map(map_truth.to_grid(away), away.shape)
    Image.fromarray(labels).save(folder / "G1_L01_seg.png")
    about = {"frame": frame.to_dict()}
    (folder / "G1_L01.json").write_text(json.dumps(about), encoding="utf-8")
    return folder, grid


def test_dice_forgives_the_stage_but_not_the_model(session):
    folder, grid = session
    path = folder / "G1_L01_seg.png"
    good = map_truth.dice(grid, path, LABELS)
    assert good["lamella"] > 0.95 and good["cell"] > 0.9
    frame = MapFrame.from_dict(json.loads((folder / "G1_L01.json").read_text())["frame"])
    labels = np.asarray(Image.open(path))
    wrong = np.where(labels == LABELS.index("mitos"), LABELS.index("cell"), labels)
    truth = map_truth.registered_truth(grid, frame, wrong)
    assert map_truth.dice_by_class(wrong, truth, LABELS)["mitos"] == 0


def test_a_target_beside_the_wanted_class_is_not_on_it(session):
    _, grid = session
    lamella = grid.lamellae[0]
    px, shape = 0.05, (900, 900)
    m = np.array(
        [
            [px, 0, lamella.center_um[0] - px * 450],
            [0, px, lamella.center_um[1] - px * 450],
        ]
    )
    labels = grid.label_map(m, shape)
    row, col = np.argwhere(labels == LABELS.index("mitos"))[0]
    wanted = {LABELS.index("mitos")}
    on = m @ (col + 0.5, row + 0.5, 1)
    assert judge.holds_wanted(grid, tuple(on), OPTICS, 0.0, wanted)
    assert not judge.holds_wanted(grid, (on[0] + 300, on[1]), OPTICS, 0.0, wanted)


def test_targets_without_a_tilt_series_count_where_image_shift_puts_them(tmp_path):
    """The stage's readings in a targets file lie the tilt axis offset beside the places."""
    targets = tuple(
        pacetomo.Target(f"G1_L01_ts_{n:03d}.mrc", (0.0, 0.0), (10.0 + n, 20.0)) for n in (1, 2)
    )
    path = tmp_path / "G1_L01_tgts.txt"
    path.write_text(pacetomo.render(pacetomo.TargetsFile(targets, ())), encoding="utf-8")
    tracking = item("L01_001", (11.0, 18.5), path.name)
    imaged = {"G1_L01_ts_001.mrc": SimpleNamespace(center_um=(10.9, 18.6), lying=AS_DRAWN)}
    planned, points, series = judge._target_points(tmp_path, "G1_L01", imaged, [tracking], AS_DRAWN)
    assert planned == [(11.0, 18.5), (12.0, 18.5)]
    assert points == [(10.9, 18.6), (12.0, 18.5)] and series == 1
    assert judge._target_points(tmp_path, "G1_L01", {}, [])[1] == [(11.0, 20.0), (12.0, 20.0)]


class OneSquare:
    """A specimen with a wanted square of 50 nm at a place, nothing else."""

    def __init__(self, at_um):
        self.at_um = at_um

    def label_map(self, px_to_grid, shape):
        rows, columns = np.indices(shape) + 0.5
        x, y = (row[0] * columns + row[1] * rows + row[2] for row in px_to_grid)
        inside = (np.abs(x - self.at_um[0]) < 0.025) & (np.abs(y - self.at_um[1]) < 0.025)
        return inside.astype(np.uint8)


@pytest.mark.parametrize(
    "at_um, rotation_deg, seen",
    [
        ((0.40, 0.0), 0.0, True),  # the field is 0.864 um wide ...
        ((0.0, 0.40), 0.0, False),  # ... and 0.614 um high
        ((0.0, 0.28), 0.0, True),
        ((0.0, 0.40), 90.0, True),
        ((0.40, 0.0), 90.0, False),
        ((0.30, 0.30), 45.0, True),
        ((-0.30, 0.30), 45.0, False),
        ((-0.30, 0.30), -45.0, True),
    ],
)
def test_a_field_that_is_not_square_is_judged_along_its_own_sides(at_um, rotation_deg, seen):
    place = (12.3, -4.5)
    specimen = OneSquare(np.add(place, at_um))
    assert judge.holds_wanted(specimen, place, OPTICS, rotation_deg, {1}) is seen


def test_the_summary_counts_false_positions_against_precision():
    found = judge.LamellaVerdict(1, "good", True, "good", 0.4, targets=4, on_wanted=3)
    missed = judge.LamellaVerdict(2, "thick")
    result = summarise([judge.GridVerdict("G1", (found, missed), 1, 0, (0.4,))], {"level_1": 2})
    assert result["recall"] == 0.5 and result["precision"] == 0.5
    assert result["targets"] == 4 and result["targets_on_wanted"] == 3
    nothing = ("double_exposed_px", "targets_off_lamella", "defocus_error_um_median",
               "defocus_error_um_max")  # fmt: skip
    assert all(result[key] is None for key in nothing), "there was no tilt series"
    assert "on wanted" in summary_table(result)


def test_the_summary_tells_what_was_exposed_twice():
    taken = judge.LamellaVerdict(1, "good", True, "good", 0.4, targets=4, tilt_series=4)
    twice = DoubleExposure({0: 0, 30: 2, 60: 40}, 55)
    grids = [judge.GridVerdict(name, (taken,), 0, 0, (0.4,), twice) for name in ("G1", "G2")]
    result = summarise(grids, {})
    assert result["double_exposed_px"] == 84 and result["double_exposed_px_all_tilts"] == 110
    assert "double_exposed_px          84" in summary_table(result)


def test_the_summary_tells_how_tilt_series_are_in_focus_and_on_what():
    taken = judge.LamellaVerdict(1, "good", True, "good", 0.4, targets=4, tilt_series=4)
    errors = ((0.1, 0.25), (0.2, 1.31))
    grids = [
        judge.GridVerdict(f"G{n}", (taken,), 0, 0, (0.4,), defocus_errors_um=one, off_lamella=n)
        for n, one in enumerate(errors, 1)
    ]
    result = summarise(grids, {})
    assert result["targets_off_lamella"] == 3
    assert result["defocus_error_um_median"] == 0.225 and result["defocus_error_um_max"] == 1.31
    for line in ("targets_off_lamella        3", "defocus_error_um_median    0.225",
                 "defocus_error_um_max       1.31"):  # fmt: skip
        assert line in summary_table(result)
