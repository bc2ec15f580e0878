"""Make a data set of simulated lamella maps in nnU-Net v2's raw format.

python -m training.segmentation_data --raw nnUNet_raw --n 80 [--seed-start 0] [--processes 2]
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image

from space.simulator.specimen import LABELS

from .pictures import LAMELLA_PIXEL_NM, lamella_picture

DATASET = "Dataset001_SimulatedLamella"
LAST_TRAINING_SEED = 100_000


def write_case(root: Path, seed: int) -> str:
    """Write one picture and its labels; skips what is there already."""
    name = f"lamella_{seed:06d}"
    labels_path = root / "labelsTr" / f"{name}.png"
    if not labels_path.exists():
        picture, labels = lamella_picture(seed)
        Image.fromarray(picture).save(root / "imagesTr" / f"{name}_0000.png")
        Image.fromarray(labels).save(labels_path)
    return name


def write_description(root: Path, seeds: range) -> None:
    """Write dataset.json, with the seeds that made the data."""
    description = {
        "channel_names": {"0": "TEM"},
        "labels": {name: value for value, name in enumerate(LABELS)},
        "numTraining": len(seeds),
        "file_ending": ".png",
        "pixel_size_nm": LAMELLA_PIXEL_NM,
        "seeds": [seeds.start, seeds.stop],
    }
    (root / "dataset.json").write_text(json.dumps(description, indent=1), encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", type=Path, required=True, help="nnUNet_raw folder")
    parser.add_argument("--n", type=int, default=80)
    parser.add_argument("--seed-start", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    seeds = range(args.seed_start, args.seed_start + args.n)
    if seeds.stop > LAST_TRAINING_SEED:
        parser.error(f"seeds from {LAST_TRAINING_SEED} on are kept for validation and tests")
    root = args.raw / DATASET
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(args.processes) as pool:
        for name in pool.map(write_case, [root] * len(seeds), seeds):
            print(name, flush=True)
    write_description(root, seeds)


if __name__ == "__main__":
    main()
