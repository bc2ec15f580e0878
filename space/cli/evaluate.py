"""``spacetomo evaluate``: how good models are on labelled pictures, side by side."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from space.cli import evaluate_detectors
from space.errors import SpaceError
from space.files import write_text_atomic
from space.settings import WHOLE_LAMELLA

if TYPE_CHECKING:
    import numpy as np

    from space.learning import Aim, BoxComparison, Comparison, DataSet, Sample

NUMBERS, WORST = "evaluation.json", "worst_{number}.png"
_MOST_MODELS = 20
_NONE_WANTED = (
    "the data set has none of the wanted classes. Name those that you want with --target-list."
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "evaluate",
        help="say how good models are on labelled pictures",
        description="Segments the labelled pictures of a data set that are held out for testing, "
        "and compares with their labels: Dice, IoU, precision, recall and outlines of each class "
        "over all pictures together, how far the confidence of the model can be believed, and "
        "whether targets would hit. Detectors are compared with boxes instead: average precision, "
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
        "--out",
        type=Path,
        metavar="FOLDER",
        help="write the numbers, plots and the worst pictures there",
    )
    parser.add_argument(
        "--worst", type=int, default=3, metavar="N", help="how many pictures of each model (3)"
    )
    evaluate_detectors.add_options(parser)
    targets = parser.add_argument_group("targets, chosen on what a model finds as in a session")
    targets.add_argument(
        "--target-list", nargs="+", metavar="CLASS", help="wanted classes (mitos, if there are any)"
    )
    targets.add_argument("--avoid-list", nargs="+", metavar="CLASS", help="avoided classes")
    targets.add_argument(
        "--field",
        nargs=2,
        type=float,
        metavar=("UM", "UM"),
        help="width and height of the Record field (1.27 0.87)",
    )
    targets.add_argument("--beam", type=float, metavar="UM", help="diameter of the beam (1.7)")
    parser.add_argument(
        "--card", action="store_true", help="write the scores into the card of each model"
    )
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.set_defaults(do=_evaluate)


def _evaluate(args: argparse.Namespace) -> int:
    from space.learning import plot_comparisons, read_data_set

    if not args.tolerance >= 0 or not 0 <= args.worst <= 100 or len(args.models) > _MOST_MODELS:
        raise SpaceError(
            f"--tolerance is below 0, --worst not from 0 to 100, or more than {_MOST_MODELS} "
            "models are named."
        )
    if evaluate_detectors.are_detectors(args.models):
        if args.card:
            _refuse_cards(args.models)
        return evaluate_detectors.run(args, NUMBERS, WORST, _write_cards)
    data, _ = read_data_set(args.data)
    samples = [one for one in data.of_split(args.split) if one.label_hash]
    if not samples:
        raise SpaceError(
            f"The data set has no labelled picture for {args.split}.",
            str(args.data),
            "See spacetomo data split, or name another --split.",
        )
    aim = _aim(args, data)
    if args.card:
        _refuse_cards(args.models)
    found: list[Comparison] = []
    left_out: list[str] = []
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    for number, model in enumerate(args.models, start=1):
        seen: dict[str, np.ndarray] = {}
        found.append(_compared(args, model, data, samples, aim, left_out, seen))
        if args.out is not None:
            out = args.out / f"model_{number}"
            _draw_worst(out, args.data, data, found[-1], seen, args.worst)
    text = json.dumps([one.to_dict() for one in found], indent=1, ensure_ascii=False)
    if args.out is not None:
        write_text_atomic(args.out / NUMBERS, text + "\n")
        plot_comparisons(args.out, found)
    left = [f"left out: {line}" for line in dict.fromkeys(left_out)]
    untold = [] if aim else [f"No targets were chosen: {_NONE_WANTED}"]
    print(text if args.json else "\n".join([*lines(found), *left, *untold]))
    if args.card:
        _write_cards(args, samples, found)
    return 0


def _compared(
    args: argparse.Namespace,
    model: Path,
    data: DataSet,
    samples: Sequence[Sample],
    aim: Aim | None,
    left_out: list[str],
    seen: dict[str, np.ndarray],
) -> Comparison:
    """Compare a model; what it found is put into `seen` if it is to be drawn."""
    from space.learning import compare, load_candidate

    def look(sample: Sample, labels: np.ndarray) -> None:
        if args.out is not None:
            seen[sample.file] = labels

    candidate = load_candidate(model, args.preset)
    return compare(candidate, args.data, data, samples, args.tolerance, left_out.append, look, aim)


def _aim(args: argparse.Namespace, data: DataSet) -> Aim | None:
    """Return what targets are chosen for; None if nothing that is wanted is in the data."""
    from space.learning import BEAM_UM, FIELD_UM, Aim
    from space.targeting import TargetingOptions

    usual = TargetingOptions()
    options = TargetingOptions(
        target_list=tuple(args.target_list or usual.target_list),
        avoid_list=tuple(args.avoid_list or usual.avoid_list),
    )
    named = [*(args.target_list or ()), *(args.avoid_list or ())]
    unknown = [name for name in named if name not in (*data.values, WHOLE_LAMELLA)]
    if unknown:
        raise SpaceError(
            f"The data set has no class {', '.join(unknown)}.",
            str(args.data),
            f"Its classes are {', '.join(data.values)}.",
        )
    aim = Aim(options, tuple(args.field or FIELD_UM), BEAM_UM if args.beam is None else args.beam)
    aim.optics(1.0)  # refuses what cannot be a field or a beam
    wanted = any(name in (*data.values, WHOLE_LAMELLA) for name in options.target_list)
    return aim if wanted else None


def _refuse_cards(models: Sequence[Path]) -> None:
    """Say before anything is computed why a card cannot be written."""
    from space.learning import card_problem

    for model in models:
        problem = card_problem(model)
        if problem:
            raise SpaceError(problem, str(model))


def _write_cards(
    args: argparse.Namespace,
    samples: Sequence[Sample],
    found: Sequence[Comparison | BoxComparison],
) -> None:
    from space import __version__
    from space.learning import EvaluatedOn, data_hash, write_model_card

    name = args.data.resolve().name
    for model, one in zip(args.models, found):
        seen = {picture.file for picture in one.pictures}
        used = [sample for sample in samples if sample.file in seen]
        day = datetime.now().astimezone().date().isoformat()
        tested = EvaluatedOn(name, args.split, len(used), data_hash(used), day, __version__)
        card, page = write_model_card(model, one, tested)
        if not args.json:
            print(f"{card} and {page.name} were written.")


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
        if one.calibration is not None and one.calibration.ece is not None:
            text.append(
                f"  confidence differs from being right by {one.calibration.ece:.3f} on average"
            )
        text += _about_targets(one)
        text += [f"  {remark}" for remark in one.remarks]
    return text


def _about_targets(one: Comparison) -> list[str]:
    hits, best = one.hits, one.best_hits
    if hits is None or best is None:
        return []
    text = []
    for where, found in (("what it finds", hits), ("the true labels", best)):
        text.append(
            f"  {found.targets} targets chosen on {where}: {_share(found.hits, found.targets)} "
            f"hit, {_share(found.spoilt, found.targets)} with something to avoid in the field; "
            f"{_share(found.reached, found.places)} of the places got one"
        )
    return text


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "0"
