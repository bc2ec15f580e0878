"""Maps that look otherwise than those which the shipped model knows, and hold two new classes.

They are simulated lamellae with another pixel, another curve of greys, sharpened like a picture
with a phase plate, and with noise that hangs together over some pixels. Fibrils and capsids are
drawn into cells and onto lamellae; the shipped model has neither.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from space.learning import Incoming, Item, LabelClass, add
from space.plots import class_colors
from space.simulator.specimen import LABEL
from training.lamella_maps import lamella_map
from training.recording import to_bytes

PIXEL_NM = 20.0
SIDE_PX = 1000
FIRST_SEED = 960_000
NEW = {"fibrils": 18, "capsids": 19}
_ON = ("cell", "lamella")
_CURVE, _SHARPENED, _NOISE = 0.55, 1.5, 0.10


def shifted_map(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a map and the class of every pixel, both uint8 of at most `SIDE_PX` a side."""
    rng = np.random.default_rng([103, seed])
    calm = {"noise": 0.5, "blur_px": 0.0, "sharpen": 0.0, "haze": 0.0, "faulty": False}
    picture, truth = lamella_map(seed, PIXEL_NM, **calm)
    place = _fullest(truth)
    seen, labels = picture[place] / np.float32(255), truth[place].copy()
    for name, count in (("fibrils", 10), ("capsids", 14)):
        for middle in _places(rng, labels, count):
            put(rng, name, seen, labels, middle)
    seen = np.maximum(seen, 0) ** np.float32(_CURVE)
    seen += _SHARPENED * (seen - ndimage.gaussian_filter(seen, 3.0))
    grain = ndimage.gaussian_filter(rng.standard_normal(seen.shape, dtype=np.float32), 0.8)
    seen += _NOISE / grain.std() * grain
    shown = to_bytes(seen, 0.5, 99.5)
    shown[labels == LABEL["background"]] = 0
    return shown, labels


def _fullest(truth: np.ndarray) -> tuple[slice, slice]:
    """Return the part of a map around the middle of what is in cells."""
    cells = np.isin(truth, [LABEL["cell"], LABEL["mitos"], LABEL["nucleus"]])
    middle = ndimage.center_of_mass(cells) if cells.any() else np.divide(truth.shape, 2)
    first = [
        int(np.clip(at - SIDE_PX // 2, 0, max(0, side - SIDE_PX)))
        for at, side in zip(middle, truth.shape)
    ]
    return tuple(slice(at, at + SIDE_PX) for at in first)


def _places(rng: np.random.Generator, labels: np.ndarray, count: int) -> np.ndarray:
    found = np.argwhere(np.isin(labels, [LABEL[name] for name in _ON]))
    return found[rng.integers(len(found), size=count)] if len(found) else found


def put(
    rng: np.random.Generator, name: str, seen: np.ndarray, labels: np.ndarray, middle: np.ndarray
) -> None:
    """Draw one thing; it covers only cell and bare lamella."""
    um = 1000 / PIXEL_NM
    reach = int(1.2 * um)
    rows, columns = (
        slice(max(0, at - reach), min(side, at + reach)) for at, side in zip(middle, labels.shape)
    )
    row, column = np.mgrid[rows, columns]
    angle = rng.uniform(0, np.pi)
    away = row - middle[0], column - middle[1]
    along = away[0] * np.sin(angle) + away[1] * np.cos(angle)
    across = away[0] * np.cos(angle) - away[1] * np.sin(angle)
    part, own = seen[rows, columns], labels[rows, columns]
    free = np.isin(own, [LABEL[one] for one in _ON])
    if name == "fibrils":
        long, wide = rng.uniform(0.5, 0.9) * um, rng.uniform(0.15, 0.3) * um
        bend = along**2 / (rng.uniform(1.5, 4.0) * um)
        inside = (np.abs(along) < long) & (np.abs(across + bend) < wide) & free
        shade = 0.72 + 0.22 * np.cos(2 * np.pi * (across + bend) / (0.09 * um))
    else:
        inside, shade = np.zeros(own.shape, bool), np.ones(own.shape, np.float32)
        for _ in range(int(rng.integers(4, 10))):
            at = rng.normal(0, 0.3 * um, 2)
            radius = rng.uniform(0.09, 0.13) * um
            far = np.hypot(away[0] - at[0], away[1] - at[1]) / radius
            inside |= (far < 1) & free
            shade = np.where(far < 1, np.where(far < 0.6, 1.1, 0.55), shade)
    part[inside] *= shade[inside].astype(np.float32)
    own[inside] = NEW[name]


def make_set(folder: Path, splits: dict[str, int]) -> None:
    """Write the data set; every map is a grid of its own.

    Parameters
    ----------
    folder : Path
    splits : dict of str to int
        Maps of each split.
    """
    values = {**LABEL, **NEW}
    colors = class_colors(values)
    classes = tuple(LabelClass(value, name, colors[name]) for name, value in values.items())
    wanted = [split for split, count in splits.items() for _ in range(count)]

    def item(number: int) -> Item:
        picture, labels = shifted_map(FIRST_SEED + number)
        return Item(
            f"map_{number:02d}",
            picture=picture,
            labels=labels,
            pixel_nm=PIXEL_NM,
            split=wanted[number],
        )

    # One at a time, so that not all of them are held at once.
    loads = [lambda number=number: (item(number),) for number in range(len(wanted))]
    add(folder, Incoming(loads, classes, ()), print)
