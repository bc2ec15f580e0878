"""How likely a series comes out well, and how long it takes: what a session teaches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.planning import CLASS_PRIORS, PRIOR, Candidate, Result, chance_of, measured_pace


def lamella(number: int, category: str = "good", slot: str = "1", **more) -> Candidate:
    return Candidate(slot, number, category, more.pop("probability", 1.0), **more)


def result(one: Candidate, good: float, series: int = 4) -> Result:
    return Result(one, good, series)


candidates = st.builds(
    Candidate,
    st.sampled_from("12"),
    st.integers(1, 4),
    st.sampled_from((*CLASS_PRIORS, "odd")),
    st.floats(0, 1),
    st.one_of(st.none(), st.floats(0, 4)),
)
results = st.builds(lambda one, part, n: Result(one, part * n, n), candidates, st.floats(0, 1),
                    st.integers(0, 9))  # fmt: skip


@given(candidates, st.lists(results, max_size=8))
def test_a_chance_is_a_probability_and_has_its_reason(one, seen):
    found = chance_of(one, seen)
    assert 0.0 <= found.value < 1.0
    assert found.why


@given(candidates, st.lists(results, max_size=5), st.integers(1, 9))
def test_good_series_raise_a_chance_and_lost_ones_lower_it(one, seen, count):
    before = chance_of(one, seen).value
    assert chance_of(one, [*seen, Result(one, float(count), count)]).value >= before - 1e-12
    assert chance_of(one, [*seen, Result(one, 0.0, count)]).value <= before + 1e-12


def test_before_anything_is_known_the_class_decides_as_far_as_it_is_sure():
    assert chance_of(lamella(1), ()).value == pytest.approx(CLASS_PRIORS["good"])
    sure, unsure = (chance_of(lamella(1, "broken", probability=p), ()).value for p in (1.0, 0.4))
    assert sure == pytest.approx(CLASS_PRIORS["broken"]) and unsure > sure


def test_a_class_that_fails_elsewhere_is_expected_to_fail_here():
    bad = [result(lamella(n, "thick", "2"), 0.0) for n in range(1, 4)]
    found = chance_of(lamella(9, "thick"), bad)
    assert found.value == pytest.approx(CLASS_PRIORS["thick"] / 2)
    assert "3 lamellae of this class gave 0% good series" in found.why
    assert chance_of(lamella(9, "good"), bad).value == pytest.approx(CLASS_PRIORS["good"])


def test_a_grid_that_does_badly_counts_against_all_of_its_lamellae():
    bad = [result(lamella(n, slot="1"), 0.0) for n in range(1, 4)]
    good = [result(lamella(n, slot="2"), 4.0) for n in range(1, 9)]
    here, there = (chance_of(lamella(20, "wedge", slot), [*bad, *good]) for slot in "12")
    assert here.value < 0.7 * there.value
    assert "its grid does worse than expected" in here.why


def test_what_a_lamella_showed_itself_weighs_more_than_its_class():
    one = lamella(1)
    lost = chance_of(one, [result(one, 0.0, 5)])
    assert lost.value == pytest.approx(CLASS_PRIORS["good"] / 6)
    assert "0 of its first 5 series came out well" in lost.why


def test_thickness_beyond_what_a_series_stands_lowers_the_chance():
    thin, thick = (chance_of(lamella(1, thickness_paths=t), ()).value for t in (0.9, 2.0))
    assert thin == pytest.approx(CLASS_PRIORS["good"])
    assert thick == pytest.approx(thin / 2.718281828)


def test_the_pace_is_a_prior_until_something_was_measured():
    assert measured_pace() == PRIOR
    pace = measured_pace(areas=[(6, 2 * PRIOR.of_area(6)), (3, 2 * PRIOR.of_area(3))],
                         loads_s=[300.0, 500.0], maps_s=[0.0])  # fmt: skip
    assert pace.of_area(10) == pytest.approx(2 * PRIOR.of_area(10))
    assert (pace.load_s, pace.map_s) == (400.0, PRIOR.map_s)
    assert len(pace.measured) == 2
