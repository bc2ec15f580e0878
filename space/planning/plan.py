"""The plan of a night: what is done when, what is left out, and why, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from space.planning.ordering import Timed, best_order, timed
from space.planning.problem import HOUR_S, Job, Problem

PINNED = "pinned by a person"
"""Why an entry stands where it does, for one that a person wants first."""


@dataclass(frozen=True)
class Entry:
    """One entry of a plan, or of what it leaves out.

    Attributes
    ----------
    slot, grid : str
        Autoloader slot, and the name of the grid if it is known.
    lamella, area : int
        0 where they are not known yet.
    series : int
        Number of tilt series.
    value : float
        Expected; 1 is one good series whose whole field is wanted.
    begin_s : float
        Seconds after the plan was made; 0 for what is left out.
    setup_s, seconds : float
        For what comes before (grid, map, targets, way), and for the series themselves.
    why : str
    how : str
        How the value comes about.
    """

    slot: str
    grid: str
    lamella: int
    area: int
    series: int
    value: float
    begin_s: float
    setup_s: float
    seconds: float
    why: str
    how: str = ""

    @property
    def name(self) -> str:
        """What people call it: ``G1 L03 area 2``."""
        grid = self.grid or f"slot {self.slot}"
        if not self.lamella:
            return f"{grid}, lamellae expected"
        return f"{grid} L{self.lamella:02d}" + (f" area {self.area}" if self.area > 1 else "")

    @property
    def is_pinned(self) -> bool:
        """Whether a person wants it first."""
        return self.why == PINNED

    @property
    def own_per_hour(self) -> float:
        """Expected value for each hour of its series alone."""
        return self.value / max(self.seconds, 1.0) * HOUR_S

    @property
    def per_hour(self) -> float:
        """Expected value for each hour, setup included."""
        return self.value / max(self.setup_s + self.seconds, 1.0) * HOUR_S


@dataclass(frozen=True)
class Plan:
    """The plan of a night.

    Attributes
    ----------
    made_utc : str
        When it was made (ISO).
    hours, left_s : float
        The hours that were given, and the seconds that were left of them.
    entries : tuple of Entry
        In their order.
    left_out : tuple of Entry
        The most valuable first.
    notes : tuple of str
        What it rests on: what was measured, what a person wants.
    """

    made_utc: str = ""
    hours: float = 0.0
    left_s: float = 0.0
    entries: tuple[Entry, ...] = ()
    left_out: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def value(self) -> float:
        """Expected value of all entries."""
        return sum(entry.value for entry in self.entries)

    @property
    def series(self) -> int:
        """Number of tilt series of all entries."""
        return sum(entry.series for entry in self.entries)

    def slots(self) -> tuple[str, ...]:
        """Return the slots of the grids in the order in which they come first."""
        return tuple(dict.fromkeys(entry.slot for entry in self.entries))

    def of_grid(self, grid: str) -> tuple[Entry, ...]:
        """Return the entries of a grid, by its name, in their order."""
        return tuple(entry for entry in self.entries if entry.grid == grid)


def make_plan(
    problem: Problem,
    hours: float,
    made_utc: str,
    names: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> Plan:
    """Return the plan of a problem.

    Parameters
    ----------
    problem : Problem
    hours : float
        As they were given; `problem` has what is left of them.
    made_utc : str
        When it is made.
    names : mapping of str to str, optional
        Names of grids by slot.
    notes : sequence of str
        What it rests on.
    """
    grids = names or {}
    done = timed(problem, best_order(problem))
    taken = {one.job for one in done}
    wishes = problem.wishes
    free = [one for one in done if wishes.rank(one.job) >= len(wishes.pinned)]
    lowest = min((_per_hour(one) for one in free), default=0.0)
    entries = tuple(
        _entry(one.job, grids, one.begin_s, one.setup_s, _why_taken(problem, one)) for one in done
    )
    left_out = [
        _entry(job, grids, 0.0, _alone_s(problem, job), _why_not(problem, job, done, lowest))
        for job in problem.jobs
        if job not in taken
    ]
    left_out.sort(key=lambda entry: (-entry.value, entry.name))
    return Plan(made_utc, hours, problem.left_s, entries, tuple(left_out), tuple(notes))


def _entry(job: Job, grids: Mapping[str, str], begin_s: float, setup_s: float, why: str) -> Entry:
    grid = grids.get(job.slot, "")
    return Entry(
        job.slot, grid, job.lamella, job.area, job.series, job.value, begin_s, setup_s,
        job.seconds, why, job.why,
    )  # fmt: skip


def _per_hour(one: Timed) -> float:
    return one.job.value / max(one.end_s - one.begin_s, 1.0) * HOUR_S


def _why_taken(problem: Problem, one: Timed) -> str:
    wishes = problem.wishes
    if wishes.rank(one.job) < len(wishes.pinned):
        return PINNED
    words = f"{_per_hour(one):.2f} an hour"
    if one.load_s > 0:
        return f"{words}; its grid is loaded for this and what follows on it ({_min(one.load_s)})"
    if one.job.slot == problem.ways.loaded:
        return f"{words}; its grid is on the stage"
    return f"{words}; its grid is loaded by then"


def _alone_s(problem: Problem, job: Job) -> float:
    load_s = 0.0 if job.slot == problem.ways.loaded else problem.ways.load_s.get(job.slot, 0.0)
    return load_s + job.prepare_s + problem.ways.move_s


def _why_not(problem: Problem, job: Job, done: Sequence[Timed], lowest: float) -> str:
    """Return why a job is left out."""
    order = problem.wishes.why_forbidden(job)
    if order:
        return f"forbidden by a person ({order})"
    if job.value <= 0:
        return "nothing is expected of it"
    visited = any(one.job.slot == job.slot for one in done)
    load_s = 0.0 if visited or job.slot == problem.ways.loaded else _alone_s(problem, job)
    needs_s = job.seconds + (load_s or job.prepare_s + problem.ways.move_s)
    if needs_s > problem.left_s:
        return f"it needs {_min(needs_s)}, and {_min(problem.left_s)} are left"
    per_hour = job.value / needs_s * HOUR_S
    if load_s > 0 and job.value / max(job.seconds, 1.0) * HOUR_S > lowest >= per_hour:
        return f"to load its grid takes {_min(problem.ways.load_s.get(job.slot, 0.0))}"
    if per_hour <= lowest:
        return f"{per_hour:.2f} an hour; all that is planned gives more"
    return f"{per_hour:.2f} an hour; with it, something of more value would have no time"


def _min(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min"
