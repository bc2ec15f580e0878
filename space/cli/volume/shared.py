"""Options that several actions on volumes take."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from space.errors import SpaceError

if TYPE_CHECKING:
    from space.volumes import Block, OpenVolume


def voxel(text: str) -> tuple[float, float, float]:
    """Return three sizes of an option, one for all or one for each of z, y and x.

    Raises
    ------
    argparse.ArgumentTypeError
        When they are none.
    """
    try:
        values = [float(one) for one in text.split(",")]
    except ValueError:
        values = []
    if len(values) == 1:
        values *= 3
    if len(values) != 3 or not all(0 < one < 1e9 for one in values):
        raise argparse.ArgumentTypeError(f"{text} is no size along z, y and x: write 10,4,4")
    z, y, x = values
    return z, y, x


def add_volume(parser: argparse.ArgumentParser, what: str = "volume") -> None:
    """Add the volume to read, and how large its voxels are."""
    parser.add_argument(
        what,
        type=Path,
        metavar=what.upper(),
        help="MRC, TIFF, folder of TIFF files, OME-Zarr, or an array of Zarr or N5",
    )
    parser.add_argument(
        "--voxel-nm",
        type=voxel,
        metavar="Z,Y,X",
        help="size of its voxels, where the file does not say it or says it wrongly",
    )


def add_region(parser: argparse.ArgumentParser) -> None:
    """Add a region of the volume."""
    parser.add_argument(
        "--region",
        metavar="Z,Y,X",
        help="only a part: 0:100,50:150,: in voxels, or 0:800,400:1200,:nm",
    )


def region(args: argparse.Namespace) -> Callable[[OpenVolume], Block] | None:
    """Return what gives the region of a volume that was asked for; None for all of it."""
    from space.volumes import region_of

    if args.region is None:
        return None
    text = str(args.region)
    return lambda volume: region_of(text, volume.shape, volume.frame)


def named_numbers(pairs: Sequence[str], option: str, whole: bool) -> dict[str, float]:
    """Read NAME=NUMBER pairs.

    Raises
    ------
    SpaceError
        When one is none.
    """
    found: dict[str, float] = {}
    for pair in pairs:
        name, equals, value = pair.rpartition("=")
        try:
            if not equals or not name:
                raise ValueError(pair)
            found[name] = int(value) if whole else float(value)
        except ValueError:
            example = "er=2" if whole else "er=0.4"
            raise SpaceError(
                f"'{pair}' is not NAME=NUMBER.", option, f"Write {option} {example}"
            ) from None
    return found
