"""``spacetomo clem rank``: lamellae in the order of their signal, before their maps are taken."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from space import overview
from space.cli import given
from space.errors import SpaceError
from space.fluorescence import read_kept, read_signal, signal_in_boxes_um2
from space.geometry import MapFrame
from space.images import png_shape, read_json_beside
from space.overview import GridFacts, LamellaFacts
from space.steps import DEFAULT_SIZE_UM, read_lamella_list


@dataclass(frozen=True)
class Ranked:
    """A lamella and the area of signal that is expected in its box, µm²."""

    lamella: LamellaFacts
    signal_um2: float


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "rank",
        help="lamellae in the order of their signal, before their maps are taken",
        description="Adds up the signal of a channel in the boxes of lamellae on the map of the "
        "grid, and lists them, the most signal first. The page takes an order of the work.",
        epilog="Example: spacetomo clem rank D:/sessions/today --channel mCherry",
    )
    given.add_session(parser)
    parser.add_argument(
        "--channel", metavar="NAME", help="channel (default: the first one of each grid)"
    )
    parser.set_defaults(do=_rank)


def _rank(args: argparse.Namespace) -> int:
    session = overview.read_session(args.session, args.maps)
    grids = [grid for grid in session.grids if grid.whole_grid_picture is not None]
    if not grids:
        raise SpaceError("There is no map of a grid.", str(session.directory))
    failed = 0
    for grid in grids:
        try:
            channel, rows = ranked(grid, args.channel)
        except SpaceError as error:
            failed += 1
            print(f"{grid.name}: {error}")
            continue
        print(f"{grid.name}: signal of {channel}")
        for place, row in enumerate(rows, 1):
            lamella = row.lamella
            print(f"{place:3d}  {lamella.label}  {row.signal_um2:8.1f} um2  {lamella.category}")
    return 2 if failed == len(grids) else 1 if failed else 0


def ranked(grid: GridFacts, channel: str | None = None) -> tuple[str, list[Ranked]]:
    """Return a grid's lamellae that are visited, the most signal first, and the channel.

    Raises
    ------
    SpaceError
        If the map of the grid has no fluorescence, or where it lies is not known.
    """
    picture = grid.whole_grid_picture
    shape = png_shape(picture) if picture is not None else None
    if picture is None or shape is None:
        raise SpaceError("There is no map of this grid.", grid.name)
    kept = read_kept(picture)
    name = channel or next(iter(kept.looks))
    likely, _ = read_signal(picture, name, shape)
    known = read_lamella_list(grid.lamellae_file) if grid.lamellae_file is not None else None
    noted = known.frame if known is not None and known.frame else None
    try:
        frame = MapFrame.from_dict(noted or read_json_beside(picture).get("frame") or {})
    except (KeyError, TypeError, ValueError):
        raise SpaceError("Where the map lies is not known.", str(picture)) from None
    # Points of lamellae were moved by this; their places on the map were not.
    offset_um = np.array((known.offset_um if known is not None else None) or (0.0, 0.0))
    boxes = [_box_px(lamella, frame, offset_um) for lamella in grid.visited]
    found = signal_in_boxes_um2(likely, frame.pixel_um, boxes)
    rows = [Ranked(one, float(signal)) for one, signal in zip(grid.visited, found)]
    return name, sorted(rows, key=lambda row: -row.signal_um2)


def _box_px(
    lamella: LamellaFacts, frame: MapFrame, offset_um: np.ndarray
) -> tuple[float, float, float, float]:
    ((row, column),) = frame.to_map(np.array([lamella.position_um]) - offset_um)
    size_um = lamella.size_um if all(lamella.size_um) else DEFAULT_SIZE_UM
    width, height = (side / frame.pixel_um for side in frame.box_size_in_image_um(size_um))
    return row - height / 2, column - width / 2, row + height / 2, column + width / 2
