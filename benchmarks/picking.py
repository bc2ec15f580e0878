"""Picking from a tenth of the particles, beside older ways, on phantoms of which all is known.

    python -m benchmarks.picking --json picking.json

For each seed there are five tomograms: ribosomes are wanted, among proteasomes, gold, membranes,
vesicles and small globules. A tenth of the ribosomes is labelled, all of them at one side of the
first tomogram; the other four, where nothing is labelled, are what is judged. Every way is run in a
process of its own, so that its CPU time and its peak of memory are its own.

Learnt ways find their thresholds themselves ("f1_at_half" is with one half). Differences of
Gaussians and template matching are given more than a user has: beside a threshold from the same
labels, the one that is best for the truth, also without what is darker or brighter than any
labelled particle, which the network never picks ("in range"). The template is the mean of half of
the labelled particles in all eight flips; the other half gives the threshold. "peer" is the loss of
the published picker without contrast as its paper tells: a positive-unlabelled risk with an
exponent, a fixed prior and unlabelled voxels at full weight; its threshold is the best one, too.

`--specimen` takes cells of the simulated specimen instead. With `--keep` all is left in a folder,
and what was ended goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.picking_phantom import RIBOSOME, SHAPE, VOXEL_NM, phantom

TOMOGRAMS, SHARE, DIAMETER_NM, DISTANCE_NM = 5, 0.1, 25.0, 12.0
MOST_CPU_S, MOST_MB = 120, 4096
RADIUS_PX, DISTANCE_PX = DIAMETER_NM / 2 / VOXEL_NM, DISTANCE_NM / VOXEL_NM
MOST_PEAKS = 400
NEVER = 1e-12
"""Greatest probability of what is darker or brighter than any labelled particle."""
FLIPS = [tuple(np.flatnonzero(bits)) for bits in np.ndindex(2, 2, 2)]

LEARNT: dict[str, dict] = {
    "default": {},
    "no PU": {"loss": "plain"},
    "contrast": {"contrast": 0.1},
    "consistency": {"consistency": 1.0},
    "self": {"self_training": 0.9},
    "elsewhere": {"elsewhere": True},
    "peer": {"balanced": False, "exponent": 2.0, "prior": 0.01, "ring": False},
}
OLDER = ("DoG", "template")
WORDS = {
    "default": "the network",
    "no PU": "unlabelled as unwanted",
    "contrast": "with contrast",
    "consistency": "with consistency",
    "self": "with self-training",
    "elsewhere": "all tomograms unlabelled",
    "peer": "loss of the peer",
    "DoG": "difference of Gaussians",
    "template": "template matching",
}


# --- data -----------------------------------------------------------------------------------------


def write_tomograms(folder: Path, seed: int, noise: float, specimen: bool) -> None:
    from space.volumes import Frame, write_mrc

    for number in range(TOMOGRAMS):
        path = folder / f"s{seed}_{number}.mrc"
        if not path.exists():
            data, points = (of_specimen if specimen else of_own)(100 * seed + number, noise)
            np.save(path.with_suffix(".npy"), points)
            write_mrc(path, data, Frame((VOXEL_NM,) * 3))


def of_own(seed: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    made = phantom(seed, noise=noise)
    return made.data, made.points_px[RIBOSOME]


def of_specimen(seed: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    from space.simulation import phantom as of_cell
    from space.simulation import seen_in_tomogram

    made = of_cell(seed, shape=SHAPE, voxel_nm=VOXEL_NM, holds=("cell",))
    wanted = made.particles[made.particles["kind"] == RIBOSOME]["center_nm"]
    points = np.asarray(wanted, float)[:, ::-1] / VOXEL_NM - 0.5
    points = points[((points >= 0) & (points <= np.array(SHAPE) - 1)).all(1)]
    return seen_in_tomogram(made.density, VOXEL_NM, np.random.default_rng(seed), noise), points


def tomograms_of(folder: Path, seed: int):
    from space.picking import open_tomogram

    found = [open_tomogram(folder / f"s{seed}_{n}.mrc") for n in range(TOMOGRAMS)]
    true = [np.load(folder / f"s{seed}_{n}.npy") for n in range(TOMOGRAMS)]
    count = round(SHARE * sum(map(len, true)))
    beside = np.argsort(true[0][:, 2])
    return found, true, true[0][beside[:count]]


# --- how good -------------------------------------------------------------------------------------


def chosen_above(picks, level: float) -> list:
    return [one.above(level) for one in picks]


def summary(picks, true, chosen) -> dict:
    """Return the scores of those chosen and at the best level, of all tomograms without labels."""
    from space.picking import scores_of

    held = list(zip(picks[1:], true[1:]))
    values = np.sort(np.concatenate([one.scores for one, _ in held]))
    levels = values[:: max(1, len(values) // 150)]
    best = max(scores_of([(p.above(at), t) for p, t in held], DISTANCE_PX).f1 for at in levels)
    told = scores_of(list(zip(chosen[1:], true[1:])), DISTANCE_PX).to_dict()
    whole = scores_of(held, DISTANCE_PX)
    return {**told, "best_f1": best, "average_precision": whole.average_precision}


def level_from_labels(picks, labelled: np.ndarray) -> tuple[float, float]:
    """Return the level where r * r / q is highest, and that value.

    r is the part of the labelled particles with a peak above it, q the count of all peaks above.
    """
    first = picks[0]
    far = np.linalg.norm(first.points_px[:, None] - labelled, axis=2)
    got = np.where(far <= DISTANCE_PX, first.scores[:, None], -np.inf).max(0)
    values = np.concatenate([one.scores for one in picks])
    levels = np.unique(got[np.isfinite(got)])
    worth = [(got >= at).mean() ** 2 / (values >= at).sum() for at in levels]
    best = int(np.argmax(worth))
    return float(levels[best]), float(worth[best])


# --- ways -----------------------------------------------------------------------------------------


def learnt(folder: Path, seed: int, name: str) -> dict:
    from space.picking import (
        MODEL,
        Choice,
        PickConfig,
        load_picker,
        predict,
        scores_of,
        train,
    )

    found, true, labelled = tomograms_of(folder, seed)
    config = PickConfig(DIAMETER_NM, seed=seed, **LEARNT[name])
    run = folder / f"run_{seed}_{name.replace(' ', '_')}"
    path, before_s = run / MODEL, 0.0
    if not path.exists():
        resume = (run / "last.pt").exists()
        if resume:
            done = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
            before_s = sum(json.loads(line)["cpu_s"] for line in done)
        train(config, found, {found[0].name: labelled}, run, lambda _: None, resume)
    picker = load_picker(path)

    def picked(choice: Choice) -> list:
        return [predict(picker, "", one, run, choice, lambda _: None) for one in found]

    chosen = picked(Choice())
    low = picked(Choice(threshold=1e-6, count=MOST_PEAKS))
    half = scores_of(list(zip(chosen_above(low, 0.5)[1:], true[1:])), DISTANCE_PX).f1
    return {
        **summary(low, true, chosen),
        "f1_at_half": half,
        "prior": picker.prior,
        "before_s": before_s,
    }


def older(folder: Path, seed: int, name: str) -> dict:
    from scipy.ndimage import gaussian_filter
    from skimage.feature import match_template

    from space.picking import peaks_of

    found, true, labelled = tomograms_of(folder, seed)
    whole = (slice(None),) * 3
    data = [one[whole] for one in found]
    if name == "DoG":
        ways = {f"sigma {s}": lambda d, s=s: gaussian_filter(d, 1.6 * s) - gaussian_filter(d, s)
                for s in (2.0, 3.0, 4.0, 5.0)}  # fmt: skip
    else:
        ways = {}
        # Made of every second label; the level is found with the others, which it has not seen.
        made_of, labelled = labelled[::2], labelled[1::2]
        for half in (8, 10, 14):
            inside = [at for at in made_of.round().astype(int)
                      if (at >= half).all() and (at + half < data[0].shape).all()]  # fmt: skip
            cubes = [np.flip(data[0][tuple(slice(a - half, a + half + 1) for a in at)], flips)
                     for at in inside for flips in FLIPS]  # fmt: skip
            template = np.mean(cubes, 0)
            ways[f"half {half}"] = lambda d, t=template: match_template(
                d, t, pad_input=True, mode="reflect"
            )
    tried = {}
    allowed = in_range(folder, seed, found)
    for way, function in ways.items():
        picks = [peaks_of(function(one), RADIUS_PX).best(MOST_PEAKS) for one in data]
        level, worth = level_from_labels(picks, labelled)
        tried[way] = {**summary(picks, true, chosen_above(picks, level)), "worth": worth}
        inside = [one.where(kept(one.points_px)) for one, kept in zip(picks, allowed)]
        tried[way]["best_f1_in_range"] = summary(inside, true, inside)["best_f1"]
    # The kind by the labels; the threshold by the labels, or the best for the truth.
    best = max(tried, key=lambda way: tried[way]["worth"])
    return {**tried[best], "kind": best, "best_of_all": max(t["best_f1"] for t in tried.values())}


def in_range(folder: Path, seed: int, found) -> list:
    """Return for each tomogram what tells points from gold, by the heat map of the default."""
    from space.picking import read_heat

    def kept_of(heat):
        most = np.array(heat.shape) - 1
        return lambda at: heat[tuple(np.clip((at / 2).astype(int), 0, most).T)] > NEVER

    run = folder / f"run_{seed}_default"
    if not (run / f"{found[-1].name}_heat.mrc").exists():
        return [lambda at: np.ones(len(at), bool) for _ in found]
    return [kept_of(read_heat(run, one.name)) for one in found]


def one_way(folder: Path, seed: int, name: str) -> dict:
    import resource

    cost = folder / f"cost_{seed}_{name.replace(' ', '_')}.json"
    start = time.process_time()
    result = (learnt if name in LEARNT else older)(folder, seed, name)
    spent = {
        "cpu_s": time.process_time() - start + result.pop("before_s", 0.0),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    if not cost.exists():  # else the training was there already, and only its picks are judged
        cost.write_text(json.dumps(spent), encoding="utf-8")
    return {"seed": seed, "name": name, **result, **json.loads(cost.read_text(encoding="utf-8"))}


# --- all of it ------------------------------------------------------------------------------------


def table(results: list[dict]) -> tuple[str, dict]:
    head = ("F1", "best F1", "AP", "in range")
    lines = [" " * 12 + "".join(f" {one:>13}" for one in head) + "  prec.  rec.  CPU s  peak MB"]
    told = {}
    for name in (*LEARNT, *OLDER):
        rows = [one for one in results if one["name"] == name]
        if not rows:
            continue
        values = {key: np.array([one.get(key, one["best_f1"]) for one in rows], float)
                  for key in ("f1", "best_f1", "average_precision", "best_f1_in_range", "precision",
                              "recall", "cpu_s", "peak_mb")}  # fmt: skip
        told[name] = {key: [float(v.mean()), float(v.std(ddof=1)) if len(v) > 1 else 0.0]
                      for key, v in values.items()}  # fmt: skip
        shown = ("f1", "best_f1", "average_precision", "best_f1_in_range")
        cells = " ".join("{:.3f} ± {:.3f}".format(*told[name][key]) for key in shown)
        lines.append(
            f"{name:12} {cells}   {values['precision'].mean():.2f}  {values['recall'].mean():.2f}"
            f"  {values['cpu_s'].max():5.0f}  {values['peak_mb'].max():7.0f}"
        )
    return "\n".join(lines), told


def draw(results: list[dict], path: Path) -> None:
    """Draw F1 of each way: a mark for each seed, and a bar for the mean."""
    from matplotlib.figure import Figure

    ways = [name for name in (*LEARNT, *OLDER) if any(one["name"] == name for one in results)]
    figure = Figure(figsize=(7.2, 0.6 * len(ways) + 1.0), layout="constrained")
    axes = figure.subplots()
    kinds = {"f1": "threshold as it comes", "best_f1": "threshold chosen on the truth",
             "best_f1_in_range": "... and nothing darker than labelled ones"}  # fmt: skip
    for number, (key, words) in enumerate(kinds.items()):
        rows = {row: [one[key] for one in results if one["name"] == name and key in one]
                for row, name in enumerate(ways)}  # fmt: skip
        rows = {row: values for row, values in rows.items() if values}
        for row, values in rows.items():
            at, colour = row + 0.25 * (number - 1), f"C{number}"
            axes.barh(at, np.mean(values), 0.23, color=colour, alpha=0.35,
                      label=words if row == min(rows) else None)  # fmt: skip
            axes.plot(values, [at] * len(values), "o", color=colour, markersize=3)
    axes.set_yticks(range(len(ways)), [WORDS.get(name, name) for name in ways])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("F1")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(fontsize=7, loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, dpi=110)


def held_bars(results: list[dict], told: dict) -> dict[str, bool]:
    """Return which bars hold; those against older ways are for their best thresholds."""
    bars = {}
    ours, spread = told["default"]["f1"]
    for name in (*OLDER, "peer"):
        if name in told:
            other, also = told[name]["best_f1"]
            bars[f"F1 above {name} at its best by a deviation"] = ours - other > max(spread, also)
    mine = [one for one in results if one["name"] == "default"]
    bars[f"at most {MOST_CPU_S} CPU s"] = max(one["cpu_s"] for one in mine) <= MOST_CPU_S
    bars[f"at most {MOST_MB} MB"] = max(one["peak_mb"] for one in mine) <= MOST_MB
    if "no PU" in told:
        with_pu, without = (told[name]["average_precision"][0] for name in ("default", "no PU"))
        bars["PU helps (AP)"] = with_pu > without
    return bars


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[30, 31, 32])
    parser.add_argument("--ways", nargs="+", default=[*LEARNT, *OLDER])
    parser.add_argument("--noise", type=float, default=4.5)
    parser.add_argument("--specimen", action="store_true", help="cells of the simulator")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="PNG to draw")
    parser.add_argument("--keep", type=Path, help="folder of tomograms and results, to go on with")
    parser.add_argument("--one", nargs=2, metavar=("SEED", "WAY"), help="only this, as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if args.one:
            print(json.dumps(one_way(folder, int(args.one[0]), args.one[1])))
            return 0
        results = []
        for seed in args.seeds:
            write_tomograms(folder, seed, args.noise, args.specimen)
            for name in args.ways:
                kept = folder / f"result_{seed}_{name.replace(' ', '_')}.json"
                if not kept.exists():
                    command = [sys.executable, "-m", "benchmarks.picking", "--keep", str(folder),
                               "--one", str(seed), name]  # fmt: skip
                    done = subprocess.run(command, capture_output=True, text=True, check=True)
                    kept.write_text(done.stdout, encoding="utf-8")
                results.append(json.loads(kept.read_text(encoding="utf-8")))
                print(json.dumps(results[-1]), flush=True)
    text, told = table(results)
    bars = held_bars(results, told) if "default" in told else {}
    print(text)
    for bar, holds in bars.items():
        print(f"{'holds' if holds else 'FAILS'}  {bar}")
    if args.plot:
        draw(results, args.plot)
    if args.json:
        values = {"results": results, "means": told, "bars": bars}
        args.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
