"""Models of one's own: how good they get by the documented commands alone, and in what time.

membranes
    A series of electron micrographs with the membranes labelled (two TIFF stacks of one shape):
    learns from the first 18 (--learn: from fewer, too) and is tested on the last 6.

kills
    A small training that is killed at random moments and goes on each time, against one that was
    not: whether losses and weights are the same.

shifted
    Maps of another look, ten of them with corrected labels: whether the shipped model gets better
    on others (`benchmarks.learning_shifted`).

conversion
    Whether an .onnx file finds what torch finds, and whether a packed nnU-Net is the same
    (`benchmarks.learning_conversion`).

clicks
    Whether 30 clicks on one kind of place find more of it on new maps
    (`benchmarks.learning_clicks`).

    python -m benchmarks.learning --pictures sections_raw.tif --labels sections_membrane.tif
    python -m benchmarks.learning --kills 20
    python -m benchmarks.learning --shifted
    python -m benchmarks.learning --conversion
    python -m benchmarks.learning --clicks
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import PROJECT, report, spacetomo
from benchmarks.learning_clicks import clicks
from benchmarks.learning_conversion import converted
from benchmarks.learning_shifted import shifted
from space.learning import (
    Incoming,
    Item,
    LabelClass,
    add,
    read_metrics,
)

LEARNT = 18
TESTED = range(LEARNT, LEARNT + 6)
_CLASSES = (LabelClass(0, "background", "#000000"), LabelClass(1, "stripe", "#ed1b00"))
_SMALL = (
    'data = "set"\nencoder = "tu-mobilenetv3_small_100"\npatch_px = 32\nbatch = 2\n'
    "steps = 4\nepochs = 40\n"
)
_EPOCHS_A_LIFE = 4.0
"""A training is killed before it has done so many epochs more."""

CONFIG = 'data = "set"\nout = "run"\npixel_nm = 8\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, help="TIFF stack")
    parser.add_argument("--labels", type=Path, help="TIFF stack: 1 on membranes")
    parser.add_argument(
        "--learn", type=int, nargs="+", default=[LEARNT], help="from how many, one after another"
    )
    parser.add_argument("--kills", type=int, default=0, help="how often a training is killed")
    parser.add_argument("--shifted", action="store_true", help="ten corrected maps of another look")
    parser.add_argument("--conversion", action="store_true", help="torch against .onnx files")
    parser.add_argument("--clicks", action="store_true", help="targets learned from clicks alone")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--keep", type=Path, help="keep data set and run in this folder")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    args = parser.parse_args()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if args.pictures and args.labels and args.pictures.is_file() and args.labels.is_file():
            for count in args.learn:
                name = "membranes" if count == LEARNT else f"membranes from {count}"
                own = folder / f"membranes_{count}"
                result[name] = membranes(own, args.pictures, args.labels, count)
        elif not (args.kills or args.shifted or args.conversion or args.clicks):
            print("skipped: the pictures are not here")
        if args.kills:
            result["kills"] = killed(folder / "killed", args.kills, args.seed)
        if args.shifted:
            result["shifted"] = shifted(folder / "shifted")
        if args.conversion:
            result["conversion"] = converted(folder / "converted")
        if args.clicks:
            result["clicks"] = clicks()
        report(result, args.json)


def membranes(folder: Path, pictures: Path, labels: Path, count: int) -> dict[str, Any]:
    """Import, split and train by the commands of the guide, and test what came of it."""
    _write(folder / "in", pictures, labels, {*range(count), *TESTED})
    names = ["--class", "background=0", "--class", "membrane=1", "--pixel-nm", "4"]
    spacetomo(folder, "data", "import", "in", "--to", "set", *names)
    held = [f"section_{number:02d}" for number in TESTED]
    parts = ["--train", "1", "--val", "0", "--test", "0"]
    put = [argument for stem in held for argument in ("--put", f"test={stem}*")]
    spacetomo(folder, "data", "split", "set", "--by", "picture", *parts, *put)
    (folder / "training.toml").write_text(CONFIG, encoding="utf-8")
    took = spacetomo(folder, "train", "training.toml")
    return {"train_cpu_s": took[0], "train_wall_s": took[1], **_tested(folder)}


def _write(folder: Path, pictures: Path, labels: Path, numbers: Container[int]) -> None:
    import tifffile

    for name, path in (("images", pictures), ("labels", labels)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, section in enumerate(tifffile.imread(path)):
            if number in numbers:
                tifffile.imwrite(folder / name / f"section_{number:02d}.tif", section)


def _tested(folder: Path) -> dict[str, Any]:
    """Evaluate by the command, which shows pictures to the model at its own pixel."""
    words = ["evaluate", "run/model.onnx", "--data", "set", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "space.cli", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        check=True,
        stdout=subprocess.PIPE,
    )
    (found,) = json.loads(done.stdout)
    membrane = found["classes"]["membrane"]
    return {
        "test pictures": len(found["pictures"]),
        "iou_membrane": round(membrane["iou"], 4),
        "dice_membrane": round(membrane["dice"], 4),
        "outline_f1": round(membrane["boundary_f1"], 4),
    }


# --- killed ---------------------------------------------------------------------------------------


def killed(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Train once through, and once killed at random moments; compare both."""
    rng = np.random.default_rng(seed)
    data = folder / "set"
    items = [_drawn(number, rng) for number in range(4)]
    add(data, Incoming([lambda: items], _CLASSES, ()), print)
    for name in ("whole", "killed"):
        (folder / f"{name}.toml").write_text(_SMALL + f'out = "{name}"\n', encoding="utf-8")
    spacetomo(folder, "train", "whole.toml")
    epochs = read_metrics(folder / "whole")
    epoch_s = float(np.median([one["wall_s"] for one in epochs]))
    done, ended = 0, False
    while not ended:
        # From when it goes on: packages are imported much longer than an epoch takes.
        killed_after_s = float(rng.uniform(0, _EPOCHS_A_LIFE)) * epoch_s if done < kills else None
        ended = _life(folder, killed_after_s)
        done += not ended
    runs = [read_metrics(folder / name) for name in ("whole", "killed")]
    losses = [[(one["loss"], one["dice"]) for one in run] for run in runs]
    weights = [(folder / name / "model.onnx").read_bytes()[:-4000] for name in ("whole", "killed")]
    return {
        "kills": done,
        "epochs": len(epochs),
        "same_curve": losses[0] == losses[1],
        "same_weights": weights[0] == weights[1],
    }


def _life(folder: Path, killed_after_s: float | None) -> bool:
    """Let the training go on, for so long if at all; return whether it has come to its end."""
    resume = ["--resume"] if (folder / "killed" / "run.json").exists() else []
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "space.cli", "train", "killed.toml", *resume],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    with process:
        assert process.stdout
        if killed_after_s is not None:
            for line in process.stdout:
                if "to learn from" in line:
                    time.sleep(killed_after_s)
                    process.kill()
                    break
        rest = process.stdout.read()
    if killed_after_s is None and process.returncode:
        raise SystemExit(f"a training that goes on has failed: {rest}")
    return process.returncode == 0


def _drawn(number: int, rng: np.random.Generator) -> Item:
    labels = np.zeros((96, 96), np.uint8)
    labels[20 + 10 * number : 40 + 10 * number] = 1
    picture = np.clip(100 + 80.0 * labels + rng.normal(0, 15, labels.shape), 1, 255)
    split = "val" if number == 3 else "train"
    return Item(f"map {number}", picture=picture.astype(np.uint8), labels=labels, split=split)


if __name__ == "__main__":
    main()
