"""Autofocus and fits of the defocus agree with the truth, as far as pictures tell it."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.column import SEMerror
from space.simulator.commands import buffers, camera, focus, low_dose
from tests.simulator.fakes import SpotGrid, textured


@pytest.fixture
def session(make_session):
    """Noise, no stage errors, and detail of 15 nm and more."""
    session = make_session(textured(pixel_um=0.01, height=2.0), noise=True)
    low_dose.go_to_low_dose_area(session, "R")
    session.camera.change("F", binning=8)
    return session


def true_defocus(session):
    return session.exposures[-1].defocus_um


@pytest.mark.parametrize("readout_um", [-9.0, -5.0, -2.0, 0.5, 3.0])
@pytest.mark.parametrize("protected", [0.0, 1.0])
def test_autofocus_measures_the_defocus(session, readout_um, protected):
    session.options.user_settings["DriftProtection"] = protected
    focus.set_defocus(session, readout_um)
    focus.autofocus(session, -1)
    measured, status = focus.report_auto_focus(session)
    assert status == 0.0
    assert measured == pytest.approx(true_defocus(session), abs=0.1)
    assert focus.report_defocus(session) == readout_um
    assert len(session.exposures) == (3 if protected else 2)
    assert {one.beam_tilt_mrad for one in session.exposures} == {(5.0, 0.0), (-5.0, 0.0)}
    assert session.scope.beam_tilt == (0.0, 0.0)
    assert session.scope.area == "F"


def test_focus_is_changed_to_the_target_in_rounds(session):
    focus.set_target_defocus(session, -3.0)
    focus.set_defocus(session, 12.0)
    focus.autofocus(session)
    camera.record(session)
    assert true_defocus(session) == pytest.approx(-3.0, abs=0.1)
    # A large change is measured again, and what is reported is the last measurement.
    assert len([one for one in session.exposures if one.area == "F"]) == 4
    assert focus.report_auto_focus(session)[0] == pytest.approx(-3.0, abs=0.3)


@pytest.mark.parametrize("beam_tilt_mrad", [3.0, 8.0])
def test_the_users_beam_tilt_is_used(session, beam_tilt_mrad):
    session.options.user_settings["AutofocusBeamTilt"] = beam_tilt_mrad
    session.scope.beam_tilt = (0.3, -0.2)
    focus.set_defocus(session, -6.0)
    focus.autofocus(session, -1)
    tilts = [one.beam_tilt_mrad for one in session.exposures]
    assert tilts == [(0.3 + beam_tilt_mrad, -0.2), (0.3 - beam_tilt_mrad, -0.2)]
    assert session.scope.beam_tilt == (0.3, -0.2)
    assert focus.report_auto_focus(session)[0] == pytest.approx(true_defocus(session), abs=0.15)


def test_a_specimen_at_rest_shows_the_drift_that_a_correlation_can_tell(make_session):
    """Its size goes with the pixel, and against the time between the pictures."""
    session = make_session(textured(pixel_um=0.004, size=1000))
    session.options.user_settings["DriftProtection"] = 1.0
    session.scope.defocus_um = session.scope.focus_zero_um - 2.0

    def spread_nm_s(binning, exposure_s):
        window_px = (2000, 3600, 1300, 2900)
        session.camera.change("F", binning=binning, exposure_s=exposure_s, window_px=window_px)
        rates = []
        for _ in range(12):
            focus.autofocus(session, -2)
            rates += focus.report_focus_drift(session)
        assert all(rate != 0.0 for rate in rates)
        return float(np.sqrt(np.mean(np.square(rates))))

    usual = spread_nm_s(8, 1.0)
    pixel_nm = 8e3 * session.scope.pixel_um(session.scope.mag_index)
    assert 0.01 * pixel_nm < usual * 4.0 < 0.3 * pixel_nm
    assert spread_nm_s(16, 1.0) == pytest.approx(2.0 * usual, rel=0.5)
    assert spread_nm_s(8, 6.0) == pytest.approx(4.0 / 14.0 * usual, rel=0.5)


def test_drift_is_measured_and_does_not_spoil_the_defocus(session):
    with pytest.raises(SEMerror):
        focus.report_focus_drift(session)
    session.scope.stage.drift.start(4.0, 1000.0)
    session.scope.stage.drift.scale = 1.0
    focus.set_defocus(session, -5.0)
    focus.autofocus(session, -1)
    with pytest.raises(SEMerror):
        focus.report_focus_drift(session)
    spoilt = abs(focus.report_auto_focus(session)[0] - true_defocus(session))
    session.options.user_settings["DriftProtection"] = 1.0
    focus.autofocus(session, -1)
    assert abs(focus.report_auto_focus(session)[0] - true_defocus(session)) < 0.1 < spoilt
    rate = focus.report_focus_drift(session)
    # Content moves with the specimen.
    to_specimen = session.scope.optics.stage_to_specimen()
    true_rate = -to_specimen @ session.exposures[-2].drift_nm_s
    assert rate == pytest.approx(tuple(true_rate), abs=0.3)
    assert np.hypot(*rate) == pytest.approx(4.0, abs=0.5)
    session.options.user_settings["DriftProtection"] = 0.0
    focus.autofocus(session, -1)
    with pytest.raises(SEMerror):
        focus.report_focus_drift(session)


def test_only_drift(session):
    focus.set_defocus(session, -5.0)
    focus.autofocus(session, -2)
    assert len(focus.report_focus_drift(session)) == 2
    assert focus.report_auto_focus(session) == (0.0, 0.0)
    assert focus.report_defocus(session) == -5.0


def test_nothing_to_focus_on_is_only_reported(make_session):
    session = make_session(SpotGrid(spots_um=()), noise=True)
    session.scope.valve_open = False
    focus.set_defocus(session, -5.0)
    focus.autofocus(session)
    assert focus.report_auto_focus(session)[1] == -1.0
    assert focus.report_defocus(session) == -5.0
    assert session.scope.beam_tilt == (0.0, 0.0)


def test_a_change_beyond_the_limits_is_not_made(session):
    with pytest.raises(SEMerror):
        focus.change_limits(session, 2.0, -2.0)
    focus.change_limits(session, -2.0, 2.0)
    focus.set_target_defocus(session, -4.0)
    focus.set_defocus(session, 6.0)
    focus.autofocus(session)
    assert focus.report_auto_focus(session)[1] > 0.0
    assert focus.report_defocus(session) == 6.0
    focus.set_defocus(session, -1.0 + session.scope.focus_zero_um - 3.5)
    focus.autofocus(session)
    assert focus.report_auto_focus(session)[1] == 0.0


def test_other_areas(session):
    focus.set_target_defocus(session, -4.0)
    for area, letter in ((1, "V"), (-1, "R"), (-2, "P")):
        low_dose.go_to_low_dose_area(session, "R")
        focus.set_defocus(session, -7.0)
        session.exposures.clear()
        focus.autofocus(session, 1, area)
        assert session.exposures[-1].area == letter
        low_dose.go_to_low_dose_area(session, "R")
        camera.record(session)
        assert true_defocus(session) == pytest.approx(-4.0, abs=0.5 if letter == "V" else 0.1)
    with pytest.raises(SEMerror):
        focus.autofocus(session, 1, 7)


def test_low_magnification(make_session):
    session = make_session(low_dose=False)
    session.scope.set_mag_index(4)
    session.scope.defocus_um = 33.0
    with pytest.raises(SEMerror):
        focus.autofocus(session, -1)
    focus.autofocus(session)
    assert session.exposures == []
    assert session.scope.true_defocus_um(0.0) == 0.0


@pytest.mark.parametrize("tilt_deg", [0.0, 50.0])
def test_ctf_of_records(session, tilt_deg):
    session.scope.tilt_to(tilt_deg)
    for readout_um in (-8.0, -6.0, -4.5):
        focus.set_defocus(session, readout_um + session.scope.focus_zero_um)
        camera.record(session)
        truth = true_defocus(session)
        assert focus.ctfplotter(session, "A", -1.0, -9.0)[0] == pytest.approx(truth, abs=0.1)
        found = focus.ctf_find(session, "A", -9.0, -1.0)
        assert found[0] == pytest.approx(truth, abs=0.1)
        assert 5.0 < found[5] < 40.0


def test_ctf_where_there_are_no_rings(session):
    camera.view(session)
    assert focus.ctfplotter(session, "A", -1.0, -9.0) == (1.0, 1.0)
    with pytest.raises(SEMerror):
        focus.ctf_find(session, "A", -1.0, -9.0)
    for low, high in ((-1.0, 0.0), (1.0, 9.0), (-4.0, -4.0)):
        for command in (focus.ctf_find, focus.ctfplotter):
            with pytest.raises(SEMerror):
                command(session, "A", low, high)
    with pytest.raises(SEMerror):
        focus.ctfplotter(session, "Q", -1.0, -9.0)


def test_ctf_knows_the_pixel_size_of_reduced_pictures(session):
    focus.set_defocus(session, -5.0 + session.scope.focus_zero_um)
    session.camera.change("R", binning=2)
    camera.record(session)
    truth = true_defocus(session)
    buffers.reduce_image(session, "A", 2.0)
    assert focus.ctfplotter(session, "A", -1.0, -9.0)[0] == pytest.approx(truth, abs=0.1)
