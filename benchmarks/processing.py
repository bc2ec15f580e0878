"""What comes of simulated tilt series, judged by the truth: tomograms, membranes, particles.

Each series is taken at a place of a lamella of its own, with tracking errors (`--seeds`), and
processed alone. `--session DIR` reads instead what `spacetomo simulate --tomograms --out DIR` came
to, whose series the stand-in of PACEtomo acquired with its own tracking errors. `--picture FILE`
draws the last tomogram with what was found in it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import report
from space.series import TOMOGRAMS
from space.simulation import PROCESSED, process, processed_table, simulated_series

LEAST_DICE, LEAST_F1 = 0.6, 0.7
TRACKING_NM = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="series, each of a lamella of its own")
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument("--session", type=Path, help="folder of spacetomo simulate --tomograms")
    parser.add_argument("--keep", type=Path, help="work here, and leave all there")
    parser.add_argument("--picture", type=Path, help="PNG to draw")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = args.keep or Path(scratch)
        if args.session is not None:
            folder = args.session / TOMOGRAMS
            found = json.loads((folder / PROCESSED).read_text(encoding="utf-8"))["series"]
        else:
            found = []
            for seed in range(args.first, args.first + args.seeds):
                folder = home / f"seed{seed}"
                found += one(folder, seed)
        print(*processed_table({"series": found}), sep="\n")
        if args.picture is not None:
            draw(folder, found[-1]["name"], args.picture)
    dice = [one["membranes"]["dice"] for one in found if one["membranes"]]
    f1 = [one["particles"]["f1"] for one in found if one["particles"]]
    numbers = {
        "series": found,
        "membranes_dice": [round(value, 3) for value in dice],
        "particles_f1": [round(value, 3) for value in f1],
        "dice_holds": bool(dice) and min(dice) >= LEAST_DICE,
        "f1_holds": bool(f1) and min(f1) >= LEAST_F1,
    }
    report({key: numbers[key] for key in numbers if key != "series"}, None)
    if args.json is not None:
        args.json.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


def one(folder: Path, seed: int) -> list[dict[str, Any]]:
    made = simulated_series(folder, seed, holds=("membranes",), tracking_error_nm=TRACKING_NM)
    return process([made.stack], [made.truth], folder / TOMOGRAMS, print)["series"]


def draw(folder: Path, name: str, path: Path) -> None:
    """Middle slice, the same with picks, and surfaces, side by side."""
    from PIL import Image

    from space.volumes import open_volume

    volume = open_volume(folder / f"{name}_rec.zarr")
    middle = volume.shape[0] // 2
    grey = volume[middle - 1 : middle + 2].mean(axis=0)[::-1]
    low, high = np.percentile(grey, (1, 99))
    eight = (255 * np.clip((grey - low) / (high - low), 0, 1)).astype(np.uint8)
    height = 460
    slice_ = Image.fromarray(eight)
    slice_ = slice_.resize((round(slice_.width * height / slice_.height), height))
    surfaces = Image.open(folder / name / "surfaces" / "surfaces.png").convert("RGB")
    surfaces = surfaces.crop(_filled(np.asarray(surfaces)))
    surfaces.thumbnail((2 * height, height))
    picks = Image.open(folder / name / "particles.png").convert("RGB")
    picks = picks.crop((0, 0, picks.width, picks.height // 2))  # its lower half is the heat map
    picks.thumbnail((slice_.width + surfaces.width, 2 * height))
    whole = Image.new("RGB", (slice_.width + surfaces.width, height + picks.height), "white")
    whole.paste(slice_, (0, 0))
    whole.paste(surfaces, (slice_.width, (height - surfaces.height) // 2))
    whole.paste(picks, (0, height))
    whole.quantize(256).save(path, optimize=True)


def _filled(picture: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((picture < 250).any(axis=-1))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


if __name__ == "__main__":
    main()
