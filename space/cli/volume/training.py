"""``spacetomo volume train``, ``finetune`` and ``runs``: networks learn what is in volumes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the actions."""
    train = actions.add_parser(
        "train",
        help="train a network on labelled regions",
        description="Trains a U-Net for volumes on labelled regions and writes it as a model. "
        "After each epoch everything is kept, so that a training that was ended can go on.",
        epilog="Example: spacetomo volume train membrane.toml",
    )
    finetune = actions.add_parser(
        "finetune",
        help="go on with the weights of another training, on a few labels",
        description="Trains as spacetomo volume train does, beginning with the weights of a model. "
        "Classes of the same name keep what they have learned; fewer epochs are the rule.",
        epilog="Example: spacetomo volume finetune mine.toml --from runs/membrane",
    )
    finetune.add_argument(
        "--from",
        dest="begin",
        type=Path,
        required=True,
        metavar="MODEL",
        help="model to begin with, or the folder of its training",
    )
    for parser in (train, finetune):
        parser.add_argument("config", type=Path, metavar="CONFIG", help="file in TOML")
        parser.add_argument(
            "--resume", action="store_true", help="go on with the training in the folder out"
        )
        parser.add_argument(
            "--json", action="store_true", help="print the epochs as JSON at the end"
        )
    train.set_defaults(do=_train, begin=None)
    finetune.set_defaults(do=_train)
    runs = actions.add_parser(
        "runs",
        help="all trainings in a folder, as a table",
        description="Lists the trainings in a folder, the best first: what was asked, how far they "
        "are, and how well classes are found in the regions for validation.",
        epilog="Example: spacetomo volume runs runs/",
    )
    runs.add_argument("folder", type=Path, metavar="DIR", help="folder with folders of trainings")
    runs.add_argument("--json", action="store_true", help="print it as JSON")
    runs.set_defaults(do=_runs)


def _train(args: argparse.Namespace) -> int:
    from space.learning import run_folder
    from space.organelles import read_volume_config, train_volumes

    config = read_volume_config(args.config, finetuning=args.begin is not None)
    tell = (lambda line: None) if args.json else (lambda line: print(line, flush=True))
    path = train_volumes(config, tell, args.begin, args.resume)
    if args.json:
        epochs = run_folder.read_metrics(config.out)
        print(json.dumps({"model": str(path), "epochs": epochs}, indent=1))
    else:
        print(f"{path}: look through a volume by spacetomo volume predict {config.out} VOLUME")
    return 0


def _runs(args: argparse.Namespace) -> int:
    from space.organelles import runs_in, table_of

    found = runs_in(args.folder)
    if args.json:
        print(json.dumps([one.to_dict() for one in found], indent=1))
    else:
        print("\n".join(table_of(found)) if found else "There is no training on volumes here.")
    return 0
