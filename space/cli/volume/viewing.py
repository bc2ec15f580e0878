"""``spacetomo volume view``: sections of a volume in the browser, or as pictures."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from space.cli import given
from space.cli.volume.shared import add_volume
from space.errors import SpaceError

if TYPE_CHECKING:
    from space.volumes import OpenVolume


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    view = actions.add_parser(
        "view",
        help="sections of a volume in the browser or as pictures, with labels or probabilities",
        description="Shows the sections of a volume along z, y and x in the browser (--page), or "
        "writes some of them as PNG (--to). With --labels, labels or probabilities of the same "
        "voxels lie over them, or stand beside them. The page is served to this computer alone. "
        "Ctrl-C ends it.",
        epilog="Example: spacetomo volume view cell.zarr --labels membrane.zarr --page --open",
    )
    add_volume(view)
    view.add_argument(
        "--labels", type=Path, metavar="VOLUME", help="labels or probabilities of the same voxels"
    )
    where = view.add_mutually_exclusive_group(required=True)
    where.add_argument("--page", action="store_true", help="show them in the browser")
    where.add_argument("--to", type=Path, metavar="DIR", help="folder of the pictures")
    where.add_argument(
        "--neuroglancer",
        action="store_true",
        help="show the volume in neuroglancer, where it is installed",
    )
    view.add_argument("--count", type=int, default=5, help="how many pictures, evenly spaced (5)")
    given.add_port(view)
    view.add_argument("--open", action="store_true", help="open the browser")
    view.set_defaults(do=_view)


def _view(args: argparse.Namespace) -> int:
    from space.volumes import open_volume

    volume = open_volume(args.volume, args.voxel_nm)
    labels = None if args.labels is None else open_volume(args.labels, volume.frame.voxel_nm)
    if labels is not None and labels.shape != volume.shape:
        raise SpaceError(
            f"It has {labels.shape} voxels and the volume {volume.shape} (z, y, x).",
            str(args.labels),
            "Give labels of the same voxels.",
        )
    if args.page:
        _serve(args, volume, labels)
    elif args.neuroglancer:
        _serve_by_neuroglancer(volume, labels)
    else:
        _write(args, volume, labels)
    return 0


def _serve(args: argparse.Namespace, volume: OpenVolume, labels: OpenVolume | None) -> None:
    from space import page
    from space.project import project_folder

    port = given.port(args)
    wish = page.Wish(args.volume, project_folder(), port=port, read_only=True, opens=args.open)
    page.serve_volume(volume, labels, wish)


def _serve_by_neuroglancer(volume: OpenVolume, labels: OpenVolume | None) -> None:
    from space import page
    from space.volumes import open_in_neuroglancer

    viewer = open_in_neuroglancer(volume, labels, page.print_at_once)
    page.print_at_once("Ctrl-C ends it.")
    while viewer is not None:
        time.sleep(1.0)


def _write(args: argparse.Namespace, volume: OpenVolume, labels: OpenVolume | None) -> None:
    import numpy as np

    from space.organelles import write_sections, write_shares
    from space.volumes import holds_shares

    args.to.mkdir(parents=True, exist_ok=True)
    has_shares = labels is not None and holds_shares(labels)
    count = max(1, min(args.count, volume.shape[0]))
    for z in np.linspace(0, volume.shape[0] - 1, count + 2)[1:-1].round().astype(int):
        path = args.to / f"{args.volume.stem}_z{z:05d}.png"
        raw = volume[z : z + 1][0]
        beside = None if labels is None else labels[z : z + 1][0]
        if beside is not None and has_shares:
            write_shares(path, raw, beside)
        else:
            # Of more bodies than colours, neighbours mostly have different ones.
            shown = [] if beside is None else [(beside % 255).astype(np.uint8)]
            write_sections(path, raw, shown)
        print(path)
