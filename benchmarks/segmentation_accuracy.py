"""Accuracy of the segmentation model on simulated lamellae that it has never seen.

Maps are taken in conditions drawn over the range of `training.lamella_maps` (or as asked for).
Dice and boundaries are counted over all maps together. Targets are chosen on the predicted map
as in a session and judged by the truth: a hit holds the wanted class in the middle of its
field (half as wide and high), one to avoid has some avoided class anywhere in it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable

import numpy as np

from space.config import load_config
from space.learning import Aim, Hits, chosen, judged
from space.segmentation import Segmenter
from space.segmentation.structure import tidied
from space.simulator.specimen import LABEL, LABELS
from space.targeting import TargetingOptions
from training.lamella_maps import lamella_map

from .common import PROJECT, fixed_conditions, model_parser, report
from .scores import boundary_counts, boundary_f1, confusion, dice

AIMS = {
    "mitos": TargetingOptions(target_list=("mitos",)),
    "nucleus": TargetingOptions(target_list=("nucleus",)),
    "lamella": TargetingOptions(target_list=("lamella",), sparse=False),
}


def measure(
    segmenter: Segmenter, pixel_nm: float, seeds: Iterable[int], fixed: dict, tidy: bool = True
) -> dict[str, object]:
    """Segment and judge a map for each seed, tidied as in a session or as the model sees it."""
    n = len(LABELS)
    table = np.zeros((n, n), np.int64)
    edges = np.zeros((n, 4), np.int64)
    targets = dict.fromkeys(AIMS, Hits())
    seconds, means = [], []
    to_ours = np.zeros(256, np.uint8)
    for name, value in segmenter.labels.items():
        to_ours[value] = LABEL.get(name, 0)
    for seed in seeds:
        picture, truth = lamella_map(seed, pixel_nm, **fixed)
        start = time.perf_counter()
        found = segmenter.segment(picture)
        if tidy:
            found = tidied(found, segmenter.labels, pixel_nm, picture=picture)
        predicted = to_ours[found]
        seconds.append((time.perf_counter() - start) / (picture.size / 1e6))
        own = confusion(truth, predicted, n)
        table += own
        means.append(np.mean(list(dice(own).values())))
        for value in range(1, n):
            edges[value] += boundary_counts(truth, predicted, value)
        for aim, options in AIMS.items():
            points = chosen(predicted, LABEL, Aim(options), pixel_nm)
            targets[aim] += judged(points, truth, LABEL, Aim(options), pixel_nm)
    by_class = dice(table)
    total = sum(targets.values(), Hits())
    return {
        "mean_dice": round(float(np.mean(list(by_class.values()))), 4),
        "mean_dice_of_single_maps": round(float(np.mean(means)), 4),
        "dice": {LABELS[k]: round(v, 4) for k, v in by_class.items()},
        "boundary_f1": round(float(np.mean([boundary_f1(edges[k]) for k in by_class])), 4),
        "boundary_f1_by_class": {LABELS[k]: round(boundary_f1(edges[k]), 4) for k in by_class},
        "target_hit_rate": _share(total.near, total.targets),
        "target_avoid_rate": _share(total.spoilt, total.targets),
        "targets": {
            aim: {
                "n": one.targets,
                "hit": _share(one.near, one.targets),
                "avoid": _share(one.spoilt, one.targets),
            }
            for aim, one in targets.items()
        },
        "taken_for": {
            LABELS[k]: {
                LABELS[other]: round(float(table[k, other] / table[k].sum()), 3)
                for other in np.argsort(-table[k])[:4]
                if table[k, other] > 0.01 * table[k].sum()
            }
            for k in by_class
        },
        "seconds_per_megapixel": round(float(np.median(seconds)), 2),
    }


def _share(part: int, whole: int) -> float | None:
    return round(float(part / whole), 4) if whole else None


def main() -> None:
    """Command line."""
    command_line = model_parser(__doc__.splitlines()[0], n=20)
    command_line.add_argument(
        "--appearance", choices=("plain", "real"), default="plain", help="how lamellae look"
    )
    command_line.add_argument(
        "--tidy",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="correct the labels by what is known of lamellae, as a session does",
    )
    args = command_line.parse_args()
    config = load_config(PROJECT)
    folder = args.model or config.segmentation_model
    description = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    pixel_nm = float(description.get("pixel_size_nm", config.segmentation_pixel_nm))
    segmenter = Segmenter(folder, config.segmentation_folds)
    seeds = range(args.seed_start, args.seed_start + args.n)
    fixed = {"look": args.appearance, **fixed_conditions(args)}
    result = measure(segmenter, pixel_nm, seeds, fixed, args.tidy)
    about = {"maps": args.n, "appearance": args.appearance, "tidied": args.tidy}
    report({**about, "pixel_nm": pixel_nm, **result}, args.json)


if __name__ == "__main__":
    main()
