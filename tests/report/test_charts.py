"""Charts and plans, and the escaping of all text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.report.charts import Line, Spot, chart, plan, ticks, tilt_ticks
from space.report.markup import Markup, join, table, tag, text

ANY = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


def test_a_chart_has_a_dot_for_each_known_point():
    drawn = chart("Counts", [Line("ok", [0, 3, 6, 9], [5, None, 7, math.nan])], (0, 9))
    assert drawn.count("h0") == 2
    assert 'class="ok"' in drawn


def test_nothing_known_is_no_chart():
    assert chart("Counts", [Line("ok", [0, 3], [None, None])], (0, 3)) == ""
    assert chart("Counts", [Line("fit", [0, 3], [1, 2], dots=False)], (0, 3)) == ""


def test_higher_values_stand_higher():
    drawn = chart("Counts", [Line("ok", [0, 10], [1, 2])], (0, 10))
    low, high = (
        float(part.split("h0")[0].split()[1]) for part in drawn.split('d="M')[-1].split("M")
    )
    assert high < low


@given(values=st.lists(ANY, min_size=1, max_size=9), span=st.tuples(ANY, ANY))
def test_any_numbers_make_a_chart(values, span):
    known = [0.0 if x is None or not math.isfinite(x) else max(-90, min(90, x)) for x in span]
    drawn = chart("x", [Line("ok", range(len(values)), values)], (min(known), max(known)), 0.1)
    assert "nan" not in drawn.replace("xnan", "")
    assert "inf" not in drawn


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 290, [0, 100, 200]), (0, 0.2, [0, 0.05, 0.1, 0.15]), (-4.6, -3.4, [-4.5, -4, -3.5])],
)
def test_ticks_are_round(low, high, expected):
    found = ticks(low, high)
    assert 2 <= len(found) <= 5
    assert found[: len(expected)] == pytest.approx(expected) or len(found) >= 2
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)


def test_tilts_are_written_in_steps_that_people_tilt_in():
    assert tilt_ticks(-60, 60) == [-60, -30, 0, 30, 60]
    assert tilt_ticks(-59.9, 60.1) == [-60, -30, 0, 30, 60]
    assert tilt_ticks(-20, 20) == [-20, -10, 0, 10, 20]


def test_a_plan_has_north_above_and_leads_to_the_lamella():
    drawn = plan([
        Spot("L01", (0, 0), (10, 10), "acquired", "a-1"), Spot("L02", (0, 100), (10, 10), "found"),
    ])  # fmt: skip
    places = [float(part.split('"')[0]) for part in drawn.split('<rect x="')[1:]]
    rows = [float(part.split('y="')[1].split('"')[0]) for part in drawn.split("<rect ")[1:]]
    assert places[0] == places[1]
    assert rows[1] < rows[0]
    assert 'href="#a-1"' in drawn
    assert plan([]) == plan([Spot("L", (math.nan, 0), (1, 1), "x")]) == ""


@pytest.mark.parametrize("evil", ["<b>", '" onload="x', "'", "a\x00b", "\u202eabc", "&lt;"])
def test_all_text_is_escaped(evil):
    shown = tag("p", evil, title=evil)
    assert shown.count("<") == 2
    assert shown.count('"') == 2
    assert "\x00" not in shown
    assert "\u202e" not in shown
    assert evil == "'" or evil not in shown.replace("&amp;lt;", "")


def test_markup_is_not_escaped_twice_and_long_text_is_cut():
    inner = tag("b", "x<y")
    assert tag("p", inner) == "<p><b>x&lt;y</b></p>"
    assert text(inner) is inner
    assert join("<", inner) == "&lt;<b>x&lt;y</b>"
    assert isinstance(join(), Markup)
    assert len(text("x" * 5000)) == 2000
    assert table(("a",), []) == ""


def test_attributes_have_plain_names():
    assert tag("img", data_of="1", class_=None, viewbox="0") == '<img data-of="1" viewBox="0"/>'
    with pytest.raises(ValueError, match="no attribute"):
        tag("p", **{'x onload="': "1"})
