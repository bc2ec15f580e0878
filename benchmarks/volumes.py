"""Volumes: borders of cells learned from a part of a volume, found in another part of it.

With ``--data DIR``, DIR holds ``fibsem_10nm_raw.tif`` and ``fibsem_10nm_bodies.tif``: a stack of an
electron microscope (10 nm voxels) and the number of the body of each voxel. Without, a phantom of
packed cells is drawn, so that anybody can run this. Sections 0 to 119 are learned from (the last 12
of them tell when and at which threshold it is best), sections 130 to 169 are for the judgement.

A voxel is border if one of its six neighbours is of another body. It is judged without the voxels
that touch the border (an exclusion zone of one voxel), and with them. Everything runs as commands
of ``spacetomo volume`` in processes of their own, on one thread; times are those of the processor,
start of the programs and all.

    python -m benchmarks.volumes --data DIR --json volumes.json
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

from benchmarks.common import PROJECT, report, spacetomo

RAW, BODIES = "fibsem_10nm_raw.tif", "fibsem_10nm_bodies.tif"
LEARNED, HELD, JUDGED = (0, 108), (108, 120), (130, 170)
VOXEL = "10"
QUARTER = (0, 27)
"""Sections of a quarter of what is learned from, about 1.7 cubic micrometres of 10 nm voxels."""

EPOCHS, STEPS, FEW_EPOCHS, FEW_STEPS = 12, 100, 4, 50
PHANTOM_SHAPE = (170, 160, 160)


def main() -> None:
    """Print a table, and write it as JSON."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, help="folder of the stack of an electron microscope")
    options.add_argument("--keep", type=Path, help="folder for everything that is written")
    options.add_argument("--json", type=Path, help="write the numbers to this file")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report(measured(folder, args.data), args.json)


def measured(folder: Path, data: Path | None) -> dict[str, Any]:
    """Return all numbers."""
    write_data(folder, data)
    result: dict[str, Any] = {"data": "phantom" if data is None else RAW, **baselines(folder)}
    result["learned"] = learned(folder)
    result["blocks"] = in_blocks(folder)
    result["restarted"] = {**training_restarted(folder), **prediction_restarted(folder)}
    result["quarter"] = from_a_quarter(folder)
    return result


# --- data -----------------------------------------------------------------------------------------


