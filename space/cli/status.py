"""``spacetomo status``: where a session stands, what comes next, and how long it takes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

from space import journal, overview, planning
from space.cli import given
from space.overview import GridFacts, LamellaFacts, Rest, SessionFacts

FORMAT = 1
"""Of the JSON; a new number means that something was renamed or left out."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    status = commands.add_parser(
        "status",
        help="where a session stands, what comes next, and how long it takes",
        description="Reads the files of a session and says where each grid and each lamella "
        "stands. Needs no microscope and changes nothing. The exit status is 0 when nothing needs "
        "a person, 1 when something does, 2 when there is no session.",
        epilog="Example: spacetomo status D:/sessions/today",
    )
    given.add_session(status)
    status.add_argument("--json", action="store_true", help="print all of it as JSON")
    status.set_defaults(do=_status)


def _status(args: argparse.Namespace) -> int:
    session = overview.read_session(args.session, args.maps)
    rest = overview.time_left(session, journal.read(args.session))
    if args.json:
        print(json.dumps(as_table(session, rest), indent=1))
    else:
        print("\n".join(lines(session, rest)))
    return 1 if overview.attention(session) else 0


def lines(session: SessionFacts, rest: Sequence[Rest]) -> Iterator[str]:
    """Say where a session stands, a line for each grid and lamella."""
    level = session.settings.automation_level if session.settings else None
    upto = f", up to level {level} ({overview.LEVELS[level]})" if level else ""
    yield f"{session.directory}: {overview.counts(session.lamellae)}{upto}"
    for grid in session.grids:
        yield ""
        yield f"Grid {grid.title}: {grid.state}. Next: {overview.next_step(grid)}."
        for lamella in grid.lamellae:
            yield f"  {_line(lamella)}"
    yield ""
    yield f"Time left: {overview.total(rest)}"
    for one in rest:
        each = "unknown" if one.each_s is None else f"{overview.in_words(one.each_s)} each"
        yield f"  {one.count} x {one.work}: {each}"
    plan = overview.plan_of(session)
    if plan is not None:
        yield ""
        yield from planning.lines(plan)
    for text in overview.attention(session):
        yield f"Attention: {text}"


def _line(lamella: LamellaFacts) -> str:
    label = lamella.label if lamella.number else "-"
    about = f"{label:<4} {lamella.state:<11} {lamella.category} ({lamella.probability:.0%})"
    details = []
    if lamella.areas:
        areas = f" in {len(lamella.areas)} areas" if len(lamella.areas) > 1 else ""
        details.append(f"{lamella.targets} targets{areas}")
    if lamella.series:
        pictures = [series.pictures for series in lamella.series]
        span = f"{min(pictures)} to {max(pictures)}" if len(set(pictures)) > 1 else pictures[0]
        details.append(f"{len(lamella.series)} tilt series of {span} pictures")
    if lamella.state in ("mapped", "segmenting") and lamella.segmentation != "none":
        details.append(f"segmentation: {lamella.segmentation}")
    if lamella.why:
        details.append(lamella.why)
    return ", ".join((about, *details))


def as_table(session: SessionFacts, rest: Sequence[Rest]) -> dict[str, Any]:
    """Return where a session stands as plain values."""
    problems = overview.attention(session)
    plan = overview.plan_of(session)
    seconds = [one.seconds for one in rest]
    return {
        "format": FORMAT,
        "directory": str(session.directory),
        "map_dir": str(session.map_dir),
        "level": session.settings.automation_level if session.settings else None,
        "exit_code": 1 if problems else 0,
        "attention": list(problems),
        "seconds_left": None if None in seconds else sum(s for s in seconds if s is not None),
        "left": [{"work": one.work, "count": one.count, "each_s": one.each_s} for one in rest],
        "grids": [_grid(grid) for grid in session.grids],
        "plan": None if plan is None else planning.plan_table(plan),
    }


def _grid(grid: GridFacts) -> dict[str, Any]:
    return {
        "name": grid.name,
        "slot": grid.slot,
        "state": grid.state,
        "next": overview.next_step(grid),
        "problems": list(grid.problems),
        "lamellae": [overview.lamella_table(lamella) for lamella in grid.lamellae],
    }
