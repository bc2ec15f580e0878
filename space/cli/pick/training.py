"""``spacetomo pick train``: a picker from a few particles."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from space.cli.pick import given
from space.errors import SpaceError

_SETTINGS = (
    ("--loss", str, "pu: what is not labelled is unknown (default); plain: it is unwanted"),
    ("--prior", float, "share of the voxels near centres of particles; estimated without"),
    ("--exponent", float, "of the loss of a voxel; 0 is the logistic one"),
    ("--contrast", float, "weight of the contrast of embeddings"),
    ("--consistency", float, "weight of the difference between two views"),
    ("--self-training", float, "probability from which own picks become labels, as 0.9"),
    ("--epochs", int, "how often everything is kept"),
    ("--steps", int, "for each epoch"),
    ("--batch", int, "parts of tomograms for a step"),
    ("--patch-px", int, "side of such a part"),
    ("--rate", float, "learning rate of the first step"),
    ("--width", int, "channels of the network"),
    ("--seed", int, "of all that is drawn by chance"),
)


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "train",
        help="train a picker from a few labelled particles",
        description="Trains a network with some labelled particles; what is not labelled is taken "
        "as unknown. A tenth of the particles of one region is enough to begin with. After each "
        "epoch everything is kept, so that a training that was ended can go on (--resume).",
        epilog="Example: spacetomo pick train tomograms.txt --coordinates few.txt "
        "--diameter-nm 25 --out picker",
    )
    given.add_tomograms(parser)
    given.add_coordinates(parser, "--coordinates", "labelled particles")
    parser.add_argument(
        "--diameter-nm", type=float, required=True, metavar="NM", help="of a particle"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="of the training")
    parser.add_argument("--resume", action="store_true", help="go on with the training in --out")
    parser.add_argument(
        "--labelled-share",
        type=float,
        metavar="S",
        help="about what part of the particles around the labelled ones is labelled, as 0.1: "
        "gives the prior",
    )
    parser.add_argument(
        "--elsewhere",
        action="store_true",
        help="take voxels of tomograms without labels as unlabelled ones, too",
    )
    for name, kind, words in _SETTINGS:
        parser.add_argument(name, type=kind, default=argparse.SUPPRESS, help=words)
    given.add_json(parser)
    parser.set_defaults(do=_run)


def _run(args: argparse.Namespace) -> int:
    import numpy as np

    from space import picking

    found = given.tomograms(args)
    labelled = given.coordinates(args, args.coordinates, found)
    names = [name[2:].replace("-", "_") for name, _, _ in _SETTINGS]
    asked = {name: getattr(args, name) for name in names if hasattr(args, name)}
    asked["elsewhere"] = args.elsewhere
    config = picking.PickConfig(args.diameter_nm, **asked)
    if args.labelled_share is not None:
        if not 0 < args.labelled_share <= 1:
            raise SpaceError(
                f"{args.labelled_share:g} is no part of the particles.",
                "--labelled-share",
                "Give a number above 0, 1 for all of them.",
            )
        most = max(labelled, key=lambda name: len(labelled[name]))
        radius_px = args.diameter_nm / 2 / found[most].voxel_nm
        prior = picking.prior_from_share(labelled[most].points_px, args.labelled_share, radius_px)
        config = picking.PickConfig(args.diameter_nm, **{**asked, "prior": prior})
    points = {name: np.array(one.points_px) for name, one in labelled.items()}
    path = picking.train(
        config, list(found.values()), points, args.out, given.teller(args), args.resume
    )
    if args.json:
        print(json.dumps({"model": str(path), "config": config.to_dict()}, indent=1))
    else:
        print(f"{path}: pick with it by spacetomo pick predict")
    return 0