def phantom(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return raw values and bodies of packed cells with dark borders, grain and shading."""
    from scipy import ndimage
    from scipy.spatial import cKDTree

    from space.organelles import borders

    rng = np.random.default_rng(seed)
    shape = np.array(PHANTOM_SHAPE)
    middles = rng.uniform(0, shape, (int(shape.prod() / 60_000), 3))
    shift = [ndimage.gaussian_filter(rng.normal(size=PHANTOM_SHAPE), 8) * 350 for _ in range(3)]
    places = np.stack([at + move for at, move in zip(np.indices(PHANTOM_SHAPE), shift)], -1)
    bodies = cKDTree(middles).query(places.reshape(-1, 3))[1].reshape(PHANTOM_SHAPE) + 1
    membrane = ndimage.gaussian_filter(borders(bodies).astype(float), 0.8)
    inside = rng.normal(150, 12, len(middles) + 1)[bodies]
    texture = ndimage.gaussian_filter(rng.normal(size=PHANTOM_SHAPE), 1.2) * 60
    specks = ndimage.gaussian_filter((rng.random(PHANTOM_SHAPE) < 0.004).astype(float), 1.0) * -700
    raw = inside - 90 * membrane + texture + specks + rng.normal(0, 10, PHANTOM_SHAPE)
    return np.clip(raw, 0, 255).astype(np.uint8), bodies.astype(np.uint16)


def write_data(folder: Path, data: Path | None) -> None:
    """Write the volume, its borders and the lists of regions, as commands make them."""
    import tifffile

    raws = {"cell": folder / "cell.tif", "phantom": folder / "phantom.tif"}
    for at, (name, path) in enumerate(raws.items()):
        bodies = folder / f"{name}_bodies.tif"
        if name == "cell" and data is not None:
            path, bodies = data / RAW, data / BODIES
        elif not path.exists():
            raw, numbers = phantom(at)
            tifffile.imwrite(path, raw)
            tifffile.imwrite(bodies, numbers)
        spacetomo(
            folder, "volume", "import", str(path), "--to", f"{name}.zarr", "--voxel-nm", VOXEL
        )
        spacetomo(
            folder, "volume", "mask", str(bodies), "--to", f"{name}_border.zarr",
            "--voxel-nm", VOXEL,
        )  # fmt: skip
    parts = {"learned": LEARNED, "held": HELD, "judged": JUDGED, "quarter": QUARTER}
    for name, sections in parts.items():
        write_list(folder, name, "cell", sections)
    write_list(folder, "drawn", "phantom", LEARNED)


def write_list(folder: Path, name: str, volume: str, sections: tuple[int, int]) -> None:
    from space.volumes import open_volume

    shape = open_volume(folder / f"{volume}.zarr").shape
    first, last = sections
    entry = {
        "file": f"{volume}.zarr",
        "offset": [first, 0, 0],
        "shape": [last - first, *shape[1:]],
        "labels": {f"{volume}_border.zarr": {"border": 1}},
    }
    (folder / f"{name}.json").write_text(json.dumps([entry]), encoding="utf-8")


def write_config(folder: Path, name: str, **values: Any) -> str:
    given = {"out": f"runs/{name}", "held": "held.json", "threads": 1, "device": "cpu", **values}
    lines = [f"{key} = {json.dumps(value)}" for key, value in given.items()]
    (folder / f"{name}.toml").write_text("\n".join(lines), encoding="utf-8")
    return f"{name}.toml"


# --- without learning -----------------------------------------------------------------------------


def baselines(folder: Path) -> dict[str, Any]:
    """Return the F1 of thresholds: one that is learned, on smoothed values, and Otsu's."""
    from scipy import ndimage
    from skimage.filters import threshold_otsu

    from space.organelles import excluded
    from space.volumes import read_volume

    raw = read_volume(folder / "cell.zarr").data.astype(np.float32)
    truth = read_volume(folder / "cell_border.zarr").data
    counts = ~excluded(truth, {1: 1})
    first, last = JUDGED

    def f1(found: np.ndarray, part: slice, left_out: bool) -> float:
        true, where = truth[part] == 1, counts[part] if left_out else np.True_
        both = (found[part] & true & where).sum()
        whole = (found[part] & where).sum() + (true & where).sum()
        return float(2 * both / whole) if whole else 0.0

    smoothed = {sigma: ndimage.gaussian_filter(raw, sigma) for sigma in (0.0, 0.7, 1.0, 1.5, 2.0)}
    best = max(
        (f1(values < level, slice(*LEARNED), True), sigma, level)
        for sigma, values in smoothed.items()
        for level in range(60, 180, 5)
    )
    _, sigma, level = best
    judged = slice(first, last)
    learned = smoothed[sigma] < level
    otsu = raw < threshold_otsu(raw)
    return {
        "threshold": {
            "f1": round(f1(learned, judged, True), 3),
            "f1_all_voxels": round(f1(learned, judged, False), 3),
            "smoothing_px": sigma,
            "level": level,
        },
        "otsu": {
            "f1": round(f1(otsu, judged, True), 3),
            "f1_all_voxels": round(f1(otsu, judged, False), 3),
        },
    }


# --- learned --------------------------------------------------------------------------------------


def judged(folder: Path, run: str, found: str) -> dict[str, Any]:
    """Predict and score the region for the judgement; the threshold is that of other sections."""
    first, last = JUDGED
    cpu_s, _ = spacetomo(
        folder, "volume", "predict", run, "cell.zarr", "--to", found,
        "--region", f"{first}:{last},:,:", "--device", "cpu",
    )  # fmt: skip
    held_cpu_s, _ = spacetomo(
        folder, "volume", "predict", run, "cell.zarr", "--to", f"{found}_held",
        "--region", f"{HELD[0]}:{HELD[1]},:,:", "--device", "cpu",
    )  # fmt: skip
    level = evaluated(folder, f"{found}_held", "held.json", 1, 0.5)["best_threshold"]
    level = min(1.0, max(0.01, level))
    narrow = evaluated(folder, found, "judged.json", 1, level)
    broad = evaluated(folder, found, "judged.json", 0, level)
    return {
        "f1": round(narrow["f1"], 3),
        "jaccard": round(narrow["jaccard"], 3),
        "precision": round(narrow["precision"], 3),
        "recall": round(narrow["recall"], 3),
        "f1_all_voxels": round(broad["f1"], 3),
        "threshold": level,
        "prediction_cpu_s": cpu_s,
        "threshold_cpu_s": held_cpu_s,
    }


def evaluated(folder: Path, found: str, data: str, zone: int, level: float) -> dict[str, Any]:
    words = [
        sys.executable, "-m", "space.cli", "volume", "evaluate", found, data, "--json",
        "--exclude", f"border={zone}", "--threshold", f"border={level}",
    ]  # fmt: skip
    told = subprocess.run(
        words, cwd=folder, env=environment(), check=True, capture_output=True, encoding="utf-8"
    )
    table: dict[str, Any] = json.loads(told.stdout)["classes"]["border"]
    return table


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}


def learned(folder: Path) -> dict[str, Any]:
    """Return how well borders are found after training, and what it took."""
    config = write_config(folder, "whole", data="learned.json", epochs=EPOCHS, steps=STEPS)
    cpu_s, _ = spacetomo(folder, "volume", "train", config)
    found = judged(folder, "runs/whole", "found")
    pictures = ("view", "found/border.zarr", "--to", "pictures", "--count", "3")
    spacetomo(folder, "volume", *pictures)
    total = cpu_s + found["prediction_cpu_s"] + found["threshold_cpu_s"]
    return {**found, "training_cpu_s": cpu_s, "total_cpu_s": round(total, 1)}


