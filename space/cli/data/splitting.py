"""``spacetomo data split``: which pictures are trained on, and which are held out."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    split = actions.add_parser(
        "split",
        help="assign pictures to train, val and test, whole grids at a time",
        description="Assigns pictures that have no split yet. All pictures of a grid, and copies "
        "of one picture, get the same one, so that no model is tested on what it has seen. The "
        "same seed gives the same result.",
        epilog="Example: spacetomo data split my_set --train 0.8 --val 0 --test 0.2",
    )
    split.add_argument("data", type=Path, metavar="DIR", help="folder of the data set")
    for part, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        split.add_argument(
            f"--{part}", type=float, default=share, metavar="PART", help=f"({share})"
        )
    split.add_argument("--seed", type=int, default=0, help="(0)")
    split.add_argument(
        "--by",
        choices=("grid", "lamella", "picture"),
        default="grid",
        help="what is not divided (grid)",
    )
    split.add_argument(
        "--put",
        action="append",
        default=[],
        metavar="SPLIT=NAMES",
        help='decide it for some, as --put "test=cell_z01[89]*"',
    )
    split.add_argument("--anew", action="store_true", help="also those that have a split")
    split.add_argument("--json", action="store_true", help="print the splits as JSON")
    split.set_defaults(do=_run)


def _run(args: argparse.Namespace) -> int:
    from space.errors import SpaceError
    from space.learning import SPLITS, read_data_set, split, write_data_set

    named = []
    for pair in args.put:
        part, equals, pattern = pair.partition("=")
        if not equals or part not in SPLITS or not pattern:
            raise SpaceError(f"'{pair}' is not SPLIT=NAMES.", "--put", 'Write --put "test=G2_*"')
        named.append((part, pattern))
    shares = {"train": args.train, "val": args.val, "test": args.test}
    data = split(read_data_set(args.data)[0], shares, args.seed, args.by, args.anew, named)
    write_data_set(args.data, data)
    if args.json:
        print(json.dumps({one.file: one.split for one in data.samples}, indent=1))
        return 0
    counts = Counter(one.split for one in data.samples)
    print(", ".join(f"{counts[part]} {part}" for part in SPLITS))
    return 0
