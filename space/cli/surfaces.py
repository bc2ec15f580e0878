"""``spacetomo surfaces``: meshes of what is labelled in a volume."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space.cli.volume import shared
from space.errors import SpaceError

if TYPE_CHECKING:  # a command line of other commands starts without them
    from space.surfaces import SurfaceOptions
    from space.volumes import Volume


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "surfaces",
        help="make surfaces of what is labelled in a volume",
        description="Makes the surface of each part of a volume of labels (MRC, OME-Zarr, TIFF, "
        "N5), in nm: what hangs together and has one label is a part. Writes a mesh for each, "
        "volume, area and thickness of all as surfaces.csv and surfaces.json, and a picture. The "
        "exit status is 0 when they were written, 2 when something cannot be used.",
        epilog="Example: spacetomo surfaces labels.mrc --out surfaces --label 1=membrane "
        "--smallest-nm3 1e5",
    )
    shared.add_volume(parser, "labels")
    shared.add_region(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="N[=NAME]",
        help="a label that is wanted, with a name for its files; may be given several times "
        "(default: all)",
    )
    parser.add_argument(
        "--smooth-nm",
        type=float,
        metavar="NM",
        help="standard deviation of the smoothing (default: 1.25 voxels along their longest side)",
    )
    parser.add_argument(
        "--smooth-z-nm",
        type=float,
        metavar="NM",
        help="the same along z, for labels that were made section by section",
    )
    parser.add_argument(
        "--neck-nm",
        type=float,
        default=0.0,
        metavar="NM",
        help="cut parts where they are narrower than this (default: 0, never)",
    )
    parser.add_argument(
        "--smallest-nm3", type=float, default=0.0, metavar="NM3", help="drop smaller parts"
    )
    parser.add_argument(
        "--all-faces",
        action="store_true",
        help="keep all faces, where fewer would do (volume and area within 0.2 %%)",
    )
    parser.add_argument(
        "--format",
        nargs="+",
        default=["ply"],
        metavar="KIND",
        help="kinds of mesh files: ply, obj, stl (default: ply)",
    )
    parser.add_argument(
        "--memory-gb", type=float, default=2.0, help="memory that may be taken (default: 2)"
    )
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.set_defaults(do=_surfaces)


def _surfaces(args: argparse.Namespace) -> int:
    from space import surfaces

    asked = surfaces.SurfaceOptions(
        labels=_labels(args.label),
        smooth_nm=args.smooth_nm,
        smooth_z_nm=args.smooth_z_nm,
        neck_nm=args.neck_nm,
        smallest_nm3=args.smallest_nm3,
        simplify=not args.all_faces,
        formats=tuple(args.format),
        memory_gb=args.memory_gb,
    )
    volume = _volume(args, asked)
    args.out.mkdir(parents=True, exist_ok=True)
    surfaces.clear(args.out)
    found = []
    for one in surfaces.surfaces_of(volume.data, volume.frame, asked):
        surfaces.write_surface(one, args.out, asked.formats)
        found.append(one)
        if not args.json:
            print(
                f"{one.name}: {one.form.volume_nm3:.4g} nm³, {one.form.area_nm2:.4g} nm², "
                f"{one.thickness.median_nm:.3g} nm thick{_remarks(one)}",
                flush=True,
            )
    if not found:
        raise SpaceError(
            "There is no part to make a surface of.",
            str(args.labels),
            "Name labels that are in the volume, or allow smaller parts (--smallest-nm3).",
        )
    surfaces.write_picture(found, args.out)
    table = surfaces.write_tables(
        found,
        args.out,
        {
            "labels": str(args.labels),
            "voxel_nm": list(volume.frame.voxel_nm),
            "origin_nm": list(volume.frame.origin_nm),
            "handedness": volume.frame.handedness,
        },
    )
    if args.json:
        print(json.dumps(table, indent=1))
    else:
        print(f"{len(found)} parts: {args.out / surfaces.TABLE_CSV} and {surfaces.PICTURE}")
    return 0


def _remarks(surface: object) -> str:
    from space.surfaces import Surface

    assert isinstance(surface, Surface)
    notes = [
        "" if surface.form.watertight else "not closed",
        "cut off by the border of the volume" if surface.at_border else "",
        f"{surface.form.handles} handles" if surface.form.handles else "",
    ]
    return "".join(f", {note}" for note in notes if note)


def _volume(args: argparse.Namespace, asked: SurfaceOptions) -> Volume:
    from space.volumes import Volume, open_volume

    opened = open_volume(args.labels, args.voxel_nm)
    frame, count = opened.frame, opened.nbytes
    region = shared.region(args)
    block = None if region is None else region(opened)
    if block is not None:
        count = int(np.prod(block.shape)) * opened.dtype.itemsize
    if count > asked.memory_gb * 1e9:
        raise SpaceError(
            f"The labels take {count / 1e9:.1f} GB of memory.",
            str(args.labels),
            f"Allow more than {asked.memory_gb:g} GB (--memory-gb), or name a part (--region).",
        )
    part = opened[:] if block is None else opened[block.slices]
    return Volume(part, frame if block is None else frame.cut(block.start))


def _labels(given: Sequence[str]) -> dict[int, str]:
    found = {}
    for text in given:
        number, equals, name = text.partition("=")
        if not (number.isascii() and number.isdigit()) or (equals and not name):
            raise SpaceError(
                f"{text} is no label.", "--label", "Write --label 3, or --label 3=mitochondrion."
            )
        found[int(number)] = name or f"label_{number}"
    return found
