"""A network looks through a volume larger than memory, block by block.

Each block is read with the context that the network needs, so that it comes out as if the whole had
been looked at. Everything that a block needs is said by `Prediction` and `Block`, plain values, so
that any process can do any block: `blocks_left`, `do_block` and `finish` are all there is to it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.files import read_json, write_text_atomic
from space.organelles.claims import claim, release
from space.organelles.entries import same_voxel
from space.organelles.model import VolumeModel, model_path, network_of, read_model
from space.organelles.network import multiple_of, reach_of, shares_of
from space.organelles.samples import Greys, greys_of
from space.predicates import is_number
from space.trust import file_hash
from space.volumes import (
    Block,
    BlockWriter,
    OpenVolume,
    Triple,
    blocks_of,
    create_zarr,
    open_volume,
)

PREDICTION = "prediction.json"
CHUNK = 32

_CLAIMS = ".claims"
_FORMAT = "SPACEtomo volume prediction 1"
_MEMORY_BYTES = 1_000_000_000
_ARRAYS = 7
"""Of the finest level that are there at one time, measured with some to spare."""

_LONGEST_BLOCK = 256
_LOOK_S = 1.0


@dataclass(frozen=True)
class Prediction:
    """What is looked through, with what, and where what is found goes.

    Attributes
    ----------
    out : Path
        Folder, with a volume of probabilities for each class.
    model : Path
    model_hash : str
    volume : Path
    voxel_nm : tuple of float or None
        Size of voxels that a person has given.
    region : Block
        Of the volume.
    block : tuple of int
        Sides of a block.
    greys : Greys
        Of the whole volume.
    classes : tuple of str
    features : tuple of int
        Of the network.
    device : str
    threads : int
    """

    out: Path
    model: Path
    model_hash: str
    volume: Path
    voxel_nm: Triple | None
    region: Block
    block: tuple[int, int, int]
    greys: Greys
    classes: tuple[str, ...]
    features: tuple[int, ...]
    device: str = "cpu"
    threads: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return what makes the result what it is, as plain values for JSON."""
        return {
            "format": _FORMAT,
            "model": str(self.model),
            "model_hash": self.model_hash,
            "volume": str(self.volume),
            "voxel_nm": None if self.voxel_nm is None else list(self.voxel_nm),
            "start": list(self.region.start),
            "stop": list(self.region.stop),
            "block": list(self.block),
            "mean": self.greys.mean,
            "deviation": self.greys.deviation,
            "classes": list(self.classes),
            "features": list(self.features),
        }

    def path_of(self, name: str) -> Path:
        """Return the volume of probabilities of a class."""
        number = self.classes.index(name) + 1
        plain = re.sub(r"[^\w.-]", "_", name)
        unique = [re.sub(r"[^\w.-]", "_", one) for one in self.classes].count(plain) == 1
        return self.out / f"{plain if unique else f'{number}_{plain}'}.zarr"


