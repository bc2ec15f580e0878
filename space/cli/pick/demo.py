"""``spacetomo pick demo``: tomograms of which everything is known, to try the other actions."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from space.cli.pick import given
from space.errors import SpaceError


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "demo",
        help="make tomograms of simulated cells, with a tenth of the ribosomes labelled",
        description="Writes simulated tomograms with the list tomograms.txt, all ribosomes as "
        "all.txt, and a tenth of them, in the first tomogram, as few.txt.",
        epilog="Example: spacetomo pick demo --out demo",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for what is made")
    parser.add_argument("--tomograms", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--side-px", type=int, default=192, help="of each (default: 192)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn by chance")
    given.add_json(parser)
    parser.set_defaults(do=_run)


def _run(args: argparse.Namespace) -> int:
    from space.simulation import write_picking_demo

    if not 1 <= args.tomograms <= 50 or not 64 <= args.side_px <= 1024:
        raise SpaceError(
            "So many tomograms, or so large ones, are not made.",
            do="Give 1 to 50 tomograms of 64 to 1024 voxels.",
        )
    made = write_picking_demo(args.out, args.tomograms, args.side_px, args.seed)
    if args.json:
        print(json.dumps(made, indent=1))
    else:
        print(f"{made['labelled']} of {made['particles']} ribosomes are labelled.")
        print(
            f'spacetomo pick train "{args.out / "tomograms.txt"}" --coordinates '
            f'"{args.out / "few.txt"}" --diameter-nm {made["diameter_nm"]:g} '
            f'--out "{args.out / "picker"}"'
        )
    return 0
