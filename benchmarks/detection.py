"""Accuracy of the shipped lamella detector on simulated grids it has never seen."""

from __future__ import annotations

import time

import numpy as np

from space.config import load_config
from space.judge import match
from space.lamellae.detector import Detector
from space.simulator.specimen import Grid
from training.pictures import GRID_PIXEL_NM, exposed, view

from .common import PROJECT, parser, report

RADIUS_UM = 1050.0
THRESHOLD = 0.1


def main() -> None:
    """Command line."""
    args = parser(__doc__, n=4).parse_args()
    config = load_config(PROJECT)
    detector = Detector(config.detection_weights)
    px = GRID_PIXEL_NM * 1e-3
    size = int(2 * RADIUS_UM / px)
    errors, seconds = [], []
    true = found = right = extra = 0
    for seed in range(args.seed_start, args.seed_start + args.n):
        grid = Grid.make(seed, 8)
        m = view((0.0, 0.0), px, (size, size), 3.0)
        rng = np.random.default_rng(seed)
        picture = exposed(rng, grid.transmission(m, (size, size), px), 0.02)
        start = time.perf_counter()
        boxes = detector.detect(picture, GRID_PIXEL_NM, THRESHOLD, config)
        seconds.append(time.perf_counter() - start)
        mids = np.array(
            [((b.x0_px + b.x1_px) / 2, (b.y0_px + b.y1_px) / 2, 1.0) for b in boxes]
        ).reshape(-1, 3)
        at = mids @ m.T
        centers = np.array([lamella.center_um for lamella in grid.lamellae])
        pairs = match(centers, at)
        true += len(centers)
        found += len(pairs)
        extra += len(boxes) - len(pairs)
        right += sum(grid.lamellae[i].kind == boxes[j].category for i, j, _ in pairs)
        errors += [d for _, _, d in pairs]
    report(
        {
            "grids": args.n,
            "recall": round(found / true, 4),
            "precision": round(found / max(found + extra, 1), 4),
            "class_accuracy": round(right / max(found, 1), 4),
            "center_error_um_median": round(float(np.median(errors)), 3) if errors else None,
            "seconds_per_grid": round(float(np.median(seconds)), 1),
        },
        args.json,
    )


if __name__ == "__main__":
    main()
