"""Imaging states by number and by name, and what they must have set."""

from __future__ import annotations

import fake_serialem
import pytest
from fake_serialem import SEMerror

from space.errors import SpaceError
from space.microscope import states


def refuse(*_):
    raise SEMerror("SCRIPT ERROR WITH THIS MESSAGE\n*****\nno way")


class Program:
    """A SerialEM with imaging states of these names that finds them as SerialEM does."""

    def __init__(self, monkeypatch, *names: str, signed=True, tells=True) -> None:
        self.names, self.signed, self.now = names, signed, 0
        functions = {"GoToImagingState": self.go}
        if tells:
            functions["ImagingStateProperties"] = self.properties
        fake_serialem.install(monkeypatch, **functions)

    def _find(self, text: str) -> int:
        lower = [name.lower() for name in self.names]
        if text.lower() in lower:
            return lower.index(text.lower()) + 1
        starting = [n for n, name in enumerate(lower, start=1) if name.startswith(text.lower())]
        if starting:
            return starting[0] if len(starting) == 1 else -2
        if not (text.isdigit() or (self.signed and text[:1] == "+" and text[1:].isdigit())):
            return -1
        return int(text) if 1 <= int(text) <= len(self.names) else -3

    def go(self, text: str) -> float:
        found = self._find(text)
        self.now = max(found, 0)
        return float(max(-found, 0))

    def properties(self, text: str):
        found = self._find(text)
        if found < 1:
            raise SEMerror("no such state")
        return (1.0, self.names[found - 1], 4.0)


@pytest.mark.parametrize(
    ("code", "word"),
    [(1, "no imaging state"), (2, "two or more"), (3, "number"), (5, "camera"), (9, "code 9")],
)
def test_a_state_that_was_not_set_is_told_with_setting_and_state(monkeypatch, code, word):
    fake_serialem.install(monkeypatch, GoToImagingState=lambda text: float(code))
    with pytest.raises(SpaceError, match=word) as caught:
        states.go_to_imaging_state("WG_image_state", "Low mag")
    assert "[WG_image_state = 'Low mag']" in str(caught.value)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("names", "state", "number"),
    [
        (("WG", "MM", "Rec"), 2, 2),
        (("WG", "MM", "Rec"), "MM", 2),
        (("WG", "MM", "Rec"), "re", 3),
        (("WG", "3", "Rec"), "3", 2),
        (("WG", "MM", "3 Rec"), "3", 3),
    ],
)
def test_a_whole_number_is_a_number_and_a_text_a_name(monkeypatch, signed, names, state, number):
    program = Program(monkeypatch, *names, signed=signed)
    states.go_to_imaging_state("MM_image_state", state)
    assert program.now == number


@pytest.mark.parametrize(
    "names", [("2", "MM", "Rec"), ("2k", "MM"), ("2a", "MM", "2b"), ("2", "3")]
)
def test_a_number_does_not_lead_to_a_state_whose_name_begins_with_it(monkeypatch, names):
    program = Program(monkeypatch, *names)
    states.go_to_imaging_state("MM_image_state", 2)
    assert program.now == 2


def test_a_name_of_digits_that_no_state_has_does_not_lead_to_the_number(monkeypatch):
    program = Program(monkeypatch, "WG", "MM", "Rec")
    with pytest.raises(SpaceError, match="called '3'; number 3 is 'Rec'") as caught:
        states.go_to_imaging_state("MM_image_state", "3")
    assert program.now == 0  # nothing was set
    assert "MM_image_state = '3'" in str(caught.value)
    assert "without quotes: MM_image_state = 3" in str(caught.value)


def test_a_magnification_as_a_name_that_no_state_has_is_told(monkeypatch):
    Program(monkeypatch, "82", "MM", tells=False)
    states.go_to_imaging_state("WG_image_state", "82")
    with pytest.raises(SpaceError, match="no imaging state with this number"):
        states.go_to_imaging_state("WG_image_state", "4800")


def test_a_serialem_that_does_not_tell_names_is_believed_with_a_warning(monkeypatch, caplog):
    program = Program(monkeypatch, "WG", "3", "Rec", tells=False)
    states.go_to_imaging_state("MM_image_state", "3")
    assert program.now == 2
    assert "MM_image_state = '3'" in caplog.text and "goes to number 3" in caplog.text


