"""The judge of any script: it tells the truth of each series, and what is wrong with it."""

from __future__ import annotations

import math
import shutil
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.simulator import Exposure, Simulation
from space.simulator.column import load_instrument
from space.simulator.command_line import main as simulator_main
from space.simulator.judging import (
    judge_pictures,
    judge_session,
    judge_simulation,
    remarks,
    report,
    summed_up,
)
from space.simulator.keeping import SESSION_FOLDER, Setup, open_session
from tests.simulator.fakes import SpotGrid, without_frame_files

KRIOS = load_instrument("krios_k3")
RECORD_MAG = next(area for area in KRIOS.areas if area.letter == "R").mag_index
TILTS = (0, 15, -15, -30, 30, 45, -45, -60, 60)
ASKED_UM = -3.0

HEAD = f"""#!Python
import math
import serialem as sem
tilts = {TILTS}
sem.SetLowDoseMode(1)
sem.SetUserSetting("ShiftToTiltAxis", 1)
sem.SetTargetDefocus({ASKED_UM})
sem.SetBinning("R", 8)
sem.GoToLowDoseArea("R")
"""
CLEAN = """
sem.OpenNewFile("my_series.mrc")
for tilt in tilts:
    sem.TiltTo(tilt)
    sem.R()
    sem.S()
"""


def simulated(folder, grid=None, **options) -> Simulation:
    """A still microscope, in focus by what the next script asks for at zero tilt."""
    options = {"noise": False, "stage_error_um": 0.0, "time_scale": 0.0, **options}
    grid = grid or SpotGrid()
    simulation = Simulation(folder, grids={1: grid}, instrument="krios_k3", **options)
    put_in_focus(without_frame_files(simulation.session).scope, grid.height)
    return simulation


def put_in_focus(scope, height_um):
    scope.defocus_um += ASKED_UM - scope.true_defocus_um(height_um)


def run(simulation, body):
    result = simulation.run(HEAD + textwrap.dedent(body))
    assert result.ok, result.error
    return judge_simulation(simulation)


def of_pictures(series, name):
    return np.array([getattr(picture, name) for picture in series.pictures])


# --- scripts, good and bad ----------------------------------------------------------------------


def test_a_series_without_faults_gets_no_remark(tmp_path):
    truth = run(simulated(tmp_path), CLEAN)
    assert [series.name for series in truth.series] == ["my_series.mrc"]
    series = truth["my_series.mrc"]
    assert np.rint(series.tilts_deg).tolist() == list(TILTS)
    assert series.order == "dose-symmetric" and series.area == "R" and series.grid == "spots"
    assert of_pictures(series, "lamella_tilt_deg") == pytest.approx(series.tilts_deg)
    assert series.worst_off_nm < 120  # the stage creeps after each tilt
    assert series.worst_defocus_error_um < 0.1 and abs(series.ramp_um) < 0.05
    assert series.dose_elsewhere_e_A2 == series.most_dose_elsewhere_e_A2 == 0.0
    assert series.shared.all_tilts_um2 == 0.0
    assert remarks(truth) == []


def test_a_place_beside_the_tilt_axis_whose_focus_is_not_corrected_is_told(tmp_path):
    away_um = 4.0
    body = f"""
    sem.ImageShiftByMicrons(0, {away_um})
    before = 1.0
    sem.OpenNewFile("ramp.mrc")
    for tilt in tilts:
        sem.TiltTo(tilt)
        now = math.cos(math.radians(tilt))
        sem.ImageShiftByMicrons(0, {away_um} * (now - before))
        before = now
        sem.R()
        sem.S()
    """
    truth = run(simulated(tmp_path), body)
    series = truth["ramp.mrc"]
    sines = np.sin(np.radians(series.tilts_deg))
    assert of_pictures(series, "defocus_error_um") == pytest.approx(away_um * sines, abs=0.05)
    assert series.ramp_um == pytest.approx(away_um, abs=0.05)
    assert series.worst_off_nm < 150
    (told,) = remarks(truth)
    assert told.startswith("ramp.mrc: defocus changes with tilt and is up to 3.4")
    assert "4.0 um beside the tilt axis" in told


