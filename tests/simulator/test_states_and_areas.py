"""Imaging states as SerialEM has them: one low dose area each, found by name before number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from space.simulator.column import INSTRUMENT_FOLDER, SEMerror, load_instrument
from space.simulator.column.states import ImagingState
from space.simulator.commands import low_dose
from tests.simulator.test_relations import Scope

KRIOS = load_instrument("krios_k3")
KRIOS_TEXT = (INSTRUMENT_FOLDER / "krios_k3.toml").read_text(encoding="utf-8")
RECORD_STATE = """
[[states]]
name = "Rec"
low_dose_area = "R"
magnification = 81000
exposure_s = 3.0
spot_size = 6
intensity = 0.45

[apertures]"""


@pytest.fixture
def scope(tmp_path):
    """A microscope with a third state, made in Record at a higher magnification."""
    path = tmp_path / "mine.toml"
    path.write_text(KRIOS_TEXT.replace("\n[apertures]", RECORD_STATE, 1), encoding="utf-8")
    return Scope(load_instrument(path), tmp_path)


def with_names(tmp_path, *names: str) -> Scope:
    states = tuple(ImagingState(name, number, 1.0) for number, name in enumerate(names, start=1))
    return Scope(replace(KRIOS, states=states), tmp_path)


@pytest.mark.parametrize(("state", "area"), [("MM", "V"), ("Rec", "R")])
def test_a_low_dose_state_sets_the_area_it_was_made_in_and_no_other(scope, state, area):
    areas = scope.session.scope.areas
    for letter in "VR":
        scope.session.scope.store_area(letter, mag_index=20)
    scope("GoToImagingState", state)
    other = {"V": "R", "R": "V"}[area]
    assert areas[other].mag_index == 20
    assert areas[area].mag_index == KRIOS.mag_index({"V": 4800, "R": 81000}[area])


def test_a_state_brings_magnification_beam_and_exposure_of_its_area(scope):
    view_s = scope.session.camera.sets["V"].exposure_s
    scope("GoToImagingState", "Rec")
    scope("GoToLowDoseArea", "R")
    assert scope("ReportMag")[0] == 81000.0
    # The same intensity, and so the same width; spot size 6 has 1.5 nA, spot size 7 0.93 nA.
    assert scope("ReportIlluminatedArea") == pytest.approx(0.016)
    assert scope.session.scope.dose_rate_e_A2_s() == pytest.approx(3.0 * 1.5 / 0.93)
    assert scope.session.camera.sets["R"].exposure_s == 3.0
    assert scope.session.camera.sets["V"].exposure_s == view_s


def test_the_scope_goes_nowhere_until_the_area_is_used(scope):
    scope("GoToImagingState", "MM")
    scope("GoToLowDoseArea", "R")
    before = scope("ReportMag")
    scope("GoToImagingState", "Rec")
    assert scope("ReportMag") == before
    scope("GoToLowDoseArea", "R")
    assert scope("ReportMag")[0] == 81000.0


@pytest.mark.parametrize(
    ("names", "text", "number"),
    [
        (("WG", "3", "Rec"), "3", 2),  # a name before a number
        (("WG", "MM", "Rec"), "3", 3),
        (("WG", "MM", "Rec"), "03", 3),
        (("2k", "MM", "Rec"), "2", 1),  # also the start of a name
        (("2k", "MM", "Rec"), "02", 2),
        (("2k", "22k", "2"), "2", 3),  # the whole name before the start of others
        (("WG", "View", "Rec"), "vi", 2),
    ],
)
def test_a_text_is_a_name_if_it_can_be(tmp_path, names, text, number):
    scope = with_names(tmp_path, *names)
    assert scope("GoToImagingState", text) == 0.0
    assert scope("ReportMagIndex")[0] == number
    assert scope("ImagingStateProperties", text) == (number, -1.0, number, names[number - 1])


@pytest.mark.parametrize(
    ("text", "code"), [("Rec", 1), ("v", 2), ("4", 3), ("0", 3), ("-1", 3), ("--1", 1)]
)
def test_codes_say_why_a_state_was_not_set(tmp_path, text, code):
    scope = with_names(tmp_path, "WG", "View", "View 2")
    assert scope("GoToImagingState", text) == code
    with pytest.raises(SEMerror, match="no imaging state"):
        scope("ImagingStateProperties", text)


@pytest.mark.parametrize("letter", ["V", "F", "R", "search"])
def test_parameters_of_an_area_are_in_a_variable(make_session, letter):
    session = make_session()
    low_dose.get_low_dose_area_params(session, letter, "ld_params")
    values = [float(line) for line in str(session.variables.get("ld_params")).split("\n")]
    area = session.scope.stored_area(letter)
    assert values[:4] == pytest.approx(
        [area.mag_index, area.spot_size, area.intensity, area.axis_um], rel=1e-6
    )
    assert values[4:6] == [float(session.scope.slit_in), session.scope.slit_width_ev]
    with pytest.raises(SEMerror, match="area letter"):
        low_dose.get_low_dose_area_params(session, "X", "ld_params")