# --- what a state must have set -------------------------------------------------------------------


def optics(monkeypatch, magnifications=None, low_dose=1.0, now=(4800.0, 0.0, 0.0)):
    """A SerialEM in which every state can be set; `magnifications` are those of the areas."""
    place = [now]
    visited = []

    def go_to_area(letter):
        if magnifications is None:
            raise SEMerror("low dose mode is off")
        place[0] = magnifications[letter]
        visited.append(letter)

    def area():
        return float("VFTRS".index(visited[-1])) if visited else -1.0

    functions = {
        "GoToImagingState": lambda text: 0.0,
        "GoToLowDoseArea": go_to_area,
        "ReportLowDose": lambda: (low_dose, area()),
        "ReportMag": lambda: place[0],
    }
    fake_serialem.install(monkeypatch, **functions)
    return visited


def test_the_whole_grid_state_must_be_in_low_magnification(monkeypatch):
    optics(monkeypatch, low_dose=0.0)
    with pytest.raises(SpaceError, match="not a low one"):
        states.go_to_whole_grid_state(1)


@pytest.mark.parametrize(
    ("go", "setting"),
    [
        (states.go_to_whole_grid_state, "WG_image_state"),
        (states.go_to_intermediate_state, "IM_image_state"),
    ],
)
def test_pictures_of_whole_lamellae_are_not_taken_in_low_dose(monkeypatch, go, setting):
    optics(monkeypatch, low_dose=1.0, now=(82.0, 1.0, 0.0))
    with pytest.raises(SpaceError, match="low dose state") as caught:
        go("Search")
    assert f"{setting} = 'Search'" in str(caught.value)


VIEW, RECORD, LOW = (4800.0, 0.0, 0.0), (53000.0, 0.0, 0.0), (82.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("magnifications", "told"),
    [
        (None, "There is no Record area: low dose mode is off"),
        ({"V": LOW, "R": RECORD}, "View is at 82x, a low magnification"),
        ({"V": VIEW, "R": LOW}, "Record is at 82x, a low magnification"),
        ({"V": VIEW, "R": VIEW}, "Record is at 4800x, not above View"),
    ],
)
def test_the_lamella_states_must_have_view_and_record(monkeypatch, magnifications, told):
    optics(monkeypatch, magnifications)
    with pytest.raises(SpaceError, match=told) as caught:
        states.go_to_low_dose_states(2)
    assert "MM_image_state = 2" in str(caught.value)


def test_both_states_are_gone_to_and_view_is_where_it_ends(monkeypatch):
    visited = optics(monkeypatch, {"V": VIEW, "R": RECORD})
    import serialem

    given = []
    serialem.GoToImagingState = lambda text: given.append(text) or 0.0
    states.go_to_low_dose_states((2, "Rec"))
    assert given == ["+2", "Rec"] and visited[-1] == "V"


def test_a_magnification_that_was_not_really_set_is_an_error(monkeypatch):
    functions = {
        "SetMagIndex": lambda index: None,
        "SetMag": lambda magnification: None,
        "ReportMagIndex": lambda: (10.0, 0.0),
        "ReportMag": lambda: (580.0, 0.0, 0.0),
    }
    fake_serialem.install(monkeypatch, **functions)
    states.set_magnification(10)
    states.set_magnification(580)
    for wrong in (11, 4800):
        with pytest.raises(SpaceError, match="not set"):
            states.set_magnification(wrong)


@pytest.mark.parametrize(("left_um", "corrected_um"), [(-48.0, 2.0), (-1.5, -1.5), (30.0, 30.0)])
def test_a_focus_that_was_left_in_view_is_corrected_once(monkeypatch, left_um, corrected_um):
    visited, defocus_um = [], [left_um]
    fake_serialem.install(
        monkeypatch,
        GoToLowDoseArea=visited.append,
        ReportLDDefocusOffset=lambda letter: -50.0,
        ReportDefocus=lambda: defocus_um[-1],
        SetDefocus=defocus_um.append,
    )
    states.correct_focus_left_in_view()
    assert defocus_um[-1] == corrected_um and visited == ["R", "V"]
    defocus_um.append(left_um)  # another one is the user's own
    states.correct_focus_left_in_view()
    assert defocus_um[-1] == left_um and visited == ["R", "V"]
