"""Models of one's own: how good they get by the documented commands alone, and in what time.

membranes
    A series of electron micrographs with the membranes labelled (two TIFF stacks of one shape):
    learns from the first 18 and is tested on the last 6.

    python -m benchmarks.learning --pictures sections_raw.tif --labels sections_membrane.tif
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import PROJECT, report
from space.learning import class_scores, confusion, read_data_set, read_item
from space.models import PRESETS
from space.segmentation import Segmenter

HELD_OUT = 6
CONFIG = 'data = "set"\nout = "run"\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, required=True, help="TIFF stack")
    parser.add_argument("--labels", type=Path, required=True, help="TIFF stack: 1 on membranes")
    parser.add_argument("--keep", type=Path, help="keep data set and run in this folder")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    args = parser.parse_args()
    if not (args.pictures.is_file() and args.labels.is_file()):
        print("skipped: the pictures are not here")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report(membranes(folder, args.pictures, args.labels), args.json)


def membranes(folder: Path, pictures: Path, labels: Path) -> dict[str, Any]:
    """Import, split and train by the commands of the guide, and test what came of it."""
    _write(folder / "in", pictures, labels)
    names = ["--class", "background=0", "--class", "membrane=1", "--pixel-nm", "4"]
    _command(folder, "data", "import", "in", "--to", "set", *names)
    held = [f"section_{number:02d}" for number in range(18, 18 + HELD_OUT)]
    parts = ["--train", "1", "--val", "0", "--test", "0"]
    put = [argument for stem in held for argument in ("--put", f"test={stem}*")]
    _command(folder, "data", "split", "set", "--by", "picture", *parts, *put)
    (folder / "training.toml").write_text(CONFIG, encoding="utf-8")
    took = _command(folder, "train", "training.toml")
    return {"train_cpu_s": took[0], "train_wall_s": took[1], **_tested(folder)}


def _write(folder: Path, pictures: Path, labels: Path) -> None:
    import tifffile

    for name, path in (("images", pictures), ("labels", labels)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, section in enumerate(tifffile.imread(path)):
            tifffile.imwrite(folder / name / f"section_{number:02d}.tif", section)


def _command(folder: Path, *words: str) -> tuple[float, float]:
    """Run a command of ``spacetomo``; return its seconds of processor and wall."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    before, start_s = os.times(), time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "space.cli", *words], cwd=folder, env=environment, check=True
    )
    after = os.times()
    cpu_s = sum(after[2:4]) - sum(before[2:4])
    return round(cpu_s, 1), round(time.monotonic() - start_s, 1)


def _tested(folder: Path) -> dict[str, Any]:
    data, _ = read_data_set(folder / "set")
    segmenter = Segmenter(folder / "run" / "model.onnx", preset=PRESETS["balanced"])
    counts = np.zeros((256, 256), np.int64)
    for sample in data.of_split("test"):
        item = read_item(folder / "set", data, sample, {})
        assert item.labels is not None
        counts += confusion(item.labels, segmenter.segment(item.picture))
    (score,) = class_scores(counts, [data.values["membrane"]])
    return {
        "test pictures": len(data.of_split("test")),
        "iou_membrane": round(score.iou or 0.0, 4),
        "dice_membrane": round(score.dice or 0.0, 4),
    }


if __name__ == "__main__":
    main()
