"""``spacetomo clem carry``: a registration to one map, on another map of the same grid."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from space.cli.clem import given
from space.errors import SpaceError
from space.geometry import MapFrame
from space.images import fingerprint, png_shape, read_json_beside


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "carry",
        help="lay fluorescence that is registered to the grid's map on maps of lamellae",
        description="Takes the registration of a fluorescence picture to one map to other maps of "
        "the same grid, by where they lie on the stage. It is less sure there by what maps of two "
        "magnifications lie apart.",
        epilog="Example: spacetomo clem carry G1.png grid.ome.tif --to G1_L03.png G1_L04.png",
    )
    parser.add_argument("map", type=Path, metavar="MAP", help="map with a registration (PNG)")
    given.add_files(parser)
    parser.add_argument(
        "--to", type=Path, nargs="+", required=True, metavar="MAP", help="other maps (PNG)"
    )
    parser.add_argument(
        "--apart-um", type=float, default=0.5, metavar="UM",
        help="how far the maps lie apart, along each axis (default: 0.5)",
    )  # fmt: skip
    parser.set_defaults(do=_carry)


def _carry(args: argparse.Namespace) -> int:
    from space import fluorescence

    if not 0 <= args.apart_um < 100:
        raise SpaceError(f"{args.apart_um} is no distance between maps.", "--apart-um")
    before = fluorescence.read_kept(args.map)
    channels, flats = given.read_fm(args)
    missing = [name for name in before.looks if name not in flats]
    if missing:
        raise SpaceError(
            f"It has no {', '.join(missing)}.", channels.source,
            f"Give the file that was registered: {before.source}.",
        )  # fmt: skip
    start = _frame(args.map)
    for other in args.to:
        frame, shape = _frame(other), png_shape(other)
        if shape is None:
            raise SpaceError("There is no whole picture of the map.", str(other))
        fit = fluorescence.carried(before.fit, start, frame, args.apart_um)
        error = fluorescence.field_error_um(fit, channels.shape, shape)
        if not len(error):
            print(f"{other.name}: the fluorescence picture does not show it")
            continue
        # What the lens distorts is off there as well.
        base = fluorescence.field_error_um(before.fit, channels.shape, start.shape)
        beyond = before.error_um**2 - float(np.mean(base**2)) if len(base) else 0.0
        error_um = float(np.sqrt(np.mean(error**2) + max(0.0, beyond)))
        kept = replace(
            before, fit=fit, error_um=error_um, map_mark=fingerprint(other), pairs=(),
            residuals_um=(), how=f"carried from {args.map.name}",
        )  # fmt: skip
        fluorescence.write(other, kept, {name: flats[name] for name in before.looks})
        print(f"{other.name}: error {error_um:.2f} um along each axis")
    return 0


def _frame(path: Path) -> MapFrame:
    values = read_json_beside(path).get("frame")
    try:
        return MapFrame.from_dict(values if isinstance(values, dict) else {})
    except (KeyError, TypeError, ValueError):
        raise SpaceError(
            "Where the map lies is not known.", str(path), "Give maps of a session, with the JSON "
            "file beside each.",
        ) from None  # fmt: skip
