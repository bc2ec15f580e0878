"""``spacetomo pick evaluate``: picks beside true particles."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from space.cli.pick import given
from space.errors import SpaceError


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "evaluate",
        help="compare picks with true particles: precision, recall, F1, average precision",
        description="Matches each pick with at most one particle, over several distances. "
        "Tomograms of which no true particle is known are left out.",
        epilog="Example: spacetomo pick evaluate tomograms.txt --picks picks/picks.json "
        "--truth all.txt --distance-nm 5 10 15",
    )
    given.add_tomograms(parser)
    given.add_coordinates(parser, "--truth", "all particles")
    parser.add_argument(
        "--picks", type=Path, required=True, metavar="FILE", help="picks: .json, .txt or .star"
    )
    parser.add_argument(
        "--distance-nm",
        type=float,
        nargs="+",
        default=[5.0, 10.0, 15.0],
        help="how far a pick may be from its particle (default: 5 10 15)",
    )
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the scores over distance")
    given.add_json(parser)
    parser.set_defaults(do=_run)


def _run(args: argparse.Namespace) -> int:
    from space import picking

    if not all(0 < distance < 1e5 for distance in args.distance_nm):
        raise SpaceError("A distance is none.", "--distance-nm", "Give numbers above 0.")
    found = given.tomograms(args)
    true = given.coordinates(args, args.truth, found)
    picks = picking.read_coordinates(args.picks, found)
    voxel_nm = next(iter(found.values())).voxel_nm
    pairs = [(picks.get(name, picking.no_picks()), one.points_px) for name, one in true.items()]
    distances = sorted(args.distance_nm)
    scores = picking.over_distance(pairs, [distance / voxel_nm for distance in distances])
    rows = [{"distance_nm": far, **one.to_dict()} for far, one in zip(distances, scores)]
    if args.plot:
        curves = {
            key: [(row["distance_nm"], row[key]) for row in rows]
            for key in ("precision", "recall", "f1", "average_precision")
        }
        picking.draw_curves(args.plot, curves, ("distance in nm", ""))
    if args.json:
        print(json.dumps({"tomograms": list(true), "scores": rows}, indent=1))
    else:
        print("distance  precision  recall     F1     AP   picks  particles")
        for row in rows:
            print(
                f"{row['distance_nm']:5g} nm     {row['precision']:.3f}   {row['recall']:.3f}  "
                f"{row['f1']:.3f}  {row['average_precision']:.3f}  {row['picked']:6.0f}  "
                f"{row['wanted']:9.0f}"
            )
    return 0
