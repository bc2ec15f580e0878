"""What several actions are given in the same way: tomograms, and files of coordinates."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from space.picking import Picks, Tomogram

_ORDERS = ("xyz", "xzy", "zxy")


def add_tomograms(parser: argparse.ArgumentParser) -> None:
    """Add the tomograms, and how their files are to be read."""
    parser.add_argument(
        "tomograms",
        type=Path,
        metavar="TOMOGRAMS",
        help="a tomogram (MRC, TIFF, OME-Zarr), or a text with the columns image_name and rec_path",
    )
    parser.add_argument(
        "--order",
        choices=_ORDERS,
        default="xyz",
        help="axes of the tomograms' files, the fastest first (default: xyz)",
    )
    parser.add_argument(
        "--compress", action="store_true", help="join two sections of the tomograms to one"
    )
    parser.add_argument(
        "--voxel-nm", type=float, metavar="NM", help="size of voxels, if a file does not say it"
    )


def add_coordinates(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    """Add files of coordinates, and how they are to be read."""
    parser.add_argument(
        name,
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help=f"{what}: text, .star, .mod or .json",
    )
    parser.add_argument(
        "--coordinate-order",
        choices=_ORDERS,
        default="xyz",
        help="axes of the three numbers in text and models (default: xyz)",
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        metavar="F",
        help="voxels of the tomogram for one of the coordinates (default: 1)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the output for programs."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def teller(args: argparse.Namespace) -> Callable[[str], object]:
    """Return what takes lines for people: nothing is printed beside JSON."""
    return (lambda line: None) if args.json else (lambda line: print(line, flush=True))


def tomograms(args: argparse.Namespace) -> dict[str, Tomogram]:
    """Open the tomograms, by name."""
    from space.picking import open_tomogram, read_list

    return {
        one.name: open_tomogram(one.path, one.name, args.order, args.compress, args.voxel_nm)
        for one in read_list(args.tomograms)
    }


def coordinates(
    args: argparse.Namespace, files: list[Path], found: dict[str, Tomogram]
) -> dict[str, Picks]:
    """Read coordinates from files; what several say of one tomogram comes together."""
    import numpy as np

    from space.picking import Picks, no_picks, read_coordinates

    together: dict[str, Picks] = {}
    for path in files:
        for name, picks in read_coordinates(path, found, args.coordinate_order, args.scale).items():
            before = together.get(name, no_picks())
            together[name] = Picks(
                np.concatenate([before.points_px, picks.points_px]),
                np.concatenate([before.scores, picks.scores]),
            ).sorted()
    return together
