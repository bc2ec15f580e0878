"""``spacetomo clem carry``: a registration to one map, on another map of the same grid."""

from __future__ import annotations

import argparse
from pathlib import Path

from space.errors import SpaceError
from space.geometry import MapFrame
from space.images import read_json_beside


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "carry",
        help="lay fluorescence that is registered to one map on other maps of the grid",
        description="Takes the registration of a fluorescence picture to one map to other maps of "
        "the same grid, by where they lie on the stage. It is less sure there by what maps of two "
        "magnifications lie apart. A run does this by itself, where it can.",
        epilog="Example: spacetomo clem carry G1_wg.png --to G1_L03.png G1_L04.png",
    )
    parser.add_argument("map", type=Path, metavar="MAP", help="map with a registration (PNG)")
    parser.add_argument(
        "--to", type=Path, nargs="+", required=True, metavar="MAP", help="other maps (PNG)"
    )
    parser.add_argument(
        "--apart-um",
        type=float,
        default=0.5,
        metavar="UM",
        help="how far the maps lie apart, along each axis (default: 0.5)",
    )
    parser.set_defaults(do=_carry)


def _carry(args: argparse.Namespace) -> int:
    from space.fluorescence import carry

    if not 0 <= args.apart_um < 100:
        raise SpaceError(f"{args.apart_um} is no distance between maps.", "--apart-um")
    start = _frame(args.map)
    for other in args.to:
        kept = carry(args.map, start, other, _frame(other), args.apart_um)
        if kept is None:
            print(f"{other.name}: the fluorescence picture does not show it")
        else:
            print(f"{other.name}: error {kept.error_um:.2f} um along each axis")
    return 0


def _frame(path: Path) -> MapFrame:
    values = read_json_beside(path).get("frame")
    try:
        return MapFrame.from_dict(values if isinstance(values, dict) else {})
    except (KeyError, TypeError, ValueError):
        raise SpaceError(
            "Where the map lies is not known.",
            str(path),
            "Give maps of a session, with the JSON file beside each.",
        ) from None
