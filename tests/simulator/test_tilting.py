"""Tilting by increments, walking up, and small movements of the stage."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.column import SEMerror
from space.simulator.commands import stage, tilting
from tests.simulator.fakes import textured


@pytest.fixture
def session(make_session):
    return make_session(textured(pixel_um=0.01, size=1200, height=1.5), time_scale=0.0)


def test_tilting_by_the_increment(session):
    tilting.tilt_up(session)
    tilting.tilt_up(session)
    tilting.tilt_down(session)
    increment = session.workbench.tilt_increment_deg
    assert stage.report_tilt_angle(session) == pytest.approx(increment, abs=0.02)
    tilting.record_and_tilt_to(session, 12.0)
    assert stage.report_tilt_angle(session) == pytest.approx(12.0, abs=0.02)
    assert session.exposures[-1].area == "R"
    assert session.exposures[-1].tilt_deg == pytest.approx(increment, abs=0.02)
    tilting.record_and_tilt_up(session)
    tilting.record_and_tilt_down(session)
    assert [round(e.tilt_deg) for e in session.exposures[-2:]] == [12, 15]


@pytest.mark.parametrize("angle", [-30.0, 20.0])
def test_walking_up_keeps_the_middle(session, angle):
    session.camera.change("T", binning=8)
    tilting.walk_up_to(session, angle)
    session.take("T")
    first, last = session.exposures[0], session.exposures[-1]
    assert last.tilt_deg == pytest.approx(angle, abs=0.02)
    assert np.hypot(*np.subtract(last.center_um, first.center_um)) < 0.1
    before = len(session.exposures)
    tilting.walk_up_to(session, session.scope.stage.tilt_deg)
    assert len(session.exposures) == before
    with pytest.raises(SEMerror):
        tilting.walk_up_to(session, 88.0)


def test_reversing_the_tilt_brings_the_angle_and_the_view_back(make_session):
    session = make_session(textured(pixel_um=0.01, size=1200), stage_error_um=0.3, time_scale=0.0)
    session.camera.change("T", binning=8)
    session.scope.tilt_to(9.0)
    visited = []
    tilt_to = session.scope.tilt_to
    session.scope.tilt_to = lambda angle: (visited.append(angle), tilt_to(angle))
    tilting.reverse_tilt(session, -1)
    assert visited == pytest.approx([12.0, 9.0], abs=0.1)
    session.take("T")
    first, last = session.exposures[0], session.exposures[-1]
    assert last.tilt_deg == pytest.approx(9.0, abs=0.05)
    assert np.hypot(*np.subtract(last.center_um, first.center_um)) < 0.02


def test_slow_moves_take_longer(session):
    start = session.clock.seconds
    tilting.move_stage_with_speed(session, 50.0, 0.0, 1.0)
    quick = session.clock.seconds - start
    tilting.move_stage_with_speed(session, -50.0, 0.0, 0.1)
    assert session.clock.seconds - start - quick > quick
    assert session.scope.stage.position_um[:2] == pytest.approx((0.0, 0.0), abs=0.05)
    with pytest.raises(SEMerror):
        tilting.move_stage_with_speed(session, 1.0, 0.0, 0.0)
    before = session.scope.stage.position_um
    tilting.backlash_adjust(session)
    tilting.relax_stage(session)
    assert session.scope.stage.position_um == before


def test_only_a_large_image_shift_is_reset(session):
    session.scope.go_to_area("R")
    session.scope.shift_image_by_um(1.0, 0.5)
    tilting.reset_shift_if_above(session, 2.0)
    assert session.scope.specimen_shift_um() == pytest.approx((1.0, 0.5))
    tilting.reset_shift_if_above(session, 1.0)
    assert session.scope.image_shift == (0.0, 0.0)
    assert np.hypot(*session.scope.stage.position_um[:2]) == pytest.approx(
        np.hypot(1.0, 0.5), rel=0.02
    )
