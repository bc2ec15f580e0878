"""What a microscope does not have is refused in words; nothing else of it changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from space.simulator.column import Controls, SEMerror, load_instrument
from tests.simulator.test_relations import Scope

KRIOS = load_instrument("krios_k3")


def without(tmp_path, **missing) -> Scope:
    """The standard microscope without some of its controls."""
    return Scope(replace(KRIOS, controls=replace(Controls(), **missing)), tmp_path)


@pytest.mark.parametrize(
    ("missing", "call", "message"),
    [
        ({"valves": False}, ("SetColumnOrGunValve", 1), "valves"),
        ({"valves": False}, ("ReportColumnOrGunValve",), "valves"),
        ({"apertures": False}, ("SetApertureSize", 2, 70), "apertures"),
        ({"apertures": False}, ("ReportApertureSize", 2), "apertures"),
        ({"apertures": False}, ("RemoveAperture", 2), "apertures"),
        ({"autoloader_names": False}, ("ReportSlotStatus", 0), "names in the autoloader"),
        ({"eucentricity": ("fine", "focus")}, ("Eucentricity", 1), "rough routine"),
        ({"eucentricity": ("rough", "focus")}, ("Eucentricity",), "fine routine"),
        ({"eucentricity": ("rough", "focus")}, ("Eucentricity", 3), "fine routine"),
        ({"eucentricity": ("rough", "fine")}, ("Eucentricity", -1), "focus routine"),
    ],
)
def test_a_command_for_what_is_not_there_is_refused(tmp_path, missing, call, message):
    with pytest.raises(SEMerror, match=message):
        without(tmp_path, **missing)(*call)


def test_valves_that_scripts_cannot_drive_stay_open(tmp_path):
    scope = without(tmp_path, valves=False)
    scope.session.grids[2] = scope.session.grid
    assert scope("LoadCartridge", 2) == (0.0, 0.0)
    assert scope.session.loaded_slot == 2 and scope.session.scope.valve_open
    scope.session.scope.valve_open = False  # by hand
    scope.session.scope.open_valves()
    assert not scope.session.scope.valve_open


def test_a_grid_without_a_name_is_told_by_its_status_alone(tmp_path):
    scope = without(tmp_path)
    scope.session.grids[2] = scope.session.grid
    assert scope("ReportSlotStatus", 2)[0] == 1.0
    scope = without(tmp_path, autoloader_names=False)
    scope.session.grids[2] = scope.session.grid
    assert scope("ReportSlotStatus", 2) == 1.0


@pytest.mark.parametrize(("occupied", "on_stage"), [(False, 0.0), (True, 1.0)])
def test_the_slot_of_the_grid_on_the_stage_is_empty_or_not(tmp_path, occupied, on_stage):
    scope = without(tmp_path, loaded_slot_occupied=occupied)
    scope.session.grids[2] = scope.session.grid

    def told():
        return [scope("ReportSlotStatus", slot)[0] for slot in (1, 2)]

    scope.session.loaded_slot = None
    assert told() == [1.0, 1.0]
    scope("LoadCartridge", 2)
    assert told() == [1.0, on_stage] and scope("ReportLoadedSlot") == 2.0
    assert scope("ReportSlotStatus", 2)[1] == scope.session.grid.name
    scope("LoadCartridge", 1)
    assert told() == [on_stage, 1.0]
    scope("UnloadCartridge")
    assert told() == [1.0, 1.0]


@pytest.mark.parametrize(("slots", "reported"), [(0, 0.0), (12, 1.0)])
def test_whether_there_is_an_autoloader_is_a_property(tmp_path, slots, reported):
    scope = Scope(replace(KRIOS, autoloader_slots=slots), tmp_path)
    assert scope("ReportProperty", "ScopeHasAutoloader") == reported


def test_a_stage_refuses_angles_that_it_does_not_reach(tmp_path):
    stage = replace(KRIOS.stage, tilt_range_deg=(-10.0, 55.0))
    scope = Scope(replace(KRIOS, stage=stage), tmp_path)
    scope("TiltTo", 55.0)
    for angle in (-10.5, 56.0):
        with pytest.raises(SEMerror, match="refuses to tilt"):
            scope("TiltTo", angle)
    assert scope("ReportTiltAngle") == pytest.approx(55.0, abs=0.1)
    with pytest.raises(SEMerror, match="beyond the limit of 69.9"):
        scope("TiltTo", 75.0)


def test_the_microscope_like_those_of_jeol_has_none_of_these():
    jeol = load_instrument("jeol_cryoarm_k3")
    assert jeol.autoloader_slots == 12 and jeol.beam.condensers == 1
    assert jeol.controls == Controls(False, False, False, eucentricity=("rough", "fine"))
    assert jeol.stage.tilt_range_deg == (-62.0, 69.9)