def test_image_shift_that_is_not_centred_on_the_tilt_axis_is_told(tmp_path):
    simulation = simulated(tmp_path)
    body = 'sem.SetUserSetting("ShiftToTiltAxis", 0)\n' + CLEAN
    series = run(simulation, body)["my_series.mrc"]
    y0_um = -KRIOS.stage.tilt_axis_offset_um
    angles = np.radians(series.tilts_deg)
    # The centre of the picture stays, and what is in it is not what was there at zero tilt.
    across_nm = 1e3 * y0_um * (1 / np.cos(angles) - 1)
    assert of_pictures(series, "across_nm") == pytest.approx(across_nm, abs=130)
    assert of_pictures(series, "seen_nm") == pytest.approx(-across_nm * np.cos(angles), abs=130)
    assert of_pictures(series, "defocus_error_um") == pytest.approx(
        y0_um * np.sin(angles), abs=0.05
    )
    assert series.ramp_um == pytest.approx(y0_um, abs=0.05)
    told = remarks(judge_simulation(simulation))
    assert len(told) == 2 and "its field is 614 nm across" in told[0]


def test_a_specimen_off_the_eucentric_height_is_told(tmp_path):
    height_um = 0.8
    truth = run(simulated(tmp_path, SpotGrid(height=height_um)), CLEAN)
    series = truth["my_series.mrc"]
    angles = np.radians(series.tilts_deg)
    expected_nm = 1e3 * height_um * np.tan(angles)
    assert of_pictures(series, "across_nm") == pytest.approx(expected_nm, abs=130)
    sinks_um = height_um * (np.cos(angles) - 1)
    assert of_pictures(series, "defocus_error_um") == pytest.approx(sinks_um, abs=0.05)
    assert abs(series.ramp_um) < 0.05, "it is not beside the axis, it is above it"
    assert any("nm away from the place of the first one" in text for text in remarks(truth))


def test_a_script_that_exposes_a_place_twice_is_told(tmp_path):
    apart_um = 1.0
    body = f"""
    for number in (1, 2):
        sem.OpenNewFile(f"target{{number}}.mrc")
        for tilt in tilts:
            sem.TiltTo(tilt)
            sem.R()
            sem.S()
        sem.CloseFile()
        sem.ImageShiftByMicrons({apart_um}, 0)
    """
    simulation = simulated(tmp_path)
    truth = run(simulation, body)
    one, two = truth["target1.mrc"], truth["target2.mrc"]
    radius_um = simulation.exposures[0].radius_um
    half = math.acos(apart_um / 2 / radius_um)
    lens_um2 = radius_um**2 * (2 * half - math.sin(2 * half))
    stretched = sum(1 / math.cos(math.radians(tilt)) for tilt in TILTS)
    for series in (one, two):
        assert series.shared.at_one_tilt_um2 == pytest.approx(lens_um2 * stretched, rel=0.12)
        assert series.shared.all_tilts_um2 >= lens_um2 * 1.8
        assert series.beam_um2 == pytest.approx(math.pi * radius_um**2, rel=0.001)
    # The field reaches into the other beam with its one side, with its centre it does not.
    assert one.most_dose_elsewhere_e_A2 == pytest.approx(two.dose_e_A2, rel=0.01)
    assert 0 < one.dose_elsewhere_e_A2 < one.most_dose_elsewhere_e_A2
    told = remarks(truth)
    assert sum("other series exposed" in text and "at the same tilts" in text for text in told) == 2
    assert sum("other pictures put up to" in text for text in told) == 2


def test_of_many_series_with_one_fault_the_worst_is_named():
    far_nm = {1: 300.0, 2: 500.0, 3: 200.0, 4: 50.0, 5: 400.0}
    exposures = [
        one
        for n, away_nm in far_nm.items()
        for one in (
            *taken((0, 3), ((9.0 * n, 0.0),), file=f"/d/{n}.mrc"),
            picture(0, 6, (9.0 * n + away_nm / 1e3, 0.0), file=f"/d/{n}.mrc"),
        )
    ]
    truth = judge_pictures([replace(e, index=k) for k, e in enumerate(exposures)], KRIOS)
    told = remarks(truth)
    assert [text[:5] for text in told] == ["1.mrc", "2.mrc", "3.mrc", "5.mrc"]
    (line,) = summed_up(truth)
    assert line.startswith("4 series; the worst is 2.mrc: a picture is centred ")
    assert line in report(truth)
    few = judge_pictures([e for e in exposures if "/1" in e.file or "/2" in e.file], KRIOS)
    assert summed_up(few) == remarks(few) and len(remarks(few)) == 2


