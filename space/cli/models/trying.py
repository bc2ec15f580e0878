"""A model tried on a small map, as a worker runs it (needs onnxruntime or torch)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from space.config import Config
from space.errors import SpaceError
from space.geometry import rescaled_shape
from space.images import read_png
from space.jobs import place_for
from space.models import used_folds
from space.models.description import DETECT, Model
from space.onnx_session import has_onnxruntime
from space.packages import is_installed
from space.pictures import resized
from space.settings import Settings

ALIKE = 0.98
"""Part of the pixels, or of the lamellae, on which two runtimes have to agree."""

FAILURES = (SpaceError, OSError, RuntimeError, MemoryError, ImportError, ValueError)
"""What a model that does not run may raise."""

_SIDE_PX = 512
_LITTLE = 0.001
_SAME_PIXEL = 0.02
_PACKAGES = {"torch": {DETECT: ("torch", "ultralytics"), "segment": ("torch", "nnunetv2")}}


@dataclass(frozen=True)
class Map:
    """A map to try a model on; without a pixel size, it has the model's."""

    image: np.ndarray
    pixel_nm: float | None = None


@dataclass(frozen=True)
class Trial:
    """How one runtime did.

    Attributes
    ----------
    runtime, device : str
    load_s, run_s : float
        Time to load the model, and to run it on the map.
    size_px : tuple of int
        Rows and columns that were looked at.
    found : dict of str to float
        Class -> part of the map, or category -> number of lamellae.
    problem : str
        Why it did not run.
    """

    runtime: str
    device: str = ""
    load_s: float = 0.0
    run_s: float = 0.0
    size_px: tuple[int, int] = (0, 0)
    found: dict[str, float] = field(default_factory=dict)
    problem: str = ""

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def read_map(path: Path) -> Map:
    """Read a map from a PNG.

    Raises
    ------
    SpaceError
        If it is no 8-bit picture.
    """
    image, info = read_png(path)
    return Map(image, info.get("pixel_nm"))


