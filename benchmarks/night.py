"""Nights without a person: several grids at level 5 with faults, judged by the truth.

Each night has its own seed of the microscope's errors and of the faults; the grids are the same in
all of them, since painting them is slow. The truth answers in place of the models.

    python -m benchmarks.night --nights 30 --json nights.json
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from space.simulation import Night, NightOutcome, faults_of_a_night, make_project
from space.simulator.specimen import Grid, rasters

HEAD = (
    "seed  ended  runs  faults  done  cut  none  beyond  repeated  double px  off  error um"
    "  own s    per lamella  what struck"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1, help="of the first night")
    parser.add_argument("--grids", type=int, default=4)
    parser.add_argument("--lamellae", type=int, default=4, help="on each grid")
    parser.add_argument("--share", type=float, default=0.2, help="of faults per lamella")
    parser.add_argument(
        "--still", action="store_true", help="grids lie the same each time they are loaded"
    )
    parser.add_argument("--plots", action="store_true", help="draw the pictures for people, too")
    parser.add_argument("--keep", type=Path, help="keep the sessions of all nights here")
    parser.add_argument("--json", type=Path, help="file for the numbers, renewed after each night")
    args = parser.parse_args()
    grids = drawn(args.grids, args.lamellae)
    rasters.keep(args.grids * args.lamellae)
    nights = []
    print(HEAD)
    for seed in range(args.seed, args.seed + args.nights):
        with tempfile.TemporaryDirectory() as temporary:
            folder = args.keep / f"night_{seed}" if args.keep else Path(temporary)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            found = one_night(folder, grids, seed, args)
        nights.append(found)
        print(row(found), flush=True)
        if args.json:
            args.json.write_text(
                json.dumps({"summary": summary(nights), "nights": nights}, indent=1) + "\n",
                encoding="utf-8",
            )
    print()
    for name, value in summary(nights).items():
        print(f"{name:32s} {value}")


def drawn(grids: int, lamellae: int) -> dict[int, Grid]:
    """Grids of good lamellae in a small part in the middle, by slot."""
    return {
        slot: Grid.make(
            70 + slot, lamellae, name=f"G{slot}", kinds=["good"] * lamellae, within_um=150.0,
            level=True,
        )
        for slot in range(1, grids + 1)
    }  # fmt: skip


def one_night(
    folder: Path, grids: dict[int, Grid], seed: int, args: argparse.Namespace
) -> dict[str, Any]:
    project = make_project(folder / "project")
    faults = faults_of_a_night(seed, len(grids), args.lamellae, args.share)
    night = Night(
        folder / "session",
        project,
        grids,
        seed,
        faults,
        moved_by_loading=not args.still,
        plots=args.plots,
    )
    outcome = night.run()
    (folder / "log.txt").write_text("\n".join(outcome.log), encoding="utf-8")
    return {"seed": seed, "faults": [str(fault) for fault in faults], **numbers(outcome)}


def numbers(outcome: NightOutcome) -> dict[str, Any]:
    count = len(outcome.lamellae)
    errors = outcome.position_error_um
    return {
        "ended": outcome.ended,
        "runs": outcome.runs,
        "struck": outcome.struck,
        "lamellae": [asdict(one) for one in outcome.lamellae],
        **{state: outcome.count(state) for state in ("done", "cut", "none", "beyond")},
        "repeated": outcome.repeated,
        "double_exposed_px": outcome.double_exposed_px,
        "off_lamella": outcome.off_lamella,
        "position_error_um": [round(error, 3) for error in errors],
        "target_error_um": [round(error, 3) for error in outcome.target_error_um],
        "own_s": round(outcome.own_s, 2),
        "starts": outcome.starts,
        "own_s_per_lamella": round(outcome.own_s / max(count, 1), 2),
        "wall_s": round(outcome.wall_s, 1),
    }


def row(night: dict[str, Any]) -> str:
    error = _median(night["target_error_um"])
    columns = (
        (4, night["seed"]), (7, "yes" if night["ended"] else "NO"), (6, night["runs"]),
        (8, len(night["struck"])), (6, night["done"]), (5, night["cut"]), (6, night["none"]),
        (8, night["beyond"]), (10, night["repeated"]), (11, night["double_exposed_px"]),
        (5, night["off_lamella"]), (10, "-" if error is None else f"{error:.2f}"),
        (7, f"{night['own_s']:.1f}"), (15, f"{night['own_s_per_lamella']:.2f}"),
    )  # fmt: skip
    return "".join(f"{value:>{width}}" for width, value in columns) + f"  {night['struck']}"


def summary(nights: list[dict[str, Any]]) -> dict[str, Any]:
    """What all nights come to.

    A lamella could be done if no interruption left its series incomplete: those are not taken
    again, since that would expose it twice.
    """
    total = {
        name: sum(night[name] for night in nights)
        for name in (
            "done",
            "cut",
            "none",
            "beyond",
            "repeated",
            "double_exposed_px",
            "off_lamella",
        )
    }
    maps = [error for night in nights for error in night["position_error_um"]]
    errors = [error for night in nights for error in night["target_error_um"]]
    return {
        "nights": len(nights),
        "ended": sum(night["ended"] for night in nights),
        "without a person": sum(night["runs"] == 1 for night in nights),
        "faults that struck": sum(len(night["struck"]) for night in nights),
        "done": total["done"],
        "could be done": total["done"] + total["none"],
        "cut by an interruption": total["cut"],
        "lost": total["none"],
        "where the stage does not reach": total["beyond"],
        "pictures taken twice": total["repeated"],
        "double-exposed pixels": total["double_exposed_px"],
        "series beside lamellae": total["off_lamella"],
        "maps off their lamella um, median": _median(maps),
        "targets off their place um, median": _median(errors),
        "own s per lamella, median": float(
            np.median([night["own_s_per_lamella"] for night in nights])
        ),
        "starts of Python per lamella": round(
            sum(night["starts"] for night in nights)
            / max(1, sum(len(night["lamellae"]) for night in nights)),
            2,
        ),
        "own s of each start": start_s(),
    }


@lru_cache(maxsize=1)
def start_s() -> float:
    """CPU seconds that Python takes to start and to import what a script needs; the least of 9.

    Python keeps what it compiled beside the modules, unless the environment forbids it: the first
    start is therefore not counted.
    """
    code = "import time, space.workflow; print(time.process_time())"
    with tempfile.TemporaryDirectory() as compiled:
        env = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        taken = [
            float(
                subprocess.run(
                    [sys.executable, "-c", code], capture_output=True, check=True, env=env
                ).stdout
            )
            for _ in range(10)
        ]
    return round(min(taken[1:]), 2)


def _median(values: list[float]) -> float | None:
    return round(float(np.median(values)), 3) if values else None


if __name__ == "__main__":
    main()