def test_pictures_on_the_place_before_the_series_count_in_its_dose(tmp_path):
    simulation = simulated(tmp_path)
    truth = run(simulation, "sem.R()\nsem.R()\n" + CLEAN + "sem.R()\n")
    series = truth["my_series.mrc"]
    each = simulation.exposures[0].dose_e_A2
    assert series.dose_e_A2 == pytest.approx(9 * each)
    assert of_pictures(series, "dose_so_far_e_A2") == pytest.approx(each * np.arange(3, 12))
    assert series.most_dose_elsewhere_e_A2 == pytest.approx(3 * each)
    assert truth.pictures == 12


def test_a_specimen_that_drifts_is_told(tmp_path):
    truth = run(simulated(tmp_path, faults=["drift@4"]), CLEAN)
    speeds = of_pictures(truth["my_series.mrc"], "drift_nm_s")
    assert speeds[:3].max() < 5 < speeds[3:].max()
    assert any("drifted by up to" in text for text in remarks(truth))


def test_dark_pictures_are_told(tmp_path):
    truth = run(simulated(tmp_path, faults=["dark-image@5"]), CLEAN)
    assert "my_series.mrc: 5 of 9 pictures got no electrons." in remarks(truth)


def test_the_defocus_to_hold_against_can_be_given(tmp_path):
    simulation = simulated(tmp_path)
    run(simulation, "sem.SetTargetDefocus(-9)\n" + CLEAN)
    assert judge_simulation(simulation).series[0].worst_defocus_error_um > 5.9
    assert judge_simulation(simulation, ASKED_UM).series[0].worst_defocus_error_um < 0.1


@pytest.mark.parametrize(("beside_um", "above_um"), [(0.0, 0.8), (2.0, -0.5)])
def test_a_ramp_is_told_from_height_on_one_side_of_zero_tilt_too(beside_um, above_um):
    exposures = [
        replace(one, defocus_um=-3.2 + beside_um * math.sin(math.radians(one.tilt_deg))
                + above_um * math.cos(math.radians(one.tilt_deg)))
        for one in taken(range(0, 61, 10), file="/d/a.mrc")
    ]  # fmt: skip
    (series,) = judge_pictures(exposures, KRIOS).series
    assert series.ramp_um == pytest.approx(beside_um, abs=1e-9)
    (short,) = judge_pictures(exposures[:4], KRIOS).series
    assert short.ramp_um is None


# --- which pictures are a series ----------------------------------------------------------------


def picture(index, tilt_deg, center_um=(0.0, 0.0), **others) -> Exposure:
    stretch = 1 / math.cos(math.radians(tilt_deg))
    values = dict(
        index=index, grid="G1", area="R", camera_set=3, center_um=center_um, radius_um=0.8,
        tilt_deg=tilt_deg, dose_e_A2=3.0, mag_index=RECORD_MAG, defocus_um=-3.0,
        target_defocus_um=-3.0, beam_center_um=center_um,
        beam_axes_um=((0.8, 0.0), (0.0, 0.8 * stretch)),
    )  # fmt: skip
    return Exposure(**{**values, **others})


def taken(tilts, places=((0.0, 0.0),), **others):
    """At each tilt a picture of each place."""
    shots = [(tilt, place) for tilt in tilts for place in places]
    return [picture(n, tilt, place, **others) for n, (tilt, place) in enumerate(shots)]


def names(exposures):
    return [(s.name, len(s.pictures)) for s in judge_pictures(exposures, KRIOS).series]


def test_a_file_with_three_tilts_is_a_series_whatever_it_is_called():
    assert names(taken((0, 3, -3), file="/data/a.mrc")) == [("a.mrc", 3)]
    assert names(taken((0, 3), file="/data/a.mrc", camera_set=0)) == []
    assert names(taken((0,), file="/data/G1_ts_001.mrc")) == [("G1_ts_001.mrc", 1)]
    maps = taken((0, 0, 0, 0.2), ((0, 0), (9, 9)), file="/data/map.mrc", area="V")
    assert names(maps) == []


def test_a_file_in_two_folders_is_two_series():
    both = [*taken((0, 3, 6), file="/d/t1/ts.mrc"), *taken((0, 3, 6), file="/d/t2/ts.mrc")]
    both = [replace(e, index=n) for n, e in enumerate(both)]
    assert names(both) == [("ts.mrc", 3), ("t2/ts.mrc", 3)]


