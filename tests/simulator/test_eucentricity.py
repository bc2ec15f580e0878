"""Eucentricity finds the height by tilting, over the heights that there are, or says that not."""

from __future__ import annotations

import pytest

from space.simulator.commands import focus, image_shift
from space.simulator.measuring import eucentricity
from tests.simulator.fakes import SpotGrid, textured


def height_left(session):
    return abs(session.height_um())


@pytest.fixture
def make(make_session):
    """A session over a textured plane of a given height, with the errors of a stage."""

    def make(height_um, **options):
        options.setdefault("stage_error_um", 0.35)
        grid = textured(height=height_um)
        session = make_session(grid, noise=True, time_scale=0.0, **options)
        session.camera.change("V", binning=8)
        return session

    return make


@pytest.mark.parametrize("height_um", [-180.0, -3.0, 12.0, 90.0])
def test_rough_over_the_whole_range(make, height_um):
    session = make(height_um)
    focus.eucentricity(session, 1)
    assert height_left(session) < 0.8
    assert session.scope.stage.tilt_deg == pytest.approx(0.0, abs=0.05)
    assert session.scope.area == "V"
    assert focus.report_rough_eucen_failed(session) == 0.0
    tilts = [one.tilt_deg for one in session.exposures]
    assert min(tilts) == pytest.approx(-5.0, abs=0.05) and max(tilts) == pytest.approx(10, abs=0.05)
    steps = [b - a for a, b in zip(tilts, tilts[1:]) if b - a > 0.1]
    assert steps[0] == pytest.approx(0.6, abs=0.05) and max(steps) < 8.1
    assert session.scope.image_shift == (0.0, 0.0)


def test_fine_is_finer_and_keeps_the_point_centred(make):
    session = make(1.5)
    image_shift.image_shift_by_microns(session, 0.05, 0.05)
    session.take("V")
    before = session.exposures[-1].center_um
    focus.eucentricity(session, 2)
    assert height_left(session) < 0.3
    session.take("V")
    assert session.exposures[-1].center_um == pytest.approx(before, abs=0.02)
    tilts = [one.tilt_deg for one in session.exposures]
    assert min(tilts) == pytest.approx(-24.0, abs=0.05) and max(tilts) == pytest.approx(
        24, abs=0.05
    )
    assert session.scope.stage.tilt_deg == pytest.approx(0.0, abs=0.05)


def test_both(make):
    session = make(-70.0)
    focus.eucentricity(session, 3)
    assert height_left(session) < 0.3


def test_large_image_shift_is_reset_first(make):
    session = make(0.0)
    image_shift.image_shift_by_microns(session, 2.0, -1.0)
    session.take("V")
    before = session.exposures[-1].center_um
    focus.eucentricity(session, 1)
    assert session.scope.image_shift == (0.0, 0.0)
    session.take("V")
    assert session.exposures[-1].center_um == pytest.approx(before, abs=2.0)


def test_by_focus(make_session):
    session = make_session(textured(pixel_um=0.01, height=4.0), noise=True)
    focus.eucentricity(session, -1)
    assert height_left(session) < 0.15


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_nothing_to_correlate_leaves_z_as_it_was(make_session, mode):
    session = make_session(SpotGrid(spots_um=(), height=7.0), noise=True)
    session.scope.stage.move_to(0.0, 0.0, 5.0)
    focus.eucentricity(session, mode)
    assert session.scope.stage.position_um[2] == 5.0
    assert session.scope.stage.tilt_deg == pytest.approx(0.0, abs=0.05)
    assert focus.report_rough_eucen_failed(session) == 0.0
    assert any("nothing to correlate" in line for line in session.log)


def test_a_height_beyond_the_limit_is_not_gone_to(make):
    session = make(-40.0)
    focus.limit_next_rough_eucen(session, 20.0)
    focus.eucentricity(session, 1)
    assert focus.report_rough_eucen_failed(session) == 1.0
    assert session.scope.stage.position_um[2] == 0.0
    assert session.scope.stage.tilt_deg == pytest.approx(0.0, abs=0.05)
    # The limit was for one time.
    focus.eucentricity(session, 1)
    assert focus.report_rough_eucen_failed(session) == 0.0
    assert height_left(session) < 0.8


def test_never_beyond_what_the_stage_may(make):
    session = make(-290.0)
    session.scope.stage.move_to(0.0, 0.0, 200.0)
    focus.eucentricity(session, 1)
    assert focus.report_rough_eucen_failed(session) == 1.0
    assert session.scope.stage.position_um[2] == 200.0


def test_which_pictures_are_taken(make_session):
    session = make_session()
    assert eucentricity.picture_set(session) == "V"
    session.camera.change("V", window_px=(1440, 4320, 1023, 3069))
    assert eucentricity.picture_set(session) == "S"
    session.scope.set_low_dose(False)
    assert eucentricity.picture_set(session) == "T"
