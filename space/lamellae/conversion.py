"""A detector of ultralytics as an .onnx file, held against the detector that it was made from.

Needs torch, ultralytics, onnx and onnxruntime (``spacetomo models convert``).
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
from space.errors import SpaceError
from space.files import atomic_path
from space.lamellae.network import load_network
from space.lamellae.networks import OnnxNetwork, TorchNetwork, WindowNetwork
from space.lamellae.outputs import TRIAL_WINDOW
from space.models import (
    METADATA_KEY,
    OnnxFacts,
    detector_facts,
    facts_as_text,
    onnx_path,
)
from space.onnx_writing import INPUT, halve_weights, onnx_model, save_onnx
from space.trust import MODELS_DIR, file_hash

log = logging.getLogger("space.lamellae")

COMPARED_PROBABILITY = 0.05
"""Boxes from this probability on are compared."""

MOST_APART_PX, MOST_DIFFERENT = 0.5, 0.01
"""By how much a border of a box, and its probability, may differ between the runtimes."""

_LEAST_COMPARED = 20
"""The most probable boxes of a picture are compared even if none of them is probable."""

_OUTPUT = "boxes"
_EXAMPLE_PX = (256, 320)
"""Any lengths do that the network can halve five times, if they are not equal."""

_PITCH_PX, _BAR_PX = 260, 40
_SAMPLES = 3


@dataclass(frozen=True)
class Agreement:
    """How well two runtimes agree on windows.

    Attributes
    ----------
    windows, boxes : int
        How many were compared.
    farthest_px : float
        Largest distance between the same border of a box.
    largest_difference : float
        Of the probability of a box.
    torch_s, onnx_s : float
        Seconds for a window.
    """

    windows: int = 0
    boxes: int = 0
    farthest_px: float = 0.0
    largest_difference: float = 0.0
    torch_s: float = 0.0
    onnx_s: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether the results are the same for all that is done with them."""
        return self.farthest_px <= MOST_APART_PX and self.largest_difference <= MOST_DIFFERENT

    def __str__(self) -> str:
        return (
            f"{self.boxes} boxes in {self.windows} windows differ by at most "
            f"{self.farthest_px:.2g} px and {self.largest_difference:.2g} in probability"
        )


@dataclass(frozen=True)
class ConvertedDetector:
    """A detector that was written as .onnx."""

    path: Path
    size_bytes: int
    halved: bool
    agreement: Agreement


def convert_detector(
    weights: Path,
    pixel_nm: float,
    window_px: int,
    out: Path | None = None,
    pictures: Sequence[np.ndarray] = (),
    trained_on: str = "",
    models_dir: Path = MODELS_DIR,
) -> ConvertedDetector:
    """Write the .onnx file of a detector if it finds the same.

    Parameters
    ----------
    weights : Path
        A ``.pt`` file of ultralytics.
    pixel_nm, window_px
        What it was trained at.
    out : Path, optional
        The file to write; by default that beside the weights.
    pictures : sequence of ndarray of uint8
        Maps at `pixel_nm` for the comparison; drawn ones if there are none.
    trained_on : str
        What the model's card says.
    models_dir : Path
        Folder of the lists of trusted weights.

    Raises
    ------
    SpaceError
        If the weights are no detector, a package is missing, or the boxes of the file differ from
        those of the weights; then nothing is written.
    """
    weights, out = Path(weights), Path(out or onnx_path(weights))
    network, names = load_network(weights, "cpu", models_dir, merged=False)
    original = TorchNetwork(copy.deepcopy(network).fuse(verbose=False).eval(), names, "cpu")
    if any(type(part).__name__.startswith("Rep") for part in network.modules()):
        # Branches that become one, which ONNX Runtime would not see. All else is written as it was
        # saved: with 16 bits, so that halving loses nothing. It is merged when it is loaded.
        network = original.network
    facts = OnnxFacts(
        "detect",
        {weights.name: file_hash(weights)},
        converter=__version__,
        channels=int(next(network.parameters()).shape[1]),
        pixel_nm=float(pixel_nm),
        trained_on=trained_on,
        categories=tuple(names.values()),
        window_px=int(window_px),
        end_to_end=original.look([TRIAL_WINDOW])[1],
    )
    windows = _windows(pictures or drawn_pictures(window_px), window_px)
    model = _exported(network, facts.channels, out.parent)
    with atomic_path(out) as temporary:
        for halved in (True, False):
            written = type(model)()
            written.CopyFrom(model)
            if halved:
                halve_weights(written)
            save_onnx(written, temporary, {METADATA_KEY: facts_as_text(facts)})
            found = agreement(original, OnnxNetwork(temporary, detector_facts(temporary)), windows)
            if found.holds:
                break
            log.info("With %d bits: %s.", 16 if halved else 32, found)
        else:
            raise SpaceError(
                f"ONNX Runtime finds other boxes than torch: {found}, where {MOST_APART_PX:g} px "
                f"and {MOST_DIFFERENT:g} are allowed. No file was written.",
                str(weights),
                'Use the weights with torch as they are (inference_runtime = "torch").',
            )
    return ConvertedDetector(out, out.stat().st_size, halved, found)


