"""Particles in tomograms by a picker: heat maps, and the peaks of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.files import read_json_or_empty, write_text_atomic
from space.picking.calibration import LOWEST, MOST_ODDS, Calibration, level_of
from space.picking.files import Tomogram
from space.picking.grey import grey_of
from space.picking.heat import BLOCK_PX, heat_of
from space.picking.model import Picker
from space.picking.network import STRIDE
from space.picking.peaks import Picks, tops_of
from space.threads import threads_here
from space.volumes import Frame, read_volume, write_mrc

_LARGEST_HEAT_BYTES = 2_000_000_000

Tell = Callable[[str], object]


@dataclass(frozen=True)
class Choice:
    """Which peaks become picks.

    Attributes
    ----------
    threshold : float or None
        Least probability of a voxel; without, each tomogram has the one that the picker's
        calibration finds for it.
    count : int or None
        At most so many of each tomogram, the best ones.
    spacing : float
        How far apart they are at least, in radii of a particle.
    border_nm : float
        How far they are kept from the faces of the tomogram.
    """

    threshold: float | None = None
    count: int | None = None
    spacing: float = 1.0
    border_nm: float = 0.0

    def __post_init__(self) -> None:
        ranges = {"threshold": (0, 1), "spacing": (0.1, 20), "border_nm": (0, 1e5)}
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if value is None and name == "threshold":
                continue
            if not least <= value <= most:
                raise SpaceError(
                    f"{name} is {value:g}.",
                    do=f"Give a number from {least:g} to {most:g}.",
                )
        if self.count is not None and self.count < 1:
            raise SpaceError(f"{self.count} is no number of picks.", do="Give 1 or more.")


def heat_map(picker: Picker, tomogram: Tomogram, side_px: int = BLOCK_PX) -> np.ndarray:
    """Return the probability, float32, that a voxel is near the centre of a particle.

    Its voxels are `STRIDE` times as large as those of the tomogram.

    Raises
    ------
    SpaceError
        If the picker was trained with voxels of another size.
    """
    import torch

    torch.set_num_threads(threads_here())
    picker.refuse_other_voxels(tomogram.voxel_nm, tomogram.name)
    grey = grey_of(tomogram)
    scores = heat_of(picker.network, grey, picker.radius_px, picker.within, side_px)
    scores -= np.float32(picker.level)
    return probability(scores)


def probability(scores: np.ndarray) -> np.ndarray:
    """Return the logistic function."""
    return (1 / (1 + np.exp(-np.clip(scores, -50, 50)))).astype(scores.dtype)


def odds_of(probable: np.ndarray) -> np.ndarray:
    """Return the logarithm of odds, of which `probability` is the other way."""
    surest = 1 / (1 + np.exp(-MOST_ODDS))
    sure = np.clip(probable, 1 - surest, surest)
    found: np.ndarray = np.log(sure / (1 - sure)).astype(probable.dtype)
    return found


def heat_frame(frame: Frame) -> Frame:
    """Return the frame of the heat map of a tomogram."""
    z, y, x = frame.voxel_nm
    beside = (STRIDE - 1) / 2
    origin = [at + beside * side for at, side in zip(frame.origin_nm, frame.voxel_nm)]
    return Frame(
        (STRIDE * z, STRIDE * y, STRIDE * x),
        (origin[0], origin[1], origin[2]),
        frame.handedness,
        frame.stage_um,
        frame.target,
    )


def picks_of(
    heat: np.ndarray,
    radius_px: float,
    shape: tuple[int, ...],
    choice: Choice,
    calibration: Calibration | None = None,
) -> Picks:
    """Return the picks of a heat map, in voxels (z, y, x) of the tomogram.

    Parameters
    ----------
    heat : ndarray (z, y, x)
        Probability.
    radius_px : float
        Of a particle, in voxels of the tomogram.
    shape : tuple of int
        Of the tomogram.
    choice : Choice
    calibration : Calibration, optional
        Gives the threshold where none is chosen; without, it is one half.
    """
    calibrated = choice.threshold is None and calibration is not None
    threshold = 0.5 if choice.threshold is None else choice.threshold
    least = LOWEST if calibrated else float(odds_of(np.array(threshold)))
    found = tops_of(odds_of(heat.astype(np.float32)), radius_px, least, choice.spacing)
    if calibrated and calibration is not None:
        found = found.above(level_of(calibration, found.scores))
    picks = Picks(found.points_px, probability(found.scores)).inside(shape, choice.border_nm)
    return picks if choice.count is None else picks.best(choice.count)


def predict(
    picker: Picker,
    model_hash: str,
    tomogram: Tomogram,
    out: Path,
    choice: Choice,
    tell: Tell,
) -> Picks:
    """Pick one tomogram; its heat map is kept in a folder, and is not made again if it is there.

    Parameters
    ----------
    picker : Picker
    model_hash : str
        Which weights these are.
    tomogram : Tomogram
    out : Path
    choice : Choice
    tell : callable
        Takes a line for the tomogram.

    Returns
    -------
    Picks
        In voxels (z, y, x) of the tomogram's file.
    """
    out.mkdir(parents=True, exist_ok=True)
    path, note = out / f"{tomogram.name}_heat.mrc", out / f"{tomogram.name}_heat.json"
    made_of = {"model": model_hash, "tomogram": tomogram.mark()}
    if path.exists() and read_json_or_empty(note).get("made_of") == made_of:
        heat, kept = read_heat(out, tomogram.name), " (heat map was there)"
    else:
        heat, kept = heat_map(picker, tomogram), ""
        write_mrc(path, heat, heat_frame(tomogram.frame))
        text = json.dumps({"made_of": made_of, "voxels": list(heat.shape)}, indent=1)
        write_text_atomic(note, text + "\n")
    in_voxels = Choice(
        choice.threshold, choice.count, choice.spacing, choice.border_nm / tomogram.voxel_nm
    )
    found = picks_of(heat, picker.radius_px, tomogram.shape, in_voxels, picker.calibration)
    least = f" with a score of at least {found.scores[-1]:.3g}" if len(found) else ""
    tell(f"{tomogram.name}: {len(found)} particles{least}{kept}")
    return Picks(tomogram.to_file(found.points_px), found.scores)


def read_heat(out: Path, name: str) -> np.ndarray:
    """Return the heat map of a tomogram in a folder."""
    return read_volume(out / f"{name}_heat.mrc", most_bytes=_LARGEST_HEAT_BYTES).data


def hash_of(path: Path) -> str:
    """Return a hash of a file of weights."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
