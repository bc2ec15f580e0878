"""Data sets on disk: nnU-Net v2's raw format for maps, YOLO's for boxes.

A case is there when its label file is: it is written last, and appears whole.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from space.files import atomic_path, write_text_atomic
from space.simulator.specimen import KINDS, LABELS

from .seeds import part_of

DATASET = "Dataset001_SimulatedLamella"


def _write_image(path: Path, picture: np.ndarray) -> None:
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


# --- nnU-Net ------------------------------------------------------------------------------------


def raw_folder(out: Path) -> Path:
    """Folder of the data set below ``nnUNet_raw``."""
    return Path(out) / "raw" / DATASET


def case_name(seed: int) -> str:
    """Name of a map in the data set."""
    return f"lamella_{seed:06d}"


def case_paths(out: Path, seed: int) -> tuple[Path, Path]:
    """Picture and labels of a map; those of test seeds lie where nnU-Net does not train."""
    letters = "Ts" if part_of(seed) == "test" else "Tr"
    root = raw_folder(out)
    name = case_name(seed)
    return root / f"images{letters}" / f"{name}_0000.png", root / f"labels{letters}" / f"{name}.png"


def write_case(out: Path, seed: int, picture: np.ndarray, labels: np.ndarray) -> None:
    """Write one map with its labels."""
    for path, array in zip(case_paths(out, seed), (picture, labels)):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_image(path, array)


def training_seeds(out: Path) -> list[int]:
    """Seeds of the maps that nnU-Net would train on (validation included)."""
    names = (path.stem for path in (raw_folder(out) / "labelsTr").glob("lamella_*.png"))
    return sorted(int(name.split("_")[1]) for name in names)


def class_shares(out: Path, seeds: Sequence[int]) -> np.ndarray:
    """Share of all pixels of these maps by class, (classes,) floats."""
    counts = np.zeros(len(LABELS))
    for seed in seeds:
        with Image.open(case_paths(out, seed)[1]) as labels:
            counts += np.bincount(np.asarray(labels).ravel(), minlength=len(LABELS))
    return counts / counts.sum()


def write_dataset_json(out: Path, pixel_nm: float) -> None:
    """Write nnU-Net's ``dataset.json`` for the maps that are there."""
    seeds = training_seeds(out)
    description = {
        "channel_names": {"0": "TEM"},
        "labels": {name: value for value, name in enumerate(LABELS)},
        "numTraining": len(seeds),
        "file_ending": ".png",
        "pixel_size_nm": pixel_nm,
    }
    raw_folder(out).mkdir(parents=True, exist_ok=True)
    write_text_atomic(raw_folder(out) / "dataset.json", json.dumps(description, indent=1))


def read_dataset_json(out: Path) -> dict[str, Any]:
    """Read nnU-Net's ``dataset.json``."""
    return json.loads((raw_folder(out) / "dataset.json").read_text(encoding="utf-8"))


def known_pixel_nm(out: Path) -> float | None:
    """Pixel size of the maps that are there; None without any."""
    path = raw_folder(out) / "dataset.json"
    return float(read_dataset_json(out)["pixel_size_nm"]) if path.exists() else None


# --- YOLO ---------------------------------------------------------------------------------------

Box = tuple[int, float, float, float, float]
"""Index of the category, x0, y0, x1, y1 (px)."""


def yolo_line(box: Box, size_px: int) -> str | None:
    """A line of a YOLO label file, or None for a box of which less than half is in the picture."""
    category, x0, y0, x1, y1 = box
    cx0, cy0 = max(x0, 0), max(y0, 0)
    cx1, cy1 = min(x1, size_px), min(y1, size_px)
    if cx1 <= cx0 or cy1 <= cy0:
        return None
    if (cx1 - cx0) * (cy1 - cy0) < 0.5 * (x1 - x0) * (y1 - y0):
        return None
    middle = ((cx0 + cx1) / 2, (cy0 + cy1) / 2, cx1 - cx0, cy1 - cy0)
    return " ".join([str(category), *(f"{v / size_px:.6f}" for v in middle)])


def crop_paths(out: Path, seed: int, number: int) -> tuple[Path, Path]:
    """Picture and label file of a crop."""
    part, name = part_of(seed), f"grid_{seed:06d}_{number:02d}"
    out = Path(out)
    return out / "images" / part / f"{name}.png", out / "labels" / part / f"{name}.txt"


def write_crop(
    out: Path, seed: int, number: int, picture: np.ndarray, boxes: Sequence[Box]
) -> None:
    """Write a square picture of a part of a grid with its boxes."""
    image_path, label_path = crop_paths(out, seed, number)
    for path in (image_path, label_path):
        path.parent.mkdir(parents=True, exist_ok=True)
    _write_image(image_path, picture)
    lines = [line for box in boxes if (line := yolo_line(box, picture.shape[0]))]
    write_text_atomic(label_path, "".join(f"{line}\n" for line in lines))


def crop_seeds(out: Path) -> list[int]:
    """Seeds of the grids that YOLO would train on (validation included)."""
    found = (Path(out) / "labels" / part for part in ("train", "val"))
    return sorted({int(p.stem.split("_")[1]) for folder in found for p in folder.glob("grid_*")})


def write_yolo_description(out: Path) -> Path:
    """Write the file that ultralytics reads; returns its path."""
    names = "".join(f"  {k}: {name}\n" for k, name in enumerate(KINDS))
    path = Path(out) / "lamellae.yaml"
    root = Path(out).resolve().as_posix()
    write_text_atomic(path, f"path: {root}\ntrain: images/train\nval: images/val\nnames:\n{names}")
    return path


def as_ranges(seeds: Sequence[int]) -> list[list[int]]:
    """Seeds as [first, last] of each unbroken run."""
    runs: list[list[int]] = []
    for seed in sorted(seeds):
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return runs