def _exported(network: Any, channels: int, folder: Path) -> Any:
    """Return the network as an ONNX model for any number of windows of any size."""
    import torch

    class OneOutput(torch.nn.Module):
        """The network without what it gives for training."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, windows: Any) -> Any:
            """Look at windows."""
            output = self.network(windows)
            return output[0] if isinstance(output, (tuple, list)) else output

    head = network.model[-1]
    before = {name: getattr(head, name, None) for name in ("export", "dynamic", "format", "shape")}
    # So that the places of boxes are worked out for each size, and not kept as numbers.
    changed = {"export": True, "dynamic": True, "format": "onnx", "shape": None}
    try:
        for name, value in changed.items():
            setattr(head, name, value)
        return onnx_model(
            OneOutput().eval(),
            torch.zeros(2, channels, *_EXAMPLE_PX),
            [_OUTPUT],
            {INPUT: {0: "windows", 2: "rows", 3: "columns"}, _OUTPUT: {0: "windows"}},
            folder,
        )
    finally:
        for name, value in {**before, "shape": None}.items():
            setattr(head, name, value)


# --- agreement ----------------------------------------------------------------------------------


def agreement(
    original: WindowNetwork, other: WindowNetwork, windows: Sequence[np.ndarray]
) -> Agreement:
    """Compare what two networks find in windows: one by one, and then all together."""
    boxes, farthest, largest = 0, 0.0, 0.0
    torch_s = onnx_s = 0.0
    together, _ = other.look(windows)
    for window, at_once in zip(windows, together):
        start_s = time.perf_counter()
        (expected,), end_to_end = original.look([window])
        between_s = time.perf_counter()
        (found,), _ = other.look([window])
        onnx_s += time.perf_counter() - between_s
        torch_s += between_s - start_s
        for output in (found, at_once):
            count, apart, difference = _difference(expected, output, end_to_end)
            farthest, largest = max(farthest, apart), max(largest, difference)
        boxes += count
    n = len(windows)
    return Agreement(n, boxes, farthest, largest, torch_s / n, onnx_s / n)


def _difference(
    expected: np.ndarray, found: np.ndarray, end_to_end: bool
) -> tuple[int, float, float]:
    """Return how many boxes of two outputs were compared, and how far they are apart."""
    if expected.shape != found.shape:
        return 0, np.inf, np.inf
    return (_of_final if end_to_end else _of_places)(expected, found)


def _of_places(expected: np.ndarray, found: np.ndarray) -> tuple[int, float, float]:
    """Compare outputs with one column for each place of the window (see `decode`)."""
    best = np.maximum(expected[4:], found[4:]).max(axis=0)
    compared = best >= _least(best)
    pairs = [output[:, compared].astype(float) for output in (expected, found)]
    middles = np.abs(pairs[0][:2] - pairs[1][:2])
    halves = np.abs(pairs[0][2:4] - pairs[1][2:4]) / 2
    # All places count here: where one runtime alone is sure of a box, it is not left out.
    different = np.abs(expected[4:].astype(float) - found[4:])
    return int(compared.sum()), float((middles + halves).max()), float(different.max())


def _of_final(expected: np.ndarray, found: np.ndarray) -> tuple[int, float, float]:
    """Compare outputs with one row for each box, in whatever order."""
    # Which boxes are the last ones of a list of fixed length is decided by less than rounding.
    last = max(float(expected[:, 4].min()), float(found[:, 4].min()))
    least = max(_least(np.maximum(expected[:, 4], found[:, 4])), last + MOST_DIFFERENT)
    count, farthest, largest = 0, 0.0, 0.0
    for one, other in ((expected, found), (found, expected)):
        for row in one[one[:, 4] >= least].astype(float):
            apart = np.abs(other[:, :4] - row[:4]).max(axis=1)
            different = np.abs(other[:, 4] - row[4])
            apart = np.where(other[:, 5] == row[5], apart, np.inf)
            best = int(np.argmin(apart / MOST_APART_PX + different / MOST_DIFFERENT))
            farthest, largest = max(farthest, apart[best]), max(largest, different[best])
            count += 1
    return count // 2, float(farthest), float(largest)


def _least(probabilities: np.ndarray) -> float:
    """Return from which probability on boxes are compared."""
    number = min(_LEAST_COMPARED, probabilities.size)
    return min(COMPARED_PROBABILITY, float(np.partition(probabilities, -number)[-number]))


def _windows(pictures: Sequence[np.ndarray], window_px: int) -> list[np.ndarray]:
    """Cut a window out of the middle of each picture."""
    from space.lamellae.detector import cut_window

    return [
        cut_window(
            picture,
            (picture.shape[0] - window_px) // 2,
            (picture.shape[1] - window_px) // 2,
            window_px,
            int(np.median(picture)),
        )
        for picture in pictures
    ]


def drawn_pictures(window_px: int, number: int = _SAMPLES) -> list[np.ndarray]:
    """Draw squares of a grid with a milled lamella in each, to compare networks on.

    Not meant to look real: networks shall see lamellae and what is none, and make boxes of all
    probabilities.
    """
    rng = np.random.default_rng(20)
    pictures = []
    for _ in range(number):
        picture = np.full((window_px, window_px), 8.0)
        for y in range(0, window_px, _PITCH_PX):
            for x in range(0, window_px, _PITCH_PX):
                square = picture[y + _BAR_PX : y + _PITCH_PX, x + _BAR_PX : x + _PITCH_PX]
                square[:] = rng.uniform(20, 80)
                square[:, : int(rng.uniform(0.3, 0.9) * square.shape[1])] = rng.uniform(8, 25)
                _mill(square, rng)
        picture += rng.normal(0, 3, picture.shape)
        picture = picture.T if rng.random() < 0.5 else picture
        pictures.append(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
    return pictures


def _mill(square: np.ndarray, rng: np.random.Generator) -> None:
    """Draw a lamella between two openings, and two relief cuts, into a square (px at 400 nm)."""
    length, width, opening = (int(rng.integers(*span)) for span in ((30, 70), (20, 36), (10, 50)))
    y, x = (int(rng.integers(12, 60)) for _ in range(2))
    square[y : y + width, x : x + length + 2 * opening] = 250
    square[y : y + width, x + opening : x + opening + length] = rng.uniform(50, 170)
    for cut in (y - 8, y + width + 5):
        square[cut : cut + 3, x + opening : x + opening + length] = 240
