"""What there is to do in a session, what it is worth and what it takes: a problem to plan.

An area with targets is known by their scores. Of a lamella without targets, and of a grid that was
not seen, the usual of this session is expected.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean, median

from space.orders import Standing
from space.overview import AreaFacts, GridFacts, LamellaFacts, SessionFacts
from space.planning import (
    Candidate,
    Chance,
    Job,
    Pace,
    Problem,
    Result,
    Ways,
    Wishes,
    chance_of,
    value_of_thickness,
)
from space.replanning.became import Became

LAMELLAE_EXPECTED, SERIES_EXPECTED, SCORE_EXPECTED = 4.0, 4.0, 0.3
"""Of a grid, of a lamella, of a target, before a session has shown others."""

_FAILED_AGAIN = 0.3
"""Part of the lamellae whose segmentation failed that a second try sets up."""

_LEAST_AND_MOST_SHOWN = 0.05, 4.0
"""Limits of what a map promises, as a multiple of the usual."""

_UNSEEN = ("not begun", "finding")
_NO_TARGETS_YET = ("found", "mapped", "segmenting", "failed")


@dataclass(frozen=True)
class Usual:
    """What is usual in a session: lamellae of a grid, series of a lamella, score of a target."""

    lamellae: float
    series: float
    score: float


def problem_of(
    session: SessionFacts,
    seen: Became,
    standing: Standing,
    pace: Pace,
    left_s: float,
    loaded: str = "",
    failed: Collection[tuple[str, int]] = (),
    wanted_px: Mapping[tuple[str, int], float] | None = None,
) -> Problem:
    """Return what is to be planned in a session.

    Parameters
    ----------
    session : SessionFacts
    seen : Became
        What its series became so far.
    standing : Standing
        Orders of a person.
    pace : Pace
    left_s : float
        Seconds that are left.
    loaded : str
        Slot of the grid on the stage.
    failed : collection of (str, int)
        Lamellae (slot, number) whose focus and tilt range were tried and failed.
    wanted_px : mapping of (str, int) to float, optional
        How much of what is wanted their maps show.
    """
    results = [_result(grid, one, seen) for grid in session.grids for one in grid.visited]
    judged = [one for one in results if one.series]
    usual = usual_of(session)
    shown = shown_by_maps(session, wanted_px or {})
    jobs = [
        job
        for grid in session.grids
        for job in _jobs_of_grid(grid, judged, pace, usual, shown, standing.turned_off, failed)
    ]
    ways = Ways(
        {grid.slot: pace.load_s for grid in session.grids},
        pace.move_s,
        pace.move_s_per_um,
        loaded,
    )
    return Problem(tuple(jobs), ways, max(0.0, left_s), wishes_of(session, standing))


def usual_of(session: SessionFacts) -> Usual:
    """Return what is usual in a session, as far as it is known."""
    seen = [grid for grid in session.grids if grid.state not in _UNSEEN]
    counts = [len(grid.visited) for grid in seen]
    decided = [one for one in session.lamellae if one.areas or one.state == "no targets"]
    scores = [
        s.score for one in decided for a in one.areas for s in a.series if s.score is not None
    ]
    return Usual(
        fmean(counts) if counts else LAMELLAE_EXPECTED,
        fmean(one.targets for one in decided) if decided else SERIES_EXPECTED,
        median(scores) if scores else SCORE_EXPECTED,
    )


def shown_by_maps(
    session: SessionFacts, wanted_px: Mapping[tuple[str, int], float]
) -> dict[tuple[str, int], float]:
    """Return how much of what is wanted maps show, as a multiple of the usual.

    The usual is that of lamellae whose targets are known; before there are any, that of all.
    """
    with_targets = [
        (grid.slot, one.number) for grid in session.grids for one in grid.visited if one.areas
    ]
    like = [wanted_px[key] for key in with_targets if key in wanted_px] or [*wanted_px.values()]
    usual = fmean(like) if like else 0.0
    if usual <= 0:
        return {}
    least, most = _LEAST_AND_MOST_SHOWN
    return {key: min(most, max(least, px / usual)) for key, px in wanted_px.items()}


def wishes_of(session: SessionFacts, standing: Standing) -> Wishes:
    """Return what a person has pinned and forbidden."""
    slots = {grid.name: grid.slot for grid in session.grids if grid.name}
    pinned = [(slots[grid], number) for grid, number in standing.pinned if grid in slots]
    pinned += [(slot, 0) for slot in standing.pinned_grids]
    forbidden = {
        (slots[grid], number): f"skip {grid}_L{number:02d}"
        for grid, number in standing.skipped
        if grid in slots
    }
    forbidden.update({(slot, 0): f"skip grid {slot}" for slot in standing.skipped_grids})
    return Wishes(tuple(pinned), forbidden)


# --- lamellae -------------------------------------------------------------------------------------


def _candidate(grid: GridFacts, lamella: LamellaFacts) -> Candidate:
    category = lamella.category or ("by hand" if lamella.by_hand else "")
    sure = 1.0 if lamella.by_hand else lamella.probability
    return Candidate(grid.slot, lamella.number, category, sure)


def _result(grid: GridFacts, lamella: LamellaFacts, seen: Became) -> Result:
    judged = seen.worth.get((grid.slot, lamella.number), ())
    good = sum(worth * value_of_thickness(thickness) for worth, thickness in judged)
    return Result(_candidate(grid, lamella), good, len(judged))


def _jobs_of_grid(
    grid: GridFacts,
    results: list[Result],
    pace: Pace,
    usual: Usual,
    shown: Mapping[tuple[str, int], float],
    turned_off: Collection[str],
    failed: Collection[tuple[str, int]],
) -> Iterator[Job]:
    if grid.state in _UNSEEN:
        yield from _jobs_unseen(grid, results, pace, usual)
        return
    for lamella in grid.visited:
        chance = chance_of(_candidate(grid, lamella), results)
        if (grid.slot, lamella.number) in failed:
            chance = Chance(0.0, "its focus and tilt range were tried and failed")
        if lamella.state in _NO_TARGETS_YET:
            multiple = shown.get((grid.slot, lamella.number))
            yield _job_without_targets(grid, lamella, chance, pace, usual, multiple)
            continue
        for area in lamella.areas:
            if _is_open(area, turned_off):
                yield _job_of_area(grid, lamella, area, chance, pace, usual)


def _is_open(area: AreaFacts, turned_off: Collection[str]) -> bool:
    """Whether an area is to be acquired: a person may have turned its Acquire off."""
    wanted = area.acquire or area.targets_file.name in turned_off
    return wanted and area.in_navigator and not area.begun and not area.problem


def _job_of_area(
    grid: GridFacts,
    lamella: LamellaFacts,
    area: AreaFacts,
    chance: Chance,
    pace: Pace,
    usual: Usual,
) -> Job:
    scores = [usual.score if s.score is None else s.score for s in area.series if not s.skip]
    how = f"{len(scores)} targets, scores {fmean(scores):.2f}" if scores else "no targets"
    return Job(
        grid.slot,
        lamella.number,
        area.number,
        len(scores),
        sum(scores) * chance.value,
        pace.of_area(len(scores)),
        place_um=lamella.position_um,
        why=_how(how, chance),
    )


def _job_without_targets(
    grid: GridFacts,
    lamella: LamellaFacts,
    chance: Chance,
    pace: Pace,
    usual: Usual,
    multiple: float | None,
) -> Job:
    part = _FAILED_AGAIN if lamella.state == "failed" else 1.0
    map_s = pace.map_s if lamella.state == "found" else 0.0
    expected = usual.series * (1.0 if multiple is None else multiple)
    how = f"no targets yet: {expected:.1f} expected, score {usual.score:.2f}"
    if multiple is not None:
        how += f" (its map shows {multiple:.2g} x the usual of what is wanted)"
    if lamella.state == "failed":
        how += ", its segmentation failed before"
    return Job(
        grid.slot,
        lamella.number,
        0,
        math.ceil(expected),
        expected * usual.score * chance.value * part,
        pace.of_area(math.ceil(expected)),
        map_s + pace.targets_s,
        lamella.position_um,
        _how(how, chance),
    )


def _jobs_unseen(grid: GridFacts, results: list[Result], pace: Pace, usual: Usual) -> Iterator[Job]:
    """Give jobs for the lamellae that are expected on a grid that was not seen."""
    chance = chance_of(Candidate(grid.slot, 0, "", 0.0), results)
    how = f"not seen yet: {usual.lamellae:.0f} lamellae expected, as on other grids"
    for number in range(1, round(usual.lamellae) + 1):
        yield Job(
            grid.slot,
            0,
            number,
            math.ceil(usual.series),
            usual.series * usual.score * chance.value,
            pace.map_s + pace.targets_s + pace.of_area(math.ceil(usual.series)),
            pace.find_s,
            why=_how(how, chance),
        )


def _how(what: str, chance: Chance) -> str:
    return f"{what}; {chance.value:.0%} likely good: {chance.why}"
