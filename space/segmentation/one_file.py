"""An nnU-Net model as one file, and back to its folder, with nothing lost (needs torch).

The file is a checkpoint of PyTorch with plain data alone: the tables of the folder as they are
written, and what each fold's checkpoint holds.

>>> torch.load("yeast.pth")["folds"]["fold_0"]["network_weights"]
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from space.errors import SpaceError
from space.files import atomic_path, parse_json, read_bytes_bounded
from space.models import CARD, DATASET, PLANS
from space.models.description import RECORD
from space.models.fitness import segmentation_problems
from space.models.store import FOLD, folds_in
from space.weights import load_checkpoint

FORMAT = "SPACEtomo nnU-Net 1"
SUFFIX = ".pth"
_TABLES = (DATASET, PLANS, CARD, RECORD)
_NEEDED = (DATASET, PLANS)
_CHECKPOINT = re.compile(r"checkpoint_\w{1,40}\.pth")
_LARGEST_TABLE_BYTES = 16_000_000


def pack(folder: Path, folds: Sequence[int | str], checkpoint: str, out: Path) -> Path:
    """Write the model in a folder as one file; its .onnx file can be made again.

    Parameters
    ----------
    folder : Path
        With ``dataset.json``, ``plans.json`` and the folds.
    folds : sequence of int or str
    checkpoint : str
        Name of the weights' file in each fold.
    out : Path
        The file, which must not be there.

    Raises
    ------
    SpaceError
        If the model cannot be used, or the file is there.
    """
    import torch

    folder, out = Path(folder), Path(out)
    _refuse_present(out)
    problems = segmentation_problems(folder, folds, checkpoint, "torch")
    if problems:
        raise SpaceError(" ".join(problems))
    tables = {
        name: read_bytes_bounded(folder / name, _LARGEST_TABLE_BYTES, True).decode("utf-8")
        for name in _TABLES
        if (folder / name).is_file()
    }
    names = [f"fold_{fold}" for fold in folds]
    content = {
        "format": FORMAT,
        "tables": tables,
        "checkpoint": checkpoint,
        "folds": {name: load_checkpoint(folder / name / checkpoint) for name in names},
    }
    with atomic_path(out) as temporary:
        torch.save(content, temporary)
    return out


def unpack(path: Path, out: Path) -> Path:
    """Write the folder of a model that was packed; it appears whole or not at all.

    Nothing in the file is run, and the folder is checked as any other model.

    Raises
    ------
    SpaceError
        If the file is something else or holds what does not fit, or the folder is there.
    """
    path, out = Path(path), Path(out)
    _refuse_present(out)
    tables, checkpoint, folds = _content(path)
    part = out.with_name(f".{out.name}.{uuid4().hex[:8]}.part")
    try:
        _write(part, tables, checkpoint, folds)
        problems = segmentation_problems(part, folds_in(folds), checkpoint, "torch")
        if problems:
            text = " ".join(problems).replace(str(part), str(path))
            raise SpaceError(text, str(path))
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def _write(
    part: Path, tables: Mapping[str, str], checkpoint: str, folds: Mapping[str, Any]
) -> None:
    import torch

    part.mkdir(parents=True)
    for name, text in tables.items():
        (part / name).write_bytes(text.encode("utf-8"))
    for name, kept in folds.items():
        (part / name).mkdir()
        torch.save(kept, part / name / checkpoint)


def _content(path: Path) -> tuple[dict[str, str], str, dict[str, Any]]:
    """Return the tables, the name of the weights' files and the folds in a file."""
    content = load_checkpoint(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise SpaceError(
            "This file is not a model of nnU-Net that was packed.",
            str(path),
            "Pack one by spacetomo models convert MODEL --to file.",
        )
    tables, checkpoint, folds = (content.get(key) for key in ("tables", "checkpoint", "folds"))
    fits = (
        _are_tables(tables)
        and isinstance(checkpoint, str)
        and _CHECKPOINT.fullmatch(checkpoint) is not None
        and isinstance(folds, dict)
        and all(isinstance(name, str) and FOLD.fullmatch(name) for name in folds)
        and bool(folds)
    )
    if not fits:
        raise SpaceError(
            "This packed model holds something else than tables and folds.",
            str(path),
            "Pack the model again.",
        )
    return tables, checkpoint, folds  # type: ignore[return-value]


def _are_tables(tables: object) -> bool:
    """Whether these are the tables of a model, each a table of JSON."""
    if not isinstance(tables, dict) or not set(_NEEDED) <= set(tables) <= set(_TABLES):
        return False
    try:
        return all(isinstance(parse_json(text.lstrip("\ufeff")), dict) for text in tables.values())
    except (ValueError, TypeError, AttributeError):
        return False


def _refuse_present(out: Path) -> None:
    if out.exists():
        raise SpaceError("This is there already; it is not replaced.", str(out), "Name another.")
