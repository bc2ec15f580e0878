"""Imaging states of the product at a microscope whose states are SerialEM's: one area each."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from space.errors import SpaceError
from space.microscope import states
from space.settings import Settings
from space.simulator import Simulation
from space.simulator.column import INSTRUMENT_FOLDER
from space.simulator.commands import all_commands
from space.simulator.external import external_python
from space.simulator.specimen import Grid
from space.steps import refind

TALOS_TEXT = (INSTRUMENT_FOLDER / "talos_ceta.toml").read_text(encoding="utf-8")
STATE = """[[states]]
name = "{name}"
low_dose_area = "{area}"
magnification = {magnification}
exposure_s = 1.0
spot_size = 6
intensity = 0.43325

"""


@pytest.fixture
def microscope(tmp_path, monkeypatch):
    """Return a function that connects to a microscope with further states (name, area, mag)."""
    with ExitStack() as stack:

        def connect(*more: tuple[str, str, int], faults: tuple[str, ...] = ()):
            extra = "".join(STATE.format(name=n, area=a, magnification=m) for n, a, m in more)
            path = tmp_path / "mine.toml"
            path.write_text(TALOS_TEXT.replace("[apertures]", f"{extra}[apertures]", 1), "utf-8")
            grids = {1: Grid.make(1, 0)}
            simulation = Simulation(tmp_path, grids=grids, instrument=path, faults=faults)
            monkeypatch.chdir(tmp_path)
            sem, _ = stack.enter_context(external_python(simulation.session, all_commands()))
            monkeypatch.setitem(sys.modules, "serialem", sem)
            return simulation.session.scope

        yield connect


def nominal(scope, letter: str) -> float:
    """Magnification stored for an area."""
    return scope.magnification(scope.areas[letter].mag_index)


def test_a_state_made_in_view_leaves_record_as_it_was_set_up(microscope):
    scope = microscope()
    scope.store_area("R", mag_index=scope.optics.index_of(92000))
    scope.store_area("V", mag_index=scope.optics.index_of(5600))
    states.go_to_low_dose_states(2)
    assert (nominal(scope, "V"), nominal(scope, "R")) == (7300, 92000)
    assert scope.area == "V"


@pytest.mark.parametrize("wanted", [(2, 3), ("MM", "Rec"), (3, 2)])
def test_two_states_set_view_and_record(microscope, wanted):
    scope = microscope(("Rec", "R", 73000))
    for letter in "VR":
        scope.store_area(letter, mag_index=scope.optics.index_of(22500))
    states.go_to_low_dose_states(wanted)
    assert (nominal(scope, "V"), nominal(scope, "R")) == (7300, 73000)
    assert scope.area == "V"


def test_a_record_that_no_state_sets_and_nobody_has_set_up_is_told(microscope):
    scope = microscope(("Rec", "R", 73000))
    scope.store_area("R", mag_index=scope.optics.index_of(7300))
    with pytest.raises(SpaceError, match="Record is at 7300x, not above View") as caught:
        states.go_to_low_dose_states("MM")
    assert "MM_image_state = 'MM'" in str(caught.value)
    assert "MM_image_state = [View's, Record's]" in str(caught.value)


@pytest.mark.parametrize(("wanted", "found"), [(2, 7300), ("2", 9200), (3, 9200)])
def test_a_state_called_by_a_number_is_not_the_state_with_this_number(microscope, wanted, found):
    scope = microscope(("2", "V", 9200))
    states.go_to_low_dose_states(wanted)
    assert nominal(scope, "V") == found


def test_a_name_of_digits_that_there_is_not_goes_nowhere(microscope):
    scope = microscope(("Other", "V", 9200))
    with pytest.raises(SpaceError, match="called '3'; number 3 is 'Other'"):
        states.go_to_low_dose_states("3")
    assert nominal(scope, "V") == 7300 and not scope.low_dose


@pytest.mark.parametrize(
    ("values", "magnification"),
    [
        ({"IM_mag_index": 15}, 1300),
        ({"IM_mag_index": 15, "IM_image_state": ""}, 1300),
        ({"IM_mag_index": 15, "IM_image_state": 0}, 1300),
        ({"IM_mag_index": 15, "IM_image_state": 3}, 1600),
        ({"IM_mag_index": 15, "IM_image_state": "Whole lamella"}, 1600),
    ],
)
def test_the_intermediate_pictures_have_their_state_or_magnification(
    microscope, caplog, values, magnification
):
    scope = microscope(("Whole lamella", "", 1600))
    refind.go_to_intermediate(SimpleNamespace(settings=Settings(**values)))
    assert scope.magnification(scope.mag_index) == magnification
    assert not scope.low_dose and caplog.text == ""


def test_an_intermediate_state_in_the_low_range_is_told_by_its_setting(microscope, caplog):
    microscope(("LM", "", 410))
    refind.go_to_intermediate(SimpleNamespace(settings=Settings(IM_image_state="LM")))
    assert "IM_image_state 'LM' is 410x" in caplog.text and "low range (LM)" in caplog.text


@pytest.mark.parametrize("setting", ["WG_image_state", "IM_image_state"])
def test_a_low_dose_state_is_refused_where_lamellae_would_be_exposed(microscope, setting):
    microscope(("Search", "S", 2050))
    settings = Settings(**{setting: "Search"})
    with pytest.raises(SpaceError, match="low dose state") as caught:
        refind.go_to_intermediate(SimpleNamespace(settings=settings))
    assert f"{setting} = 'Search'" in str(caught.value)


def test_an_area_that_comes_out_at_another_magnification_is_set_once_more(microscope, caplog):
    caplog.set_level(logging.INFO)
    scope = microscope(faults=("state-off@3",))
    states.go_to_low_dose_states(2)
    assert caplog.text == ""
    states.go_to_low_dose_states(2)  # Record comes out wrong
    assert "Record: magnification" in caplog.text and "Record is right now" in caplog.text
    assert scope.area == "V" and scope.magnification(scope.mag_index) == 7300


def test_nothing_is_done_in_an_area_that_stays_at_another_magnification(microscope):
    scope = microscope(faults=("state-off@3-",))
    states.go_to_low_dose_states(2)
    with pytest.raises(SpaceError, match="not as it was when this run first went there") as caught:
        states.go_to_area("V")
    assert "[View]" in str(caught.value) and scope.area == "V"


def test_a_whole_grid_state_that_comes_out_wrong_in_the_middle_of_a_night(microscope, caplog):
    caplog.set_level(logging.INFO)
    scope = microscope(faults=("state-off@2",))
    for _ in range(2):
        states.go_to_whole_grid_state(1)
        scope.set_mag_index(12)
    assert "WG_image_state = 1: magnification" in caplog.text
    assert "WG_image_state = 1 is right now" in caplog.text
