"""After going somewhere the optics are as at the first visit, or it is told."""

from __future__ import annotations

import sys

import fake_serialem
import pytest
from fake_serialem import SEMerror

from space.errors import SpaceError
from space.microscope import conditions, states


class Column:
    """A microscope with two areas; what `goes` holds is what the next visits find there."""

    AT = {"V": 4800.0, "R": 53000.0}

    def __init__(self, monkeypatch, **commands) -> None:
        self.area, self.wrong, self.visited = "R", 0, []
        self.spot, self.slit, self.beam_um, self.c2 = 7.0, (20.0, 0.0, 1.0), 1.6, 45.0
        fake_serialem.install(
            monkeypatch,
            GoToLowDoseArea=self.go,
            ReportMag=lambda: (self.AT[self.area] * (2.0 if self.off else 1.0), 0.0, 0.0),
            ReportLowDose=lambda: (1.0, float("VFTRS".index(self.area))),
            ReportSpotSize=lambda: self.spot,
            ReportEnergyFilter=lambda: self.slit,
            ReportIlluminatedArea=lambda: self.beam_um / 100.0,
            ReportPercentC2=lambda: (self.c2, self.c2 / 100.0),
            **commands,
        )
        self.off = False

    def go(self, letter):
        if letter != self.area:  # in it already, nothing is done
            self.off = letter == "V" and self.wrong > 0
            self.wrong -= self.off
        self.visited.append(letter)
        self.area = letter


def visit(column) -> None:
    column.go("R")
    column.visited.clear()
    states.go_to_area("V")


def test_a_wrong_magnification_is_set_once_more_by_way_of_another_area(monkeypatch, caplog):
    column = Column(monkeypatch)
    visit(column)
    assert column.visited == ["V"] and not caplog.text
    column.wrong = 1
    visit(column)
    assert column.visited == ["V", "R", "V"]
    assert "View: magnification 9600 in place of 4800. It is set once more." in caplog.text
    visit(column)
    assert column.visited == ["V"]


def test_a_wrong_magnification_that_stays_ends_the_step(monkeypatch):
    column = Column(monkeypatch)
    visit(column)
    for _ in range(2):  # it never becomes the right one in this run
        column.wrong = 2
        with pytest.raises(SpaceError, match="9600 in place of 4800") as caught:
            visit(column)
        assert "[View]" in str(caught.value) and "Nothing is exposed" in str(caught.value)


def test_the_first_visit_of_a_run_that_a_person_starts_counts(monkeypatch, caplog):
    column = Column(monkeypatch)
    visit(column)
    conditions.begin_anew()
    column.wrong = 2
    visit(column)
    assert "9600 in place of 4800, also after it was set once more" in caplog.text
    column.wrong = 1
    visit(column)  # is as it should be now
    with pytest.raises(SpaceError, match="4800 in place of 9600"):
        visit(column)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("spot", 8.0, "spot size 8 in place of 7"),
        ("slit", (10.0, 0.0, 1.0), "slit width in eV (0: out) 10 in place of 20"),
        ("slit", (20.0, 0.0, 0.0), "slit width in eV (0: out) 0 in place of 20"),
        ("beam_um", 2.0, "beam diameter in um 2 in place of 1.6"),
    ],
)
def test_another_spot_slit_or_beam_is_told_once_and_goes_on(monkeypatch, caplog, name, value, told):
    column = Column(monkeypatch)
    visit(column)
    setattr(column, name, value)
    visit(column)
    assert f"View: {told}, also after it was set once more" in caplog.text
    caplog.clear()
    visit(column)
    assert not caplog.text and column.visited == ["V"]


def test_what_readings_differ_by_is_no_deviation(monkeypatch, caplog):
    column = Column(monkeypatch)
    visit(column)
    column.beam_um, column.c2, column.slit = 1.65, 45.2, (20.0, 3.5, 1.0)
    visit(column)
    assert not caplog.text


def test_with_two_condensers_the_lens_is_compared(monkeypatch, caplog):
    column = Column(monkeypatch)
    column.beam_um = 0.0
    visit(column)
    column.c2 = 47.0
    visit(column)
    assert "C2 in percent 47 in place of 45" in caplog.text


def test_an_area_that_is_not_reached_is_told_at_the_first_visit_and_ends_a_later_one(
    monkeypatch, caplog
):
    column = Column(monkeypatch)
    column.go = lambda letter: None
    import serialem

    serialem.GoToLowDoseArea = column.go
    states.go_to_area("V")
    assert "low dose area 3 in place of 0" in caplog.text
    serialem.ReportLowDose = lambda: (1.0, 1.0)
    with pytest.raises(SpaceError, match="low dose area 1 in place of 3"):
        states.go_to_area("V")


def test_what_a_microscope_does_not_tell_is_not_compared(monkeypatch, caplog):
    def refuse(*_):
        raise SEMerror("no energy filter")

    column = Column(monkeypatch)
    visit(column)
    import serialem

    serialem.ReportEnergyFilter = serialem.ReportIlluminatedArea = refuse
    del serialem.ReportSpotSize, serialem.ReportPercentC2
    visit(column)
    assert not caplog.text


def test_the_whole_grid_state_is_set_once_more_when_it_came_out_wrong(monkeypatch, caplog):
    given, found = [], [(4800.0, 0.0, 0.0), (82.0, 1.0, 0.0)]

    def go(text):
        given.append(text)
        return 0.0

    fake_serialem.install(
        monkeypatch,
        GoToImagingState=go,
        ReportLowDose=lambda: (0.0, -1.0),
        ReportMag=lambda: found[min(len(given), 2) - 1],
        ReportIlluminatedArea=lambda: 0.0,
    )
    states.go_to_whole_grid_state(1)
    assert given == ["+1", "+1"]
    assert "The magnification is 4800, not a low one. It is set once more" in caplog.text


def test_what_a_microscope_does_not_have_is_asked_for_once(monkeypatch, caplog):
    """Each failure is a line in SerialEM's log. Magnification is asked for at every visit."""
    column, calls = Column(monkeypatch), []

    def fails(name):
        def report():
            calls.append(name)
            raise SEMerror(name)

        return report

    for name in ("ReportEnergyFilter", "ReportSpotSize"):
        monkeypatch.setattr(sys.modules["serialem"], name, fails(name))
    for _ in range(3):
        visit(column)
    assert sorted(calls) == ["ReportEnergyFilter", "ReportSpotSize"]
    monkeypatch.setattr(sys.modules["serialem"], "ReportMag", fails("ReportMag"))
    visit(column)
    visit(column)
    assert calls.count("ReportMag") == 4
