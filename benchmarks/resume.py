"""SerialEM dies at many points of a session of two grids, and a person runs the script again.

The session has two grids of two lamellae and of one, screened first and then acquired at level 5;
SPACEtomo sets the scripts of Acquire at Items itself, and grids come back turned and shifted.
Nothing else goes wrong but one death of SerialEM after a command. All commands count: those of
SPACEtomo, of the post action and of the script that takes the tilt series. Their whole number is
divided into as many equal stretches as there are points, and the seed chooses one command in each.

The end is compared with that of the undisturbed session (`space.simulation.end_state` says what
is compared). The session runs a few times only: what a death would have left on disk is copied at
each point, and the rest is run from the copy. With --deaths, that many of the points are
repeated with a process that really ends, and what it leaves is compared with the copy.

    python -m benchmarks.resume --points 300 --json resume.json

The same again goes on with the points that are not in the file yet. `--points 0` prints the table
of what is in it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import PROJECT
from space.files import write_text_atomic
from space.simulation import DOINGS, Resumed, Resuming, spread
from space.simulator.column import DEATH_EXIT_CODE
from space.simulator.keeping import LOCK

AT_ONCE = 50
"""Copies on disk at the same time; each is some 10 MB."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1, help="of the points")
    parser.add_argument("--at", help="these commands instead, such as 12,450")
    parser.add_argument(
        "--deaths", type=int, default=0, help="points at which a process really ends"
    )
    parser.add_argument("--folder", type=Path, help="work here and leave all there")
    parser.add_argument("--json", type=Path, help="file for the numbers, renewed after each point")
    parser.add_argument("--die-at", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    values = read(args.json)
    with tempfile.TemporaryDirectory() as temporary:
        session = Resuming(args.folder or Path(temporary))
        if args.die_at:
            session.die(args.die_at)
        if args.points:
            session.begin()
            run(session, values, args)
    print("\n" + table(values["points"]))


def run(session: Resuming, values: dict[str, Any], args: argparse.Namespace) -> None:
    """Interrupt a session at all points; print and keep what became of each."""
    points = spread(session.commands, args.points, args.seed)
    if args.at:
        points = [int(number) for number in args.at.split(",")]
        values["points"] = [one for one in values["points"] if one["number"] not in points]
    values["commands"] = session.commands
    done = {one["number"] for one in values["points"]}
    left = [number for number in points if number not in done]
    print(f"{session.commands} commands; {len(left)} of {len(points)} points", flush=True)
    passes = -(-len(left) // AT_ONCE)
    for number in range(passes):  # each pass covers the whole session
        for death in session.keep(left[number::passes]):
            values["points"].append(told(session.resume(death)))
            show(values["points"][-1], len(values["points"]))
            write(args.json, values)
    for at in real_deaths(points, args.deaths):
        values["real deaths"].append(compare_with_real(session, at))
        print(values["real deaths"][-1], flush=True)
        write(args.json, values)


def told(resumed: Resumed) -> dict[str, Any]:
    """Return a point as plain values."""
    values = asdict(resumed)
    return {**values.pop("death"), **values}


def show(point: dict[str, Any], count: int) -> None:
    what = "; ".join(point["problems"]) or "same"
    print(
        f"{count:4d} at {point['number']:5d} {point['command']:24s} {point['doing']:46s} "
        f"{point['cpu_s']:5.1f} s  {what}",
        flush=True,
    )


def read(path: Path | None) -> dict[str, Any]:
    """Return the numbers of an earlier run, none if there was none."""
    if path is None or not path.is_file():
        return {"points": [], "real deaths": []}
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def write(path: Path | None, values: dict[str, Any]) -> None:
    if path is not None:
        text = json.dumps({**values, "summary": rows(values["points"])}, indent=1)
        write_text_atomic(path, text + "\n")


# --- the table ------------------------------------------------------------------------------------


def rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sum up the points by what the session was doing, and all of them."""
    groups = [(what, [p for p in found if p["doing"] == what]) for what in DOINGS]
    return [row(what, points) for what, points in [*groups, ("all", found)] if points]


def row(what: str, points: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "doing": what,
        "points": len(points),
        "same end": sum(not p["problems"] for p in points),
        "series cut": sum(bool(p["cut"]) for p in points),
        "map taken again": sum(bool(p["taken_again"]) for p in points),
        "files put aside": sum(bool(p["kept"]) for p in points),
        "cpu s": round(float(np.median([p["cpu_s"] for p in points])), 1),
    }


def table(found: list[dict[str, Any]]) -> str:
    """Return the sums as a table for a page of the docs."""
    lines = rows(found)
    if not lines:
        return "no points"
    cells = [list(lines[0]), *([str(value) for value in line.values()] for line in lines)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(cells[0]))]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths)) + " |"
        for line in cells
    )


# --- real deaths ----------------------------------------------------------------------------------


def real_deaths(points: list[int], count: int) -> list[int]:
    """Choose some of the points, spread over the session."""
    if not count:
        return []
    return [points[int(n)] for n in np.linspace(0, len(points) - 1, count)]


def compare_with_real(session: Resuming, number: int) -> dict[str, Any]:
    """Let a process die at a command; compare what it leaves with the copy, and go on."""
    (death,) = session.keep([number])
    command = [sys.executable, "-m", "benchmarks.resume", "--folder", str(session.folder)]
    ended = subprocess.run(
        [*command, "--die-at", str(number)], cwd=PROJECT, capture_output=True, check=False
    )
    copy = session.copy_of(number)
    differ = sorted(differing(copy, session.directory))
    shutil.rmtree(copy)
    return {
        "died": ended.returncode == DEATH_EXIT_CODE,
        "differing_files": differ,
        **told(session.resume_here(death)),
    }


def differing(copy: Path, directory: Path) -> Iterable[str]:
    """Names of files that only one of two folders has, or with other contents."""
    names = [
        {
            p.relative_to(folder).as_posix()
            for p in folder.rglob("*")
            if p.is_file() and p.name != LOCK
        }
        for folder in (copy, directory)
    ]
    yield from (f"only in one: {name}" for name in names[0] ^ names[1])
    for name in names[0] & names[1]:
        if (copy / name).read_bytes() != (directory / name).read_bytes():
            yield name


if __name__ == "__main__":
    main()
