"""Where models are: in a folder of models, or at a path that somebody names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Union

from space.errors import SpaceError
from space.models.card import CARD
from space.models.onnx_file import is_onnx
from space.models.place import DATASET, PLANS, TRAINED, TRAINED_FOLDER, is_run, model_folders

Folds = tuple[Union[int, str], ...]

FOLDER, WEIGHTS, ONNX = "nnU-Net folder", "YOLO weights", "ONNX file"

FOLD = re.compile(r"fold_(\d{1,4}|all)")
"""Name of the folder of a fold."""

UNFINISHED = (
    "This training has not come to its end, so it has no model yet: go on with it "
    "(spacetomo train CONFIG.toml --resume)."
)
_MOST_ENTRIES = 1000
_PACKED = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")


@dataclass(frozen=True)
class Place:
    """Where a model is.

    Attributes
    ----------
    name : str
        How commands call it.
    path : Path
        Its folder, or its only file.
    form : str
        `FOLDER`, `WEIGHTS` or `ONNX`; empty if there is no model.
    card : Path
        Its card, whether there is one or not.
    trouble : str
        Why there is no model.
    """

    name: str
    path: Path
    form: str
    card: Path
    trouble: str = ""


def folds_in(names: Iterable[str]) -> Folds:
    """Return the folds that folders of these names hold: those with a number, or "all"."""
    found = [match[1] for match in map(FOLD.fullmatch, names) if match]
    numbers = sorted({int(text) for text in found if text != "all" and text == str(int(text))})
    return tuple(numbers) if numbers else tuple(sorted({"all"} & set(found)))


def find_places(models_dir: Path) -> list[Place]:
    """Return the models in a folder of models, and what looks like one and is none."""
    found: list[Place] = []
    for path in entries(models_dir):
        if path.is_dir():
            found += places_in(path, models_dir) or [_nothing(path)]
        elif path.suffix.lower() in (".pt", ".onnx"):
            found += _files([path], models_dir, alone=False)
        elif path.suffix.lower() in (".pth", *_PACKED):
            found.append(_nothing(path))
    return found


def place_of(path: Path) -> Place:
    """Return the model at a path.

    Raises
    ------
    SpaceError
        If there is none, or several.
    """
    path = Path(path)
    if not path.is_dir():
        kept = path.name.startswith(".") or path.suffix.lower() not in (".pt", ".onnx")
        return _nothing(path) if kept else _file(path, path.parent, of_run(path))
    found = places_in(path, path.parent)
    if len(found) > 1:
        names = ", ".join(place.name for place in found[:6])
        raise SpaceError("This folder holds several models.", str(path), f"Name one: {names}.")
    return found[0] if found else _nothing(path)


def of_run(path: Path) -> bool:
    """Whether a file is the model of a training, whose card is that of the folder."""
    return path.name in TRAINED and is_run({one.name for one in entries(path.parent)})


def places_in(folder: Path, above: Path) -> list[Place]:
    """Return the models in a folder, named by their way from the folder `above`."""
    inside = entries(folder)
    names = {path.name for path in inside}
    if is_run(names):
        return _of_training(folder, inside, above)
    if DATASET in names or PLANS in names or any(map(FOLD.fullmatch, names)):
        return [Place(_named(folder, above), folder, FOLDER, folder / CARD)]
    models = model_folders(folder)
    if models:
        return [Place(_named(path, above), path, FOLDER, path / CARD) for path in models]
    files = [path for path in inside if path.suffix.lower() in (".pt", ".onnx")]
    run = folder / "weights"  # of a training by ultralytics
    if not files and run.is_dir():
        files = [path for path in entries(run) if path.suffix.lower() == ".pt"]
    return _files(files, above, alone=True)


def _of_training(folder: Path, inside: Sequence[Path], above: Path) -> list[Place]:
    """Return the one model that a training has made; its other files are for going on with it."""
    model = folder / TRAINED_FOLDER
    if (model / DATASET).is_file():
        return [Place(_named(folder, above), model, FOLDER, model / CARD)]
    return _files([path for path in inside if path.name in TRAINED], above, alone=True)


def _files(files: Sequence[Path], above: Path, alone: bool) -> list[Place]:
    """Return models of single files; an .onnx beside weights of its name belongs to them."""
    own = [path for path in files if not (is_onnx(path) and _weights_beside(path).is_file())]
    return [_file(path, above, alone and len(own) == 1) for path in own]


def _file(path: Path, above: Path, is_only: bool) -> Place:
    return Place(
        _named(path.parent if is_only and path.parent != above else path, above),
        path,
        ONNX if is_onnx(path) else WEIGHTS,
        path.with_name(CARD if is_only else f"{path.stem}.{CARD}"),
    )


def _weights_beside(onnx: Path) -> Path:
    return onnx.with_suffix(".pt")


def _named(path: Path, above: Path) -> str:
    try:
        return path.relative_to(above).as_posix()
    except ValueError:
        return path.name


def _nothing(path: Path) -> Place:
    if path.is_dir():
        names = [p.name for p in entries(path)]
        packed = [name for name in names if name.lower().endswith(_PACKED)]
        trouble = (
            UNFINISHED
            if is_run(names)
            else f"It holds {packed[0]}, which is packed: run spacetomo models add on that file."
            if packed
            else f"There is no model in it (neither {DATASET} nor *.pt nor *.onnx)."
        )
    elif not path.exists():
        trouble = "There is no such file or folder."
    elif path.suffix.lower() in _PACKED:
        trouble = "It is packed: run spacetomo models add on it."
    elif path.suffix.lower() == ".pth":
        trouble = (
            f"These weights stand alone: an nnU-Net model has a folder with {DATASET}, {PLANS} and "
            "fold_0. Copy the whole folder."
        )
    else:
        trouble = "It is no model: neither .pt nor .onnx nor a folder of nnU-Net."
    return Place(path.name, path, "", path.with_name(f"{path.stem}.{CARD}"), trouble)


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder, by name, without what is hidden; of a very full one, a part."""
    try:
        found = list(islice(Path(folder).iterdir(), _MOST_ENTRIES))
    except OSError:
        return []
    return sorted(path for path in found if not path.name.startswith((".", "__")))
