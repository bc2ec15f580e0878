"""``spacetomo volume view``: sections of a volume as pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from space.cli.volume.shared import add_volume
from space.errors import SpaceError


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    view = actions.add_parser(
        "view",
        help="sections of a volume as pictures, with labels or probabilities beside",
        description="Writes sections of a volume as PNG. With --labels, labels or probabilities of "
        "the same voxels stand beside them.",
        epilog="Example: spacetomo volume view cell.zarr --labels membrane.zarr --to pictures",
    )
    add_volume(view)
    view.add_argument(
        "--labels", type=Path, metavar="VOLUME", help="labels or probabilities of the same voxels"
    )
    view.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="folder of the pictures"
    )
    view.add_argument("--count", type=int, default=5, help="how many sections, evenly spaced (5)")
    view.set_defaults(do=_view)


def _view(args: argparse.Namespace) -> int:
    import numpy as np

    from space.organelles import write_sections, write_shares
    from space.volumes import open_volume

    volume = open_volume(args.volume, args.voxel_nm)
    labels = None if args.labels is None else open_volume(args.labels, volume.frame.voxel_nm)
    if labels is not None and labels.shape != volume.shape:
        raise SpaceError(
            f"It has {labels.shape} voxels and the volume {volume.shape} (z, y, x).",
            str(args.labels),
            "Give labels of the same voxels.",
        )
    args.to.mkdir(parents=True, exist_ok=True)
    count = max(1, min(args.count, volume.shape[0]))
    for z in np.linspace(0, volume.shape[0] - 1, count + 2)[1:-1].round().astype(int):
        path = args.to / f"{args.volume.stem}_z{z:05d}.png"
        raw = volume[z : z + 1][0]
        beside = None if labels is None else labels[z : z + 1][0]
        if beside is not None and beside.dtype == np.uint8 and beside.max() > 16:
            write_shares(path, raw, beside)
        else:
            # Of more bodies than colours, neighbours mostly have different ones.
            shown = [] if beside is None else [(beside % 255).astype(np.uint8)]
            write_sections(path, raw, shown)
        print(path)
    return 0
