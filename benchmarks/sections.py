"""How well sections are labelled by a network that has learned from 1, 3 or 18 of them.

24 sections with labels (`sections_raw.tif`, `sections_membrane.tif`): the last 6 are for the test,
1, 3 or 18 of the others have labels that may be used, all 18 may be looked at. Learned with labels
alone, or also from sections without: the same sections, the same random weights to begin with, the
same processor time for each. Each result is kept in a folder, so that what was ended goes on.

    python -m benchmarks.sections --data DIR --keep runs --json sections.json --plot sections.png
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import PROJECT

TESTED = range(18, 24)
COUNTS = (1, 3, 18)
MODES: dict[str, dict[str, float]] = {
    "labels alone": {},
    "consistency": {"consistency": 2.0},
    "reconstruction": {"reconstruction": 0.3},
    "both": {"consistency": 2.0, "reconstruction": 0.3},
}
_VOXEL_NM = (50.0, 4.0, 4.0)
_TIMED_STEPS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the two stacks")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--modes", nargs="+", default=["labels alone", "both"], choices=list(MODES))
    parser.add_argument("--cpu-s", type=float, default=100.0, help="processor time of a training")
    parser.add_argument("--keep", type=Path, help="keep runs in this folder, and go on with them")
    parser.add_argument("--plot", type=Path, help="draw Dice over the number of labelled sections")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--one", nargs=3, metavar=("MODE", "COUNT", "SEED"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not (args.data / "sections_raw.tif").is_file():
        print("skipped: the sections are not here")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if args.one:
            mode, count, seed = args.one
            _run(args.data, folder, mode, int(count), int(seed), args.cpu_s)
            return
        rows = []
        for seed in args.seeds:
            for count in args.counts:
                for mode in args.modes:
                    rows.append(_kept_or_run(args, folder, mode, count, seed))
    result = {"cpu_s": args.cpu_s, "rows": rows, "table": _table(rows)}
    _print(result["table"])
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if args.plot:
        _plot(result["table"], args.plot, args.cpu_s)


def _result_file(folder: Path, mode: str, count: int, seed: int, cpu_s: float) -> Path:
    return folder / f"{mode.replace(' ', '_')}_{count}_{seed}_{cpu_s:g}s.json"


def _kept_or_run(
    args: argparse.Namespace, folder: Path, mode: str, count: int, seed: int
) -> dict[str, Any]:
    path = _result_file(folder, mode, count, seed, args.cpu_s)
    if not path.exists():  # in a process of its own: memory and threads begin anew
        subprocess.run(
            [sys.executable, "-m", "benchmarks.sections", "--data", str(args.data.absolute()),
             "--keep", str(folder.absolute()), "--cpu-s", str(args.cpu_s),
             "--one", mode, str(count), str(seed)],
            cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)}, check=True,
        )  # fmt: skip
    row = json.loads(path.read_text(encoding="utf-8"))
    print(json.dumps(row), flush=True)
    return row


def _run(data: Path, folder: Path, mode: str, count: int, seed: int, cpu_s: float) -> None:
    from space.learning import read_metrics
    from space.organelles import sections

    name = f"{mode.replace(' ', '_')}_{count}_{seed}"
    rng = np.random.default_rng(seed)
    labelled = tuple(sorted(int(one) for one in rng.permutation(TESTED.start)[:count]))
    out = folder / f"{name}_{cpu_s:g}s"
    wanted = {
        "raw": data / "sections_raw.tif", "labels": data / "sections_membrane.tif", "out": out,
        "labelled": labelled, "classes": {"membrane": 1}, "voxel_nm": _VOXEL_NM, "seed": seed,
        "device": "cpu", **MODES[mode],
    }  # fmt: skip
    config = sections.SectionsConfig(**wanted)
    begun = out.exists()
    # The test sections may not be looked at, not even without labels.
    read = sections.read_sections(config, most_sections=TESTED.start)
    if begun:
        epochs = json.loads((out / "run.json").read_text(encoding="utf-8"))["config"]["epochs"]
    else:
        learner = sections.SectionsLearner(config, read)
        learner.learn(range(2))
        start_s = time.process_time()
        learner.learn(range(2, 2 + _TIMED_STEPS))
        a_step_s = (time.process_time() - start_s) / _TIMED_STEPS
        epochs = max(2, round(cpu_s / (a_step_s * config.steps)))
    config = sections.SectionsConfig(**wanted, epochs=epochs)
    sections.train_sections(config, lambda line: None, begun, most_sections=TESTED.start)
    metrics = read_metrics(out)
    row = {
        "mode": mode, "labelled": count, "sections": labelled, "seed": seed,
        "steps": config.steps * epochs, "cpu_s": round(sum(one["cpu_s"] for one in metrics), 1),
        **_tested(out, data),
    }  # fmt: skip
    path = _result_file(folder, mode, count, seed, cpu_s)
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")


def _tested(out: Path, data: Path) -> dict[str, float]:
    from space.organelles import sections
    from space.volumes import open_volume

    raw = open_volume(data / "sections_raw.tif", _VOXEL_NM)
    labels = open_volume(data / "sections_membrane.tif", _VOXEL_NM)
    model, network = sections.read_sections_model(out)
    found: dict[str, float] = {}
    for turns in (1, 4):
        overlap = total = 0
        for number in TESTED:
            section = raw[number : number + 1][0]
            mine = sections.labels_of_section(model, network, section, turns) == 1
            truth = labels[number : number + 1][0] == 1
            overlap += 2 * int((mine & truth).sum())
            total += int(mine.sum() + truth.sum())
        found[f"dice_{turns}_turns"] = round(overlap / total, 4)
    return found


def _table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    table = []
    for count in sorted({row["labelled"] for row in rows}):
        for mode in dict.fromkeys(row["mode"] for row in rows):
            own = [r for r in rows if r["labelled"] == count and r["mode"] == mode]
            values = [row["dice_4_turns"] for row in own]
            base = {
                r["seed"]: r["dice_4_turns"]
                for r in rows
                if r["labelled"] == count and r["mode"] == "labels alone"
            }
            gains = [r["dice_4_turns"] - base[r["seed"]] for r in own if r["seed"] in base]
            table.append(
                {
                    "labelled": count,
                    "mode": mode,
                    "seeds": len(values),
                    "dice": round(float(np.mean(values)), 3),
                    "spread": round(float(np.std(values, ddof=1)), 3) if len(values) > 1 else None,
                    "dice_1_turn": round(float(np.mean([r["dice_1_turns"] for r in own])), 3),
                    "gain": round(float(np.mean(gains)), 3) if gains else None,
                    "gains": [round(one, 3) for one in gains],
                    "steps": round(float(np.mean([row["steps"] for row in own]))),
                    "cpu_s": round(float(np.mean([row["cpu_s"] for row in own])), 1),
                }
            )
    return table


def _print(table: list[dict[str, Any]]) -> None:
    print(f"{'labelled':>8}  {'mode':16} {'Dice':>6} {'spread':>7} {'gain':>7}  each seed")
    for row in table:
        spread = "" if row["spread"] is None else f"{row['spread']:.3f}"
        gain = "" if row["gain"] is None else f"{row['gain']:+.3f}"
        print(
            f"{row['labelled']:8d}  {row['mode']:16} {row['dice']:6.3f} {spread:>7} {gain:>7}  "
            f"{row['gains']}"
        )


def _plot(table: list[dict[str, Any]], path: Path, cpu_s: float) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for mode in dict.fromkeys(row["mode"] for row in table):
        own = [row for row in table if row["mode"] == mode]
        axes.errorbar(
            [row["labelled"] for row in own], [row["dice"] for row in own],
            yerr=[row["spread"] or 0 for row in own], marker="o", capsize=4, label=mode,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks(sorted({row["labelled"] for row in table}), labels=[
        str(one) for one in sorted({row["labelled"] for row in table})
    ])  # fmt: skip
    axes.minorticks_off()
    axes.set(xlabel="sections with labels", ylabel="Dice of membranes, 6 other sections")
    axes.set_title(f"{cpu_s:g} s of processor time for each training")
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
