"""``spacetomo volume import``, ``clahe``, ``mask`` and ``export``: volumes made from volumes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from space.cli.volume.shared import add_region, add_volume, named_numbers, region
from space.errors import SpaceError


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the actions."""
    _add_import(actions)
    _add_clahe(actions)
    _add_mask(actions)
    _add_export(actions)


def _add_to(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--to", type=Path, required=True, metavar="PATH", help=what)


def _add_import(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    taken = actions.add_parser(
        "import",
        help="a volume of any kind as OME-Zarr",
        description="Writes a volume, or a part of it, as OME-Zarr with the size of its voxels. It "
        "is read and written in parts; the same command goes on after it was ended.",
        epilog="Example: spacetomo volume import sections/ --to cell.zarr --voxel-nm 10,4,4",
    )
    add_volume(taken)
    _add_to(taken, "folder to be written, such as cell.zarr")
    add_region(taken)
    taken.set_defaults(do=_import)


def _import(args: argparse.Namespace) -> int:
    from space.volumes import copy_to_zarr, open_volume

    volume = open_volume(args.volume, args.voxel_nm)
    wanted = region(args)
    copy_to_zarr(volume, args.to, wanted(volume) if wanted else None)
    _tell(args.to)
    return 0


def _tell(path: Path) -> None:
    from space.volumes import open_volume

    made = open_volume(path)
    sides = " x ".join(map(str, made.shape))
    sizes = ", ".join(f"{side:g}" for side in made.frame.voxel_nm)
    print(f"{path}: {sides} voxels (z, y, x) of {sizes} nm, {made.dtype}")


def _add_clahe(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    even = actions.add_parser(
        "clahe",
        help="make contrast even (CLAHE)",
        description="Writes a volume with contrast made even by histograms of tiles (CLAHE), as 8 "
        "bits. It goes through the volume twice, in parts, and gives the same whatever the parts.",
        epilog="Example: spacetomo volume clahe cell.zarr --to even.zarr",
    )
    add_volume(even)
    _add_to(even, "folder to be written, such as even.zarr")
    even.add_argument(
        "--tile", type=int, default=128, metavar="VOXELS", help="side of the tiles (128)"
    )
    even.add_argument(
        "--limit",
        type=float,
        default=0.02,
        metavar="SHARE",
        help="largest share of a tile that one grey value may have; smaller changes less (0.02)",
    )
    add_region(even)
    even.set_defaults(do=_clahe)


def _clahe(args: argparse.Namespace) -> int:
    from space.organelles import evened, tables_of
    from space.volumes import copy_to_zarr, open_volume

    if args.tile < 4 or not 0 < args.limit <= 1:
        raise SpaceError("A tile has at least 4 voxels, and the limit is above 0, at most 1.")
    volume = open_volume(args.volume, args.voxel_nm)
    wanted = region(args)
    tables = tables_of(volume, (args.tile,) * 3, args.limit)
    part = wanted(volume) if wanted else None
    copy_to_zarr(volume, args.to, part, change=lambda raw, block: evened(raw, block.start, tables))
    _tell(args.to)
    return 0


def _add_mask(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    mask = actions.add_parser(
        "mask",
        help="borders of labels, or what lies too near to them to be judged",
        description="Writes 1 where labels have a border, or, with --exclude, around the labels of "
        "a class, where a person may as well have drawn the border elsewhere.",
        epilog="Example: spacetomo volume mask bodies.tif --to membrane.zarr --voxel-nm 10",
    )
    add_volume(mask, "labels")
    _add_to(mask, "folder to be written, such as membrane.zarr")
    mask.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="VALUE=VOXELS",
        help="as many voxels around what has this value, such as 2=3; for several classes again",
    )
    add_region(mask)
    mask.set_defaults(do=_mask)


def _mask(args: argparse.Namespace) -> int:
    import numpy as np

    from space.organelles import borders, excluded
    from space.volumes import copy_to_zarr, open_volume

    volume = open_volume(args.labels, args.voxel_nm)
    if volume.dtype.kind not in "ui":
        raise SpaceError(f"Values of type {volume.dtype} are no labels.", str(args.labels))
    try:
        pairs = named_numbers(args.exclude, "--exclude", whole=True)
        widths = {int(value): int(width) for value, width in pairs.items()}
    except ValueError:
        raise SpaceError("--exclude takes values of labels: --exclude 2=3") from None
    if not all(0 <= width <= 64 for width in widths.values()):
        raise SpaceError("At most 64 voxels around a label can be left out.")

    def change(labels: np.ndarray, _block: Any) -> np.ndarray:
        found = excluded(labels, widths) if widths else borders(labels)
        return found.astype(np.uint8)

    wanted = region(args)
    part = wanted(volume) if wanted else None
    margin = max(widths.values(), default=1)
    copy_to_zarr(volume, args.to, part, change=change, margin=margin)
    _tell(args.to)
    return 0


def _add_export(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    given = actions.add_parser(
        "export",
        help="a volume, or labels of a prediction, as TIFF, MRC or OME-Zarr",
        description="Writes a volume as TIFF (one file that ImageJ opens), MRC or OME-Zarr, "
        "by the ending of its name. Of the folder of a prediction, it writes labels: 0, and 1, 2, "
        "... for its classes.",
        epilog="Example: spacetomo volume export found/ --to labels.tif --threshold membrane=0.4",
    )
    add_volume(given)
    _add_to(given, "file or folder to be written: .tif, .mrc or .zarr")
    add_region(given)
    given.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="CLASS=SHARE",
        help="probability from which voxels of a prediction count as a class (0.5)",
    )
    given.set_defaults(do=_export)


def _export(args: argparse.Namespace) -> int:
    from space.volumes import copy_to_tiff, copy_to_zarr, open_volume, write_mrc

    suffix = args.to.suffix.lower()
    if suffix not in (".tif", ".tiff", ".mrc", ".zarr"):
        raise SpaceError(f"{suffix or 'No ending'} is no kind of volume.", "--to", "Name a .tif")
    if (args.volume / "prediction.json").is_file():
        volume = _labels(args)
    else:
        volume = open_volume(args.volume, args.voxel_nm)
    wanted = region(args)
    part = wanted(volume) if wanted else None
    if suffix == ".zarr":
        copy_to_zarr(volume, args.to, part)
    elif suffix == ".mrc":
        block = part.slices if part else (slice(None),) * 3
        frame = volume.frame.cut(part.start) if part else volume.frame
        write_mrc(args.to, volume[block], frame)
    else:
        copy_to_tiff(volume, args.to, part)
    _tell(args.to)
    return 0


def _labels(args: argparse.Namespace) -> Any:
    from space.organelles import PredictedLabels, read_prediction

    thresholds = named_numbers(args.threshold, "--threshold", whole=False)
    return PredictedLabels(read_prediction(args.volume)).as_volume(thresholds)
