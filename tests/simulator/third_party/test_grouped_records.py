"""Scripts that set up a night, and take Records in groups of points."""

from __future__ import annotations

import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from space.simulator import Script, Simulation
from tests.simulator.third_party.places import binned_more, clean_square_um, plunged_grid

SCRIPTS = Path(__file__).parent / "scripts"
TARGET_UM = -1.6


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    simulation = Simulation(
        tmp_path_factory.mktemp("groups"), seed=4, grids={1: plunged_grid()}, time_scale=0.0
    )
    binned_more(simulation.session, "VFTR")
    scope = simulation.session.scope
    scope.set_low_dose(True)
    scope.stage.move_to(*clean_square_um(simulation.grids[1]))
    text = (SCRIPTS / "grouped_records.py").read_text(encoding="utf-8")
    simulation.scripts[3] = Script("GroupedRecords", text)
    simulation.acquire_params(primary=3)
    result = simulation.run((SCRIPTS / "prepare_groups.py").read_text(encoding="utf-8"))
    assert result.ok, result.error
    return simulation


def test_settings_were_what_the_script_asked_for(night):
    told = json.loads((night.session.directory / "settings.json").read_text(encoding="utf-8"))
    assert told["now"]["CtfBinning"] == 2.0  # a whole number
    assert told["now"]["MinCtfBasedDefocus"] == pytest.approx(-0.4)
    assert told["now"]["LowDoseViewDefocus"] == -80.0
    assert told["before"]["TargetDefocus"] != told["now"]["TargetDefocus"]
    assert "no such setting" in night.log


def test_settings_for_the_night_hold_and_the_others_do_not(night):
    session = night.session
    result = night.run(
        "#!Python\nimport serialem as sem\n"
        "assert sem.ReportUserSetting('AutofocusBeamTilt') == 6\n"
        "assert sem.ReportTargetDefocus() == -1.6\n"
        "assert sem.ReportLDDefocusOffset('V') == -80\n"
        "assert sem.ReportUserSetting('CtfBinning') == 0\n"
        "assert sem.ReportProperty('ImageShiftLimit') == 20\n"
    )
    assert result.ok, result.error
    assert session.buffers.read_buffer == "O" and session.buffers.roll_last == "F"
    assert session.scope.stage.tilt_delay_s == 2.0


def test_each_point_knows_its_place_in_its_group(night):
    seen = [line.split(": ")[1] for line in night.log if line.startswith("item ")]
    group = ["1 3 3", "2 3 2", "2 3 1"]
    assert seen == [*group, *group, "0 0 0"]
    assert "last point: status -1, group 0, 0 members" in night.log


def test_focus_and_drift_are_measured_once_for_each_group(night):
    tilted = [e for e in night.exposures if e.camera_set == 1]
    assert {abs(e.beam_tilt_mrad[0]) for e in tilted} == {6.0}
    assert sum(line.startswith("focus for") for line in night.log) == 3
    # Record comes after focusing at the first point of a group, after moving at the others.
    sets = [e.camera_set for e in night.exposures]
    records = [place for place, number in enumerate(sets) if number == 3]
    assert len(records) == 7
    focused = [sets[place - 1] == 1 for place in records]
    assert focused == [True, False, False, True, False, False, True]
    waits = [place for place, number in enumerate(sets) if number == 2]
    assert len(waits) >= 6


def test_the_first_record_of_a_group_is_in_focus(night):
    records = [e for e in night.exposures if e.camera_set == 3]
    for first in (records[0], records[3], records[6]):
        assert first.defocus_um == pytest.approx(TARGET_UM, abs=0.25)
        assert first.target_defocus_um == pytest.approx(TARGET_UM)


def test_reports_are_in_the_log_until_they_are_suppressed(night):
    assert any(line.startswith("Navigator item 1: stage") for line in night.log)
    assert sum(line.startswith("Autofocus measured") for line in night.log) == 3
    assert not any(line.startswith("Defocus = ") for line in night.log[-3:])


def test_all_records_are_in_the_file(night):
    with mrcfile.open(night.session.directory / "groups.mrc") as stack:
        assert stack.data.shape[0] == 7
    text = (night.session.directory / "groups.mrc.mdoc").read_text(encoding="utf-8")
    assert text.count("NavigatorLabel") == 7 and text.count("TargetDefocus = -1.6") == 7


# --- a reference in a plain MRC file ------------------------------------------------------------


@pytest.mark.parametrize("instrument", ["krios_k3", "talos_ceta"])
def test_a_reference_of_another_program_is_found_again(tmp_path, instrument):
    grid = plunged_grid()
    simulation = Simulation(
        tmp_path, seed=8, grids={1: grid}, instrument=instrument, time_scale=0.0
    )
    binned_more(simulation.session, "V")
    simulation.session.scope.stage.move_to(*clean_square_um(grid, 1))
    result = simulation.run((SCRIPTS / "reference_on_disk.py").read_text(encoding="utf-8"))
    assert result.ok, result.error
    told = json.loads((tmp_path / "reference.json").read_text(encoding="utf-8"))
    # Shifts count the pixels of the camera that SerialEM counts; the picture's own ones are coarse.
    counted = simulation.session.camera.counted_per_px
    assert np.divide(told["shift"], counted) == pytest.approx(
        told["peak"], abs=2.0 * told["binning"]
    )
    first, away, back = (e.center_um for e in simulation.exposures)
    assert np.hypot(*np.subtract(away, first)) > 0.8
    assert back == pytest.approx(first, abs=0.05)
    assert np.hypot(*told["rest_nm"]) < 60.0
    # Only for the script.
    assert simulation.session.buffers.roll_last == "G"
    assert not simulation.session.options.user_settings["TrimBordersInAutoalign"]
