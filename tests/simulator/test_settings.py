"""User settings and properties: all names, how long changes last, what those with an effect do."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.simulator import Simulation
from space.simulator.column import SEMerror, load_instrument, shipped
from space.simulator.column.properties import EFFECTS, property_table
from space.simulator.commands import all_commands, focus, tilting
from space.simulator.keeping import open_session
from space.simulator.keeping.setup import Setup
from space.simulator.measuring.eucentricity import picture_set
from space.simulator.program import properties, user_settings
from tests.simulator.fakes import textured

HEAD = "#!Python\nimport serialem as sem\n"
SETTINGS = list(user_settings.setting_table())
PROPERTIES = list(property_table())


def run(simulation, body):
    result = simulation.run(HEAD + textwrap.dedent(body))
    assert result.ok, result.error
    return simulation


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    """A session in which one script after another runs."""
    return Simulation(tmp_path_factory.mktemp("scripts"), grids={}, time_scale=0.0)


def setting(session, name):
    return all_commands()["ReportUserSetting"](session, name)


def set_to(session, name, value):
    all_commands()["SetUserSetting"](session, name, value)


# --- all names ------------------------------------------------------------------------------------


def test_serialem_s_settings_and_properties_are_all_there():
    assert len(SETTINGS) == 264 and len(PROPERTIES) == 559
    for rows, effects, links in (
        (SETTINGS, user_settings.EFFECTS, user_settings.LINKS),
        (PROPERTIES, EFFECTS, properties.LINKS),
    ):
        names = [row.name for row in rows]
        assert len({name.lower() for name in names}) == len(names)
        assert {row.kind for row in rows} == {"bool", "int", "float"}
        assert set(effects) <= set(names) and set(links) <= set(effects)
        assert set(links) == {row.name for row in rows if row.source == "session"}
        assert all(row.default == 0 for row in rows if row.source not in ("SerialEM", "simulator"))


def test_every_setting_is_set_reported_and_put_back(make_simulation):
    simulation = make_simulation()
    before = {row.name: setting(simulation.session, row.name) for row in SETTINGS}
    run(
        simulation,
        f"""
        for name in {[row.name for row in SETTINGS]}:
            sem.SetUserSetting(name, 1)
            assert sem.ReportUserSetting(name) == 1, name
        """,
    )
    assert {row.name: setting(simulation.session, row.name) for row in SETTINGS} == before


def test_every_setting_can_be_kept(make_simulation):
    simulation = make_simulation()
    run(simulation, f"for n in {[r.name for r in SETTINGS]}:\n    sem.SetUserSetting(n, 1, 1)")
    # Only one of the sets can take the montages.
    gone = {"MontageUseMontMap", "MontageUseSearchInLD"}
    for row in SETTINGS:
        assert setting(simulation.session, row.name) == (0.0 if row.name in gone else 1.0), row


def test_every_property_is_set_reported_and_stays(make_simulation):
    simulation = make_simulation()
    names = [row.name for row in PROPERTIES]
    run(
        simulation,
        f"for name in {names}:\n    sem.ReportProperty(name)\n    sem.SetProperty(name, 1)",
    )
    run(simulation, f"for name in {names}:\n    assert sem.ReportProperty(name) == 1, name")


def test_names_in_any_case_and_no_others(make_session):
    session = make_session()
    commands = all_commands()
    set_to(session, "targetdefocus", -2)
    assert setting(session, "TARGETDEFOCUS") == -2.0
    commands["SetProperty"](session, "imageshiftlimit", 17)
    assert session.scope.image_shift_limit_um == 17.0
    for name in ("NavAutosave", "", "Target", "ImageShiftLimit"):
        with pytest.raises(SEMerror, match="user setting"):
            setting(session, name)
        with pytest.raises(SEMerror, match="user setting"):
            set_to(session, name, 1)
    for name in ("DriftProtection", "NoSuchThing"):
        with pytest.raises(SEMerror, match="property"):
            commands["ReportProperty"](session, name)
        with pytest.raises(SEMerror, match="property"):
            commands["SetProperty"](session, name, 1)


def test_values_are_of_the_setting_s_type(make_simulation):
    run(
        make_simulation(),
        """
        import struct
        def single(x):
            return struct.unpack("f", struct.pack("f", x))[0]
        for name, given, kept in (
            ("CtfBinning", 2.6, 3), ("CtfBinning", -1.6, -2), ("BuffersToRollOnAcquire", 4.4, 4),
            ("DriftProtection", 0.2, 1), ("DriftProtection", 0, 0), ("ShiftToTiltAxis", -3, 1),
            ("PhasePlateShift", 0.1, single(0.1)), ("TargetDefocus", -3.3, single(-3.3)),
        ):
            sem.SetUserSetting(name, given)
            assert sem.ReportUserSetting(name) == kept, name
        try:
            sem.SetUserSetting("CtfBinning", float("nan"))
        except SEMerror:
            pass
        else:
            raise AssertionError
        try:
            sem.SetUserSetting("BufferToReadInto", 22)
        except SEMerror:
            pass
        else:
            raise AssertionError
        """,
    )


def test_what_is_kept_elsewhere_keeps_its_type(make_session):
    session = make_session()
    session.scope.target_defocus_um = -3  # whole, but a number of micrometres
    set_to(session, "TargetDefocus", -2.5)
    assert session.scope.target_defocus_um == -2.5
    set_to(session, "ShiftToTiltAxis", 1)
    set_to(session, "LowDoseAxisAngle", 12)
    assert session.scope.shift_to_tilt_axis is True
    assert isinstance(session.scope.axis_angle_deg, int)


def test_the_last_word_on_keeping_counts(make_simulation):
    simulation = make_simulation()
    session = simulation.session
    run(simulation, "sem.SetUserSetting('CtfBinning', 2)\nsem.SetUserSetting('CtfBinning', 3, 1)")
    assert setting(session, "CtfBinning") == 3.0
    run(simulation, "sem.SetUserSetting('CtfBinning', 4, 1)\nsem.SetUserSetting('CtfBinning', 5)")
    assert setting(session, "CtfBinning") == 4.0
    assert not simulation.run(HEAD + "sem.SetUserSetting('CtfBinning', 6)\n1 / 0\n").ok
    assert setting(session, "CtfBinning") == 4.0


def test_a_setting_and_the_command_for_it_are_one_thing(make_simulation):
    simulation = make_simulation()
    run(
        simulation,
        """
        sem.SetLowDoseMode(1)
        sem.SetTargetDefocus(-5)
        assert sem.ReportUserSetting("TargetDefocus") == -5
        sem.SetUserSetting("TargetDefocus", -6)
        assert sem.ReportTargetDefocus() == -6
        sem.SetLDDefocusOffset("V", -33)
        assert sem.ReportUserSetting("LowDoseViewDefocus") == -33
        sem.SetUserSetting("LowDoseSearchDefocus", -44)
        assert sem.ReportLDDefocusOffset("S") == -44
        sem.SetTiltAxisOffset(2.5)
        assert sem.ReportProperty("TiltAxisOffset") == 2.5
        sem.SetUserSetting("ShiftToTiltAxis", 1)
        assert sem.ReportTiltAxisOffset()[0] == 2.5 and sem.ReportTiltAxisOffset()[5] == 1
        sem.SetSlitWidth(12)
        assert sem.ReportUserSetting("FilterSlitWidth") == 12
        sem.SetUserSetting("FilterSlitWidth", 14)
        assert sem.ReportEnergyFilter()[:2] == (14, 0)
        sem.SetUserSetting("FilterEnergyLoss", 25)
        assert sem.ReportEnergyFilter()[1] == 0
        sem.SetUserSetting("FilterZeroLoss", 0)
        assert sem.ReportEnergyFilter()[1] == 25
        sem.ParamSetToUseForMontage(2, 1)
        assert sem.ReportUserSetting("MontageUseViewInLD") == 1
        sem.SetUserSetting("MontageUseSearchInLD", 1)
        assert sem.ReportUserSetting("MontageUseViewInLD") == 0
        """,
    )
    # Set last by the command, put back to what it was before the setting was set.
    assert simulation.session.scope.target_defocus_um == -5.0


def test_settings_are_kept_with_the_session_and_outlive_a_death(tmp_path):
    with open_session(tmp_path, Setup()) as simulation:
        run(
            simulation,
            """
            for name, value in (("CtfBinning", 3), ("BufferToReadInto", 7), ("TargetDefocus", -2),
                                ("TiltDelay", 4)):
                sem.SetUserSetting(name, value, 1)
            sem.SetProperty("CtfBasedLDareaDelay", 5)
            """,
        )
    check = """
        assert sem.ReportUserSetting("CtfBinning") == 3
        assert sem.ReportUserSetting("BufferToReadInto") == 7
        assert sem.ReportUserSetting("TargetDefocus") == -2
        assert sem.ReportUserSetting("TiltDelay") == 4
        """
    with open_session(tmp_path) as simulation:
        run(simulation, check)
        assert properties.value(simulation.session, "CtfBasedLDareaDelay") == 5.0
    (tmp_path / "simulated_microscope" / "running").write_text("1\n", encoding="utf-8")
    with open_session(tmp_path) as simulation:
        run(simulation, check)
        assert "started again" in " ".join(simulation.log)


@pytest.mark.parametrize("died", [False, True])
def test_sessions_of_an_earlier_version_get_what_they_did_not_have(tmp_path, died):
    with open_session(tmp_path, Setup()) as simulation:
        run(simulation, "sem.SetUserSetting('CtfBinning', 3, 1)")
        session = simulation.session
        del session.scope.axis_rotated, session.scope.stage.tilt_delay_s
        del session.options.user_settings["DriftProtection"]
        del session.scope.properties["NumberOfSpotSizes"]
    if died:
        (tmp_path / "simulated_microscope" / "running").write_text("1\n", encoding="utf-8")
    with open_session(tmp_path) as simulation:
        run(
            simulation,
            """
            sem.TiltTo(5)
            assert sem.ReportUserSetting("LowDoseRotateAxis") == 0
            assert sem.ReportUserSetting("DriftProtection") == 0
            assert sem.ReportUserSetting("CtfBinning") == 3
            assert sem.ReportProperty("NumberOfSpotSizes") == 11
            """,
        )


_NAMES = st.sampled_from(
    ["CtfBinning", "TargetDefocus", "BuffersToRollOnAcquire", "DriftProtection"]
)
_CHANGES = st.lists(st.tuples(_NAMES, st.integers(0, 9), st.booleans()), max_size=8)


@given(changes=_CHANGES)
def test_what_was_kept_last_stays_and_all_else_is_put_back(scripted, changes):
    session = scripted.session
    names = {name for name, _, _ in changes}
    expected = {name: setting(session, name) for name in names}
    body = "".join(
        f"sem.SetUserSetting({name!r}, {value}, {int(keep)})\n" for name, value, keep in changes
    )
    for name, value, keep in changes:
        if keep:
            flag = name == "DriftProtection"
            expected[name] = float(bool(value)) if flag else float(value)
    run(scripted, body)
    assert {name: setting(session, name) for name in names} == expected


# --- properties that describe the instrument ----------------------------------------------------


@pytest.mark.parametrize("name", shipped())
def test_properties_describe_the_instrument(make_session, name):
    model = load_instrument(name)
    session = make_session(instrument=model)

    def told(name):
        return all_commands()["ReportProperty"](session, name)

    camera = model.camera
    assert (told("CameraSizeX"), told("CameraSizeY")) == camera.size_px
    assert told("K2Type") == camera.kind.k2_type
    assert told("PixelSizeInMicrons") == camera.chip_pixel_um
    assert told("MinimumExposure") == camera.min_exposure_s
    assert told("TiltAxisOffset") == model.stage.tilt_axis_offset_um
    assert told("MaximumTiltAngle") == model.stage.max_tilt_deg
    assert told("ImageShiftLimit") == model.image_shift_limit_um
    assert told("LowMagShiftLimit") == model.low_mag_image_shift_limit_um
    assert told("UseIlluminatedAreaForC2") == (model.beam.condensers >= 3)
    assert told("ScopeHasAutoloader") == (model.autoloader_slots > 0)
    assert told("InvertStageXAxis") == model.stage.invert_x
    assert told("NumberOfSpotSizes") == len(model.beam.currents_nA)
    lowest = session.scope.optics.entry(int(told("LowestMModeMagIndex")))
    below = session.scope.optics.entry(lowest.index - 1)
    assert not lowest.low_mag and below.low_mag
    # One unit of image shift moves a point by about as many microns.
    for unit in ((1.0, 0.0), (0.0, 1.0)):
        moved = np.hypot(*(np.array(model.is_to_specimen_rows) @ unit))
        assert told("MicronsPerUnitImageShift") == pytest.approx(moved, rel=0.25)


def test_properties_of_a_camera_are_those_of_cameras_only(make_session):
    session = make_session()
    report = all_commands()["ReportCameraProperty"]
    assert report(session, 0, "K2type") == session.camera.model.kind.k2_type
    assert report(session, 1, "MakesUnsignedImages") == 0.0
    for name in ("ImageShiftLimit", "NoSuchThing"):
        with pytest.raises(SEMerror, match="property"):
            report(session, 0, name)
    with pytest.raises(SEMerror, match="number"):
        report(session, 9, "K2Type")


def test_setting_what_the_camera_is_does_not_change_it(make_session):
    session = make_session()
    all_commands()["SetProperty"](session, "CameraSizeX", 100)
    assert all_commands()["ReportProperty"](session, "CameraSizeX") == 100.0
    assert session.acquire_image("R", binning=8).data.shape[1] == session.camera.size_px[0] // 8


# --- what settings do ---------------------------------------------------------------------------


def test_buffers_to_roll_and_to_read_into(make_session):
    session = make_session()
    commands = all_commands()
    images = []
    set_to(session, "BuffersToRollOnAcquire", 2)
    for _ in range(4):
        images.append(session.take("T", frame_px=(20, 10)))
    held = [session.buffers.get(letter) for letter in "ABCD"]
    assert held == [images[3], images[2], images[1], None]
    commands["OpenNewFile"](session, "a.mrc")
    commands["S"](session)
    set_to(session, "BufferToReadInto", 10)
    commands["ReadFile"](session, 0)
    assert session.buffers.get("K").section == 0 and session.buffers.get("P") is None
    assert session.buffers.displayed == "K"


@pytest.mark.parametrize("on", [0, 1])
def test_mdocs_of_new_files(make_session, on):
    session = make_session()
    commands = all_commands()
    commands["SetProperty"](session, "FileOptionsSaveMdocFile", on)
    session.take("T", frame_px=(20, 10))
    commands["OpenNewFile"](session, "a.mrc")
    commands["S"](session)
    assert (session.directory / "a.mrc.mdoc").exists() == bool(on)


@pytest.mark.parametrize("autosave", [0, 1])
def test_a_navigator_with_a_file_is_saved_without_asking(make_session, autosave):
    session = make_session()
    commands = all_commands()
    set_to(session, "AutosaveNavNew", autosave)
    commands["OpenNavigator"](session)
    commands["AddStagePosAsNavPoint"](session, 1.0, 2.0, 0.0)
    commands["SaveNavigator"](session, "a.nav")
    commands["AddStagePosAsNavPoint"](session, 3.0, 4.0, 0.0)
    commands["CloseNavigator"](session)
    assert len(session.dialogs) == 1 - autosave
    assert (session.directory / "a.nav").read_text(encoding="utf-8").count("[Item") == 2


def test_the_navigator_is_written_as_xml(make_session):
    session = make_session()
    commands = all_commands()
    commands["OpenNavigator"](session)
    commands["AddStagePosAsNavPoint"](session, 1.0, 2.0, 0.0)
    set_to(session, "WriteNavAsXML", 1)
    commands["SaveNavigator"](session, "a.nav")
    text = (session.directory / "a.nav").read_text(encoding="utf-8")
    assert text.startswith("<?xml") and "<StageXYZ>1 2 0" in text
    set_to(session, "WriteNavAsXML", 0)
    commands["SaveNavigator"](session, "b.nav")
    assert "[Item = 1]" in (session.directory / "b.nav").read_text(encoding="utf-8")
    commands["ReadNavFile"](session, "a.nav")
    assert len(session.navigator.items) == 1


def small_montage(session, name="m.mrc"):
    commands = all_commands()
    session.camera.change("R", binning=8, window_px=(2000, 3000, 1500, 2300))
    session.camera.change("V", binning=8, window_px=(2000, 3000, 1500, 2300))
    commands["AllowFileOverwrite"](session, 1)
    commands["OpenNewMontage"](session, 2, 2, name)
    return commands


@pytest.mark.parametrize(("shown", "letter"), [(1, "B"), (0, "A")])
def test_the_overview_of_a_montage_is_displayed_or_not(make_session, shown, letter):
    session = make_session()
    set_to(session, "MontageShowOverview", shown)
    small_montage(session)["M"](session)
    assert session.buffers.displayed == letter


def test_maps_are_loaded_unbinned(make_session):
    session = make_session()
    commands = small_montage(session)
    commands["SetMontPanelParams"](session, -1, 0, 4)
    commands["M"](session)
    commands["OpenNavigator"](session)
    commands["NewMap"](session)
    shapes = []
    for on in (0, 1):
        set_to(session, "LoadMapsUnbinned", on)
        commands["LoadOtherMap"](session, 1, "K")
        shapes.append(session.buffers.get("K").data.shape)
    assert np.array(shapes[1]) == pytest.approx(4 * np.array(shapes[0]), abs=4)
    image = session.buffers.get("K")
    assert image.binning == pytest.approx(8, rel=0.02)
    assert image.pieces is not None
    middle = session.navigator.item(1).stage_um[:2]
    assert image.nav_xy_um == pytest.approx(middle, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "letter"),
    [
        ({}, "R"),
        ({"MontageUseViewInLD": 1}, "V"),
        ({"MontageUseSearchInLD": 1}, "S"),
        ({"MontageUseMontMap": 1, "low dose": 0}, "M"),
        ({"MontageUseMontMap": 1, "UseRecordForMontage": 1, "low dose": 0}, "R"),
    ],
)
def test_sets_that_take_montages(make_session, changes, letter):
    from space.simulator.commands.montage import camera_letter

    session = make_session(low_dose=bool(changes.pop("low dose", 1)))
    for name, value in changes.items():
        set_to(session, name, value)
    assert camera_letter(session) == letter


def test_overlaps_of_new_and_of_fitted_montages(make_session):
    session = make_session(low_dose=False)
    commands = all_commands()
    session.scope.properties["MontageOverlapFraction"] = 0.25
    small_montage(session)
    columns, rows = session.files.current.montage.layout.frame_px
    overlap = session.files.current.montage.layout.overlap_px
    assert overlap == (round(0.25 * columns), round(0.25 * rows))

    def fitted(fraction):
        commands["CloseFile"](session)
        commands["SetupFullMontage"](session, fraction, "f.mrc")
        return session.files.current.montage.layout.overlap_px[0]

    session.camera.restore()
    width = session.camera.frame_px("R")[0]
    set_to(session, "MontageMinOverlapFactor", 0.2)
    assert (fitted(0.0), fitted(0.3)) == (round(0.2 * width), round(0.3 * width))
    pixel_um = session.camera.binning("R") * session.scope.pixel_um(session.scope.mag_index)
    set_to(session, "MontageMinMicronsOverlap", 0.4 * width * pixel_um)
    assert fitted(0.1) == pytest.approx(0.4 * width, abs=1)


def test_dark_borders_are_cut_off_before_alignment(make_session):
    """A border that lies on another one draws the peak to no shift, unless it is cut off."""
    session = make_session(textured(pixel_um=0.004, size=1000))
    commands = all_commands()
    session.camera.change("T", binning=8)
    session.scope.stage.move_to(0.0, 0.0)
    session.take("T")
    commands["Copy"](session, "A", "O")
    session.scope.stage.move_to(0.05, 0.0)
    session.take("T")
    found = {}
    clean = session.buffers.get("A")
    commands["AlignTo"](session, "O", 1)
    expected = session.buffers.get("A").align_shift_px
    for letter, image in (("A", clean), ("O", session.buffers.get("O"))):
        data = image.data.copy()
        edge = data.shape[0] // 6
        data[:edge] = data[-edge:] = 0
        data[:, :edge] = data[:, -edge:] = 0
        session.buffers.set(letter, replace(image, data=data))
    framed = session.buffers.get("A")
    for on, no_trim in ((0, 0), (1, 0), (1, 1)):
        session.buffers.set("A", framed)
        set_to(session, "TrimBordersInAutoalign", on)
        commands["AlignTo"](session, "O", 1, no_trim)
        found[on, no_trim] = np.hypot(
            *np.subtract(session.buffers.get("A").align_shift_px, expected)
        )
    assert found[1, 0] < 1.0 < found[0, 0]
    assert found[1, 1] == found[0, 0]


def test_delays_are_waited_for_and_let_the_stage_come_to_rest(make_session):
    session = make_session()
    commands = all_commands()
    stage = session.scope.stage

    def seconds(action):
        begin = session.clock.seconds
        action()
        return session.clock.seconds - begin

    tilt = seconds(lambda: commands["TiltTo"](session, 10.0))
    move = seconds(lambda: commands["MoveStageTo"](session, 10.0, 0.0))
    set_to(session, "TiltDelay", 7)
    commands["SetProperty"](session, "StageMoveDelay", 2500)
    assert commands["ReportProperty"](session, "StageMoveDelay") == 2500.0
    assert seconds(lambda: commands["TiltTo"](session, 20.0)) == pytest.approx(tilt + 7, abs=0.01)
    assert seconds(lambda: commands["MoveStageTo"](session, 20.0, 0.0)) == pytest.approx(move + 2.5)
    assert stage.tilt_deg == 20.0


def test_steps_of_the_tilt(make_session):
    session = make_session()
    set_to(session, "TiltIncrement", 2)
    tilting.tilt_up(session)
    assert session.scope.stage.tilt_deg == pytest.approx(2.0)
    session.scope.stage.tilt_to(60.0)
    set_to(session, "CosineTilting", 1)
    tilting.tilt_down(session)
    assert session.scope.stage.tilt_deg == pytest.approx(59.0)


def test_walking_up(make_session):
    session = make_session(textured(pixel_um=0.01, size=1000))
    for letter in "TV":
        session.camera.change(letter, binning=8)
    for interval, view, sets in ((6, 0, [2] * 3), (3, 0, [2] * 5), (12, 1, [0] * 2)):
        session.scope.stage.tilt_to(0.0)
        before = len(session.exposures)
        set_to(session, "WalkUpMaxInterval", interval)
        set_to(session, "WalkupUseViewInLowDose", view)
        tilting.walk_up_to(session, 12.0)
        assert [e.camera_set for e in session.exposures[before:]] == sets


@pytest.fixture
def focusing_session(make_session):
    session = make_session(textured(pixel_um=0.004, size=1000))
    session.camera.change("F", binning=8)
    return session


def test_autofocus_measures_off_focus_and_does_not_count_it(focusing_session):
    session = focusing_session
    session.scope.defocus_um = session.scope.focus_zero_um - 2.0
    focus.autofocus(session, -1)
    plain = session.measured.defocus_um
    set_to(session, "AutofocusOffset", -3)
    before = session.scope.defocus_um
    focus.autofocus(session, -1)
    assert session.measured.defocus_um == pytest.approx(plain, abs=0.1)
    assert session.scope.defocus_um == before
    assert session.exposures[-1].defocus_um == pytest.approx(session.exposures[0].defocus_um - 3)


@pytest.mark.parametrize(("threshold", "rounds"), [(5, 1), (1, 2)])
def test_autofocus_measures_again_after_a_large_change(focusing_session, threshold, rounds):
    session = focusing_session
    set_to(session, "RefocusThreshold", threshold)
    session.scope.target_defocus_um = -1.0
    session.scope.defocus_um = session.scope.focus_zero_um - 3.5
    focus.autofocus(session)
    assert len(session.exposures) == 2 * rounds


def test_beam_tilt_and_drift_protection_of_autofocus(focusing_session):
    session = focusing_session
    set_to(session, "AutofocusBeamTilt", 3)
    set_to(session, "DriftProtection", 1)
    focus.autofocus(session, -1)
    tilts = [exposure.beam_tilt_mrad[0] for exposure in session.exposures]
    assert tilts == pytest.approx([3.0, -3.0, 3.0])


def test_eucentricity_goes_by_its_properties(make_session):
    session = make_session(textured(pixel_um=0.02, size=1000))
    for letter in "VT":
        session.camera.change(letter, binning=8)
    for name, value in (
        ("EucentricityCoarseInitialAngle", -2.0),
        ("EucentricityCoarseMaxTilt", 4.0),
        ("EucentricityCoarseInitialIncrement", 1.0),
        ("EucentricityMaxFineAngle", 8.0),
    ):
        session.scope.properties[name] = value
    focus.eucentricity(session, 1)
    tilts = [round(exposure.tilt_deg, 1) for exposure in session.exposures]
    assert tilts[:2] == [-2.0, -1.0] and max(tilts) == 4.0
    before = len(session.exposures)
    set_to(session, "FineEucenUseTrialInLowDose", 1)
    focus.eucentricity(session, 2)
    fine = session.exposures[before:]
    assert {exposure.camera_set for exposure in fine} == {2}
    assert max(abs(exposure.tilt_deg) for exposure in fine) == pytest.approx(8.0, abs=0.1)
    session.scope.properties["CoarseEucenAbsoluteMaxZ"] = 5.0
    session.scope.stage.move_to(0.0, 0.0, 20.0)
    focus.eucentricity(session, 1)
    assert session.rough_eucentricity_failed or abs(session.scope.stage.position_um[2]) <= 5.0


def test_rough_eucentricity_may_use_search_in_low_magnification(make_session):
    session = make_session()
    scope = session.scope
    scope.store_area("V", mag_index=scope.area_mag_index("R"))  # a small field
    for search_mag, on, letter in ((15, 0, "S"), (3, 0, "V"), (3, 1, "S")):
        scope.store_area("S", mag_index=search_mag)
        set_to(session, "RoughEucenUseSearchIfInLM", on)
        assert picture_set(session) == letter


def test_the_threshold_for_resetting_image_shift(make_session):
    for limit_um, reset in ((0.1, True), (2.0, False)):
        session = make_session(textured(pixel_um=0.02, size=1000))
        session.camera.change("V", binning=8)
        session.scope.properties["EucentricityResetISThreshold"] = limit_um
        session.scope.shift_image_by_um(1.0, 0.0)
        focus.eucentricity(session, 1)
        moved = abs(session.scope.stage.position_um[0]) > 0.5
        assert moved == reset


def test_focus_and_trial_lie_on_a_line_at_an_angle(make_session):
    session = make_session()
    commands = all_commands()
    scope = session.scope
    commands["SetAxisPosition"](session, "F", 1.5, 30)
    assert (setting(session, "LowDoseAxisAngle"), setting(session, "LowDoseRotateAxis")) == (30, 1)
    distance, angle, *offset = commands["ReportAxisPosition"](session, "F")
    assert (distance, angle) == (1.5, 30.0)
    where = scope.optics.camera_to_specimen(scope.area_mag_index("F")) @ offset
    expected = 1.5 * np.array([np.cos(np.pi / 6), 0.5])
    assert where == pytest.approx(expected)
    centers = []
    for letter in "RF":
        session.take(letter)
        centers.append(session.exposures[-1].center_um)
    away = scope.optics.stage_to_specimen() @ np.subtract(centers[1], centers[0])
    assert away == pytest.approx(expected, abs=0.01)
    assert scope.stored_area("T").axis_um == 0.0
    set_to(session, "TieFocusTrialPos", 1)
    commands["SetAxisPosition"](session, "T", -1.0, 0)
    assert scope.stored_area("F").axis_um == scope.stored_area("T").axis_um == -1.0
    assert commands["ReportAxisPosition"](session, "F")[:2] == (-1.0, 0.0)
    assert (setting(session, "LowDoseAxisAngle"), setting(session, "LowDoseRotateAxis")) == (30, 0)
    set_to(session, "LowDoseRotateAxis", 1)
    assert commands["ReportAxisPosition"](session, "T")[1] == 30.0


def test_sloppy_pieces_and_alignment_are_settings_too(make_session):
    session = make_session()
    commands = small_montage(session)
    set_to(session, "MontageAlignPieces", 0)
    set_to(session, "MontageVerySloppy", 1)
    assert not session.montage.align_pieces and session.montage.very_sloppy
    commands["M"](session)
    mdoc = (session.directory / "m.mrc.mdoc").read_text(encoding="utf-8")
    assert "AlignedPieceCoords" not in mdoc
    with mrcfile.open(session.directory / "m.mrc") as stack:
        assert stack.data.shape[0] == 4
