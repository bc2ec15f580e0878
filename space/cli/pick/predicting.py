"""``spacetomo pick predict``: heat maps and picks of tomograms."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from space.cli.pick import given

if TYPE_CHECKING:
    from space.picking import Picks, Tomogram

_KINDS = ("txt", "star", "json", "mod", "points")


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "predict",
        help="pick particles in tomograms with a trained picker",
        description="Writes a heat map of each tomogram as MRC, and its peaks as picks. Heat maps "
        "that are there already are not made again, so that another threshold takes seconds.",
        epilog="Example: spacetomo pick predict tomograms.txt --model picker --out picks "
        "--kinds star mod",
    )
    given.add_tomograms(parser)
    parser.add_argument(
        "--model", type=Path, required=True, metavar="PICKER", help="file or folder of a training"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for what is made")
    parser.add_argument(
        "--kinds", nargs="+", choices=_KINDS, default=["txt", "json"], help="files of picks"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="least score, from 0 to 1; without, each tomogram has one that its peaks and the "
        "labelled particles tell",
    )
    parser.add_argument("--count", type=int, metavar="K", help="the K best of each tomogram")
    parser.add_argument(
        "--spacing",
        type=float,
        default=1.0,
        help="how far apart picks are at least, in radii of a particle (default: 1)",
    )
    parser.add_argument(
        "--border-nm", type=float, default=0.0, help="how far from the faces (default: 0)"
    )
    parser.add_argument(
        "--filaments",
        type=float,
        metavar="NM",
        help="join picks that are at most so far apart to curves, and write points along them",
    )
    parser.add_argument("--pictures", action="store_true", help="draw sections with the picks")
    given.add_json(parser)
    parser.set_defaults(do=_run)


def _run(args: argparse.Namespace) -> int:
    from space import picking

    tell = given.teller(args)
    found = given.tomograms(args)
    picker = picking.load_picker(args.model)
    file = args.model / picking.MODEL if args.model.is_dir() else args.model
    choice = picking.Choice(args.threshold, args.count, args.spacing, args.border_nm)
    mark = picking.hash_of(file)
    picks = {
        name: picking.predict(picker, mark, one, args.out, choice, tell)
        for name, one in found.items()
    }
    if args.pictures:
        for name, one in found.items():
            shown = picking.Picks(one.to_shown(picks[name].points_px), picks[name].scores)
            heat = picking.read_heat(args.out, name)
            path = args.out / f"{name}_picks.png"
            picking.draw_sections(path, one, shown, picker.radius_px, heat)
    made = picking.write_picks(args.out, picks, found, args.kinds)
    if args.filaments is not None:
        made += _filaments(args, picks, found, picker.radius_px)
    if args.json:
        counts = {name: len(one) for name, one in picks.items()}
        lowest = {name: float(one.scores[-1]) for name, one in picks.items() if len(one)}
        told = {"picks": counts, "lowest_scores": lowest, "files": [str(path) for path in made]}
        print(json.dumps(told, indent=1))
    else:
        for path in made:
            print(path)
    return 0


def _filaments(
    args: argparse.Namespace,
    picks: dict[str, Picks],
    found: dict[str, Tomogram],
    radius_px: float,
) -> list[Path]:
    import numpy as np

    from space import picking

    made, along = [], {}
    for name, one in found.items():
        reach_px = args.filaments / one.voxel_nm
        curves = picking.filaments(picks[name], reach_px, radius_px)
        points = [curve.points_px for curve in curves]
        scores = [np.full(len(curve.points_px), curve.score) for curve in curves]
        along[name] = picking.Picks(
            np.concatenate([np.zeros((0, 3)), *points]), np.concatenate([np.zeros(0), *scores])
        ).sorted()
        if "mod" in args.kinds:
            path = args.out / f"{name}_filaments.mod"
            picking.write_curves(path, curves, one)
            made.append(path)
    others = [kind for kind in args.kinds if kind not in ("mod", "points")] or ["txt"]
    return made + picking.write_picks(args.out, along, found, others, "filaments")
