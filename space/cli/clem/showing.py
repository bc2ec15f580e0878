"""``spacetomo clem show``: channels over a map, as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.files import atomic_path
from space.images import read_png
from space.pictures import resized, shrinking_factor

_LONGEST_PX = 2400


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "show",
        help="draw the channels over a map, and say how they lie",
        description="Says how the fluorescence of a map lies on it, and draws its channels over "
        "the map, each in its colour.",
        epilog="Example: spacetomo clem show G1_L03.png --out overlay.png",
    )
    parser.add_argument("map", type=Path, metavar="MAP", help="picture of the map (PNG)")
    parser.add_argument("--out", type=Path, metavar="PNG", help="picture to write")
    parser.add_argument(
        "--channel", action="append", default=[], metavar="NAME", help="only this; several times"
    )
    parser.add_argument(
        "--signal", action="store_true",
        help="draw how likely each place has signal, in place of the channel",
    )  # fmt: skip
    parser.set_defaults(do=_show)


def _show(args: argparse.Namespace) -> int:
    from PIL import Image

    from space import fluorescence

    kept = fluorescence.read_kept(args.map)
    names = list(args.channel) or list(kept.looks)
    unknown = [name for name in names if name not in kept.looks]
    if unknown:
        raise SpaceError(
            f"There is no channel {', '.join(unknown)}.", str(args.map),
            f"Choose from {', '.join(kept.looks)}.",
        )  # fmt: skip
    print(f"{kept.source}: {kept.how}, error {kept.error_um:.2f} um along each axis")
    for number, ((row, column, map_row, map_column), off) in enumerate(
        zip(kept.pairs[:20], kept.residuals_um), 1
    ):
        print(
            f"pair {number}: ({row:.1f}, {column:.1f}) -> ({map_row:.1f}, {map_column:.1f}), "
            f"{off:.2f} um off"
        )
    for text in kept.warnings:
        print(f"Warning: {text}.")
    if args.out is None:
        return 0
    grey, _ = read_png(args.map)
    factor = shrinking_factor(grey.shape, _LONGEST_PX)
    shape = [max(1, side // factor) for side in grey.shape]

    def small(array: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(resized(array.astype(np.float32), shape)), 0, 255)

    layers = []
    for name in names:
        values, _ = read_png(fluorescence.channel_path(args.map, name, args.signal))
        if values.shape != grey.shape:
            raise SpaceError("A channel is not of the map's size.", name, "Register it again.")
        layers.append((small(values), kept.looks[name].color))
    picture = fluorescence.overlaid(small(grey), layers)
    with atomic_path(args.out) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")
    print(f"Picture: {args.out}")
    return 0
