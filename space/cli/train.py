"""``spacetomo train``: a model of one's own from labelled pictures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "train",
        help="train a model with a data set",
        description="Trains a network with the labelled pictures of a data set (see spacetomo "
        "data) and writes it as a model that a session can use. After each epoch everything is "
        "kept, so that a training that was ended can go on. The exit status is 0 when the model "
        "was written, 2 when something cannot be used.",
        epilog="Example: spacetomo train my_training.toml",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="file in TOML: what to train")
    parser.add_argument(
        "--start-from",
        type=Path,
        metavar="MODEL",
        help="begin with the weights of another training (its folder), or an nnU-Net also with "
        "those of a shipped or published model (its folder, or one of its folds)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the training in the folder out"
    )
    parser.add_argument("--json", action="store_true", help="print the epochs as JSON at the end")
    parser.set_defaults(do=_train)


def _train(args: argparse.Namespace) -> int:
    from space import learning  # a command line of other commands starts without it

    config = learning.read_train_config(args.config)
    told = (lambda line: None) if args.json else (lambda line: print(line, flush=True))
    path = learning.train(config, told, args.start_from, args.resume)
    if args.json:
        epochs = learning.read_metrics(config.out)
        print(json.dumps({"model": str(path), "epochs": epochs}, indent=1))
    else:
        print(f"{path}: name it as {config.used_as} in SPACEtomo_config.py to use it.")
        if config.engine != "clicks":
            print(f'Or take it into a project: spacetomo models add "{config.out}"')
    return 0