def small_map() -> Map:
    """Return a picture with vacuum, bulk and texture between them, always the same."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(5)
    noise = random.normal(size=(_SIDE_PX, _SIDE_PX))
    picture = 130 + 9 * noise
    for sigma_px, grey in ((3, 14), (12, 22), (32, 18)):
        smooth = gaussian_filter(noise, sigma_px)
        picture += grey * smooth / smooth.std()
    edge = _SIDE_PX // 6
    picture[:, :edge] = 238 + 3 * noise[:, :edge]
    picture[:, -edge:] = 14 + 3 * noise[:, -edge:]
    return Map(np.clip(picture, 0, 255).astype(np.uint8))


def runtimes(model: Model) -> list[str]:
    """Return what can run a model here: ``onnx``, ``torch``, both or none."""
    found = ["onnx"] if model.onnx is not None and has_onnxruntime() else []
    has_weights = any(path.suffix.lower() in (".pt", ".pth") for path in model.weights)
    packages = _PACKAGES["torch"].get(model.task, ())
    if has_weights and packages and all(is_installed(name) for name in packages):
        found.append("torch")
    return found


def tried(
    model: Model, config: Config, picture: Map, device: str, kinds: list[str]
) -> tuple[list[Trial], float | None]:
    """Run a model by each runtime; return how they did, and the part on which they agree.

    Parameters
    ----------
    model : Model
    config : Config
        With this model in it.
    picture : Map
    device : str
        ``auto``, ``cpu``, or the number of a GPU.
    kinds : list of str
        Of `runtimes`.
    """
    run = _detected if model.task == DETECT else _segmented
    done = [_trial(run, config, picture, device, kind) for kind in kinds]
    trials, results = [trial for trial, _ in done], [result for _, result in done]
    if len(done) < 2 or any(trial.problem for trial in trials):
        return trials, None
    return trials, _agreement(*results)


def _trial(
    run: Any, config: Config, picture: Map, device: str, kind: str
) -> tuple[Trial, np.ndarray]:
    try:
        trial, result = run(config, picture, place_for(device, kind, True).device, kind)
        return trial, result
    except FAILURES as error:
        text = str(error) if isinstance(error, SpaceError) else f"{type(error).__name__}: {error}"
        return Trial(kind, problem=text), np.zeros(0)


def _segmented(config: Config, picture: Map, device: str, kind: str) -> tuple[Trial, np.ndarray]:
    from space.segmentation import Segmenter

    checkpoint = config.segmentation_checkpoint
    folds = used_folds(
        config.inference_preset, config.segmentation_model, config.segmentation_folds, checkpoint
    )
    start_s = time.perf_counter()
    segmenter = Segmenter(
        config.segmentation_model,
        folds,
        device,
        config.preset,
        checkpoint,
        kind,
        config.off_lamella_classes or (),
    )
    loaded_s = time.perf_counter()
    image = _at(picture, config.segmentation_pixel_nm)
    labels = segmenter.segment(image)
    end_s = time.perf_counter()
    counts = np.bincount(labels.ravel(), minlength=256)
    found = {
        name: int(counts[label]) / labels.size
        for name, label in segmenter.labels.items()
        if counts[label]
    }
    rows, cols = image.shape
    return Trial(kind, device, loaded_s - start_s, end_s - loaded_s, (rows, cols), found), labels


def _detected(config: Config, picture: Map, device: str, kind: str) -> tuple[Trial, np.ndarray]:
    from space.lamellae.detector import Detector

    start_s = time.perf_counter()
    detector = Detector(config.detection_weights, device, kind)
    loaded_s = time.perf_counter()
    pixel_nm = picture.pixel_nm or config.detection_pixel_nm
    boxes = detector.detect(picture.image, pixel_nm, Settings().WG_detection_threshold, config)
    end_s = time.perf_counter()
    found = {name: float(number) for name, number in Counter(b.category for b in boxes).items()}
    rows, cols = picture.image.shape
    places = np.array([[b.x0_px, b.y0_px, b.x1_px, b.y1_px] for b in boxes]).reshape(-1, 4)
    times = (loaded_s - start_s, end_s - loaded_s)
    return Trial(kind, detector.device, *times, (rows, cols), found), places


def _at(picture: Map, pixel_nm: float) -> np.ndarray:
    """Return a map at the pixel size of a model."""
    if picture.pixel_nm is None or abs(picture.pixel_nm / pixel_nm - 1) <= _SAME_PIXEL:
        return picture.image
    return resized(picture.image, rescaled_shape(picture.image.shape, picture.pixel_nm / pixel_nm))


def _agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Return the part of the pixels with equal labels, or of the boxes that are the same."""
    if one.dtype == np.uint8:
        return float(np.mean(one == other))
    if not (len(one) or len(other)):
        return 1.0
    left, same = [tuple(box) for box in other], 0
    for box in one:
        near = [b for b in left if np.allclose(b, box, atol=2.0)]
        if near:
            left.remove(near[0])
            same += 1
    return same / max(len(one), len(other))


def told(trial: Trial, task: str) -> Iterator[str]:
    """Yield what a trial showed, in lines."""
    if trial.problem:
        yield f"By {_NAMES[trial.runtime]}, it does not run: {trial.problem}"
        return
    rows, cols = trial.size_px
    yield (
        f"By {_NAMES[trial.runtime]} on {trial.device}: loaded in {trial.load_s:.1f} s, a map of "
        f"{rows} x {cols} px in {trial.run_s:.1f} s."
    )
    yield f"Found: {_found(trial.found, task)}."


_NAMES: Mapping[str, str] = {"onnx": "ONNX Runtime", "torch": "PyTorch"}


def _found(found: Mapping[str, float], task: str) -> str:
    if task == DETECT:
        listed = (f"{int(number)} {name}" for name, number in sorted(found.items()))
        return ", ".join(listed) or "no lamella"
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return ", ".join(
        f"{name} {'under 0.1%' if part < _LITTLE else f'{part:.1%}'}" for name, part in ordered
    )
