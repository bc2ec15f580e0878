"""``spacetomo clem list``: what fluorescence files hold."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "list",
        help="say what pictures and channels a file holds",
        description="Lists the pictures in a file (PNG, TIFF, OME-TIFF, LIF, CZI) and their sizes, "
        "and the channels of one of them.",
        epilog="Example: spacetomo clem list grid3.lif",
    )
    parser.add_argument("file", type=Path, help="the file")
    parser.add_argument("--picture", metavar="N", help="number or name of a picture in the file")
    parser.set_defaults(do=_list)


def _list(args: argparse.Namespace) -> int:
    from space.fluorescence import list_pictures, read_channels

    pictures = list_pictures(args.file)
    for number, one in enumerate(pictures, 1):
        channels, planes, rows, columns = one.shape
        print(
            f"{number}  {one.name}: {channels} channels, {planes} planes, {rows} x {columns} pixels"
        )
    if args.picture is None and len(pictures) != 1:
        return 0
    found = read_channels(args.file, args.picture)
    size = "not known" if found.pixel_um is None else f"{found.pixel_um:.4f} um"
    step = "" if found.step_um is None else f", {found.step_um:.3f} um from plane to plane"
    print(f"Size of a pixel: {size}{step}")
    for channel in found.channels:
        flat = channel.flat()
        red, green, blue = channel.color
        print(
            f'  "fm:{channel.name}"  #{red:02x}{green:02x}{blue:02x}  values {flat.min():g} to '
            f"{flat.max():g}"
        )
    return 0
