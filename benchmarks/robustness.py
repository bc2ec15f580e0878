"""How the shipped models perform under unusual conditions; draws the curves.

python -m benchmarks.robustness detection --n 4 --json detection.json
python -m benchmarks.robustness segmentation --n 4 --json segmentation.json
python -m benchmarks.robustness draw detection.json segmentation.json --out docs/robustness.png

One condition is fixed, all others are random as in the other benchmarks.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from space.config import load_config

from .common import FIRST_TEST_SEED, PROJECT

CONDITIONS = {
    "noise": (0.5, 1.0, 2.0, 3.0),
    "magnification": (0.9, 1.0, 1.1),
    "rotation_deg": (0.0, 30.0, 60.0, 90.0),
}
CURVES = {
    "detection": ("recall", "precision", "class_accuracy"),
    "segmentation": ("mean_dice", "boundary_f1", "target_hit_rate"),
}
TITLES = {
    "noise": "noise (× usual)",
    "magnification": "true / nominal pixel size",
    "rotation_deg": "rotation (°)",
}


def measure(model: str, seeds: range) -> dict[str, list[dict[str, float]]]:
    """Measure one model at every value of every condition."""
    config = load_config(PROJECT)
    if model == "detection":
        from space.lamellae.detector import Detector

        from . import detection

        detector = Detector(config.detection_weights)

        def numbers(fixed):
            return detection.measure(detector, config, seeds, (), fixed, candidates=False)

    else:
        from space.segmentation import Segmenter

        from . import segmentation_accuracy

        segmenter = Segmenter(config.segmentation_model, config.segmentation_folds)

        def numbers(fixed):
            return segmentation_accuracy.measure(
                segmenter, config.segmentation_pixel_nm, seeds, fixed
            )

    table: dict[str, list[dict[str, float]]] = {}
    for condition, values in CONDITIONS.items():
        for value in values:
            found = numbers({condition: value})
            row = {"value": value, **{name: _plain(found[name]) for name in CURVES[model]}}
            table.setdefault(condition, []).append(row)
            print(condition, row, flush=True)
    return table


def _plain(value: float | None) -> float | None:
    return None if value is None else float(value)


def draw(results: list[dict], path: Path) -> None:
    """Draw one panel for each model and condition."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    size = (11, 3.2 * len(results))
    figure, rows = plt.subplots(len(results), 3, figsize=size, sharey=True, squeeze=False)
    for axes, result in zip(rows, results):
        for ax, (condition, title) in zip(axes, TITLES.items()):
            table = result["curves"][condition]
            for name in CURVES[result["model"]]:
                points = [(r["value"], r[name]) for r in table if r[name] is not None]
                ax.plot(*zip(*points), "o-", label=name.replace("_", " "))
            ax.set(xlabel=title, ylim=(0, 1.02))
            ax.grid(alpha=0.3)
        axes[0].set_ylabel(result["model"])
        axes[-1].legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("detection", "segmentation", "draw"))
    parser.add_argument("files", nargs="*", type=Path, help="JSON files to draw")
    parser.add_argument("--seed-start", type=int, default=FIRST_TEST_SEED)
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--out", type=Path, default=PROJECT / "docs" / "robustness.png")
    args = parser.parse_args()
    if args.what == "draw":
        draw([json.loads(file.read_text(encoding="utf-8")) for file in args.files], args.out)
        return
    seeds = range(args.seed_start, args.seed_start + args.n)
    result = {"model": args.what, "n": args.n, "curves": measure(args.what, seeds)}
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
