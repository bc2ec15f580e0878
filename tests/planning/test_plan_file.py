"""The plan on disk and in words."""

from __future__ import annotations

import json

import pytest

from space import planning
from space.planning import Job, Problem, Ways, make_plan, read_plan, write_plan


@pytest.fixture
def plan():
    jobs = tuple(
        Job("1" if k < 3 else "2", k, k % 2, 4, 1.5 + k, 3000.0, why=f"score {k}") for k in range(6)
    )
    problem = Problem(jobs, Ways({"2": 900.0}, 20.0, loaded="1"), 10_000.0)
    return make_plan(problem, 12.0, "2026-01-01T00:00:00+00:00", {"1": "G1"}, ("measured: no",))


def test_a_plan_is_read_as_it_was_written(plan, tmp_path):
    write_plan(tmp_path, plan)
    found = read_plan(tmp_path)
    assert planning.plan_table(found) == planning.plan_table(plan)
    table = json.loads((tmp_path / planning.PLAN_FILE).read_text(encoding="utf-8"))
    assert "SPACE_control.txt" in table["about"]
    assert all(entry["why"] and entry["how"] for entry in table["entries"] + table["left_out"])


@pytest.mark.parametrize("values", [{}, [], {"format": 99}, {"format": 1, "entries": 5}])
def test_an_odd_plan_plans_nothing(values, tmp_path):
    (tmp_path / planning.PLAN_FILE).write_text(json.dumps(values), encoding="utf-8")
    found = read_plan(tmp_path)
    assert found is None or not (found.entries or found.left_out)


def test_entries_that_cannot_be_read_are_as_if_not_there(plan, tmp_path):
    table = planning.plan_table(plan)
    table["entries"][0]["lamella"] = -3
    table["left_out"][0]["area"] = "two"
    (tmp_path / planning.PLAN_FILE).write_text(json.dumps(table), encoding="utf-8")
    found = read_plan(tmp_path)
    assert len(found.entries) == len(plan.entries) - 1
    assert len(found.left_out) == len(plan.left_out) - 1


def test_a_plan_in_words_names_all_that_a_person_asks_for(plan):
    text = "\n".join(planning.lines(plan, most=2))
    assert f"expected value {plan.value:.1f}" in text and "of 12 h" in text
    assert plan.entries[0].name in text and plan.entries[0].why in text
    assert f"Left out ({len(plan.left_out)}):" in text
    assert [row[1] for row in planning.rows(plan)] == [entry.name for entry in plan.entries]
    names = {entry.name for entry in (*plan.entries, *plan.left_out)}
    assert {"G1, lamellae expected", "G1 L01", "slot 2 L05"} <= names
