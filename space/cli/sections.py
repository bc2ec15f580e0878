"""``spacetomo sections``: a volume is labelled after a few of its sections were."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from space.cli.volume import shared
from space.errors import SpaceError


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command, its two parts and their options."""
    parser = commands.add_parser(
        "sections",
        help="label a volume after a few of its sections",
        description="Learns to label the sections of a volume from a few that were labelled, and "
        "labels them all.",
        epilog="Example: spacetomo sections predict run raw.mrc --out labels.zarr",
    )
    parts = parser.add_subparsers(dest="part", required=True)
    _add_train(parts)
    _add_predict(parts)


def _add_train(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = parts.add_parser(
        "train",
        help="learn from sections with labels",
        description="Trains a network on the labelled sections of a volume. After each epoch "
        "everything is kept, so that a training that was ended can go on. The exit status is 0 "
        "when the model was written, 2 when something cannot be used.",
        epilog="Example: spacetomo sections train raw.mrc labels.mrc --out run --labelled 10,40,70 "
        "--held 55 --class membrane=1",
    )
    shared.add_volume(parser, "raw")
    parser.add_argument("labels", type=Path, metavar="LABELS", help="labels of the same shape")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the run")
    parser.add_argument(
        "--labelled",
        default="",
        metavar="N,N,...",
        help="sections whose labels are learned from, from 0; also 10-14 (default: all that have "
        "a label)",
    )
    parser.add_argument(
        "--held", default="", metavar="N,N,...", help="labelled sections for validation"
    )
    parser.add_argument(
        "--class",
        dest="classes",
        action="append",
        default=[],
        metavar="NAME=N",
        help="value of a class in the labels; may be given several times (default: each value)",
    )
    parser.add_argument(
        "--shrink", type=int, default=2, help="shrink sections by this (default: 2)"
    )
    parser.add_argument("--epochs", type=int, default=40, help="how many (default: 40)")
    parser.add_argument("--steps", type=int, default=10, help="steps for an epoch (default: 10)")
    parser.add_argument("--rate", type=float, default=0.004, help="learning rate (default: 0.004)")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is drawn")
    parser.add_argument(
        "--consistency",
        type=float,
        default=0.0,
        metavar="WEIGHT",
        help="how much sections without labels count that come out the same when they are turned "
        "and noisier (default: 0)",
    )
    parser.add_argument(
        "--reconstruction",
        type=float,
        default=0.0,
        metavar="WEIGHT",
        help="how much sections without labels count that are guessed where they are covered "
        "(default: 0)",
    )
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1, help="of the processor (default: 1)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    parser.add_argument("--json", action="store_true", help="print the epochs as JSON at the end")
    parser.set_defaults(do=_train)


def _add_predict(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = parts.add_parser(
        "predict",
        help="label all sections of a volume",
        description="Labels a volume section by section, in overlapping tiles that are seen turned "
        "by right angles, and writes an OME-Zarr. What was ended goes on. The exit status is 0 "
        "when all is labelled, 2 when something cannot be used.",
        epilog="Example: spacetomo sections predict run raw.mrc --out labels.zarr",
    )
    parser.add_argument("model", type=Path, metavar="RUN", help="folder of a training")
    shared.add_volume(parser, "raw")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="OME-Zarr to write")
    parser.add_argument(
        "--turns",
        type=int,
        default=4,
        choices=[1, 4, 8],
        help="ways in which a tile is seen: 8 are also mirrored (default: 4)",
    )
    parser.add_argument(
        "--tile", type=int, default=256, metavar="PX", help="side of the tiles (default: 256)"
    )
    parser.set_defaults(do=_predict)


def _train(args: argparse.Namespace) -> int:
    from space import learning  # a command line of other commands starts without them
    from space.organelles import sections

    config = sections.SectionsConfig(
        raw=args.raw,
        labels=args.labels,
        out=args.out,
        labelled=_numbers(args.labelled, "--labelled"),
        held=_numbers(args.held, "--held"),
        classes=_classes(args.classes),
        voxel_nm=args.voxel_nm,
        **{name: getattr(args, name) for name in _SAME},
    )
    told: Any = (lambda line: None) if args.json else (lambda line: print(line, flush=True))
    path = sections.train_sections(config, told, args.resume)
    if args.json:
        epochs = learning.read_metrics(config.out)
        print(json.dumps({"model": str(path), "epochs": epochs}, indent=1))
    else:
        print(f'{path}: label with it: spacetomo sections predict "{config.out}" RAW --out DIR')
    return 0


_SAME = (
    "shrink",
    "epochs",
    "steps",
    "rate",
    "seed",
    "consistency",
    "reconstruction",
    "device",
    "threads",
)


def _predict(args: argparse.Namespace) -> int:
    from space.organelles import sections
    from space.volumes import open_volume

    raw = open_volume(args.raw, args.voxel_nm)
    told = lambda line: print(line, flush=True)  # noqa: E731
    sections.predict_sections(args.model, raw, args.out, told, args.turns, args.tile)
    print(f'{args.out}: make surfaces of it: spacetomo surfaces "{args.out}" --out DIR')
    return 0


def _numbers(text: str, option: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, dash, last = part.strip().partition("-")
        if not (first.isascii() and first.isdigit()) or (
            dash and not (last.isascii() and last.isdigit())
        ):
            raise SpaceError(f"{part} names no section.", option, f"Write {option} 3,10-14.")
        found += range(int(first), int(last if dash else first) + 1)
    return tuple(found)


def _classes(given: Sequence[str]) -> dict[str, int]:
    found = {}
    for text in given:
        name, _, number = text.partition("=")
        if not name or not (number.isascii() and number.isdigit()):
            raise SpaceError(f"{text} is no class.", "--class", "Write --class membrane=1.")
        found[name] = int(number)
    return found