def begin_prediction(
    model: Path,
    volume: Path,
    out: Path,
    region: Callable[[OpenVolume], Block] | None = None,
    block: int | None = None,
    voxel_nm: Triple | None = None,
    device: str = "cpu",
    threads: int = 1,
    any_voxel: bool = False,
) -> Prediction:
    """Say what is to be looked through; go on with it if it was begun.

    Parameters
    ----------
    model : Path
        A model, or the folder of its training.
    volume : Path
    out : Path
        Folder; it is made.
    region : callable, optional
        Gives the region of the volume; all of it if left out.
    block : int, optional
        Side of a block; one that takes about 1 GB of memory if left out.
    voxel_nm : tuple of float, optional
        Size of voxels, where the volume does not say it.
    device : str
    threads : int
    any_voxel : bool
        Whether voxels may be of another size than those that the model has learned from.

    Raises
    ------
    SpaceError
        If the model or the volume cannot be used, or something else was begun in the folder.
    """
    path = model_path(model).absolute()
    known, _ = read_model(path)
    opened = open_volume(volume, voxel_nm)
    if not any_voxel and not same_voxel(opened.frame.voxel_nm, known.voxel_nm):
        raise SpaceError(
            f"The voxels are {opened.frame.voxel_nm} nm; the model has learned from "
            f"{known.voxel_nm} nm (z, y, x).",
            str(volume),
            "Bin the volume, use another model, or say --any-voxel.",
        )
    wanted = region(opened) if region else Block((0, 0, 0), opened.shape)
    made = Prediction(
        Path(out).absolute(),
        path,
        file_hash(path),
        Path(volume).absolute(),
        voxel_nm,
        wanted,
        _sides(known, wanted, block),
        greys_of(opened),
        known.classes,
        known.features,
        device,
        threads,
    )
    told = json.loads(json.dumps(made.to_dict()))
    note = made.out / PREDICTION
    if note.exists():
        before = read_json(note)
        # Where files are may change; what they are may not.
        moved = ("model", "volume")
        if not isinstance(before, dict) or any(
            before.get(key) != value for key, value in told.items() if key not in moved
        ):
            raise SpaceError(
                "Something else was begun in this folder: another model, volume, region or block.",
                str(made.out),
                "Choose another folder, or delete it.",
            )
    else:
        made.out.mkdir(parents=True, exist_ok=True)
        write_text_atomic(note, json.dumps(told, indent=1) + "\n")
    writers(made)
    return made


