"""Accuracy of the lamella detector on simulated grids that it has never seen.

Every grid is looked at as a whole, in conditions drawn over the range of `training.grid_maps`
(or as asked for); with ``--kinds new``, parts of grids that were milled in other ways, with broken
squares beside them, lamellae that the picture's edge cuts, and pictures as screens show them.
A lamella is found when a box's middle lies within 12 µm of its own. The mean average precision is
that of boxes down to a probability of 0.01 at an overlap of 0.5.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from space.config import Config, load_config
from space.lamellae import Box
from space.lamellae.detector import Detector
from space.simulator.specimen import KINDS
from training.grid_maps import KINDS_OF_GRIDS, MODEL_PIXEL_NM, whole_map
from training.matching import matched

from .common import PROJECT, fixed_conditions, model_parser, report
from .scores import average_precision, greedy_hits

THRESHOLD = 0.1
LEAST_PROBABILITY = 0.01


@dataclass
class Tally:
    """What was found, summed over grids.

    Attributes
    ----------
    table : (true category, found category) counts; the last row is 'nothing there', the last
        column 'not found'
    errors_um : distances of found from true middles
    candidates : category → (right?, probability) of every box down to the least probability
    """

    table: np.ndarray = field(
        default_factory=lambda: np.zeros((len(KINDS) + 1, len(KINDS) + 1), int)
    )
    errors_um: list[float] = field(default_factory=list)
    candidates: dict[str, list[tuple[bool, float]]] = field(default_factory=dict)

    def add(self, truth: np.ndarray, boxes: list[Box], pixel_um: float) -> None:
        """Count boxes of one grid; `truth` is (n, 5): category, x0, y0, x1, y1 (px)."""
        pairs = matched(truth, boxes, pixel_um)
        other = len(KINDS)
        for i, j, distance in pairs:
            self.table[int(truth[i, 0]), _index(boxes[j].category)] += 1
            self.errors_um.append(distance)
        for i in set(range(len(truth))) - {i for i, _, _ in pairs}:
            self.table[int(truth[i, 0]), other] += 1
        for j in set(range(len(boxes))) - {j for _, j, _ in pairs}:
            self.table[other, _index(boxes[j].category)] += 1

    def add_candidates(self, truth: np.ndarray, boxes: list[Box]) -> None:
        """Count boxes of low probability too, for the average precision."""
        for k, name in enumerate(KINDS):
            mine = [b for b in boxes if b.category == name]
            frames = np.array([(b.x0_px, b.y0_px, b.x1_px, b.y1_px) for b in mine])
            probabilities = [b.probability for b in mine]
            hits = greedy_hits(truth[truth[:, 0] == k, 1:], frames.reshape(-1, 4), probabilities)
            self.candidates.setdefault(name, []).extend(zip(hits, probabilities))

    def numbers(self) -> dict[str, object]:
        """The measures."""
        n = len(KINDS)
        true, found = self.table[:n].sum(), self.table[:n, :n].sum()
        boxes = self.table[:, :n].sum()
        by_class = {}
        for k, name in enumerate(KINDS):
            if self.table[k].sum() and self.candidates:
                boxes_of = self.candidates.get(name, [])
                by_class[name] = round(
                    average_precision(
                        [right for right, _ in boxes_of],
                        [probability for _, probability in boxes_of],
                        int(self.table[k].sum()),
                    ),
                    4,
                )
        names = [*KINDS, "none"]
        return {
            "lamellae": int(true),
            "recall": round(found / max(true, 1), 4),
            "precision": round(found / max(boxes, 1), 4),
            "map50": round(float(np.mean(list(by_class.values()))), 4) if by_class else None,
            "class_accuracy": round(np.trace(self.table[:n, :n]) / max(found, 1), 4),
            "center_error_um_median": (
                round(float(np.median(self.errors_um)), 3) if self.errors_um else None
            ),
            "average_precision": by_class,
            "confusion": {
                name: {other: int(v) for other, v in zip(names, row) if v}
                for name, row in zip(names, self.table)
            },
        }


def _index(category: str) -> int:
    """Column of a category; one that the simulator does not know counts as not found."""
    return KINDS.index(category) if category in KINDS else len(KINDS)


def measure(
    detector: Detector,
    config: Config,
    seeds: Iterable[int],
    unmilled: Iterable[int],
    fixed: dict,
    candidates: bool = True,
    kinds: str = "usual",
) -> dict[str, object]:
    """Look at milled and at unmilled grids.

    Parameters
    ----------
    fixed : dict
        Conditions that are the same for all grids.
    candidates : bool
        Whether to look a second time, for the average precision.
    kinds : str
        One of `training.grid_maps.KINDS_OF_GRIDS`.
    """
    tally, seconds = Tally(), []
    for seed in seeds:
        seen, grid_map = whole_map(seed, True, kinds, **fixed)
        rows, cols = seen.transmission.shape
        boxes = np.array(seen.boxes).reshape(-1, 5)
        middle = (boxes[:, 1:3] + boxes[:, 3:5]) / 2
        truth = boxes[np.all((middle > 0) & (middle < (cols, rows)), axis=1)]
        start = time.perf_counter()
        found = detector.detect(seen.transmission, MODEL_PIXEL_NM, THRESHOLD, config)
        seconds.append(time.perf_counter() - start)
        tally.add(truth, found, MODEL_PIXEL_NM * 1e-3 * grid_map.conditions.magnification)
        if candidates:
            tally.add_candidates(
                truth,
                detector.detect(seen.transmission, MODEL_PIXEL_NM, LEAST_PROBABILITY, config),
            )
    false = [
        len(
            detector.detect(
                whole_map(seed, False, kinds, **fixed)[0].transmission,
                MODEL_PIXEL_NM,
                THRESHOLD,
                config,
            )
        )
        for seed in unmilled
    ]
    return {
        **tally.numbers(),
        "false_per_unmilled_grid": round(float(np.mean(false)), 3) if false else None,
        "seconds_per_grid": round(float(np.median(seconds)), 1) if seconds else None,
    }


def main() -> None:
    """Command line."""
    options = model_parser(__doc__.splitlines()[0], n=20)
    options.add_argument("--unmilled", type=int, default=10, help="grids without lamellae")
    options.add_argument("--kinds", choices=KINDS_OF_GRIDS, default="usual", help="of grids")
    args = options.parse_args()
    config = load_config(PROJECT)
    weights = args.model or config.detection_weights
    seeds = range(args.seed_start, args.seed_start + args.n)
    unmilled = range(args.seed_start + 50_000, args.seed_start + 50_000 + args.unmilled)
    fixed = fixed_conditions(args)
    result = measure(Detector(weights), config, seeds, unmilled, fixed, kinds=args.kinds)
    report(
        {"kinds": args.kinds, "grids": args.n, "unmilled_grids": args.unmilled, **result}, args.json
    )


if __name__ == "__main__":
    main()
