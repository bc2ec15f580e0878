"""In which order jobs are done, so that the hours hold the highest expected value.

It is an orienteering problem with setup costs: a grid has to be loaded, a lamella to be moved to.
An order of all jobs is read from its beginning, and a job that does not fit into what is left is
passed over; every selection is such an order. The first order is greedy: what gives the most for
its time, with the setup it needs shared by the jobs that profit from it. Local search then moves
jobs, lamellae and grids to other places as long as that helps.

A job counts in full when it ends at once, and `EARLY` less at the end of the hours: the hours may
end sooner than thought, and what is done early is safe.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from space.planning.problem import Job, Problem, Ways

EARLY = 0.2
"""Part of its value that a job loses when it ends with the last minute, not the first."""

_MOST_TRIES = 6000
"""Orders that local search looks at: below a second for a night of 60 areas."""

_GAIN = 1.0001
"""A change has to give this much more: a plan that changes for nothing is hard to follow."""


@dataclass(frozen=True)
class Timed:
    """A job with its times, in seconds from now.

    Attributes
    ----------
    job : Job
    begin_s, end_s : float
    setup_s : float
        For the grid, the way to the lamella and what the lamella lacks; part of the time.
    load_s : float
        For the grid alone; part of the setup.
    """

    job: Job
    begin_s: float
    end_s: float
    setup_s: float
    load_s: float


@dataclass(frozen=True)
class _State:
    """Where the night is: seconds from now, grid and place of the stage, lamellae prepared."""

    now_s: float
    slot: str
    at_um: tuple[float, float] | None
    lamella: tuple[str, int] | None = None
    prepared: frozenset[tuple[str, int]] = frozenset()

    def setup(self, job: Job, ways: Ways) -> tuple[float, float]:
        """Return the seconds of setup that a job needs here, and those of them for the grid."""
        load_s = 0.0 if job.slot == self.slot else ways.load_s.get(job.slot, 0.0)
        setup_s = load_s + (0.0 if job.on_lamella in self.prepared else job.prepare_s)
        if job.on_lamella != self.lamella:
            same_grid = self.at_um is not None and job.slot == self.slot
            away_um = math.dist(self.at_um or (0, 0), job.place_um) if same_grid else 0.0
            setup_s += ways.move_s + ways.move_s_per_um * away_um
        return setup_s, load_s

    def after(self, job: Job, end_s: float) -> _State:
        """Return the state when a job has ended."""
        prepared = self.prepared | {job.on_lamella}
        return _State(end_s, job.slot, job.place_um, job.on_lamella, prepared)


class _Reader:
    """Reads orders: when each job ends, and what fits; counts how many were read."""

    def __init__(self, problem: Problem) -> None:
        self.ways, self.left_s = problem.ways, problem.left_s
        wishes = problem.wishes
        self._pinned = {job.key for job in problem.jobs if wishes.rank(job) < len(wishes.pinned)}
        self.read = 0

    @property
    def start(self) -> _State:
        """The state now."""
        return _State(0.0, self.ways.loaded, self.ways.at_um)

    def fits(self, job: Job, state: _State, setup_s: float) -> bool:
        """Whether a job can be done; what a person has pinned, as long as it can begin."""
        begin_s = state.now_s + setup_s
        return begin_s + job.seconds <= self.left_s or (
            begin_s < self.left_s and job.key in self._pinned
        )

    def times(self, order: Iterable[Job]) -> Iterator[Timed]:
        """Give the jobs of an order that fit, with their times."""
        self.read += 1
        state = self.start
        for job in order:
            if state.now_s + job.seconds > self.left_s and not self._pinned:
                continue  # most jobs of a long order, and most of the time
            setup_s, load_s = state.setup(job, self.ways)
            if self.fits(job, state, setup_s):
                end_s = state.now_s + setup_s + job.seconds
                yield Timed(job, state.now_s, end_s, setup_s, load_s)
                state = state.after(job, end_s)

    def value(self, order: Iterable[Job]) -> float:
        """Return what an order is expected to give; early results count a little more."""
        whole_s = max(self.left_s, 1.0)
        return sum(
            one.job.value * (1.0 - EARLY * min(1.0, one.end_s / whole_s))
            for one in self.times(order)
        )


def timed(problem: Problem, order: Sequence[Job]) -> tuple[Timed, ...]:
    """Return the jobs of an order that fit into the hours, with their times."""
    return tuple(_Reader(problem).times(order))


def expected_value(problem: Problem, order: Sequence[Job]) -> float:
    """Return what an order is expected to give within the hours; what local search improves."""
    return _Reader(problem).value(order)


def best_order(problem: Problem) -> tuple[Job, ...]:
    """Return an order of all jobs of a problem that are of value and not forbidden.

    What is pinned stands first, as the person has it; the order among the rest is free. The same
    problem has the same order, whatever the order of its jobs.
    """
    wishes = problem.wishes
    allowed = sorted(
        (job for job in problem.jobs if not wishes.why_forbidden(job)), key=lambda job: job.key
    )
    pinned = sorted(
        (job for job in allowed if wishes.rank(job) < len(wishes.pinned)),
        key=lambda job: (wishes.rank(job), -_density(job), job.key),
    )
    free = [job for job in allowed if job.value > 0 and job not in pinned]
    reader = _Reader(problem)
    head = len(pinned)
    starts = [[*pinned, *_greedy(reader, pinned, free)]]
    slots = sorted({job.slot for job in free})
    for first in slots if len(slots) > 1 else []:
        own = [job for job in free if job.slot == first]
        begun = [*pinned, *_greedy(reader, pinned, own)]
        others = [job for job in free if job.slot != first]
        starts.append([*begun, *_greedy(reader, begun, others)])
    starts.sort(key=reader.value, reverse=True)
    found = [_improved(reader, start, head, _MOST_TRIES // 2) for start in starts[:2]]
    best = found[0]
    for other in found[1:]:
        if reader.value(other) > _GAIN * reader.value(best):
            best = other
    return tuple(best)


def _density(job: Job) -> float:
    return job.value / max(job.seconds + job.prepare_s, 1.0)


# --- greedy ---------------------------------------------------------------------------------------


def _greedy(reader: _Reader, done: Sequence[Job], jobs: Sequence[Job]) -> list[Job]:
    """Return jobs by what they give for their time, each with the setup that it still needs."""
    rest: list[Job] = sorted(jobs, key=_density, reverse=True)
    order: list[Job] = []
    state = reader.start
    for one in reader.times(done):
        state = state.after(one.job, one.end_s)
    while rest:
        slots = dict.fromkeys(job.slot for job in rest)
        blocks = [_best_block(reader, state, [j for j in rest if j.slot == slot]) for slot in slots]
        _, first = max(blocks, key=lambda block: block[0])
        if first is None:  # nothing fits any more
            return order + rest
        setup_s, _ = state.setup(first, reader.ways)
        state = state.after(first, state.now_s + setup_s + first.seconds)
        order.append(first)
        rest.remove(first)
    return order


def _best_block(reader: _Reader, state: _State, jobs: Sequence[Job]) -> tuple[float, Job | None]:
    """Return the highest value for its time of the first jobs of a grid together, and the first.

    The grid is loaded once for all of them.
    """
    best, value, first, begun_s = 0.0, 0.0, None, state.now_s
    for job in jobs:
        setup_s, _ = state.setup(job, reader.ways)
        if not reader.fits(job, state, setup_s):
            continue
        first, value = first or job, value + job.value
        state = state.after(job, state.now_s + setup_s + job.seconds)
        best = max(best, value / max(state.now_s - begun_s, 1.0))
    return best, first


# --- local search ---------------------------------------------------------------------------------


def _improved(reader: _Reader, order: list[Job], head: int, most: int) -> list[Job]:
    """Return the order after moves that help; its first `head` jobs stay."""
    value, stop = reader.value(order), reader.read + most
    better = True
    while better and reader.read < stop:
        better = False
        for changed in _neighbours(order, head):
            found = reader.value(changed)
            if found > _GAIN * value:
                order, value, better = changed, found, True
                break
            if reader.read >= stop:
                break
    return order


def _neighbours(order: list[Job], head: int) -> Iterator[list[Job]]:
    """Give orders that are near: grids, lamellae and jobs moved, two jobs exchanged."""
    yield from _moved_together(order, head, lambda job: job.slot)
    yield from _moved_together(order, head, lambda job: job.on_lamella)
    count = len(order)
    for source in range(head, count):
        for target in range(head, count + 1):
            if target not in (source, source + 1):
                rest = order[:source] + order[source + 1 :]
                place = target - (target > source)
                yield [*rest[:place], order[source], *rest[place:]]
    for first in range(head, count):
        for second in range(first + 1, count):
            changed = list(order)
            changed[first], changed[second] = changed[second], changed[first]
            yield changed


def _moved_together(
    order: list[Job], head: int, group_of: Callable[[Job], object]
) -> Iterator[list[Job]]:
    """Give orders in which the jobs of a group stand together, before another group or last."""
    free = order[head:]
    groups = list(dict.fromkeys(group_of(job) for job in free))
    if len(groups) < 2:
        return
    for group in groups:
        own = [job for job in free if group_of(job) == group]
        rest = [job for job in free if group_of(job) != group]
        before: set[object] = set()
        for place, job in enumerate(rest):
            if group_of(job) not in before:
                before.add(group_of(job))
                yield [*order[:head], *rest[:place], *own, *rest[place:]]
        yield [*order[:head], *rest, *own]
