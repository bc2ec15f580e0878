"""The order of a night against all orders there are, and what holds of every plan."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.planning import Job, Problem, Ways, Wishes, best_order, expected_value, make_plan, timed

SLOTS = ("1", "2", "3")


def job(slot: str = "1", lamella: int = 1, value: float = 1.0, area: int = 1, **more) -> Job:
    values = {"series": 3, "seconds": 3600.0, "place_um": (0.0, 0.0), **more}
    return Job(slot, lamella, area, value=value, **values)


@st.composite
def problems(draw, most: int = 5) -> Problem:
    keys = draw(
        st.lists(
            st.tuples(st.sampled_from(SLOTS), st.integers(1, 3), st.integers(1, 2)),
            min_size=1, max_size=most, unique=True,
        )
    )  # fmt: skip
    seconds = st.integers(5, 100).map(lambda minutes: 60.0 * minutes)
    jobs = tuple(
        job(
            *key[:2], draw(st.floats(0.0, 5.0)), key[2], seconds=draw(seconds),
            prepare_s=draw(st.sampled_from((0.0, 600.0))),
            place_um=(draw(st.floats(-500, 500)), 0.0),
        )
        for key in keys
    )  # fmt: skip
    ways = Ways({slot: draw(seconds) for slot in SLOTS}, 60.0, 0.1, draw(st.sampled_from("012")))
    left_s = draw(st.integers(10, 400)) * 60.0
    return Problem(jobs, ways, left_s)


@settings(max_examples=60, deadline=None)
@given(problems())
def test_the_order_found_is_as_good_as_the_best_of_all(problem):
    best = max(expected_value(problem, order) for order in itertools.permutations(problem.jobs))
    assert expected_value(problem, best_order(problem)) >= 0.98 * best - 1e-9


@settings(max_examples=60, deadline=None)
@given(problems(9), st.data())
def test_what_holds_of_every_plan(problem, data):
    on = sorted({one.on_lamella for one in problem.jobs})
    chosen = data.draw(st.lists(st.sampled_from(on), max_size=3, unique=True))
    pinned, forbidden = tuple(chosen[:1]), {key: "skip" for key in chosen[1:]}
    problem = Problem(problem.jobs, problem.ways, problem.left_s, Wishes(pinned, forbidden))
    plan = make_plan(problem, 12.0, "2020-01-01")
    names = [(one.slot, one.lamella, one.area) for one in (*plan.entries, *plan.left_out)]
    assert sorted(names) == sorted(one.key for one in problem.jobs)  # each job once
    assert all(one.why for one in (*plan.entries, *plan.left_out))
    end = 0.0
    for one in plan.entries:
        assert one.begin_s == pytest.approx(end)
        end = one.begin_s + one.setup_s + one.seconds
        assert (one.slot, one.lamella) not in forbidden
        assert end <= problem.left_s or (one.slot, one.lamella) in pinned
    head = [one for one in plan.entries if (one.slot, one.lamella) in pinned]
    assert list(plan.entries[: len(head)]) == head


def test_the_same_jobs_in_another_order_have_the_same_plan():
    jobs = [job(str(k % 3), k, 1 + k % 4, seconds=2000.0 + 300 * k) for k in range(9)]
    ways = Ways({str(k): 900.0 for k in range(3)}, 60.0)
    orders = {best_order(Problem(tuple(some), ways, 15_000.0)) for some in (jobs, jobs[::-1])}
    assert len(orders) == 1


def test_a_grid_is_loaded_once_and_only_where_it_is_worth_it():
    ways = Ways({"1": 900.0, "2": 900.0}, 20.0, loaded="1")
    jobs = (job("1", 1), job("2", 1, 1.2), job("1", 2), job("2", 2, 1.2))
    order = [one.slot for one in best_order(Problem(jobs, ways, 5 * 3600.0))]
    assert order in (["1", "1", "2", "2"], ["2", "2", "1", "1"])
    little = Problem((job("1", 1), job("2", 1, 1.2)), ways, 4000.0)
    assert [one.job.slot for one in timed(little, best_order(little))] == ["1"]


def test_a_lamella_is_prepared_once():
    jobs = (job(area=1, prepare_s=500.0), job(area=2, prepare_s=500.0))
    times = timed(Problem(jobs, Ways(move_s=20.0), 1e5), jobs)
    assert [one.setup_s for one in times] == [520.0, 0.0]


def test_the_reasons_name_what_decided():
    ways = Ways({"1": 900.0, "2": 900.0}, 20.0, loaded="1")
    jobs = (
        job("1", 1), job("1", 2, 0.2), job("2", 1, 0.3, seconds=1000.0), job("1", 3, 0.0),
        job("1", 4, 9.0, seconds=1e5), job("1", 5, 9.0), job("1", 6, 0.1),
    )  # fmt: skip
    wishes = Wishes((("1", 6),), {("1", 5): "skip G1_L05"})
    plan = make_plan(Problem(jobs, ways, 8000.0, wishes), 3.0, "", {"1": "G1", "2": "G2"})
    why = {one.name: one.why for one in (*plan.entries, *plan.left_out)}
    assert why["G1 L06"] == "pinned by a person"
    assert why["G1 L01"] == "0.99 an hour; its grid is on the stage"
    assert why["G1 L02"].startswith("0.20 an hour; all that is planned gives more")
    assert why["G2 L01"].startswith("to load its grid takes 15 min")
    assert why["G1 L03"] == "nothing is expected of it"
    assert why["G1 L04"] == "it needs 1667 min, and 133 min are left"
    assert why["G1 L05"] == "forbidden by a person (skip G1_L05)"
