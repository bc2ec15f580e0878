"""Screen, slit, focus that is set, camera modes, frames, and commands for the display only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from space.simulator.column import CAMERA_KINDS, SEMerror, load_instrument
from space.simulator.commands import (
    all_commands,
    camera,
    camera_modes,
    camera_readout,
    column,
    display,
    filter_and_gun,
    focus,
    low_dose,
)
from tests.simulator.fakes import SpotGrid

SAVES_FRAMES = True


@pytest.fixture
def session(make_session):
    return make_session(time_scale=0.0)


def without_frames():
    usual = load_instrument()
    camera = replace(usual.camera, frame_folder="", kind=CAMERA_KINDS["plain"])
    return replace(usual, camera=camera)


def test_screen_and_its_current(session):
    assert column.report_screen(session) == 0.0
    assert column.report_screen_current(session) == 0.0
    column.screen_down(session)
    assert column.report_screen(session) == 1.0
    spot = session.scope.spot_size
    expected = session.instrument.beam.currents_nA[spot - 1]
    assert column.report_screen_current(session) == expected > 0
    session.scope.valve_open = False
    assert column.report_screen_current(session) == 0.0
    session.take("R", frame_px=(20, 10))
    assert column.report_screen(session) == 0.0
    column.screen_down(session)
    column.screen_up(session)
    assert column.report_screen(session) == 0.0


def test_slit_width(session):
    filter_and_gun.set_slit_width(session, 10.0)
    assert session.scope.slit_width_ev == 10.0
    for bad in (0.0, 200.0):
        with pytest.raises(SEMerror):
            filter_and_gun.set_slit_width(session, bad)


def test_probe_modes_of_the_areas_of_their_pictures_and_maps(session):
    commands = all_commands()
    assert column.report_probe_mode(session) == 1.0
    for text, mode in (("nano", 0.0), ("Micro", 1.0), ("0", 0.0), ("1", 1.0), ("nano", 0.0)):
        column.set_probe_mode(session, text)
        assert column.report_probe_mode(session) == mode
    with pytest.raises(SEMerror, match="micro or nano"):
        column.set_probe_mode(session, "pico")
    assert column.report_probe_mode(session) == 0.0
    # It holds for the area from now on only when changes are stored in it.
    session.scope.go_to_area("V")
    assert column.report_probe_mode(session) == 1.0
    low_dose.update_low_dose_params(session, "R", 1)
    session.scope.go_to_area("R")
    column.set_probe_mode(session, "nano")
    session.scope.go_to_area("V")
    session.scope.go_to_area("R")
    assert column.report_probe_mode(session) == 0.0
    session.take("R", frame_px=(40, 30))
    commands["OpenNewFile"](session, "nano.mrc")
    commands["S"](session)
    commands["OpenNavigator"](session)
    commands["NewMap"](session)
    assert session.navigator.item(1).values["MapProbeMode"] == "0"
    text = (session.directory / "nano.mrc.mdoc").read_text(encoding="utf-8")
    assert "ProbeMode = 0" in text
    commands["ReadFile"](session, 0, "K")
    assert session.buffers.get("K").probe_mode == 0


def test_zeroing_the_readout_leaves_the_focus(session):
    session.scope.defocus_um = -3.2
    before = session.true_defocus_um()
    column.reset_defocus(session)
    assert focus.report_defocus(session) == 0.0
    assert session.true_defocus_um() == pytest.approx(before)


def test_eucentric_focus_is_in_focus_at_the_height_of_the_axis(make_session):
    session = make_session(SpotGrid(height=2.0))
    column.set_eucentric_focus(session)
    assert session.true_defocus_um() == pytest.approx(2.0, abs=0.01)


def test_saved_focus_comes_back_once(session):
    focus.set_defocus(session, -1.5)
    column.save_focus(session)
    focus.set_defocus(session, 4.0)
    column.restore_focus(session)
    assert focus.report_defocus(session) == -1.5
    with pytest.raises(SEMerror):
        column.restore_focus(session)


def test_target_defocus_changes_step_by_step(session):
    focus.set_target_defocus(session, -2.0)
    column.inc_target_defocus(session, -0.5)
    assert focus.report_target_defocus(session) == -2.5
    with pytest.raises(SEMerror):
        column.inc_target_defocus(session, 100.0)

    def cycle(times, back=None):
        found = []
        for _ in range(times):
            column.cycle_target_defocus(session, -1.0, -2.0, 2, back)
            found.append(focus.report_target_defocus(session))
        return found

    focus.set_target_defocus(session, -7.0)
    assert cycle(5) == pytest.approx([-1.0, -1.5, -2.0, -1.0, -1.5])
    focus.set_target_defocus(session, -7.0)
    assert cycle(6, 1) == pytest.approx([-1.0, -1.5, -2.0, -1.5, -1.0, -1.5])
    with pytest.raises(SEMerror):
        column.cycle_target_defocus(session, -1.0, -1.0, 2)


def test_focus_area_beside_record(session):
    column.set_axis_position(session, "F", 1.8)
    assert low_dose.report_axis_position(session, "F")[0] == 1.8
    with pytest.raises(SEMerror):
        column.set_axis_position(session, "R", 1.0)
    session.scope.set_low_dose(False)
    with pytest.raises(SEMerror):
        column.set_axis_position(session, "F", 1.8)


def test_centred_size(session):
    camera_modes.set_centered_size(session, "R", 4, 500, 300)
    camera.record(session)
    image = session.buffers.get("A")
    assert image.data.shape == (300, 500) and image.binning == 4
    camera.restore_camera_set(session, "R")
    for bad in ((3, 100, 100), (4, 2000, 100), (4, 0, 100)):
        with pytest.raises(SEMerror):
            camera_modes.set_centered_size(session, "R", *bad)


def test_modes_of_a_camera_without_frames(make_session):
    session = make_session(instrument=without_frames())
    assert camera_readout.report_count_scaling(session) == (0.0, 8.0)
    for command in (
        lambda: camera_modes.set_k2_read_mode(session, "R", 1),
        lambda: camera_modes.set_frame_time(session, "R", 0.1),
        lambda: camera_modes.set_folder_for_frames(session, "x"),
    ):
        with pytest.raises(SEMerror):
            command()
    # This one only sets what does not matter here.
    camera_modes.set_dose_frac_params(session, "R", 1, 1)
    image = session.acquire_image("R", frame_px=(20, 10))
    assert not session.options.frames.last and "SubFramePath" not in image.entries


def test_frames_are_saved_where_and_when_a_script_says(make_simulation, tmp_path):
    simulation = make_simulation()
    result = simulation.run(
        "#!Python\nimport serialem as sem\nsem.SetLowDoseMode(1)\nsem.SetFolderForFrames('here')\n"
        "sem.SuppressReports()\n"
        "sem.SetK2ReadMode('R', 1)\nsem.SetFrameTime('R', 0.2)\nsem.SetBinning('R', 8)\n"
        "sem.R()\nprint(sem.ReportLastFrameFile()[0])\n"
        "sem.SetDoseFracParams('R', 0)\nsem.SetDoseFracParams('T', 1, 1)\nsem.R()\nsem.T()\n"
        "print(sem.ReportLastFrameFile()[0])\n"
    )
    assert result.ok, result.error
    names = [line for line in simulation.log if line.endswith(".tif")]
    assert len(names) == 2 and names[0] != names[1]
    assert all(str(tmp_path / "here") in name for name in names)
    entries = [bool(e.file) for e in simulation.exposures]
    assert len(entries) == 3
    saving = [s for s, values in simulation.session.camera.sets.items() if values.save_frames]
    assert saving == ["R"], "what a script changes of camera sets is undone"
    assert simulation.session.options.frames.number == 3


def test_modes_are_checked(session):
    for command in (
        lambda: camera_modes.set_k2_read_mode(session, "R", 3),
        lambda: camera_modes.set_frame_time(session, "R", 0.0),
        lambda: camera_modes.set_folder_for_frames(session, "no/such/folder"),
    ):
        with pytest.raises(SEMerror):
            command()


def test_display_changes_nothing_else(session):
    session.take("V", frame_px=(20, 10))
    before = session.buffers.get("A")
    display.suspend_nav_redraw(session, 1)
    display.suppress_info_output(session)
    display.set_debug_output(session, "1")
    display.flash_display(session)
    display.close_stack_window(session)
    display.set_buf_zoom_and_center(session, "A", 1.0)
    assert session.buffers.get("A") is before
    with pytest.raises(SEMerror):
        display.set_buf_zoom_and_center(session, "H", 1.0)
    with pytest.raises(SEMerror):
        display.set_buf_zoom_and_center(session, "A", -1.0)
