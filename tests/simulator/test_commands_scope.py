"""Low dose, camera sets, image shift, stage, focus, matrices and the rest of the scope."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.column import SEMerror
from space.simulator.commands import (
    acquire_items,
    beam,
    camera,
    dialogs,
    focus,
    image_shift,
    low_dose,
    matrices,
    program,
    scope,
    settings,
    stage,
)
from tests.simulator.fakes import SpotGrid, textured


@pytest.fixture
def session(make_session):
    return make_session(time_scale=0.0)


def test_view_adds_its_defocus_offset_and_record_takes_it_away(session):
    focus.set_defocus(session, -3.0)
    low_dose.go_to_low_dose_area(session, "V")
    assert focus.report_defocus(session) == -63.0
    assert low_dose.report_ld_defocus_offset(session, "V") == -60.0
    low_dose.go_to_low_dose_area(session, "R")
    assert focus.report_defocus(session) == -3.0


def test_states(session):
    assert low_dose.go_to_imaging_state(session, "1") == 0.0
    assert not session.scope.low_dose and low_dose.report_mag(session) == (82.0, 1.0, 0.0)
    with pytest.raises(SEMerror):
        low_dose.go_to_low_dose_area(session, "V")
    with pytest.raises(SEMerror):
        low_dose.report_axis_position(session, "F")
    assert low_dose.go_to_imaging_state(session, "mm") == 0.0
    assert session.scope.low_dose
    assert [low_dose.go_to_imaging_state(session, n) for n in ("x", "9")] == [1.0, 3.0]


def test_magnification(session):
    low_dose.set_low_dose_mode(session, 0)
    low_dose.set_mag(session, 580)
    assert low_dose.report_mag_index(session) == (10.0, 0.0)
    with pytest.raises(SEMerror):
        low_dose.set_mag(session, 600)
    with pytest.raises(SEMerror):
        low_dose.set_mag_index(session, 99)


def test_illuminated_area_of_record(session):
    low_dose.go_to_low_dose_area(session, "R")
    assert beam.report_illuminated_area(session) == pytest.approx(0.016)


def test_camera_sets(session):
    camera.set_exposure(session, "V", 2.0)
    camera.set_camera_area(session, "V", "H")
    camera.set_binning(session, "V", 8)
    camera.view(session)
    image = session.buffers.get("A")
    assert image.data.shape == (255, 360) and image.exposure_s == 2.0
    camera.restore_camera_set(session, "V")
    assert camera.report_exposure(session, "V") == (1.0, 0.3)
    with pytest.raises(SEMerror):
        camera.restore_camera_set(session)
    for change in (
        lambda: camera.set_exposure(session, "V", 0.0),
        lambda: camera.set_binning(session, "V", 3),
        lambda: camera.set_camera_area(session, "V", "X"),
        lambda: camera.set_exposure(session, "Z", 1.0),
    ):
        with pytest.raises(SEMerror):
            change()


def test_acquire_to_match_buffer(session):
    session.take("V", binning=8, frame_px=(300, 200), exposure_s=0.5)
    session.buffers.set("O", session.buffers.get("A"))
    camera.record(session)
    camera.acquire_to_match_buffer(session, "O")
    image = session.buffers.get("A")
    assert image.data.shape == (200, 300) and image.binning == 8 and image.camera_set == 0
    assert image.exposure_s == 0.5 and image.mag_index == 17


def test_camera_properties(session):
    low_dose.go_to_low_dose_area(session, "V")
    values = camera.camera_properties(session)
    assert values == pytest.approx((5760, 4092, 0, 5.0, 1.9, 1))
    assert camera.report_camera_property(session, 0, "K2Type") == 3.0


def test_report_image_shift(session):
    low_dose.go_to_low_dose_area(session, "R")
    assert image_shift.image_shift_by_microns(session, 0.2, -0.1) == 0.0
    values = np.array(image_shift.report_image_shift(session))
    optics = session.scope.optics
    # In the half pixels that SerialEM counts for a K3.
    assert values[2:4] == pytest.approx(-2.0 * (optics.is_to_camera(26) @ values[:2]))
    assert values[4:] == pytest.approx(optics.specimen_to_stage() @ (0.2, -0.1))
    assert image_shift.report_specimen_shift(session) == pytest.approx((0.2, -0.1))
    assert image_shift.image_shift_by_microns(session, 16.0, 0.0) == 1.0
    settings.set_property(session, "ImageShiftLimit", 20)
    assert image_shift.image_shift_by_microns(session, 16.0, 0.0) == 0.0


def test_reset_image_shift_keeps_the_point(session):
    session.scope.shift_image_by_um(2.0, -1.5)
    camera.record(session)
    stage.reset_image_shift(session)
    camera.record(session)
    first, second = session.exposures[-2:]
    assert session.scope.image_shift == (0.0, 0.0)
    assert second.center_um == pytest.approx(first.center_um, abs=1e-6)


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_eucentricity_keeps_the_point_centred_under_tilt(make_session, mode):
    session = make_session(textured(height=-14.0), time_scale=0.0)
    exposures = len(session.exposures)
    focus.eucentricity(session, mode)
    assert len(session.exposures) > exposures
    assert session.scope.stage.position_um[2] == pytest.approx(14.0, abs=0.6)
    assert session.scope.stage.tilt_deg == pytest.approx(0.0, abs=0.05)
    with pytest.raises(SEMerror):
        focus.eucentricity(session, 0)


def test_tilt_commands(session):
    stage.tilt_to(session, 20.0)
    stage.tilt_by(session, -5.0)
    assert stage.report_tilt_angle(session) == pytest.approx(15.0, abs=0.05)
    with pytest.raises(SEMerror):
        stage.tilt_to(session, 70.0)


@pytest.fixture
def fine_texture():
    """Detail of 15 nm and more, for pictures at the Record magnification."""
    return textured(pixel_um=0.01, height=-5.0)


def test_autofocus_reaches_the_target(make_session, fine_texture):
    session = make_session(fine_texture, noise=True)
    focus.set_target_defocus(session, -4.0)
    focus.autofocus(session)
    before = session.exposures[-1].defocus_um
    assert focus.report_auto_focus(session) == pytest.approx((before, 0.0), abs=0.15)
    low_dose.go_to_low_dose_area(session, "R")
    assert session.scope.true_defocus_um(session.height_um()) == pytest.approx(-4.0, abs=0.15)
    camera.record(session)
    assert focus.ctfplotter(session, "A", -1.0, -9.0)[0] == pytest.approx(-4.0, abs=0.2)
    assert len(focus.ctf_find(session, "A", -1.0, -9.0)) == 6
    with pytest.raises(SEMerror):
        focus.ctfplotter(session, "A", 1.0, 9.0)


def test_focus_measures_the_height_of_tilted_points(make_session, fine_texture):
    session = make_session(fine_texture, noise=True)
    low_dose.go_to_low_dose_area(session, "R")
    stage.tilt_to(session, 45.0)
    focus.autofocus(session, -1)
    before = focus.report_auto_focus(session)[0]
    image_shift.image_shift_by_microns(session, 0.0, 3.0)
    focus.autofocus(session, -1)
    # y0 sin(tilt) with y0 cos(tilt) = 3 um
    assert focus.report_auto_focus(session)[0] - before == pytest.approx(3.0, abs=0.2)


def test_change_focus_limits(session):
    for bad in (0.0, 1001.0):
        with pytest.raises(SEMerror):
            focus.change_focus(session, bad)
    with pytest.raises(SEMerror):
        focus.report_focus_drift(session)


def test_matrices_are_row_major_and_inverse(session):
    forward = np.reshape(matrices.COMMANDS["CameraToSpecimenMatrix"](session, 17), (2, 2))
    back = np.reshape(matrices.COMMANDS["SpecimenToCameraMatrix"](session, 17), (2, 2))
    assert forward @ back == pytest.approx(np.eye(2))
    angle = np.degrees(np.arctan2(forward[0, 1], forward[0, 0]))
    assert angle == pytest.approx(-94.2)
    low_dose.go_to_low_dose_area(session, "V")
    assert matrices.COMMANDS["CameraToSpecimenMatrix"](session, 0) == pytest.approx(
        tuple(forward.ravel())
    )


def test_autoloader(make_session):
    session = make_session()
    session.grids[2] = SpotGrid(name="second")
    assert scope.report_slot_status(session, 2) == (1.0, "second")
    assert scope.report_slot_status(session, 5) == 0.0
    session.scope.stage.move_to(50.0, 50.0)
    assert scope.load_cartridge(session, 2) == (0.0, 0.0)
    assert session.grid.name == "second" and session.scope.stage.position_um == (0.0, 0.0, 0.0)
    assert scope.report_column_or_gun_valve(session) == 0.0
    assert scope.load_cartridge(session, 7)[0] != 0.0
    for bad in (scope.load_cartridge, scope.report_slot_status):
        with pytest.raises(SEMerror):
            bad(session, 13)


def test_apertures_valves_beam_tilt(session):
    scope.set_aperture_size(session, 2, 70)
    scope.set_aperture_size(session, 2, 0)
    scope.set_aperture_size(session, 2, 1)
    assert scope.report_aperture_size(session, 2) == 70.0
    with pytest.raises(SEMerror):
        scope.set_aperture_size(session, 9, 70)
    with pytest.raises(SEMerror):
        scope.restore_beam_tilt(session)
    session.scope.shift_image_by_um(3.0, 0.0)
    scope.adjust_beam_tilt_for_is(session)
    assert beam.report_beam_tilt(session) != (0.0, 0.0)
    scope.restore_beam_tilt(session)
    assert beam.report_beam_tilt(session) == (0.0, 0.0)
    assert scope.long_operation(session, "RS", "0", "FF", "0") == (0.0, 0.0)
    with pytest.raises(SEMerror):
        scope.long_operation(session, "XX", "0")
    before = session.clock.seconds
    for bad in (("RS", "0", "FF", "soon"), ("RS", "0", "FF")):
        with pytest.raises(SEMerror, match="interval"):
            scope.long_operation(session, *bad)
    assert session.clock.seconds == before


def test_log_and_status(session, tmp_path):
    dialogs.save_log_open_new(session, "run.part")
    dialogs.echo_break_lines(session, "one\\ntwo\nthree")
    assert session.log[-3:] == ["one", "two", "three"]
    dialogs.echo(session, "a\nb")
    assert session.log[-1] == "a  b"
    dialogs.save_log(session)
    text = (tmp_path / "run.log").read_text(encoding="utf-8")
    assert "two\n" in text
    dialogs.save_log_open_new(session, "run")
    assert (tmp_path / "run-1.log").exists()
    assert dialogs.set_status_line(session, 0, "x") == (1.0, 0.0)
    dialogs.clear_status_line(session, 0)
    with pytest.raises(SEMerror):
        dialogs.set_status_line(session, 7, "x")


def test_clock_is_simulated(session):
    dialogs.reset_clock(session)
    dialogs.delay(session, 2.0, "min")
    assert dialogs.report_clock(session) == pytest.approx(120.0)
    with pytest.raises(SEMerror):
        dialogs.delay(session, 1.0, "h")


def test_version_and_properties(session):
    assert program.is_version_at_least(session, "40200", "20240814") == 1.0
    assert program.is_version_at_least(session, "40400") == 0.0
    assert settings.report_property(session, "maximumtiltangle") == 69.9
    with pytest.raises(SEMerror):
        settings.report_property(session, "Nothing")
    with pytest.raises(SEMerror):
        program.get_variable(session, "nothing")


def test_acquire_commands_need_their_state(session):
    for refused in (
        lambda: acquire_items.end_acquire_at_items(session),
        lambda: acquire_items.skip_acquiring_nav_item(session),
        lambda: acquire_items.start_nav_acquire_at_end(session),
        lambda: acquire_items.set_nav_acq_at_end_params(session, "prim", 2.0),
        lambda: acquire_items.run_script_after_nav_acquire(session, 3),
    ):
        with pytest.raises(SEMerror):
            refused()
    assert acquire_items.report_num_nav_acquire(session) == (-1.0, -1.0)
