"""What a model of sections finds in a volume, section by section."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.learning import read_weights
from space.organelles.sections.data import seen
from space.organelles.sections.network import SectionsModel, shares_of, two_decoders
from space.organelles.sections.training import MODEL
from space.pictures import resized
from space.predicates import is_number, is_whole
from space.volumes import Block, OpenVolume, create_zarr

Tell = Callable[[str], object]
TURNS = (1, 4, 8)
_CHUNK_PX = 512


def read_sections_model(path: Path) -> tuple[SectionsModel, Any]:
    """Read a model, which is plain data; return what it says about itself, and its network.

    Parameters
    ----------
    path : Path
        The file, or the folder of the training.

    Raises
    ------
    SpaceError
        If it is missing, damaged, or another kind of model.
    """
    path = Path(path)
    file = path / MODEL if path.is_dir() else path
    kept = read_weights(file)
    try:
        model = _model(kept)
        network = two_decoders(model.encoder, model.depth, len(model.classes))
        network.load_state_dict(kept["network"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SpaceError(
            f"This is no model of sections, or it is damaged ({type(error).__name__}).",
            str(file),
            f"Name the folder of a training by spacetomo sections train, or the {MODEL} in it.",
        ) from None
    return model, network.eval()


def _model(kept: Mapping[str, Any]) -> SectionsModel:
    classes, encoder = dict(kept["classes"]), kept["encoder"]
    fits = (
        1 < len(classes) < 255
        and all(isinstance(name, str) and is_whole(value) for name, value in classes.items())
        and all(0 <= value < 255 for value in classes.values())
        and isinstance(encoder, str)
        and is_whole(kept["depth"])
        and 3 <= kept["depth"] <= 5
        and is_whole(kept["shrink"])
        and 1 <= kept["shrink"] <= 16
        and is_number(kept["pixel_nm"])
        and kept["pixel_nm"] > 0
    )
    if not fits:
        raise ValueError("values")
    return SectionsModel(classes, encoder, kept["depth"], kept["shrink"], float(kept["pixel_nm"]))


def labels_of_section(
    model: SectionsModel, network: Any, section: np.ndarray, turns: int = 4, tile_px: int = 256
) -> np.ndarray:
    """Return the label of each pixel of a section, uint8.

    Parameters
    ----------
    model, network : SectionsModel, torch.nn.Module
    section : ndarray, shape (rows, columns)
    turns : int
        One of `TURNS`: how many ways it is looked at.
    tile_px : int
        Side of the tiles, after shrinking.
    """
    shares = shares_of(network, seen(section, model.shrink), 2**model.depth, tile_px, turns)
    if shares.shape[1:] != section.shape:
        shares = np.stack([resized(one, section.shape) for one in shares])
    values = np.array(list(model.classes.values()), np.uint8)
    return values[shares.argmax(0)]


def predict_sections(
    model_path: Path, raw: OpenVolume, out: Path, tell: Tell, turns: int = 4, tile_px: int = 256
) -> None:
    """Label all sections of a volume, as OME-Zarr; those that are there already are not done again.

    Parameters
    ----------
    model_path : Path
        As of `read_sections_model`.
    raw : OpenVolume
    out : Path
        Folder to write.
    tell : callable
        Takes what a person wants to read, line by line.
    turns, tile_px : int
        As of `labels_of_section`.

    Raises
    ------
    SpaceError
        If the model cannot be used, or there is something else in the folder.
    """
    model, network = read_sections_model(model_path)
    if turns not in TURNS or tile_px < 32 or tile_px % 2**model.depth:
        raise SpaceError(
            f"Tiles of {tile_px} px, looked at in {turns} ways, cannot be had.",
            do=f"Use a multiple of {2**model.depth} px from 32 on, and {TURNS} ways.",
        )
    pixel_nm = raw.frame.voxel_nm[1]
    if abs(pixel_nm / model.pixel_nm - 1) > 0.1:
        tell(f"The model has learned at pixels of {model.pixel_nm:g} nm; here are {pixel_nm:g} nm.")
    count, rows, columns = raw.shape
    chunk = (1, min(_CHUNK_PX, rows), min(_CHUNK_PX, columns))
    writer = create_zarr(out, raw.shape, np.uint8, raw.frame, chunk)
    for number in range(count):
        block = Block((number, 0, 0), (number + 1, rows, columns))
        if writer.is_done(block):
            continue
        found = labels_of_section(model, network, raw[number : number + 1][0], turns, tile_px)
        writer.write(block.start, found[None])
        tell(f"section {number + 1} of {count}")
    writer.finish()
