"""Whether a model of one's own finds the same after it was converted.

For a U-Net and an nnU-Net that are trained here for a minute, and for the shipped nnU-Net: the
share of pixels that get the same label by ONNX Runtime as by torch, on pictures that no conversion
has seen (of the shipped one, on a simulated map). And whether an nnU-Net that became one file and a
folder again is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import FIRST_TEST_SEED, PROJECT, spacetomo
from space.learning import Incoming, Item, LabelClass, add, onnx_agreement
from space.models import PRESETS
from space.segmentation import Segmenter
from space.segmentation.one_file import pack, unpack
from space.weights import load_checkpoint
from training.lamella_maps import MODEL_PIXEL_NM, lamella_map

LEAST_SHARE = 0.9999
_CLASSES = (
    LabelClass(0, "background", "#000000"),
    LabelClass(1, "stripe", "#ed1b00"),
    LabelClass(2, "spot", "#437f58"),
)
_SIDE_PX = 512
_FRESH = range(100, 104)
_MAP_PX = 1536
_CHECKPOINT = "checkpoint_final.pth"
_SHIPPED = PROJECT / "models" / "lamella_segmentation"
_CONFIGS = {
    "unet": "epochs = 8\nsteps = 10\n",
    "nnunet": 'engine = "nnunet"\nfeatures = [8, 16, 32, 64]\npatch_px = 128\nepochs = 4\n'
    "steps = 15\n",
}


def converted(folder: Path) -> dict[str, Any]:
    """Train both kinds, and compare what torch and ONNX Runtime find."""
    folder.mkdir(parents=True, exist_ok=True)
    items = [_item(number) for number in range(5)]
    add(folder / "set", Incoming([lambda: items], _CLASSES, ()), lambda line: None)
    found: dict[str, Any] = {}
    for name, text in _CONFIGS.items():
        config = f'data = "set"\nout = "{name}"\n{text}'
        (folder / f"{name}.toml").write_text(config, encoding="utf-8")
        found[name] = {"train_cpu_s": spacetomo(folder, "train", f"{name}.toml")[0]}
    fresh = [_drawn(number)[0] for number in _FRESH]
    found["unet"]["same_labels"] = onnx_agreement(folder / "unet", fresh)
    found["nnunet"].update(_nnunet(folder / "nnunet" / "model", folder / "own", fresh))
    # On what it was made for; where nothing is sure, 16 bits of a weight decide.
    shown = lamella_map(FIRST_TEST_SEED, MODEL_PIXEL_NM)[0][:_MAP_PX, :_MAP_PX]
    found["shipped"] = _nnunet(_SHIPPED, folder / "shipped", [shown])
    holds = all(one["same_labels"] >= LEAST_SHARE for one in found.values())
    return {**found, "holds": holds and all(found[n]["lossless"] for n in ("nnunet", "shipped"))}


def _nnunet(model: Path, packed: Path, pictures: Sequence[np.ndarray]) -> dict[str, Any]:
    by_torch, by_file = (
        Segmenter(model, preset=PRESETS["balanced"], runtime=runtime)
        for runtime in ("torch", "onnx")
    )
    pairs = [(by_torch.segment(one), by_file.segment(one)) for one in pictures]
    return {
        "same_labels": float(np.mean([one == other for one, other in pairs])),
        "classes_found": len(set().union(*(np.unique(one).tolist() for one, _ in pairs))),
        "lossless": _is_lossless(model, packed),
    }


def _is_lossless(model: Path, packed: Path) -> bool:
    file = pack(model, (0,), _CHECKPOINT, packed.with_suffix(".pth"))
    back = unpack(file, packed.with_name(f"{packed.name}_back"))
    tables = ("dataset.json", "plans.json", "card.json")
    same = all((back / name).read_bytes() == (model / name).read_bytes() for name in tables)
    one, other = (load_checkpoint(at / "fold_0" / _CHECKPOINT) for at in (model, back))
    weights, again = one.pop("network_weights"), other.pop("network_weights")
    return (
        same
        and repr(one) == repr(other)
        and list(weights) == list(again)
        and all(bool((weights[name] == again[name]).all()) for name in weights)
    )


def _item(number: int) -> Item:
    picture, labels = _drawn(number)
    split = "val" if number == 4 else "train"
    return Item(f"map {number}", picture=picture, labels=labels, pixel_nm=10.0, split=split)


def _drawn(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a picture of bright stripes and dark spots in noise, and its labels."""
    rng = np.random.default_rng(number)
    labels = np.zeros((_SIDE_PX, _SIDE_PX), np.uint8)
    rows, columns = np.mgrid[:_SIDE_PX, :_SIDE_PX]
    for row in rng.integers(0, _SIDE_PX, 4):
        labels[np.abs(rows + 0.3 * columns - row) < 12] = 1
    for row, column in rng.integers(0, _SIDE_PX, (12, 2)):
        labels[np.hypot(rows - row, columns - column) < 15] = 2
    grey = np.choose(labels, [120, 190, 60]) + rng.normal(0, 25, labels.shape)
    return np.clip(grey, 1, 255).astype(np.uint8), labels
