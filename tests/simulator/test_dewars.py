"""Dewars and the pump of the autoloader."""

from __future__ import annotations

from dataclasses import replace

import pytest

from space.simulator.column import SEMerror
from space.simulator.commands import dewars, scope
from tests.simulator.fakes import SpotGrid


@pytest.fixture
def session(make_simulation):
    session = make_simulation().session
    session.grids[2] = SpotGrid(name="second")
    return session


def test_the_pump_runs_for_a_while_after_a_grid_was_moved(session):
    assert dewars.is_pvp_running(session) == 0.0
    for move in (lambda: scope.load_cartridge(session, 2), lambda: scope.unload_cartridge(session)):
        move()
        assert dewars.is_pvp_running(session) == 1.0
        polls = 0
        while dewars.is_pvp_running(session):
            session.clock.wait(60.0)
            polls += 1
        assert polls == 10
    scope.load_cartridge(session, 2)
    dewars.manage_dewars_and_pumps(session, 1)
    assert dewars.is_pvp_running(session) == 0.0


def test_dewars_run_empty_and_are_filled(session):
    first = dewars.dewars_remaining_time(session)
    session.clock.advance(3600.0)
    assert dewars.dewars_remaining_time(session) == first - 3600.0
    session.clock.advance(first)
    assert dewars.dewars_remaining_time(session) == 0.0
    assert scope.are_dewars_filling(session) == 0.0
    session.dewars_full_at_s = session.clock.seconds + 100.0
    assert dewars.dewars_remaining_time(session) == -1.0
    session.clock.advance(100.0)
    assert dewars.dewars_remaining_time(session) == first
    session.clock.advance(first)
    scope.long_operation(session, "RS", "1")
    assert dewars.dewars_remaining_time(session) == pytest.approx(first, abs=100.0)


def test_a_long_operation_loads_and_unloads_grids(session):
    assert scope.long_operation(session, "Lo", "2", "RS", "0") == (0.0, 0.0)
    assert session.loaded_slot == 2
    assert scope.long_operation(session, "Lo", "7", "Un", "0") == (1.0, 0.0)  # an empty slot
    assert session.loaded_slot == 2
    assert scope.long_operation(session, "Un", "0") == (0.0, 0.0)
    assert session.loaded_slot is None


@pytest.mark.parametrize("argument", [(), (1,), (-1,), (0,)])
def test_managing_fills_dewars_that_are_nearly_empty_and_waits_for_them(session, argument):
    full = dewars.dewars_remaining_time(session)
    session.clock.advance(full / 2)
    before = session.clock.seconds
    dewars.manage_dewars_and_pumps(session, *argument)
    assert session.clock.seconds == before
    session.clock.advance(full / 2 - 60.0)
    before = session.clock.seconds
    dewars.manage_dewars_and_pumps(session, *argument)
    assert session.clock.seconds > before
    assert scope.are_dewars_filling(session) == 0.0
    assert dewars.dewars_remaining_time(session) == full


def test_managing_waits_for_a_filling_that_goes_on(make_simulation):
    session = make_simulation(faults=["refill@1"]).session
    assert scope.are_dewars_filling(session) == 1.0
    dewars.manage_dewars_and_pumps(session, -1)
    assert scope.are_dewars_filling(session) == 0.0


def test_a_microscope_without_autoloader_has_neither(make_session):
    session = make_session()
    session.instrument = replace(session.instrument, autoloader_slots=0)
    for command in (
        dewars.is_pvp_running,
        dewars.dewars_remaining_time,
        dewars.manage_dewars_and_pumps,
    ):
        with pytest.raises(SEMerror, match="no autoloader"):
            command(session)
