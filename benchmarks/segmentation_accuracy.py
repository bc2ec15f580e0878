"""Accuracy of the shipped segmentation model on simulated lamellae it has never seen."""

from __future__ import annotations

import time

import numpy as np

from space.config import load_config
from space.judge import dice_by_class
from space.segmentation.model import Segmenter
from space.simulator.specimen import LABELS
from training.pictures import lamella_picture

from .common import PROJECT, parser, report


def main() -> None:
    """Command line."""
    args = parser(__doc__, n=8).parse_args()
    config = load_config(PROJECT)
    segmenter = Segmenter(config.segmentation_model, config.segmentation_folds)
    by_class: dict[str, list[float]] = {}
    means, seconds = [], []
    for seed in range(args.seed_start, args.seed_start + args.n):
        picture, truth = lamella_picture(seed)
        start = time.perf_counter()
        predicted = segmenter.segment(picture)
        seconds.append((time.perf_counter() - start) / (picture.size / 1e6))
        dice = dice_by_class(predicted, truth, LABELS)
        means.append(float(np.mean(list(dice.values()))))
        for name, value in dice.items():
            by_class.setdefault(name, []).append(value)
    report(
        {
            "maps": args.n,
            "mean_dice": round(float(np.mean(means)), 4),
            "dice": {
                name: round(float(np.mean(by_class[name])), 4)
                for name in LABELS
                if name in by_class
            },
            "seconds_per_megapixel": round(float(np.median(seconds)), 1),
        },
        args.json,
    )


if __name__ == "__main__":
    main()
