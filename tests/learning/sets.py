"""Small data sets with odd names, types, classes and boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from space.lamellae import Box
from space.learning import Incoming, Item, LabelClass, Origin, add, read_data_set
from space.learning.adding import items

CLASSES = (
    LabelClass(0, "background", "#000000"),
    LabelClass(3, "mitos", "#ed1b00"),
    LabelClass(7, "Zellwand äußere", "#437f58"),
    LabelClass(200, "ignore", "#ff00ff"),
)
BOX_CLASSES = ("good", "broken")
STEMS = ("Süd map 1", "a_0000", "G1_L03", "b.c")


def picture(seed: int, shape=(9, 12), dtype=np.uint8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def labels(seed: int, shape=(9, 12), values=(0, 3, 7, 200)) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array(values, np.uint8), shape)


def box(x0: float, category: str = "good") -> Box:
    return Box(x0, 1.25, x0 + 3.5, 7.0, category, 1.0)


def item(seed: int = 0, stem: str = "G1_L03", **known) -> Item:
    return Item(
        stem, **{"picture": picture(seed), "labels": labels(seed), "pixel_nm": 2.283, **known}
    )


def made(folder: Path, *those: Item, classes=CLASSES, box_classes=BOX_CLASSES):
    """Return a data set of these pictures, which is on disk."""
    told: list[str] = []
    add(folder, Incoming([lambda: those], classes, box_classes), told.append)
    return read_data_set(folder)[0]


def odd_set(folder: Path, dtypes=(np.uint8, np.uint16, np.float32, np.int16)):
    """Return a data set with a picture of each of these types, and of all that can be known."""
    those = [
        item(
            number,
            stem,
            picture=picture(number, (9 + number, 12), dtype),
            labels=labels(number, (9 + number, 12)),
            boxes=(box(number), box(2.0, "broken")),
            pixel_nm=(2.283, None, 7.6, 1.0)[number],
            split=("train", "test", "val", "")[number],
            origin=Origin("D:/Sitzung", f"G{number}", number, "corrected", "von Hand"),
            points=(("lamella centre", 3.5, 2.0), ("tip", 1.0, 0.125)),
        )
        for number, (stem, dtype) in enumerate(zip(STEMS, dtypes))
    ]
    return made(folder, *those)


def all_items(folder: Path) -> dict[str, Item]:
    return {one.stem: one for one in (load() for load in items(folder, read_data_set(folder)[0]))}
