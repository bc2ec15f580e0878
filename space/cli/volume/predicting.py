"""``spacetomo volume predict``: a network looks through a volume."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from space.cli import given
from space.cli.volume.shared import add_region, add_volume, region
from space.errors import SpaceError
from space.jobs.spreading import spread
from space.organelles import Prediction, blocks_left, do_block


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    predict = actions.add_parser(
        "predict",
        help="look through a volume of any size, block by block",
        description="Writes how probable each class is (0 to 255), as OME-Zarr. It goes "
        "by blocks with as much context as the network sees, so that the result is that of the "
        "whole. The same command goes on after it was ended; started several times, also on "
        "several computers that share the folder, all help.",
        epilog="Example: spacetomo volume predict runs/membrane cell.zarr --to found",
    )
    predict.add_argument(
        "model", type=Path, metavar="MODEL", help="model, or the folder of its training"
    )
    add_volume(predict)
    predict.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="folder for what is found"
    )
    add_region(predict)
    predict.add_argument(
        "--block",
        type=int,
        metavar="VOXELS",
        help="side of the blocks, a multiple of 32 (as large as 1 GB of memory allows)",
    )
    predict.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(auto)")
    predict.add_argument("--threads", type=int, default=1, help="of the processor (1)")
    predict.add_argument(
        "--any-voxel",
        action="store_true",
        help="also a volume with voxels of another size than the model has learned from",
    )
    given.add_scheduler(predict, "blocks")
    predict.set_defaults(do=_predict)


def _predict(args: argparse.Namespace) -> int:
    from space.learning import device_for
    from space.organelles import begin_prediction, do_blocks, finish

    prediction = begin_prediction(
        args.model,
        args.volume,
        args.to,
        region(args),
        args.block,
        args.voxel_nm,
        device_for(args.device),
        max(1, args.threads),
        args.any_voxel,
    )
    if args.scheduler:
        _spread(prediction, args)
    else:
        do_blocks(prediction, lambda line: print(line, flush=True))
    for path in finish(prediction):
        print(path)
    return 0


def _spread(prediction: Prediction, args: argparse.Namespace) -> None:
    """Have the blocks done by Dask.

    Raises
    ------
    SpaceError
        If some could not be done; the others are kept.
    """
    left, problems = blocks_left(prediction), []
    print(f"{len(left)} blocks are left.", flush=True)
    where = given.scheduler(args, prediction.out)
    for number, done in enumerate(spread(partial(do_block, prediction), left, where), 1):
        if done.problem:
            problems.append(done.problem)
        print(f"block {number} of {len(left)}{': ' if done.problem else ''}{done.problem}")
    if problems:
        raise SpaceError(
            f"{len(problems)} of {len(left)} blocks were not done: {problems[-1]}",
            str(prediction.out),
            "Mend that, and start the same command again: what is done stays.",
        )