def test_several_places_in_one_file_are_several_series():
    places = ((0.0, 0.0), (2.0, 0.0), (0.0, 5.0))
    found = names(taken((0, 3, -3, -6, 6), places, file="/d/all.mrc"))
    assert found == [("all.mrc (1)", 5), ("all.mrc (2)", 5), ("all.mrc (3)", 5)]


def test_a_series_that_jumps_away_stays_one():
    tilts = (0, 10, 20, 30, 40, 50)
    jumps = [picture(n, t, (0.0, 0.0 if t < 30 else 4.0), file="/d/a.mrc")
             for n, t in enumerate(tilts)]  # fmt: skip
    (series,) = judge_pictures(jumps, KRIOS).series
    assert series.worst_off_nm == pytest.approx(4000, rel=0.01)


def test_record_pictures_that_are_in_no_common_file_are_found_by_their_place():
    tilts = (0, 20, -20, -40, 40, 60, -60)
    # Off the eucentric height: from one side to the other they jump farther than the beam is wide.
    wandering = [picture(n, t, (0.0, 0.7 * math.tan(math.radians(t)))) for n, t in enumerate(tilts)]
    other = [replace(e, index=n, file=f"/d/{n}.mrc") for n, e in enumerate(
        taken(tilts, ((30.0, 0.0),)), 100)]  # fmt: skip
    focus = [replace(e, index=n, area="F", camera_set=1) for n, e in enumerate(
        taken(tilts, ((5.0, 0.0),)), 200)]  # fmt: skip
    assert names([*wandering, *other, *focus]) == [("place 1", 7), ("place 2", 7)]


def test_thousands_of_places_are_told_apart_in_seconds():
    places = [(3.0 * i, 3.0 * j) for i in range(60) for j in range(60)]
    holes = taken((0,), places)
    series = [replace(e, index=5000 + n) for n, e in enumerate(taken((0, 3, 6), ((1.0, -0.9),)))]
    began = time.process_time()
    assert names([*holes, *series]) == [("place 1", 3)]
    assert time.process_time() - began < 5


def test_grids_are_judged_apart():
    both = [*taken((0, 3, 6), file="/d/a.mrc"), *taken((0, 3, 6), file="/d/b.mrc", grid="G2")]
    both = [replace(e, index=n) for n, e in enumerate(both)]
    truth = judge_pictures(both, KRIOS)
    assert [series.grid for series in truth.series] == ["G1", "G2"]
    assert all(s.shared.all_tilts_um2 == 0 and s.dose_elsewhere_e_A2 == 0 for s in truth.series)
    assert "G2: b.mrc" in report(truth)


@pytest.mark.parametrize(
    ("tilts", "order"),
    [
        (range(-60, 61, 3), "one way"),
        (range(60, -61, -3), "one way"),
        ([*range(0, 61, 3), *range(-3, -61, -3)], "two ways"),
        ([0, 3, -3, -6, 6, 9, -9, -12, 12], "dose-symmetric"),
        ([0, 3, 6, -3, -6, 9, 12, -9, -12, 15, 18, -15, -18], "dose-symmetric"),
        ([10, 13, 7, 4, 16, 19, 1], "dose-symmetric"),
        ([0, 0, 3, 3.1, 6, 6], "one way"),
        ([0, 40, -3, 3, -40, 20, 10, 60], "mixed"),
    ],
)
def test_the_order_of_tilts_has_a_name(tilts, order):
    exposures = taken(tilts, file="/d/a.mrc")
    assert judge_pictures(exposures, KRIOS).series[0].order == order


# --- geometry -----------------------------------------------------------------------------------


def on_slope(slope, tilts):
    return [picture(n, t, file="/d/a_ts_1.mrc", slope=slope) for n, t in enumerate(tilts)]


