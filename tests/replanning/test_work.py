"""What there is to do in a session as jobs of a plan, and what series so far teach."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from space import overview, planning
from space.journal import Event, Kind
from space.orders import Standing
from space.overview import AreaFacts, GridFacts, LamellaFacts, SeriesFacts, SessionFacts
from space.planning import PRIOR, chance_of
from space.replanning import Became, became, problem_of
from space.replanning.renewing import pace_of
from tests.replanning.mdocs import write_mdoc

HOURS = 12 * 3600.0
NO_ORDERS, NOTHING = Standing(), Became()


def area(number: int = 1, scores=(0.5, 0.5), **about) -> AreaFacts:
    values = {"in_navigator": True, "acquire": True, **about}
    series = tuple(SeriesFacts(f"ts_{k}.mrc", k, score=s) for k, s in enumerate(scores, 1))
    name = f"G1_L01{f'_area{number}' if number > 1 else ''}_tgts.txt"
    values = {"targets": len(series), "series": series, **values}
    return AreaFacts(number, Path(name), Path(name), **values)


def lamella(number: int, state: str = "ready", category: str = "good", **about) -> LamellaFacts:
    return LamellaFacts(number, category, 1.0, (10.0 * number, 0), (9, 9), state, **about)


def grid(slot: str, *lamellae: LamellaFacts) -> GridFacts:
    return GridFacts(
        f"G{slot}", slot, Path("G.nav"), None, Path("l.json"), lamellae=tuple(lamellae)
    )


def jobs(*grids: GridFacts, standing=NO_ORDERS, seen=NOTHING, **about):
    session = SessionFacts(Path("."), None, Path("."), grids)
    found = problem_of(session, seen, standing, PRIOR, HOURS, **about)
    return {job.key: job for job in found.jobs}, found


def test_an_area_is_worth_its_scores_times_the_chance_of_its_lamella():
    found, problem = jobs(grid("1", lamella(1, areas=(area(scores=(0.6, 0.4, None)),))))
    job = found["1", 1, 1]
    assert job.series == 3
    assert job.value == pytest.approx(planning.CLASS_PRIORS["good"] * 1.5)  # None: as usual
    assert job.seconds == PRIOR.of_area(3) and job.prepare_s == 0
    assert "3 targets" in job.why and "85% likely good: good (100%)" in job.why
    assert problem.left_s == HOURS and problem.ways.load_s == {"1": PRIOR.load_s}


@pytest.mark.parametrize(
    ("changed", "there"),
    [
        ({}, True),
        ({"acquire": False}, False),  # a person turned it off
        ({"begun": True}, False),
        ({"in_navigator": False}, False),
        ({"problem": "cut"}, False),
    ],
)
def test_only_what_is_open_is_planned(changed, there):
    found, _ = jobs(grid("1", lamella(1, areas=(area(**changed),))))
    assert (("1", 1, 1) in found) == there


def test_what_the_plan_turned_off_may_come_back():
    off = area(acquire=False)
    found, _ = jobs(
        grid("1", lamella(1, areas=(off,))), standing=Standing(turned_off={off.targets_file.name})
    )
    assert ("1", 1, 1) in found


def test_a_lamella_without_targets_is_expected_to_be_like_others():
    known = lamella(1, areas=(area(scores=(0.8,) * 6),))
    found, _ = jobs(grid("1", known, lamella(2, "mapped"), lamella(3, "found")))
    mapped, unmapped = found["1", 2, 0], found["1", 3, 0]
    assert mapped.value == pytest.approx(found["1", 1, 1].value) and mapped.series == 6
    assert unmapped.prepare_s == mapped.prepare_s + PRIOR.map_s


def test_a_grid_that_was_not_seen_is_expected_to_have_lamellae():
    seen = grid("1", *(lamella(n, areas=(area(),)) for n in range(1, 4)))
    found, _ = jobs(seen, GridFacts("", "2"))
    assert [key for key in found if key[0] == "2"] == [("2", 0, n) for n in (1, 2, 3)]
    assert found["2", 0, 1].prepare_s == PRIOR.find_s


def test_a_failed_trial_leaves_a_lamella_out():
    found, _ = jobs(grid("1", lamella(1, areas=(area(),))), failed=[("1", 1)])
    assert found["1", 1, 1].value == 0 and "tried and failed" in found["1", 1, 1].why


def test_orders_become_wishes():
    standing = Standing(skipped={("G1", 2), ("G9", 1)}, skipped_grids={"2"},
                        pinned=(("G1", 3), ("G9", 1)), pinned_grids=("1",))  # fmt: skip
    _, problem = jobs(grid("1", lamella(3)), grid("2"), standing=standing)
    assert problem.wishes.pinned == (("1", 3), ("1", 0))
    assert dict(problem.wishes.forbidden) == {("1", 2): "skip G1_L02", ("2", 0): "skip grid 2"}


# --- what became of series ------------------------------------------------------------------------


def acquired(folder: Path, number: int, begin: datetime, lost: bool = False) -> AreaFacts:
    names = [f"G1_L{number:02d}_ts_{k:03d}.mrc" for k in (1, 2)]
    paths = [write_mdoc(folder / f"{name}.mdoc", begin, lost) for name in names]
    series = tuple(
        SeriesFacts(name, k, path.with_suffix(""), path, score=0.5, pictures=41,
                    lowest_deg=-60, highest_deg=60)
        for k, (name, path) in enumerate(zip(names, paths), 1)
    )  # fmt: skip
    return area(begun=True, acquire=False, series=series)


def test_lost_series_lower_the_value_of_the_rest_of_a_lamella_and_of_its_class(tmp_path):
    begin = datetime(2026, 1, 1, 22, 0)
    done = acquired(tmp_path, 1, begin, lost=True)
    facts = (
        lamella(1, "begun", areas=(done, area(2))),
        lamella(2, areas=(area(),)),
        lamella(3, areas=(area(),), category="thick"),
    )
    session = SessionFacts(tmp_path, None, tmp_path, (grid("1", *facts),))
    seen = became(session)
    assert [worth for worth, _ in seen.worth["1", 1]] == [0.0, 0.0]
    before, _ = jobs(*session.grids)
    after, _ = jobs(*session.grids, seen=seen)
    assert after["1", 1, 2].value < 0.4 * before["1", 1, 2].value
    assert 0.5 < after["1", 2, 1].value / before["1", 2, 1].value < 0.9
    assert after["1", 3, 1].value < before["1", 3, 1].value  # the grid does worse, too
    assert "0 of its first 2 series came out well" in after["1", 1, 2].why


def test_good_series_that_are_being_acquired_are_not_judged(tmp_path):
    running = replace(acquired(tmp_path, 1, datetime(2026, 1, 1)), acquire=True)
    session = SessionFacts(
        tmp_path, None, tmp_path, (grid("1", lamella(1, "begun", areas=(running,))),)
    )
    assert became(session) == Became({}, ())


def test_times_are_measured_from_the_pictures_of_the_areas(tmp_path):
    begin = datetime(2026, 1, 1, 22, 0)
    lamellae = [
        lamella(n, "acquired", areas=(acquired(tmp_path, n, begin + timedelta(hours=n)),))
        for n in (1, 2)
    ]
    session = SessionFacts(tmp_path, None, tmp_path, (grid("1", *lamellae),))
    seen = became(session)
    assert [count for count, _ in seen.areas] == [2, 2]
    assert seen.areas[1][1] == pytest.approx(3600.0)  # from the end of one to that of the next
    pace = pace_of(seen, ())
    assert pace.of_area(2) == pytest.approx((seen.areas[0][1] + 3600) / 2)
    assert pace.map_s == PRIOR.map_s


def test_the_time_to_load_a_grid_is_that_of_the_journal():
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    kinds = (Kind.RUN_STARTED, Kind.GRID_LOADED, Kind.LEVEL_DONE, Kind.GRID_LOADED,
             Kind.GRID_REALIGNED)  # fmt: skip
    minutes = (0, 5, 20, 25, 29)
    events = [Event(start + timedelta(minutes=m), kind) for m, kind in zip(minutes, kinds)]
    assert pace_of(Became(), events).load_s == pytest.approx((5 + 9) / 2 * 60)
    assert overview.gap_s(events, Kind.LAMELLA_MAPPED) is None


def test_thick_series_are_worth_less():
    one = planning.Candidate("1", 1, "good", 1.0)
    thin = chance_of(one, [planning.Result(one, 4.0, 4)]).value
    thick = chance_of(one, [planning.Result(one, 4.0 * planning.value_of_thickness(2.0), 4)]).value
    assert thick < 0.6 * thin
