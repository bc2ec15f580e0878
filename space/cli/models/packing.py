"""``spacetomo models convert --to file`` and ``--to folder``: a model as one file, and back."""

from __future__ import annotations

import argparse
from pathlib import Path

from space.cli.models.shared import MODELS, Installed, Say, find, installed, project
from space.errors import SpaceError
from space.models.adding import fit_name
from space.models.description import SEGMENT
from space.models.store import FOLDER, Folds

SUFFIX = ".pth"


def to_file(args: argparse.Namespace, folds: Folds, say: Say) -> int:
    """Write the model that is named as one file.

    Raises
    ------
    SpaceError
        If it is no nnU-Net, or cannot be used.
    """
    from space.segmentation.one_file import pack

    one = _only(args)
    model = one.model
    if model.task != SEGMENT or model.place.form != FOLDER:
        raise SpaceError(
            "Only an nnU-Net model in its folder is written as one file.", str(model.place.path)
        )
    out = args.out or model.place.path.with_suffix(SUFFIX)
    pack(model.place.path, folds or model.folds, model.checkpoint, out)
    say(f"{model.place.name}: {out} was written, with all folds and tables.")
    return 0


def to_folder(args: argparse.Namespace, say: Say) -> int:
    """Write the folder of a model that is one file.

    Raises
    ------
    SpaceError
        If the file cannot be used, or the folder is there.
    """
    from space.segmentation.one_file import unpack

    if len(args.names) != 1 or not is_packed(args.names[0]):
        raise SpaceError(f"--to folder is for one file ({SUFFIX}).", do="Name the file.")
    path = Path(args.names[0])
    if args.out is None and not fit_name(path.stem):
        raise SpaceError("This file has no name for a model.", str(path), "Give --out.")
    out = args.out or project(args.space_dir) / MODELS / path.stem
    unpack(path, out)
    say(f"{out} was written: a model as any other in its folder.")
    return 0


def is_packed(name: str) -> bool:
    """Whether a name is that of a model as one file."""
    return name.lower().endswith(SUFFIX)


def _only(args: argparse.Namespace) -> Installed:
    if len(args.names) != 1:
        raise SpaceError("--to file is for one model.", do="Name it.")
    return find(args.names[0], installed(args.space_dir), args.space_dir)
