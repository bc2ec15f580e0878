"""What the actions of ``spacetomo clem`` are given: files, channels, pairs of points."""

from __future__ import annotations

import argparse
import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space.errors import SpaceError
from space.files import decode, read_bytes_bounded

if TYPE_CHECKING:
    from space.fluorescence import Channels, Look

_COLUMNS = ("fm_row", "fm_column", "map_row", "map_column")
_MOST_LINES = 2000
_COLOR = re.compile(r"#?([0-9A-Fa-f]{6})")


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the files of one field, and which picture and plane of them."""
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE",
        help="fluorescence file; several of one field, as PNG of single channels",
    )  # fmt: skip
    parser.add_argument("--picture", metavar="N", help="number or name of the picture in the file")
    parser.add_argument(
        "--plane", default="max", metavar="N",
        help="plane of a stack, from 0 (default: max, the brightest of all)",
    )  # fmt: skip
    parser.add_argument(
        "--pixel-um", type=float, metavar="UM", help="pixel size, where the file does not say it"
    )


def add_looks(parser: argparse.ArgumentParser) -> None:
    """Add what is said of channels."""
    parser.add_argument(
        "--channel", action="append", default=[], metavar="NAME",
        help="only this channel; several times (default: all)",
    )  # fmt: skip
    for option, value, what in (
        ("--threshold", "VALUE", "values from here on are signal"),
        ("--contrast", "LOW,HIGH", "values that are shown black and in full colour"),
        ("--color", "RRGGBB", "colour of the channel"),
    ):
        parser.add_argument(
            option, action="append", default=[], metavar=f"NAME={value}",
            help=f"{what}; once for each channel",
        )  # fmt: skip


def read_fm(args: argparse.Namespace) -> tuple[Channels, dict[str, np.ndarray]]:
    """Read the channels that are asked for, and each as one picture."""
    from space.fluorescence import read_channels, together

    channels = together([read_channels(path, args.picture) for path in args.files])
    if args.pixel_um is not None:
        if not 0 < args.pixel_um < math.inf:
            raise SpaceError(f"{args.pixel_um} is no pixel size.", "--pixel-um")
        channels = replace(channels, pixel_um=args.pixel_um)
    plane = int(args.plane) if args.plane.isdecimal() else args.plane
    return channels, {channel.name: channel.flat(plane) for channel in channels.channels}


def looks_of(
    args: argparse.Namespace, channels: Channels, flats: Mapping[str, np.ndarray]
) -> dict[str, Look]:
    """Return the looks of the channels that are asked for."""
    from space.fluorescence import usual_look

    wanted = list(args.channel) or list(channels.names)
    looks = {name: usual_look(flats[name], channels.channel(name).color) for name in wanted
             if channels.channel(name)}  # fmt: skip
    for name, text in _named(args.threshold, "--threshold", looks):
        (value,) = _numbers(text, 1, "--threshold")
        looks[name] = replace(looks[name], threshold=value)
    for name, text in _named(args.contrast, "--contrast", looks):
        low, high = _numbers(text, 2, "--contrast")
        if high <= low:
            raise SpaceError(f"{low:g} is not less than {high:g}.", f"--contrast {name}")
        looks[name] = replace(looks[name], low=low, high=high)
    for name, text in _named(args.color, "--color", looks):
        found = _COLOR.fullmatch(text)
        if found is None:
            raise SpaceError(f'"{text}" is no colour.', "--color", "Give it as ff3c3c.")
        number = int(found.group(1), 16)
        looks[name] = replace(looks[name], color=(number >> 16, number >> 8 & 255, number & 255))
    return looks


def _named(given: Sequence[str], option: str, looks: Mapping[str, object]) -> list[tuple[str, str]]:
    pairs = []
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or name not in looks:
            raise SpaceError(
                f'"{one}" names no channel.', option, f"Channels are {', '.join(looks)}."
            )
        pairs.append((name, text))
    return pairs


def _numbers(text: str, count: int, option: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) != count or not all(map(math.isfinite, found)):
        raise SpaceError(f'"{text}" is not {count} numbers.', option)
    return found


def read_pairs(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read pairs of points: a table with fm_row, fm_column, map_row and map_column.

    Returns
    -------
    ndarray, ndarray, each (n, 2)
        (row, column) in the fluorescence picture and in the map.
    """
    pairs = read_numbers(path, _COLUMNS)
    return pairs[:, :2], pairs[:, 2:]


def read_numbers(path: Path, columns: Sequence[str]) -> np.ndarray:
    """Read a table of numbers whose first line names its columns.

    Returns
    -------
    ndarray (n, len(columns))
        In the order of `columns`; others in the file are left out.
    """
    text = decode(read_bytes_bounded(path, follow_links=True))
    table = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    missing = [name for name in columns if name not in (table.fieldnames or ())]
    if missing:
        raise SpaceError(
            f"It lacks the columns {', '.join(missing)}.", str(path),
            f"The first line is {','.join(columns)}; each other one has these numbers.",
        )  # fmt: skip
    rows = []
    for number, line in enumerate(table, 2):
        try:
            values = [float(line[name]) for name in columns]
        except (TypeError, ValueError):
            values = [math.nan]
        if not all(map(math.isfinite, values)):
            raise SpaceError(f"It has not {len(columns)} numbers.", f"{path}, line {number}")
        rows.append(values)
        if len(rows) > _MOST_LINES:
            raise SpaceError(f"It has more than {_MOST_LINES} lines.", str(path))
    return np.array(rows, float).reshape(-1, len(columns))
