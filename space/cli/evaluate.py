"""``spacetomo evaluate``: how good models are on labelled pictures, side by side."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from space.cli import evaluate_detectors
from space.errors import SpaceError
from space.files import write_text_atomic

if TYPE_CHECKING:
    import numpy as np

    from space.learning import Comparison, DataSet, Sample

NUMBERS, WORST = "evaluation.json", "worst_{number}.png"
_MOST_MODELS = 20


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "evaluate",
        help="say how good models are on labelled pictures",
        description="Segments the labelled pictures of a data set that are held out for testing, "
        "and compares with their labels: Dice, IoU, precision, recall and outlines of each class "
        "over all pictures together. Detectors are compared with boxes instead: average precision, "
        "recall and precision, and how far centres are from each other. Several models of a kind "
        "stand side by side; classes are the same if their names are.",
        epilog="Example: spacetomo evaluate runs/first/model.onnx models/lamella_segmentation "
        "--data my_set --out compared",
    )
    parser.add_argument(
        "models",
        type=Path,
        nargs="+",
        metavar="MODEL",
        help="folder of a training or of nnU-Net, .onnx file, .pt of a detector",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data set")
    parser.add_argument(
        "--split", choices=("train", "val", "test"), default="test", help="which pictures (test)"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=2.0,
        metavar="PX",
        help="how far outlines may be from each other (2)",
    )
    parser.add_argument(
        "--preset",
        choices=("accurate", "balanced", "fast"),
        default="balanced",
        help="how the models look at a picture (balanced)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write the numbers and the worst pictures there"
    )
    parser.add_argument(
        "--worst", type=int, default=3, metavar="N", help="how many pictures of each model (3)"
    )
    evaluate_detectors.add_options(parser)
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.set_defaults(do=_evaluate)


def _evaluate(args: argparse.Namespace) -> int:
    from space.learning import compare, load_candidate, read_data_set

    if not args.tolerance >= 0 or not 0 <= args.worst <= 100 or len(args.models) > _MOST_MODELS:
        raise SpaceError(
            f"--tolerance is below 0, --worst not from 0 to 100, or more than {_MOST_MODELS} "
            "models are named."
        )
    if evaluate_detectors.are_detectors(args.models):
        return evaluate_detectors.run(args, NUMBERS, WORST)
    data, _ = read_data_set(args.data)
    samples = [one for one in data.of_split(args.split) if one.label_hash]
    if not samples:
        raise SpaceError(
            f"The data set has no labelled picture for {args.split}.",
            str(args.data),
            "See spacetomo data split, or name another --split.",
        )
    found: list[Comparison] = []
    left_out: list[str] = []
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    for model in args.models:
        seen: dict[str, np.ndarray] = {}

        def look(sample: Sample, labels: np.ndarray, seen: dict[str, np.ndarray] = seen) -> None:
            if args.out is not None:
                seen[sample.file] = labels

        candidate = load_candidate(model, args.preset)
        one = compare(candidate, args.data, data, samples, args.tolerance, left_out.append, look)
        found.append(one)
        if args.out is not None:
            _draw_worst(args.out / f"model_{len(found)}", args.data, data, one, seen, args.worst)
    text = json.dumps([one.to_dict() for one in found], indent=1, ensure_ascii=False)
    if args.out is not None:
        write_text_atomic(args.out / NUMBERS, text + "\n")
    if args.json:
        print(text)
    else:
        print("\n".join(lines(found)))
        for line in dict.fromkeys(left_out):
            print(f"left out: {line}")
    return 0


def _draw_worst(
    out: Path,
    folder: Path,
    data: DataSet,
    found: Comparison,
    seen: dict[str, np.ndarray],
    count: int,
) -> None:
    """Draw the pictures with the lowest Dice: their labels above, what was found below."""
    from space.learning import draw_beside

    out.mkdir(parents=True, exist_ok=True)
    samples = {one.file: one for one in data.samples}
    for number, picture in enumerate(found.pictures[:count], start=1):
        dice = "-" if picture.dice is None else f"{picture.dice:.3f}"
        draw_beside(
            out / WORST.format(number=number),
            folder,
            data,
            samples[picture.file],
            seen[picture.file],
            f"{picture.file}: Dice {dice} ({Path(found.model).name})",
        )


def lines(found: Sequence[Comparison]) -> list[str]:
    """Return what is printed of some models."""
    text = []
    for one in found:
        mean_dice = "-" if one.mean_dice is None else f"{one.mean_dice:.3f}"
        text.append(
            f"{one.model}: mean Dice {mean_dice} on {len(one.pictures)} pictures, "
            f"{one.seconds:.1f} s of processor time for a megapixel"
        )
        wide = max(len(each.name) for each in one.classes)
        text.append(f"  {'class':{wide}}   Dice    IoU  precision  recall  outline F1")
        for each in one.classes:
            score = each.score
            numbers = (score.dice, score.iou, score.precision, score.recall, each.boundary.f1)
            shown = ["    -" if value is None else f"{value:5.3f}" for value in numbers]
            text.append(f"  {each.name:{wide}}  " + "{}  {}      {}   {}       {}".format(*shown))
        worst = [
            f"{each.file} ({each.dice:.3f})" for each in one.pictures[:3] if each.dice is not None
        ]
        text.append(f"  worst: {', '.join(worst)}")
        text += [f"  {remark}" for remark in one.remarks]
    return text
