"""Add crops where a trained detector errs to its training data.

python -m training.mine_errors --data DATA --weights best.pt --n 20 --seed-start 40000

Whole grids are looked at as in a session, every other one without lamellae. What was found where
no lamella is, and lamellae that were missed, become crops with their true boxes: false ones are
so rare on random crops that a detector never learns them there. Train again afterwards.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from space.config import Config, load_config
from space.lamellae import Box
from space.lamellae.detector import Detector
from space.pictures import to_8_bit

from . import formats
from .grid_maps import CROP_PX, MODEL_PIXEL_NM, draw_native_nm, whole_map
from .matching import matched, middles_px
from .seeds import part_of

PROJECT = Path(__file__).resolve().parent.parent
THRESHOLD = 0.03
CROPS_MAX = 30
#: Crops are numbered from here on, after those of `training.make_data`.
FIRST_NUMBER = 50


def errors_px(truth: np.ndarray, boxes: list[Box]) -> list[tuple[float, float]]:
    """Middles (x, y) of missed lamellae, then of boxes without one, the most probable first.

    Parameters
    ----------
    truth : (n, 5) array
        Category, x0, y0, x1, y1.
    """
    centers, found = middles_px(truth, boxes)
    pairs = matched(truth, boxes, MODEL_PIXEL_NM * 1e-3)
    known, true = {i for i, _, _ in pairs}, {j for _, j, _ in pairs}
    missed = [tuple(center) for i, center in enumerate(centers) if i not in known]
    order = sorted(range(len(boxes)), key=lambda j: -boxes[j].probability)
    return missed + [tuple(found[j]) for j in order if j not in true]


def crops_of_errors(
    seed: int, detector: Detector, config: Config
) -> Iterator[tuple[np.ndarray, list[formats.Box]]]:
    """Crops of one grid around what the detector gets wrong: 8-bit pictures and boxes."""
    rng = np.random.default_rng([203, seed])
    seen, _ = whole_map(seed, milled=seed % 2 == 0, native_nm=draw_native_nm(rng))
    picture = to_8_bit(seen.transmission)
    truth = np.array(seen.boxes, float).reshape(-1, 5)
    boxes = detector.detect(seen.transmission, MODEL_PIXEL_NM, THRESHOLD, config)
    highest = np.array(picture.shape[::-1]) - CROP_PX
    taken: list[np.ndarray] = []
    for middle in errors_px(truth, boxes):
        if len(taken) == CROPS_MAX:
            return
        shift = rng.uniform(-0.35, 0.35, 2) * CROP_PX
        corner = np.clip(np.rint(np.array(middle) - CROP_PX / 2 + shift), 0, highest).astype(int)
        if any((np.abs(corner - other) < CROP_PX / 3).all() for other in taken):
            continue  # a crop that shows the same once more
        taken.append(corner)
        x, y = corner
        inside = [
            (int(k), x0 - x, y0 - y, x1 - x, y1 - y)
            for k, x0, y0, x1, y1 in truth.tolist()
            if x0 < x + CROP_PX and x1 > x and y0 < y + CROP_PX and y1 > y
        ]
        yield picture[y : y + CROP_PX, x : x + CROP_PX], inside


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--seed-start", type=int, default=40_000)
    parser.add_argument("--n", type=int, default=20)
    args = parser.parse_args()
    config, detector = load_config(PROJECT), Detector(args.weights)
    for seed in range(args.seed_start, args.seed_start + args.n):
        if part_of(seed) == "test":
            parser.error(f"seed {seed} is a test seed: nothing may be learned from it")
        written = 0
        for written, (picture, boxes) in enumerate(crops_of_errors(seed, detector, config), 1):
            formats.write_crop(args.data, seed, FIRST_NUMBER + written, picture, boxes)
        print(f"grid {seed}: {written} crops", flush=True)


if __name__ == "__main__":
    main()
