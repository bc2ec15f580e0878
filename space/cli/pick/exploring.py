"""``spacetomo pick explore``: what is in tomograms of which nothing is labelled."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from space.cli.pick import given
from space.errors import SpaceError


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "explore",
        help="cluster what stands out in tomograms without labels, and draw it",
        description="Cuts cubes where something stands out, trains a network to tell them apart "
        "and clusters what looks alike. clusters.png shows the map and members of each cluster; "
        "the coordinates of each cluster are a file of their own, to train with.",
        epilog="Example: spacetomo pick explore tomograms.txt --diameter-nm 25 --out explored",
    )
    given.add_tomograms(parser)
    parser.add_argument(
        "--diameter-nm", type=float, required=True, metavar="NM", help="of what is looked for"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for what is made")
    parser.add_argument("--clusters", type=int, default=10, help="how many (default: 10)")
    parser.add_argument(
        "--most", type=int, default=500, help="cubes of each tomogram (default: 500)"
    )
    parser.add_argument("--steps", type=int, default=300, help="of the training (default: 300)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn by chance")
    parser.add_argument(
        "--bright", action="store_true", help="particles are brighter than the rest"
    )
    given.add_json(parser)
    parser.set_defaults(do=_run)


def _run(args: argparse.Namespace) -> int:
    from space import picking

    for name, least, most in (("clusters", 2, 100), ("most", 20, 20_000), ("steps", 1, 100_000)):
        if not least <= getattr(args, name) <= most:
            raise SpaceError(f"--{name} is {getattr(args, name)}.", do=f"Give {least} to {most}.")
    found = given.tomograms(args)
    explored = picking.explore(
        list(found.values()),
        args.diameter_nm,
        args.clusters,
        given.teller(args),
        args.most,
        args.steps,
        args.seed,
        not args.bright,
    )
    made = picking.write_explored(args.out, explored, found)
    if args.json:
        sizes = [int((explored.clusters == n).sum()) for n in range(args.clusters)]
        print(json.dumps({"clusters": sizes, "files": [str(path) for path in made]}, indent=1))
    else:
        print(f"Look at {made[0]}, and train with the file of a cluster.")
    return 0
