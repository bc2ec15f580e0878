"""``spacetomo evaluate`` with detectors: how well they find the boxes of a data set."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from space.errors import SpaceError
from space.files import write_text_atomic

if TYPE_CHECKING:
    from space.lamellae import Box
    from space.learning import BoxComparison, DataSet, Detection, Sample

    WriteCards = Callable[[argparse.Namespace, Sequence[Sample], Sequence[BoxComparison]], None]
    Pair = tuple[Sequence[Box], Sequence[Box]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that only detectors have."""
    parser.add_argument(
        "--probability",
        type=float,
        default=0.1,
        metavar="P",
        help="of detectors: boxes from this probability on count in pictures and centres (0.1)",
    )


def are_detectors(models: Sequence[Path]) -> bool:
    """Whether the models are detectors, by their content.

    Raises
    ------
    SpaceError
        If only some of them are.
    """
    from space.learning import model_task

    tasks = {path: model_task(path) for path in models}
    found = [path for path, task in tasks.items() if task == "detect"]
    others = [path for path, task in tasks.items() if task == "segment"]
    if found and others:
        raise SpaceError(
            f"{found[0]} finds boxes and {others[0]} labels pixels: they cannot be compared.",
            do="Evaluate each kind by itself.",
        )
    return bool(found)


def run(args: argparse.Namespace, numbers: str, worst: str, write_cards: WriteCards) -> int:
    """Compare detectors; return the exit code.

    Parameters
    ----------
    args : argparse.Namespace
    numbers, worst : str
        Names of the files that are written: of all numbers, and of a picture.
    write_cards : callable
        Writes the cards of the models, if that is asked for.

    Raises
    ------
    SpaceError
        If a model or the data set cannot be used.
    """
    from space.learning import box_lines, compare_boxes, load_model, looked_through, read_data_set

    if not 0 <= args.probability <= 1:
        raise SpaceError(f"--probability {args.probability:g} is not between 0 and 1.")
    data, _ = read_data_set(args.data)
    samples = looked_through(args.data, data.of_split(args.split))
    if not samples:
        raise SpaceError(
            f"The data set has no picture with boxes for {args.split}.",
            str(args.data),
            "See spacetomo data split, or name another --split.",
        )
    found: list[BoxComparison] = []
    left_out: list[str] = []
    for number, model in enumerate(args.models, start=1):
        seen: dict[str, Pair] = {}

        def look(sample: Sample, pair: Pair, seen: dict[str, Pair] = seen) -> None:
            seen[sample.file] = pair

        one = compare_boxes(
            str(model),
            cast("Detection", load_model(model)),
            args.data,
            data,
            samples,
            left_out.append,
            args.probability,
            look,
        )
        found.append(one)
        if args.out is not None:
            _draw_worst(args.out / f"model_{number}", worst, args.data, data, one, seen, args.worst)
    text = json.dumps([one.to_dict() for one in found], indent=1, ensure_ascii=False)
    if args.out is not None:
        write_text_atomic(args.out / numbers, text + "\n")
    if args.card:
        write_cards(args, samples, found)
    if args.json:
        print(text)
    else:
        print("\n".join(box_lines(found)))
        for line in dict.fromkeys(left_out):
            print(f"left out: {line}")
    return 0


def _draw_worst(
    out: Path,
    name: str,
    folder: Path,
    data: DataSet,
    found: BoxComparison,
    seen: dict[str, Pair],
    count: int,
) -> None:
    """Draw the pictures in which most is missed or wrong."""
    from space.learning import draw_found

    out.mkdir(parents=True, exist_ok=True)
    samples = {one.file: one for one in data.samples}
    for number, one in enumerate(found.pictures[:count], start=1):
        draw_found(
            out / name.format(number=number),
            folder,
            samples[one.file],
            seen[one.file],
            f"{one.file}: {one.right} right, {one.missed} missed, {one.wrong} wrong, from a "
            f"probability of {found.threshold:g} on ({found.model})",
        )
