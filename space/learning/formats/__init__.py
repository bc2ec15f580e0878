"""Formats of data sets: what reads each of them, and what writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from space.errors import SpaceError
from space.learning.adding import Added, add, disk_in_words
from space.learning.dataset import DataSet
from space.learning.formats import coco, nnunet, openfibsem, plain, yolo
from space.learning.formats.shared import Wish
from space.learning.incoming import Incoming, Tell

__all__ = ["IN", "OUT", "Wish", "export", "format_of", "import_into"]

IN: Mapping[str, Callable[[Path, Wish, Tell], Incoming]] = {
    "folder": plain.read_folder,
    "layers": plain.read_layers,
    "napari": plain.read_folder,
    "coco": coco.read_coco,
    "yolo": yolo.read_yolo,
    "nnunet": nnunet.read_raw,
    "openfibsem": openfibsem.read_openfibsem,
    "dataset": plain.read_own,
}
"""What can be read, by its name on the command line."""

OUT: Mapping[str, Callable[[Path, DataSet, Path, Tell], int]] = {
    "folder": plain.write_folder,
    "layers": plain.write_layers,
    "napari": plain.write_napari,
    "coco": coco.write_coco,
    "yolo": yolo.write_yolo,
    "nnunet": nnunet.write_raw,
    "openfibsem": openfibsem.write_openfibsem,
}
"""What can be written."""


def format_of(source: Path) -> str:
    """Return the format that a folder, or a file of annotations, is in by its looks."""
    if not source.is_dir():
        return "coco"
    if plain.is_own(source):
        return "dataset"
    if nnunet.is_raw(source):
        return "nnunet"
    if yolo.is_yolo(source):
        return "yolo"
    if coco.find_file(source) is not None:
        return "coco"
    return "layers" if (source / "layers").is_dir() else "folder"


def import_into(folder: Path, source: Path, form: str, wish: Wish, tell: Tell) -> Added:
    """Add what is in a source to a data set.

    Raises
    ------
    SpaceError
        If the source cannot be used at all. One odd file is told and costs itself.
    """
    source, folder = Path(source), Path(folder)
    if not source.exists():
        raise SpaceError("There is no such file or folder.", str(source), "Correct the path.")
    if source.is_dir() and folder.resolve() == source.resolve():
        raise SpaceError(
            "A data set cannot be made in the folder of its pictures.",
            str(source),
            "Name a new one.",
        )
    if form != "coco" and not source.is_dir():
        raise SpaceError(f"{form} is read from a folder, not from a file.", str(source))
    with disk_in_words(source):
        incoming = IN[form](source, wish, tell)
    return add(folder, incoming, tell)


def export(source: Path, data: DataSet, form: str, out: Path, tell: Tell) -> int:
    """Write a data set in a format, into a new folder; return how many pictures.

    Raises
    ------
    SpaceError
        If the folder is not new, or a package is missing.
    """
    with disk_in_words(out):
        return OUT[form](Path(source), data, Path(out), tell)