def in_blocks(folder: Path) -> dict[str, Any]:
    """Return how much blocks differ from the whole, of 255, and what memory that took."""
    from space.volumes import read_volume

    region = "130:170,0:96,0:96"
    for block in (32, 64, 128):
        spacetomo(
            folder, "volume", "predict", "runs/whole", "cell.zarr", "--to", f"blocks_{block}",
            "--region", region, "--block", str(block), "--device", "cpu",
        )  # fmt: skip
    arrays = [
        read_volume(folder / f"blocks_{block}" / "border.zarr").data.astype(int)
        for block in (32, 64, 128)
    ]
    return {
        "largest_difference_of_255": int(max(abs(one - arrays[2]).max() for one in arrays[:2])),
        "voxels": arrays[2].size,
    }


# --- killed and restarted -------------------------------------------------------------------------


def killed(folder: Path, words: list[str], is_time: Any) -> None:
    """Start a command and kill it when it is time."""
    process = subprocess.Popen(
        [sys.executable, "-m", "space.cli", "volume", *words],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
    )
    end = time.monotonic() + 600
    while process.poll() is None and time.monotonic() < end and not is_time():
        time.sleep(0.02)
    if process.poll() is not None:
        raise RuntimeError(f"it ended before it could be killed: {words}")
    process.kill()
    process.wait()


def training_restarted(folder: Path) -> dict[str, Any]:
    """Return whether a training that was killed ends as one that was not."""
    from space.organelles import read_model

    for name in ("unbroken", "broken"):
        write_config(folder, name, data="learned.json", epochs=3, steps=15, features=[4, 8])
    spacetomo(folder, "volume", "train", "unbroken.toml")
    metrics = folder / "runs" / "broken" / "metrics.jsonl"

    def one_epoch() -> bool:
        return metrics.exists() and bool(metrics.read_text(encoding="utf-8"))

    killed(folder, ["train", "broken.toml"], one_epoch)
    done = len(metrics.read_text(encoding="utf-8").splitlines())
    spacetomo(folder, "volume", "train", "broken.toml", "--resume")
    one, other = (read_model(folder / "runs" / name)[1] for name in ("unbroken", "broken"))
    same = all(bool((one[name] == other[name]).all()) for name in one)
    return {"training_killed_after_epoch": done, "training_ends_as_unbroken": same}


def prediction_restarted(folder: Path) -> dict[str, Any]:
    """Return whether a prediction that was killed ends as one that was not."""
    from space.volumes import read_volume

    words = [
        "predict", "runs/whole", "cell.zarr", "--to", "killed", "--block", "32",
        "--region", "130:170,0:96,0:96", "--device", "cpu",
    ]  # fmt: skip
    chunks = folder / "killed" / "border.zarr" / "0" / "c"

    def there() -> list[Path]:
        return [one for one in chunks.rglob("*") if one.is_file() and one.suffix != ".partial"]

    killed(folder, words, lambda: len(there()) >= 3)
    before = {path: path.stat().st_mtime_ns for path in there()}
    spacetomo(folder, "volume", *words)
    kept = sum(path.stat().st_mtime_ns == when for path, when in before.items())
    one, other = (
        read_volume(folder / name / "border.zarr").data for name in ("killed", "blocks_32")
    )
    return {
        "prediction_blocks_there_when_killed": len(before),
        "of_them_kept": kept,
        "prediction_ends_as_unbroken": bool((one == other).all()),
    }


# --- few labels -----------------------------------------------------------------------------------


def from_a_quarter(folder: Path) -> dict[str, Any]:
    """Return how good a quarter of the labels is: from nothing, and from a network of a phantom."""
    few = {"epochs": FEW_EPOCHS, "steps": FEW_STEPS}
    base = write_config(folder, "drawn", data="drawn.json", epochs=6, steps=STEPS)
    text = (folder / base).read_text(encoding="utf-8").replace('held = "held.json"\n', "")
    (folder / base).write_text(text, encoding="utf-8")
    spacetomo(folder, "volume", "train", base)
    scratch = write_config(folder, "scratch", data="quarter.json", **few)
    fine = write_config(folder, "fine", data="quarter.json", rate=0.005, **few)
    scratch_s, _ = spacetomo(folder, "volume", "train", scratch)
    fine_s, _ = spacetomo(folder, "volume", "finetune", fine, "--from", "runs/drawn")
    return {
        "without_finetuning": judged(folder, "runs/drawn", "found_drawn")["f1"],
        "from_nothing": judged(folder, "runs/scratch", "found_scratch")["f1"],
        "finetuned": judged(folder, "runs/fine", "found_fine")["f1"],
        "steps": FEW_EPOCHS * FEW_STEPS,
        "from_nothing_cpu_s": scratch_s,
        "finetuned_cpu_s": fine_s,
    }


if __name__ == "__main__":
    main()
