"""A segmentation model at a path, as what is compared or asked for proposals."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from space.config import Config, load_config
from space.errors import SpaceError
from space.learning.comparing import Candidate
from space.learning.loading import Segmentation, load_model
from space.learning.training.run_folder import MODEL
from space.models.description import SEGMENT, describe
from space.models.place import RUN, TRAINED, TRAINED_FOLDER
from space.models.store import place_of
from space.trust import file_hash

MODELS = "models"
"""Folder of the project."""


def model_at(named: str, space_dir: Path) -> Path:
    """Return the segmentation model that is named.

    Parameters
    ----------
    named : str
        A file, a folder of nnU-Net, the folder of a training, or the name of a model of the
        project; empty: the one that sessions use.
    space_dir : Path
        Folder of the project.

    Raises
    ------
    SpaceError
        If there is none.
    """
    if not named:
        return load_config(space_dir).segmentation_model
    for path in (Path(named), Path(space_dir) / MODELS / named):
        if (path / RUN).is_file():
            for written in (path / name for name in (*TRAINED, TRAINED_FOLDER)):
                if written.exists():
                    return written
            raise SpaceError(
                "This training has no model yet: it is written at its end.",
                str(path),
                "Go on with it: spacetomo train CONFIG --resume",
            )
        if path.exists():
            return path
    raise SpaceError(
        "There is no such model.",
        named,
        "Name an .onnx file, a folder of nnU-Net, the folder of a training, or a model that "
        "spacetomo models list shows.",
    )


def refuse_model(model: Path) -> None:
    """Refuse what cannot propose labels, by what its files say; nothing is loaded.

    Raises
    ------
    SpaceError
        If it is no segmentation model, or something keeps it from being used.
    """
    known = describe(place_of(model))
    if known.problems or known.task != SEGMENT:
        problems = " ".join(known.problems) or "It is no segmentation model."
        raise SpaceError(f"This model cannot propose labels. {problems}", str(model))


def load_candidate(model: Path, preset: str) -> Candidate:
    """Load a model.

    Parameters
    ----------
    model : Path
        Whatever `load_model` takes, if it labels pixels.
    preset : str
        How it looks at a picture: one of `space.models.PRESETS`.

    Raises
    ------
    SpaceError
        If there is none, or it cannot be used.
    """
    from space.segmentation.structure import tidied

    loaded = load_model(model, preset=preset)
    if not isinstance(loaded, Segmentation):
        raise SpaceError("This is a detector of boxes; a segmentation model is needed.", str(model))
    names = loaded.classes

    def in_session(labels: np.ndarray, shown_nm: float, picture: np.ndarray) -> np.ndarray:
        return tidied(labels, names, shown_nm, picture=picture)

    return Candidate(
        str(model),
        loaded.run,
        names,
        loaded.pixel_nm,
        loaded.run_with_confidence,
        in_session if Config.tidy_segmentation else None,
    )


def said_of(model: Path) -> str:
    """Return the name of a model with a hash of its weights, for people.

    Raises
    ------
    SpaceError
        If they cannot be read.
    """
    path = Path(model)
    files = [path] if path.is_file() else sorted(describe(place_of(path)).weights)
    try:
        hashes = [file_hash(one) for one in files]
    except OSError as error:
        raise SpaceError(f"The model cannot be read ({error}).", str(path)) from error
    both = hashes[0] if len(hashes) == 1 else _hash_of(hashes)
    return f"{name_of(path)} (SHA-256 {both})"


def name_of(model: Path) -> str:
    """Return how a model is called: by its training, if it is of one."""
    is_run = model.name in (MODEL, TRAINED_FOLDER) and (model.parent / RUN).is_file()
    name = f"{model.parent.name}/{model.name}" if is_run else model.name
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:100]


def _hash_of(hashes: list[str]) -> str:
    return hashlib.sha256("".join(hashes).encode("ascii")).hexdigest()
