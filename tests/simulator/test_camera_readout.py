"""Areas, modes and processing of camera sets; division by 2; pictures that come early."""

from __future__ import annotations

import pytest

from space.simulator.column import SEMerror
from space.simulator.commands import (
    beam,
    camera,
    camera_modes,
    camera_readout,
    files,
    image_measures,
    settings,
)
from space.simulator.formats import mdoc
from space.simulator.python.script_state import script_settings
from tests.simulator.fakes import SpotGrid


@pytest.fixture
def session(make_session):
    return make_session(SpotGrid(sigma_um=5.0))


def mean(session) -> float:
    return float(session.buffers.get("A").data.mean())


@pytest.mark.parametrize("instrument", ["krios_k3", "talos_ceta"])
def test_the_area_of_a_set_is_what_was_set(make_session, instrument):
    session = make_session(instrument=instrument)
    width, height = session.camera.size_px
    assert camera_readout.report_camera_set_area(session, "T") == (0, width, 0, height)
    camera.set_camera_area(session, "T", "100", 1124, 200, 1736)
    assert camera_readout.report_camera_set_area(session, "t") == (100, 1124, 200, 1736)
    camera.set_camera_area(session, "T", "H")
    left, right, top, bottom = camera_readout.report_camera_set_area(session, "T")
    assert (right - left, bottom - top) == pytest.approx((width / 2, height / 2), abs=1)
    assert left + right == width
    with pytest.raises(SEMerror, match="parameter set"):
        camera_readout.report_camera_set_area(session, "X")


def test_read_mode_and_processing_last_until_they_are_restored(session):
    before = camera_readout.report_read_mode(session, "R")
    with script_settings(session):
        camera_modes.set_k2_read_mode(session, "R", 0)
        camera_readout.set_processing(session, "R", 0)
        assert camera_readout.report_read_mode(session, "R") == 0.0 != before
        assert session.camera.sets["R"].processing == 0
        assert camera_readout.report_read_mode(session, "V") == before
    assert camera_readout.report_read_mode(session, "R") == before
    assert session.camera.sets["R"].processing == 2
    for bad in (-1, 3):
        with pytest.raises(SEMerror, match="processing"):
            camera_readout.set_processing(session, "R", bad)


def test_counts_divided_by_2_are_half_as_many_of_as_many_electrons(session):
    camera.record(session)
    whole, electrons = mean(session), image_measures.electron_stats(session)
    rate = electrons[4]
    with script_settings(session):
        camera_readout.set_divide_by_2(session, 1)
    assert camera_readout.report_count_scaling(session)[0] == 1.0
    assert settings.report_user_setting(session, "CameraDivide16BitBy2") == 1.0
    files.open_new_file(session, "halves.mrc")
    camera.record(session)
    files.save_to_file(session)
    assert mean(session) == pytest.approx(whole / 2.0, rel=0.01)
    halved = image_measures.electron_stats(session)
    assert halved[2:] == pytest.approx(electrons[2:], rel=0.01)
    document = mdoc.read(mdoc.path_for(session.directory / "halves.mrc"))
    assert document.image(0).values["DividedBy2"] == "1"
    files.read_file(session, 0, "P")
    assert session.buffers.get("P").divided_by_2
    intensity = session.scope.intensity
    beam.set_dose_rate(session, rate)
    assert session.scope.intensity == pytest.approx(intensity, rel=0.01)
    camera_readout.set_divide_by_2(session, 0)
    camera.record(session)
    assert mean(session) == pytest.approx(whole, rel=0.02)


def test_a_dark_reference_is_made_when_the_last_one_is_too_old(session):
    def seconds(hours: float) -> float:
        before = session.clock.seconds
        camera_readout.update_hw_dark_ref(session, hours)
        return session.clock.seconds - before

    assert seconds(5.0) > 0
    assert seconds(5.0) == 0
    session.clock.advance(3600.0 * 4.9)
    assert seconds(5.0) == 0
    session.clock.advance(3600.0 * 0.1)
    assert seconds(5.0) > 0
    assert seconds(0.0) > 0


@pytest.mark.parametrize(("frames", "part"), [(0, 0.0), (3, 0.3), (10, 1.0), (99, 1.0), (-1, 1.0)])
def test_a_picture_that_comes_early_has_the_first_frames(session, frames, part):
    camera.set_exposure(session, "R", 1.0)
    camera_modes.set_frame_time(session, "R", 0.1)
    camera_modes.set_dose_frac_params(session, "R", 0)
    camera_readout.early_return_next_shot(session, frames)
    camera.record(session)  # not divided into frames: the whole picture
    whole = mean(session)
    camera_modes.set_dose_frac_params(session, "R", 1, 0)
    camera.record(session)
    assert mean(session) == pytest.approx(whole, rel=0.01)
    camera_readout.early_return_next_shot(session, frames)
    camera.record(session)
    early = session.buffers.get("A")
    assert early.data.mean() == pytest.approx(part * whole, rel=0.01, abs=0.5)
    assert early.dose_e_A2 == pytest.approx(session.buffers.get("B").dose_e_A2)
    camera.record(session)
    assert mean(session) == pytest.approx(whole, rel=0.02)


def test_only_cameras_that_can_are_asked(make_session):
    session = make_session(instrument="talos_ceta")
    for call in (
        lambda: camera_readout.early_return_next_shot(session, 0),
        lambda: camera_readout.update_hw_dark_ref(session, 1.0),
    ):
        with pytest.raises(SEMerror, match="current camera has no"):
            call()
    assert camera_readout.report_read_mode(session, "R") == 0.0
    k3 = make_session()
    with pytest.raises(SEMerror, match="number of frames"):
        camera_readout.early_return_next_shot(k3, -2)
