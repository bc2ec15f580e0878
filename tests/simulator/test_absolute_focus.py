"""Focus as a setting of the lens, and what limits or offsets autofocus."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.simulator import Simulation
from space.simulator.column import SEMerror
from space.simulator.commands import absolute_focus, column, focus
from space.simulator.python.script_state import script_settings
from tests.simulator.fakes import SpotGrid, textured


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return Simulation(tmp_path_factory.mktemp("focus"), grids={1: SpotGrid()}, seed=4).session


@settings(max_examples=30, deadline=None)
@given(st.floats(-0.4, 0.4))
def test_the_lens_stays_as_it_is_set_whatever_the_zero_of_the_readout(shared, value):
    absolute_focus.set_absolute_focus(shared, value)
    assert absolute_focus.report_absolute_focus(shared) == pytest.approx(value, abs=1e-9)
    true_um = shared.true_defocus_um()
    column.reset_defocus(shared)
    assert focus.report_defocus(shared) == 0.0
    assert absolute_focus.report_absolute_focus(shared) == pytest.approx(value, abs=1e-9)
    assert shared.true_defocus_um() == pytest.approx(true_um)


def test_zero_is_the_focus_on_the_tilt_axis(shared):
    assert shared.scope.focus_zero_um != 0.0
    absolute_focus.set_absolute_focus(shared, 0.0)
    column_focus = shared.scope.defocus_um
    column.set_eucentric_focus(shared)
    assert shared.scope.defocus_um == column_focus
    for value in (1.1, -1.1):
        with pytest.raises(SEMerror, match="not between"):
            absolute_focus.set_absolute_focus(shared, value)


@pytest.fixture
def session(make_session):
    return make_session(textured(pixel_um=0.004))


def test_autofocus_stays_within_limits_of_the_lens(session):
    eucentric = session.scope.focus_zero_um
    with script_settings(session):
        focus.set_target_defocus(session, -1.0)
        session.scope.defocus_um = eucentric - 4.0
        with pytest.raises(SEMerror, match="below the upper"):
            absolute_focus.absolute_focus_limits(session, 0.1, 0.1)
        absolute_focus.absolute_focus_limits(session, -0.1, -0.0002)
        focus.autofocus(session)
        assert focus.report_auto_focus(session)[1] == 3.0
        assert session.scope.defocus_um == eucentric - 4.0
        absolute_focus.absolute_focus_limits(session, -0.1, 0.1)
        focus.autofocus(session)
        assert focus.report_auto_focus(session)[1] == 0.0
        assert session.scope.defocus_um == pytest.approx(eucentric - 1.0, abs=0.2)
        absolute_focus.absolute_focus_limits(session, -0.1, -0.0009)
    # The limits were the script's own.
    focus.set_target_defocus(session, -2.0)
    focus.autofocus(session)
    assert focus.report_auto_focus(session)[1] == 0.0


def test_autofocus_measures_with_an_offset_that_does_not_count(session):
    session.scope.set_low_dose(True)
    session.scope.defocus_um = session.scope.focus_zero_um - 2.0
    with script_settings(session):
        absolute_focus.set_autofocus_offset(session, -3.0)
        assert absolute_focus.report_autofocus_offset(session) == -3.0
        focus.autofocus(session, -1)
        assert focus.report_auto_focus(session)[0] == pytest.approx(-2.0, abs=0.2)
        assert session.exposures[-1].defocus_um == pytest.approx(-5.0, abs=0.01)
    assert absolute_focus.report_autofocus_offset(session) == 0.0
    for value in (200.1, -200.1):
        with pytest.raises(SEMerror, match="offset"):
            absolute_focus.set_autofocus_offset(session, value)
