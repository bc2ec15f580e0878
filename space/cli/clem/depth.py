"""``spacetomo clem depth``: whether features of a fluorescence stack are in the lamella."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from space.cli.clem import given
from space.errors import SpaceError

_PLACE = ("x_um", "y_um", "z_um")
_SEEN = ("row", "column")


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "depth",
        help="tell from beads in a stack and in a picture of the ion beam what is in the lamella",
        description="Fits from where a picture of the ion beam (or of SEM) sees a fluorescence "
        "stack to beads in both, and tells of each feature where the picture shows it, how far "
        "off that may be, and the chance that it is within the corners of the lamella.",
        epilog="Example: spacetomo clem depth beads.csv features.csv --pixel-um 0.03 "
        "--lamella corners.csv",
    )
    parser.add_argument(
        "beads", type=Path, metavar="BEADS",
        help="table of beads: x_um,y_um,z_um in the stack, row,column in the picture (pixels)",
    )  # fmt: skip
    parser.add_argument(
        "features", type=Path, metavar="FEATURES", help="table of features: x_um,y_um,z_um"
    )
    parser.add_argument(
        "--pixel-um", type=float, required=True, metavar="UM", help="pixel size of the picture"
    )
    parser.add_argument(
        "--lamella", type=Path, metavar="CSV",
        help="table of the corners of the lamella in the picture, in order: row,column",
    )  # fmt: skip
    parser.add_argument(
        "--z-factor", type=float, default=1.0, metavar="F",
        help="true height for one that the microscope's focus shows, where the immersion and the "
        "specimen refract unlike each other (1)",
    )  # fmt: skip
    parser.add_argument(
        "--error-um", type=float, default=0.15, metavar="UM",
        help="how far off the places of beads and features usually are, along an axis (0.15)",
    )  # fmt: skip
    parser.set_defaults(do=_depth)


def _depth(args: argparse.Namespace) -> int:
    from space.fluorescence import DOUBTED, fit_side_view, is_inside

    for name in ("pixel_um", "z_factor", "error_um"):
        value = getattr(args, name)
        if not 0 < value < math.inf:
            raise SpaceError(f"{value:g} cannot be.", f"--{name.replace('_', '-')}")
    stretch = np.array([1.0, 1.0, args.z_factor])
    beads = given.read_numbers(args.beads, (*_PLACE, *_SEEN))
    features = given.read_numbers(args.features, _PLACE)
    view = fit_side_view(beads[:, :3] * stretch, beads[:, 3:] * args.pixel_um, args.error_um)
    print(
        f"{len(beads)} beads; the view is {view.grazing_deg:.1f} deg from the plane of the stack, "
        f"and shows a length {view.scale:.3f} times as long"
    )
    for number, (off, alone) in enumerate(zip(view.residuals_um, view.left_out_um), 1):
        doubt = "  look at it again" if alone > DOUBTED * args.error_um else ""
        away = "" if math.isnan(alone) else f", {alone:.2f} um from where the others put it"
        print(f"  bead {number}: {off:.2f} um off{away}{doubt}")
    if args.lamella is None:
        for number, (row, column) in enumerate(view.to_picture(features * stretch), 1):
            print(f"{number}: row {row / args.pixel_um:.1f}, column {column / args.pixel_um:.1f}")
        return 0
    corners = given.read_numbers(args.lamella, _SEEN) * args.pixel_um
    found = is_inside(view, features * stretch, corners, args.error_um)
    for number, one in enumerate(found, 1):
        side = "inside" if one.depth_um > 0 else "outside"
        print(
            f"{number}: row {one.row_um / args.pixel_um:.1f}, column "
            f"{one.column_um / args.pixel_um:.1f} (+- {one.error_um:.2f} um), "
            f"{abs(one.depth_um):.2f} um {side} the edge; in the lamella: "
            f"{100 * one.probability:.0f} %"
        )
    return 0