def read_prediction(out: Path) -> Prediction:
    """Read what was looked through in a folder.

    Raises
    ------
    SpaceError
        If there is nothing, or it cannot be read.
    """
    out = Path(out)
    try:
        told = read_json(out / PREDICTION, follow_links=True)
        start, stop = (tuple(map(int, told[key])) for key in ("start", "stop"))
        numbers = [told["mean"], told["deviation"]]
        if told["format"] != _FORMAT or not all(map(is_number, numbers)):
            raise ValueError(_FORMAT)
        voxel = told["voxel_nm"]
        return Prediction(
            out.absolute(),
            Path(told["model"]),
            str(told["model_hash"]),
            Path(told["volume"]),
            None if voxel is None else (float(voxel[0]), float(voxel[1]), float(voxel[2])),
            Block((start[0], start[1], start[2]), (stop[0], stop[1], stop[2])),
            tuple(map(int, told["block"]))[:3],  # type: ignore[arg-type]
            Greys(*numbers),
            tuple(map(str, told["classes"])),
            tuple(map(int, told["features"])),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise SpaceError(
            f"There is no prediction of a volume here ({type(error).__name__}).",
            str(out / PREDICTION),
            "Name the folder that spacetomo volume predict has written.",
        ) from None


def _sides(model: VolumeModel, region: Block, block: int | None) -> tuple[int, int, int]:
    """Return the sides of blocks: whole chunks, and with their context no more than the memory."""
    if block is None:
        voxels = _MEMORY_BYTES / (4 * _ARRAYS * model.features[0])
        block = int(voxels ** (1 / 3)) - 2 * reach_of(model.features)
    side = max(CHUNK, min(block, _LONGEST_BLOCK) // CHUNK * CHUNK)
    z, y, x = (min(side, -(-end // CHUNK) * CHUNK) for end in region.shape)
    return z, y, x


def writers(prediction: Prediction) -> tuple[BlockWriter, ...]:
    """Return what writes the probabilities of each class; made if they are not there yet."""
    frame = _volume(prediction).frame.cut(prediction.region.start)
    return tuple(
        create_zarr(prediction.path_of(name), prediction.region.shape, np.uint8, frame, CHUNK, name)
        for name in prediction.classes
    )


def blocks_left(prediction: Prediction) -> list[Block]:
    """Return the blocks that are not done, as parts of the region."""
    there = writers(prediction)
    blocks = blocks_of(prediction.region.shape, prediction.block)
    return [one for one in blocks if not all(writer.is_done(one) for writer in there)]


def do_block(prediction: Prediction, block: Block) -> None:
    """Look through a block, and write what is found."""
    import torch

    torch.set_num_threads(prediction.threads)
    shares = predicted_block(_network(prediction), _volume(prediction), prediction, block)
    for writer, one in zip(writers(prediction), shares):
        writer.write(block.start, one)


def predicted_block(
    network: Any, volume: OpenVolume, prediction: Prediction, block: Block
) -> np.ndarray:
    """Return the probabilities in a block of the region, uint8 (classes, z, y, x)."""
    multiple, reach = multiple_of(prediction.features), reach_of(prediction.features)
    start, stop, lacking = [], [], []
    for begin, first, last, end in zip(
        prediction.region.start, block.start, block.stop, volume.shape
    ):
        # All blocks lie on one lattice of the volume, on which the network halves it.
        low = max(0, (begin + first - reach) // multiple * multiple)
        high = -(-(begin + last + reach) // multiple) * multiple
        start.append(low)
        stop.append(min(end, high))
        lacking.append((0, -(min(end, high) - low) % multiple))
    tile = Block((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
    seen = prediction.greys.seen(volume[tile.slices])
    if any(more for _, more in lacking):
        seen = np.pad(seen, lacking, mode="symmetric")
    shares = shares_of(network, seen, prediction.device)
    z, y, x = (
        slice(begin + first - low, begin + last - low)
        for begin, first, last, low in zip(
            prediction.region.start, block.start, block.stop, tile.start
        )
    )
    return shares[:, z, y, x]


def finish(prediction: Prediction) -> tuple[Path, ...]:
    """Say that all blocks are done; return the volumes of probabilities.

    Raises
    ------
    SpaceError
        If some are not.
    """
    for writer in writers(prediction):
        writer.finish()
    return tuple(prediction.path_of(name) for name in prediction.classes)


def do_blocks(
    prediction: Prediction, tell: Callable[[str], object], others_too: bool = True
) -> None:
    """Do the blocks that are left; other processes may do the same beside this one.

    Parameters
    ----------
    prediction : Prediction
    tell : callable
        Takes what a person wants to read.
    others_too : bool
        Whether to wait for blocks that others have begun.
    """
    left = blocks_left(prediction)
    total = sum(1 for _ in blocks_of(prediction.region.shape, prediction.block))
    tell(f"{len(left)} of {total} blocks are left.")
    while left:
        done = sum(1 for _ in _ours(prediction, left, tell))
        left = blocks_left(prediction)
        if left and not done:
            if not others_too:
                return
            time.sleep(_LOOK_S)


def _ours(
    prediction: Prediction, left: Sequence[Block], tell: Callable[[str], object]
) -> Iterator[Block]:
    """Do those of these blocks that nobody else does; yield each when it is done."""
    there = writers(prediction)
    for number, block in enumerate(left, 1):
        path = prediction.out / _CLAIMS / f"{block.name}.json"
        if all(writer.is_done(block) for writer in there) or not claim(path):
            continue
        try:
            begun = time.monotonic()
            do_block(prediction, block)
        finally:
            release(path)
        tell(f"block {number} of {len(left)}: {time.monotonic() - begun:.1f} s")
        yield block


@lru_cache(maxsize=1)
def _loaded(path: Path, expected: str, device: str) -> Any:
    if file_hash(path) != expected:
        raise SpaceError(
            "The model is another one than that with which this was begun.",
            str(path),
            "Put the model back, or choose another folder for what is found.",
        )
    model, weights = read_model(path)
    return network_of(model, weights, str(path)).to(device)


def _network(prediction: Prediction) -> Any:
    return _loaded(prediction.model, prediction.model_hash, prediction.device)


@lru_cache(maxsize=2)
def _opened(path: Path, voxel_nm: Triple | None) -> OpenVolume:
    return open_volume(path, voxel_nm)


def _volume(prediction: Prediction) -> OpenVolume:
    return _opened(prediction.volume, prediction.voxel_nm)
