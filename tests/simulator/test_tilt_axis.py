"""Image shift centred on the tilt axis, and not: what it means for places, focus and alignment.

The model is the one that scripts for parallel tilt series go by: a point at y0 across and z0
above the tilt axis is seen at y0 cos(tilt) - z0 sin(tilt), and the defocus measured there is too
high by y0 sin(tilt) + z0 cos(tilt).
"""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.column import INSTRUMENT_FOLDER, load_instrument
from space.simulator.commands import all_commands
from tests.simulator.fakes import textured

INSTRUMENTS = sorted(path.stem for path in INSTRUMENT_FOLDER.glob("*.toml"))
OFFSETS_UM = {name: load_instrument(name).stage.tilt_axis_offset_um for name in INSTRUMENTS}
TILTS_DEG = (-60.0, -45.0, -30.0, 30.0, 45.0, 60.0)


@pytest.fixture(params=INSTRUMENTS)
def microscope(request, make_session):
    """A session with a textured specimen at eucentric height, and its commands."""
    session = make_session(textured(pixel_um=0.02), instrument=request.param)
    commands = all_commands()
    return session, lambda name, *arguments: commands[name](session, *arguments)


def test_every_microscope_has_its_tilt_axis_beside_the_optical_axis():
    assert all(abs(offset_um) > 1.0 for offset_um in OFFSETS_UM.values())


@pytest.mark.parametrize("on", [False, True])
def test_what_stands_in_the_centre_runs_out_of_focus_unless_it_is_on_the_axis(microscope, on):
    session, do = microscope
    do("SetUserSetting", "ShiftToTiltAxis", float(on))
    do("GoToLowDoseArea", "R")
    level_um = session.true_defocus_um()
    y_um = 0.0 if on else -OFFSETS_UM[session_name(session)]
    for tilt_deg in TILTS_DEG:
        do("TiltTo", tilt_deg)
        change_um = session.true_defocus_um() - level_um
        # What is seen at y lies at y0 = y / cos(tilt) on the specimen.
        assert change_um == pytest.approx(y_um * np.tan(np.radians(tilt_deg)), abs=0.01)


@pytest.mark.parametrize("on", [False, True])
def test_a_target_beside_the_axis_needs_the_focus_that_scripts_predict(microscope, on):
    """It is -SSY sin(tilt), where SSY counts from the tilt axis."""
    session, do = microscope
    do("SetUserSetting", "ShiftToTiltAxis", float(on))
    do("GoToLowDoseArea", "R")
    ssy_um, focus_um = 4.0, -3.0
    do("SetDefocus", focus_um)
    do("ImageShiftByMicrons", 0.0, ssy_um)
    asked_um = session.true_defocus_um()
    errors_um = []
    for tilt_deg in TILTS_DEG:
        angle = np.radians(tilt_deg)
        do("TiltTo", tilt_deg)
        do("SetImageShift", 0.0, 0.0)
        do("ImageShiftByMicrons", 0.0, ssy_um * np.cos(angle))
        do("SetDefocus", focus_um - ssy_um * np.sin(angle))
        errors_um.append(session.true_defocus_um() - asked_um)
    # The script follows the target by image shift that counts from the optical axis, then.
    y_um = 0.0 if on else -OFFSETS_UM[session_name(session)]
    assert errors_um == pytest.approx(list(y_um * np.tan(np.radians(TILTS_DEG))), abs=0.01)


def test_switching_it_on_moves_the_picture_and_alignment_finds_by_how_much(microscope):
    session, do = microscope
    offset_um = OFFSETS_UM[session_name(session)]
    do("V")
    do("Copy", "A", "O")
    do("SetUserSetting", "ShiftToTiltAxis", 1.0)
    do("V")
    do("AlignTo", "O")
    # The specimen shift that was imposed is minus what is reported.
    x_nm, y_nm = do("ReportAlignShift")[4:6]
    assert (x_nm, y_nm) == pytest.approx((0.0, 1e3 * offset_um), abs=60.0)
    assert do("ReportSpecimenShift") == pytest.approx((0.0, -offset_um), abs=0.06)
    do("V")
    first, _, last = session.exposures
    assert last.center_um == pytest.approx(first.center_um, abs=0.06)


@pytest.mark.parametrize("tilt_deg", [0.0, 40.0])
def test_an_item_is_centred_whatever_the_setting_was_when_it_was_made(microscope, tilt_deg):
    session, do = microscope
    do("OpenNavigator")
    do("TiltTo", tilt_deg)
    places = []
    for made_with in (0.0, 1.0):
        do("SetUserSetting", "ShiftToTiltAxis", made_with)
        do("V")
        rows, columns = session.buffers.require("A").data.shape
        item = int(do("AddImagePosAsNavPoint", "A", columns / 2, rows / 2))
        for moved_with in (0.0, 1.0):
            do("SetUserSetting", "ShiftToTiltAxis", moved_with)
            do("TiltTo", 0.0)
            do("MoveToNavItem", item)
            do("V")
            places.append(session.exposures[-1].center_um)
        do("TiltTo", tilt_deg)
        do("MoveStageTo", 0.0, 0.0)
    assert places[0] == pytest.approx(places[1], abs=0.02)
    assert places[2] == pytest.approx(places[3], abs=0.02)


def session_name(session) -> str:
    """File name of the session's microscope."""
    return next(n for n in INSTRUMENTS if load_instrument(n).name == session.instrument.name)
