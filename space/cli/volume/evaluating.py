"""``spacetomo volume evaluate``: a prediction beside labels."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from space.cli.volume.shared import named_numbers


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    evaluate = actions.add_parser(
        "evaluate",
        help="F1, Jaccard, precision and recall of a prediction",
        description="Compares a prediction with labels. Voxels near the border of a class can be "
        "left out, where a person may as well have drawn it elsewhere.",
        epilog="Example: spacetomo volume evaluate found test.json --exclude membrane=1",
    )
    evaluate.add_argument(
        "prediction", type=Path, metavar="DIR", help="folder of spacetomo volume predict"
    )
    evaluate.add_argument("data", type=Path, metavar="DATA", help="list of labelled regions (JSON)")
    evaluate.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="CLASS=VOXELS",
        help="voxels around the border of a class that do not count",
    )
    evaluate.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="CLASS=SHARE",
        help="probability from which voxels count as a class (0.5)",
    )
    evaluate.add_argument("--json", action="store_true", help="print it as JSON")
    evaluate.set_defaults(do=_evaluate)


def _evaluate(args: argparse.Namespace) -> int:
    from space.organelles import evaluate_prediction, read_entries, read_prediction

    widths = named_numbers(args.exclude, "--exclude", whole=True)
    found = evaluate_prediction(
        read_prediction(args.prediction),
        read_entries(args.data),
        {name: int(width) for name, width in widths.items()},
        named_numbers(args.threshold, "--threshold", whole=False),
    )
    table = found.to_dict()
    if args.json:
        print(json.dumps(table, indent=1))
        return 0
    head = ("class", "F1", "Jaccard", "precision", "recall", "threshold", "best", "F1 at best")
    print("  ".join(f"{one:>10}" for one in head))
    for name, one in table["classes"].items():
        values = [one[key] for key in ("f1", "jaccard", "precision", "recall", "threshold")]
        values += [one["best_threshold"], one["f1_at_best"]]
        numbers = ["-" if value is None else f"{value:.3f}" for value in values]
        print("  ".join(f"{text:>10}" for text in (name, *numbers)))
    print(f"{found.counted_voxels} of {found.voxels} voxels counted.")
    return 0