@given(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(-60, 60))
def test_pretilt_rotation_and_tilt_are_those_of_the_plane(dx, dy, tilt_deg):
    (series,) = judge_pictures(on_slope((dx, dy), (0, 3, tilt_deg, 70)), KRIOS).series
    along, across = KRIOS.optics().specimen_to_stage().T @ (dx, dy)
    pretilt, rotation = math.radians(series.pretilt_deg), math.radians(series.rotation_deg)
    # Height of the point that an image shift of (X, Y) centres, as PACEtomo takes it
    for x, y in ((1.0, 0.0), (0.0, 1.0), (2.0, -3.0)):
        height = math.tan(pretilt) * (math.cos(rotation) * y - math.sin(rotation) * x)
        assert height == pytest.approx(along * x + across * y, abs=1e-9)
    assert -90 <= series.rotation_deg <= 90
    # Its normal, turned about the tilt axis like everything on the stage
    angle = math.radians(tilt_deg)
    y, z = -across * math.cos(angle) - math.sin(angle), math.cos(angle) - across * math.sin(angle)
    found = next(p for p in series.pictures if p.index == 2)
    assert found.seen_nm == 0.0
    assert found.lamella_tilt_deg == pytest.approx(math.degrees(math.atan2(-y, z)), abs=1e-6)


# --- sessions on disk ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Path:
    return off_the_axis(tmp_path_factory.mktemp("session"))


def off_the_axis(folder: Path) -> Path:
    """Keep a session with one series that is off the tilt axis, on a level specimen."""
    setup = Setup(seed=3, instrument="krios_k3", noise=False, stage_error_um=0.0)
    with open_session(folder, setup, grids={1: SpotGrid()}, time_scale=0.0) as simulation:
        put_in_focus(simulation.session.scope, 0.0)
        result = simulation.run(HEAD + 'sem.SetUserSetting("ShiftToTiltAxis", 0)\n' + CLEAN)
        assert result.ok, result.error
    return folder


def content(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_a_kept_session_is_judged_as_it_was_while_it_ran(session):
    truth = judge_session(session)
    assert truth["my_series.mrc"].ramp_um == pytest.approx(-1.5, abs=0.05)
    with pytest.raises(KeyError, match=r"other.mrc; there are my_series.mrc"):
        truth["other.mrc"]


def test_a_picture_that_is_being_written_does_not_hinder(session, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(session, copy)
    with (copy / SESSION_FOLDER / "journal.jsonl").open("a", encoding="utf-8") as journal:
        journal.write('["picture", {"index": 9, "gri')
    assert judge_session(copy) == judge_session(session)


def test_the_simulators_own_command_judges_too(session, capsys):
    before = content(session)
    assert simulator_main(["--session", str(session), "--judge"]) == 0
    assert "1.5 um beside the tilt axis" in capsys.readouterr().out
    assert content(session) == before


def test_the_simulators_own_command_judges_what_it_has_run(tmp_path, capsys):
    script = tmp_path / "series.py"
    script.write_text(HEAD + CLEAN, encoding="utf-8")
    words = ["--session", str(tmp_path / "s"), "--judge"]
    assert simulator_main([*words, "--run", str(script), "--lamellae", "1", "--within", "120"]) == 0
    assert "my_series.mrc" in capsys.readouterr().out
    page = tmp_path / "page.html"
    assert simulator_main([*words, "--report", str(page)]) == 0
    assert page.is_file() and "my_series.mrc" in capsys.readouterr().out
    for folder, why in (("no", "no folder"), (".", "holds no simulated session")):
        assert simulator_main(["--session", str(tmp_path / folder), "--judge"]) == 2
        assert why in capsys.readouterr().err


@given(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(-60, 60))
def test_a_point_that_wanders_on_a_slope_is_seen_where_it_is(dx, dy, tilt_deg):
    """The distance in the picture is that of two points of the plane, turned about the axis."""
    away_um = np.array([0.7, -0.4])
    first, *_ = on_slope((dx, dy), (0,))
    moved = picture(1, tilt_deg, tuple(away_um), file="/d/a_ts_1.mrc", slope=(dx, dy))
    (series,) = judge_pictures([first, moved], KRIOS).series
    x, y = KRIOS.optics().stage_to_specimen() @ away_um
    z, angle = float(away_um @ (dx, dy)), math.radians(tilt_deg)
    turned = np.array([[1, 0, 0], [0, math.cos(angle), -math.sin(angle)],
                       [0, math.sin(angle), math.cos(angle)]]) @ (x, y, z)  # fmt: skip
    assert series.pictures[1].seen_nm == pytest.approx(1e3 * np.hypot(*turned[:2]))
    # What is higher is less under focus: defocus at the first place is lower by that much.
    assert series.pictures[1].defocus_um == pytest.approx(moved.defocus_um - turned[2])
