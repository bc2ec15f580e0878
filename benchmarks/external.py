"""Sessions from outside of SerialEM: the same as inside, also when the line is cut.

First, three sessions (seeds of specimen and microscope) run inside the simulated SerialEM and from
another process, which names the session's folder as a Windows computer does. Compared are the
targets files, byte by byte, and the ends of the sessions (`space.simulation.end_state`).

Then the line is cut. The commands of a session without cuts are divided into as many equal
stretches as there are points, and the seed chooses one in each; of these, `--together` are cut in
one session. As many others are chosen among the orders that must not be carried out twice, each in
a session of its own. One half of the cuts comes before the command is carried out, one after it;
every fifth makes SerialEM silent for a second. The truth says what was lost or taken twice.

    python -m benchmarks.external --json external.json
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from space.files import write_text_atomic
from space.microscope.repeating import witness_of
from space.simulation import (
    WINDOWS_FOLDER,
    EndState,
    Night,
    Outside,
    OutsideOutcome,
    grids_of_seeds,
    make_project,
    spread,
)
from space.simulator.serving import AFTER, BEFORE, Cut

PIXEL_NM = 48
LARGE = {"limit_um": 240.0, "settings": {"max_targets": 2, "MM_padding_factor": 1.0}}
SMALL = {"limit_um": 160.0, "settings": {"max_targets": 1, "MM_padding_factor": 1.0}}
_WITHIN_UM = {id(LARGE): 150.0, id(SMALL): 90.0}


class Sessions:
    """Sessions of one specimen in a folder: one inside, and as many as wanted from outside."""

    def __init__(self, folder: Path, seed: int, lamellae: int, how: dict[str, Any]) -> None:
        self.folder, self.how = folder, {**how, "seed": seed}
        self.seeds = {1: (20 + seed, lamellae, _WITHIN_UM[id(how)])}
        self.grids = grids_of_seeds(self.seeds)
        self.project = folder / "project"
        folder.mkdir(parents=True, exist_ok=True)
        if not self.project.is_dir():
            make_project(self.project, segmentation_pixel_nm=PIXEL_NM)
        self.inside = self._night(Night, "inside")
        if not self.inside.run().ended:
            raise RuntimeError("The session inside has not ended well.")

    def outside(self, cuts: list[Cut]) -> tuple[Outside, OutsideOutcome]:
        """Run a session from outside."""
        shutil.rmtree(self.folder / "outside", ignore_errors=True)
        night = self._night(
            Outside, "outside", grid_seeds=self.seeds, named=WINDOWS_FOLDER, cuts=cuts
        )
        return night, night.run_outside()

    def compared(self, night: Night) -> tuple[bool, bool, int]:
        """Return whether targets and end are those of the session inside; and how many targets."""
        names = [grid.name for grid in self.grids.values()]
        files = sorted(path.name for path in self.inside.directory.glob("*_tgts.txt"))
        same = all(
            (night.directory / name).is_file()
            and (night.directory / name).read_bytes() == (self.inside.directory / name).read_bytes()
            for name in files
        )
        ends = [EndState.of(one.directory, names) for one in (self.inside, night)]
        return same, _plain(ends[0]) == _plain(ends[1]), sum(ends[0].targets.values())

    def _night(self, kind: Any, name: str, **more: Any) -> Any:
        directory = self.folder / name / "session"
        return kind(directory, self.project, self.grids, **self.how, **more)


def _plain(state: EndState) -> dict[str, Any]:
    files = {name for name in state.files if not name.startswith("SPACE_line")}
    return {**vars(state), "files": files}


def same_as_inside(folder: Path, seeds: list[int]) -> list[dict[str, Any]]:
    """Compare sessions from outside with those inside."""
    rows = []
    for seed in seeds:
        sessions = Sessions(folder / f"seed{seed}", seed, 2, LARGE)
        night, outcome = sessions.outside([])
        targets, end, count = sessions.compared(night)
        rows.append(
            {
                "seed": seed,
                "commands": len(outcome.commands),
                "targets": count,
                "same targets files": targets,
                "same end": end,
                "done": outcome.done,
            }
        )
        print(rows[-1], flush=True)
    return rows


def cuts_of(commands: list[str], points: int, orders: int, together: int, seed: int) -> list[Any]:
    """Choose the cuts of each session."""
    random = np.random.default_rng((seed, 77))
    anywhere = spread(len(commands), points, seed)
    groups = [anywhere[first :: -(-points // together)] for first in range(-(-points // together))]
    able = [n for n, name in enumerate(commands, start=1) if witness_of(name) is not None]
    chosen = [able[int(n)] for n in np.linspace(0, len(able) - 1, orders)] if orders else []
    groups += [[at] for at in chosen]
    number, found = 0, []
    for group in groups:
        cuts = []
        for at in group:
            when = AFTER if random.random() < 0.5 else BEFORE
            cuts.append(Cut(at, when, 1.0 if number % 5 == 4 else 0.0))
            number += 1
        found.append(cuts)
    return found


def with_cuts(folder: Path, args: argparse.Namespace, values: dict[str, Any]) -> None:
    """Cut the line at many points."""
    sessions = Sessions(folder / "cut", 1, 1, SMALL)
    _, whole = sessions.outside([])
    values["commands"] = len(whole.commands)
    for cuts in cuts_of(whole.commands, args.points, args.orders, args.together, args.seed):
        began = time.monotonic()
        night, outcome = sessions.outside(cuts)
        targets, end, _ = sessions.compared(night)
        values["cut sessions"].append(
            {
                "cuts": [[cut.at, cut.when, outcome.commands[cut.at - 1]] for cut in cuts],
                "new runs": outcome.new_runs,
                "done": outcome.done,
                "series lost": sum(one.state != "done" for one in outcome.night.lamellae),
                "pictures twice": outcome.night.repeated,
                "double exposed px": outcome.night.double_exposed_px,
                "same targets files": targets,
                "same end": end,
            }
        )
        print(f"{time.monotonic() - began:5.1f} s {values['cut sessions'][-1]}", flush=True)
        write(args.json, values)


def table(values: dict[str, Any]) -> str:
    """Return the results as tables for a page of the docs."""
    lines = ["| seed | commands | targets | targets files | end |", "|---|---|---|---|---|"]
    for row in values["inside"]:
        words = ["same" if row[key] else "other" for key in ("same targets files", "same end")]
        lines.append(
            f"| {row['seed']} | {row['commands']} | {row['targets']} | {' | '.join(words)} |"
        )
    found = values["cut sessions"]
    kinds = (
        ("anywhere", [one for one in found if len(one["cuts"]) > 1]),
        ("at what must not be done twice", [one for one in found if len(one["cuts"]) == 1]),
    )
    names = ("cuts", "points", "sessions", "series lost", "pictures twice", "double exposed px")
    names += ("begun anew", "same targets files")
    lines += ["", f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for name, some in kinds:
        lines.append(
            f"| {name} | {sum(len(s['cuts']) for s in some)} | {len(some)} "
            f"| {sum(s['series lost'] for s in some)} | {sum(s['pictures twice'] for s in some)} "
            f"| {sum(s['double exposed px'] for s in some)} | {sum(s['new runs'] for s in some)} "
            f"| {sum(s['same targets files'] for s in some)} of {len(some)} |"
        )
    return "\n".join(lines)


def write(path: Path | None, values: dict[str, Any]) -> None:
    if path is not None:
        write_text_atomic(path, json.dumps(values, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="1,2,3", help="of the sessions without cuts")
    parser.add_argument("--points", type=int, default=25, help="cuts anywhere")
    parser.add_argument("--orders", type=int, default=25, help="cuts at orders with a witness")
    parser.add_argument("--together", type=int, default=5, help="cuts anywhere in one session")
    parser.add_argument("--seed", type=int, default=1, help="of the cuts")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    args = parser.parse_args()
    values: dict[str, Any] = {"inside": [], "cut sessions": []}
    with tempfile.TemporaryDirectory() as temporary:
        seeds = [int(text) for text in args.seeds.split(",") if text]
        values["inside"] = same_as_inside(Path(temporary), seeds)
        write(args.json, values)
        if args.points or args.orders:
            with_cuts(Path(temporary), args, values)
    print("\n" + table(values))


if __name__ == "__main__":
    main()
