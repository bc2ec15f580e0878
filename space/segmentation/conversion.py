"""An nnU-Net model as one .onnx file, held against the network that it was made from.

Needs torch, nnunetv2, onnx and onnxruntime (``spacetomo models convert``).
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space import __version__
from space.config import Config
from space.errors import SpaceError
from space.files import atomic_path
from space.models import (
    CARD,
    DATASET,
    METADATA_KEY,
    SEGMENTATION_ONNX,
    OnnxFacts,
    facts_as_text,
    fold_output,
    read_labels,
    read_table,
    segmentation_files,
)
from space.models.card import read_card
from space.models.fitness import segmentation_problems
from space.onnx_rewriting import rewrite
from space.onnx_writing import INPUT, halve_weights, onnx_model, save_onnx
from space.predicates import is_number
from space.segmentation.loading import LoadedModel, load_model
from space.segmentation.model import Segmenter
from space.trust import file_hash

log = logging.getLogger("space.segmentation")

LEAST_AGREEMENT = 0.9999
"""Share of pixels that must have the same label by both runtimes, for each fold."""

_LARGEST_NOISE_PX = 64


@dataclass(frozen=True)
class Agreement:
    """How well the labels of two runtimes agree.

    Attributes
    ----------
    megapixels : float
        How much was compared, of all folds together.
    share : float
        Of equal labels, for the fold where they agree least.
    classes : int
        How many classes were found.
    torch_s, onnx_s : float
        Seconds for a megapixel and fold.
    """

    megapixels: float
    share: float
    classes: int
    torch_s: float
    onnx_s: float

    @property
    def holds(self) -> bool:
        """Whether the labels are the same for all that is done with them."""
        return self.share >= LEAST_AGREEMENT

    def __str__(self) -> str:
        return f"{self.share:.4%} of the labels of {self.megapixels:.1f} megapixels are equal"


@dataclass(frozen=True)
class ConvertedSegmentation:
    """A segmentation model that was written as .onnx."""

    path: Path
    size_bytes: int
    halved: bool
    agreement: Agreement


def convert_segmentation(
    folder: Path,
    folds: Sequence[int | str],
    out: Path | None = None,
    checkpoint: str = Config.segmentation_checkpoint,
    pixel_nm: float | None = None,
    pictures: Sequence[np.ndarray] = (),
) -> ConvertedSegmentation:
    """Write the .onnx file of an nnU-Net model if it finds the same.

    Parameters
    ----------
    folder : Path
        With ``dataset.json``, ``plans.json`` and the folds.
    folds : sequence of int or str
        Each becomes an output of the file.
    out : Path, optional
        The file to write; by default ``model.onnx`` in the folder.
    checkpoint : str
        Name of the weights' file in each fold.
    pixel_nm : float, optional
        Pixel size of its maps; by default what its dataset.json says, if it says anything.
    pictures : sequence of ndarray of uint8
        Maps for the comparison; a drawn one if there are none.

    Raises
    ------
    SpaceError
        If the model or a package is missing, or the labels of the file differ from those of
        the network; then nothing is written.
    """
    folder = Path(folder)
    problems = segmentation_problems(folder, folds, checkpoint, "torch")
    if problems:
        raise SpaceError(" ".join(problems))
    out = Path(out or folder / SEGMENTATION_ONNX)
    loaded = load_model(folder, folds, checkpoint)
    facts = _facts(folder, folds, checkpoint, loaded, pixel_nm)
    model = _exported(loaded, [fold_output(fold) for fold in folds], out.parent)
    shown = list(pictures) or [drawn_picture(loaded.plan.patch_px)]
    expected = [
        _labelled(Segmenter(folder, (fold,), runtime="torch", checkpoint=checkpoint), shown)
        for fold in folds
    ]
    with atomic_path(out) as temporary:
        for halved in (True, False):
            written = type(model)()
            written.CopyFrom(model)
            if halved:
                halve_weights(written)
            save_onnx(written, temporary, {METADATA_KEY: facts_as_text(facts)})
            agreement = _agreement(temporary, folds, shown, expected)
            if agreement.holds:
                break
            log.warning("With weights of %d bits, %s.", 16 if halved else 32, agreement)
        else:
            raise SpaceError(
                f"The .onnx file finds something else than the model: only {agreement}.",
                str(folder),
                'Use the model with torch as it is (inference_runtime = "torch").',
            )
    return ConvertedSegmentation(out, out.stat().st_size, halved, agreement)


def drawn_picture(patch_px: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Return a picture with areas, edges and textures of many sizes, larger than a tile.

    It shows nothing that a network was trained for, but makes it decide everywhere.
    """
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    shape = (patch_px[0] + max(patch_px[0] // 4, 8), patch_px[1])
    picture = np.zeros(shape)
    size_px = 1.0
    while size_px <= _LARGEST_NOISE_PX:
        noise = gaussian_filter(rng.normal(size=shape), size_px)
        picture += noise / noise.std()
        size_px *= 4
    areas = gaussian_filter(rng.normal(size=shape), min(shape) / 16)
    picture += 3.0 * np.digitize(areas / areas.std(), (-1.0, 0.0, 1.0))
    low, high = np.percentile(picture, (0.5, 99.5))
    levels: np.ndarray = np.clip((picture - low) / (high - low) * 254 + 1, 1, 255)
    return levels.astype(np.uint8)


def _facts(
    folder: Path,
    folds: Sequence[int | str],
    checkpoint: str,
    loaded: LoadedModel,
    pixel_nm: float | None,
) -> OnnxFacts:
    card = read_card(folder / CARD)
    said = card.get("pixel_nm", read_table(folder / DATASET).get("pixel_size_nm"))
    if pixel_nm is None and is_number(said) and said > 0:
        pixel_nm = float(said)
    files = segmentation_files(folder, folds, checkpoint)
    return OnnxFacts(
        "segment",
        {name: file_hash(path) for name, path in files.items()},
        converter=__version__,
        pixel_nm=pixel_nm,
        trained_on=card.get("trained_on", ""),
        labels=read_labels(folder),
        plan=loaded.plan,
        mirroring_axes=tuple(sorted(loaded.mirroring_axes)),
        folds=tuple(folds),
    )


def _exported(loaded: LoadedModel, outputs: Sequence[str], folder: Path) -> Any:
    """Return all folds as one ONNX model with an output for each, for any number of tiles."""
    import torch

    networks = []
    for weights in loaded.weights:
        network = copy.deepcopy(loaded.network)
        network.load_state_dict(weights)
        networks.append(network)

    class Folds(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.folds = torch.nn.ModuleList(networks)

        def forward(self, tiles: Any) -> Any:
            return tuple(fold(tiles) for fold in self.folds)

    varying = {name: {0: "tiles"} for name in (INPUT, *outputs)}
    example = torch.zeros((1, 1, *loaded.plan.patch_px))
    model = onnx_model(Folds().eval(), example, outputs, varying, folder)
    rewrite(model)
    return model


def _labelled(
    segmenter: Segmenter, pictures: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], float]:
    """Return the labels of pictures, and the seconds that it took."""
    start_s = time.monotonic()
    return [segmenter.segment(picture) for picture in pictures], time.monotonic() - start_s


def _agreement(
    path: Path,
    folds: Sequence[int | str],
    pictures: Sequence[np.ndarray],
    expected: Sequence[tuple[list[np.ndarray], float]],
) -> Agreement:
    """Compare labels of an .onnx file with those of the network, fold by fold."""
    shares, onnx_s = [], 0.0
    for fold, (labels, _) in zip(folds, expected):
        own, seconds = _labelled(Segmenter(path, (fold,), runtime="onnx"), pictures)
        shares.append(
            float(np.mean(np.concatenate([(a == b).ravel() for a, b in zip(own, labels)])))
        )
        onnx_s += seconds
    megapixels = len(folds) * sum(picture.size for picture in pictures) / 1e6
    return Agreement(
        megapixels=megapixels,
        share=min(shares),
        classes=len(
            set().union(*(np.unique(a).tolist() for labels, _ in expected for a in labels))
        ),
        torch_s=sum(seconds for _, seconds in expected) / megapixels,
        onnx_s=onnx_s / megapixels,
    )
