"""What a worker does with one map: read it, run a model that stays loaded, write the result."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from space.config import Config, load_config
from space.contrast import judge, judge_structure
from space.errors import SpaceError
from space.files import read_json_or_empty, write_text_atomic
from space.geometry import rescaled_shape
from space.images import DRAWING, fingerprint, is_whole_png, read_json_beside, read_png, write_png
from space.jobs.devices import Place, place_for
from space.jobs.marks import ModelMarks, folds_of, model_mark, onnx_of
from space.jobs.records import HEAT, MAP_TASKS, Job
from space.jobs.results import result_path
from space.jobs.vitals import Progressed, words_of_torch
from space.lamellae import Box
from space.models import heat_facts
from space.packages import is_installed
from space.pictures import resized
from space.predicates import is_number
from space.settings import SETTINGS_FILE, Settings

log = logging.getLogger("space.jobs")

DEFAULT_THRESHOLD = Settings().WG_detection_threshold
#: Pixel sizes this close (as a fraction) are the same.
SAME_PIXEL = 0.02
_WHOLE_SECONDS = 20.0

Model = TypeVar("Model")


class ClaimLost(Exception):
    """Another worker has the job now, because this one was taken for dead."""


class SegmentationModel(Protocol):
    """A network that labels every pixel (`space.segmentation.Segmenter`)."""

    labels: dict[str, int]

    def segment(
        self, image: np.ndarray, progress: Callable[[float], None] | None = None
    ) -> np.ndarray:
        """Return the label of every pixel."""


class DetectionModel(Protocol):
    """A network that finds lamellae (`space.lamellae.detector.Detector`)."""

    def detect(
        self, image: np.ndarray, pixel_nm: float, threshold: float, config: Config
    ) -> list[Box]:
        """Return the boxes around lamellae."""


class HeatMap(Protocol):
    """A network that scores every pixel (`space.segmentation.heat.HeatModel`)."""

    def heat(
        self, image: np.ndarray, progress: Callable[[float], None] | None = None
    ) -> np.ndarray:
        """Return how much each pixel looks like what was clicked on, 0 to 255."""


@dataclass(frozen=True)
class _Task:
    """A map that was read, and what is to be done with it."""

    job: Job
    map_path: Path
    image: np.ndarray
    info: Mapping[str, Any]
    fingerprint: str
    config: Config
    say: Callable[[str], None]
    progressed: Progressed


class Engine:
    """The models of a worker and what they are used for.

    Parameters
    ----------
    space_dir : Path
        Folder with SPACEtomo_config.py.
    device : str
        ``auto``, ``cpu``, or the number of a GPU.
    load_config, make_segmenter, make_detector, make_heat : callable, optional
        Replacements for tests: ``load_config(space_dir)``,
        ``make_segmenter(folder, folds, place, config)``, ``make_detector(weights, place)``,
        ``make_heat(path, device)``.
    whole_s : float
        How long to wait for a map that is still being copied.
    """

    def __init__(
        self,
        space_dir: Path,
        device: str = "auto",
        load_config: Callable[[Path], Config] = load_config,
        make_segmenter: Callable[..., SegmentationModel] | None = None,
        make_detector: Callable[..., DetectionModel] | None = None,
        make_heat: Callable[..., HeatMap] | None = None,
        whole_s: float = _WHOLE_SECONDS,
    ) -> None:
        self._space_dir = Path(space_dir)
        self._device = device
        self._load_config = load_config
        self._make_segmenter = make_segmenter or _default_segmenter
        self._make_detector = make_detector or _default_detector
        self._make_heat = make_heat or _default_heat
        self._whole_s = whole_s
        self._models: dict[str, tuple[Any, Any]] = {}
        self.marks = ModelMarks(lambda: self._load_config(self._space_dir))

    def run(
        self,
        job: Job,
        map_dir: Path,
        say: Callable[[str], None] = log.info,
        may_write: Callable[[], bool] = lambda: True,
        progressed: Progressed = lambda share=None: None,
    ) -> Path:
        """Do a job and return the path of its result.

        Raises
        ------
        SpaceError
            If the map, the model or the configuration is not usable.
        ClaimLost
            If `may_write` returns False before the result is written.
        """
        if job.task not in MAP_TASKS:
            raise SpaceError(f"The task {job.task!r} is unknown to workers of maps.", job.map_name)
        map_path = Path(map_dir) / job.map_name
        mark, image, info = _read_when_whole(map_path, self._whole_s)
        _check_contrast(image, job.map_name, say)
        progressed()
        config = self._load_config(self._space_dir)
        start_s = time.monotonic()
        task = _Task(job, map_path, image, info, mark, config, say, progressed)
        do = {"segment": self._segment, "detect": self._detect, HEAT: self._heat}[job.task]
        write = do(task)
        progressed()
        if not may_write():
            raise ClaimLost(job.map_name)
        target = result_path(map_path.parent, job.map_name, job.task)
        write(target)
        say(f"{target.name} was written after {time.monotonic() - start_s:.0f} s.")
        return target

    def about(self) -> tuple[str, str]:
        """Return the runtime and the device of the models that are loaded, in words."""
        if not self._models:
            return "", ""
        *_, (_, model) = self._models.values()
        # The model knows where it runs, also after a GPU has failed; torch is asked itself.
        told: tuple[str, str] | None = getattr(model, "about", None)
        return told or words_of_torch(self._device)

    def _segment(self, task: _Task) -> Callable[[Path], None]:
        config, say = task.config, task.say
        folder = Path(config.segmentation_model)
        folds, made_by = folds_of(config), model_mark(config, "segment")
        segmenter = self._loaded(
            "segment",
            (str(folder), folds, made_by, config.inference_runtime, config.off_lamella_classes),
            lambda: self._by_either(
                task, lambda place: self._make_segmenter(folder, folds, place, config)
            ),
            say,
        )
        model_nm = float(config.segmentation_pixel_nm)
        scaled, pixel_nm = _at_pixel(task, model_nm)
        say(f"Segmentation of {scaled.shape[0]} x {scaled.shape[1]} pixels with {folder.name}.")
        task.progressed(0.0)
        labels = segmenter.segment(scaled, progress=task.progressed)
        task.progressed()
        names = dict(segmenter.labels)
        if config.tidy_segmentation:
            labels = _tidied(labels, names, model_nm, scaled, say)
            task.progressed()
        if labels.shape != task.image.shape:
            labels = resized(labels, task.image.shape, nearest=True)

        def write(target: Path) -> None:
            write_png(
                target,
                labels,
                pixel_nm,
                task.job.map_name,
                map=task.fingerprint,
                model=folder.name,
                model_hash=made_by,
                labels=json.dumps(names),
                tidied=config.tidy_segmentation,
            )

        return write

    def _detect(self, task: _Task) -> Callable[[Path], None]:
        if "pixel_nm" not in task.info:
            raise SpaceError(
                "Detection needs the pixel size of the map.",
                str(task.map_path),
                "Write pixel_nm into the JSON file beside it",
            )
        weights = Path(task.config.detection_weights)
        made_by = model_mark(task.config, "detect")
        detector = self._loaded(
            "detect",
            (str(weights), made_by, task.config.inference_runtime),
            lambda: self._by_either(task, lambda place: self._make_detector(weights, place)),
            task.say,
        )
        pixel_nm = float(task.info["pixel_nm"])
        # Sessions share the folder: the threshold beside the picture is its own session's.
        beside = read_json_beside(task.map_path)
        own = {"threshold": beside["threshold"]} if "threshold" in beside else {}
        threshold = detection_threshold({**own, **task.job.params}, task.map_path.parent)
        boxes = detector.detect(task.image, pixel_nm, threshold, task.config)
        task.say(f"{len(boxes)} lamellae found with a probability of at least {threshold:g}.")
        content = {
            "boxes": [box.to_dict() for box in boxes],
            "threshold": threshold,
            "pixel_nm": pixel_nm,
            "map": task.fingerprint,
            "source": task.job.map_name,
            "model": weights.name,
            "model_hash": made_by,
        }

        def write(target: Path) -> None:
            write_text_atomic(target, json.dumps(content, indent=1) + "\n")

        return write

    def _heat(self, task: _Task) -> Callable[[Path], None]:
        config, made_by = task.config, model_mark(task.config, HEAT)
        path = config.learned_targets_model
        model_nm = heat_facts(path).pixel_nm  # says what is wrong with the path, too
        model = self._loaded(
            HEAT, (str(path), made_by), lambda: self._make_heat(path, self._device), task.say
        )
        scaled, pixel_nm = _at_pixel(task, model_nm or float(task.info.get("pixel_nm", 1.0)))
        task.say(f"Heat map of {scaled.shape[0]} x {scaled.shape[1]} pixels.")
        heat = model.heat(scaled, progress=task.progressed)
        if heat.shape != task.image.shape:
            heat = resized(heat, task.image.shape)

        def write(target: Path) -> None:
            write_png(
                target,
                heat,
                pixel_nm,
                task.job.map_name,
                map=task.fingerprint,
                model=path.name if path else "",
                model_hash=made_by,
                **{DRAWING: "no map"},
            )

        return write

    def _place(self, config: Config, task: str) -> Place:
        """Return what runs the model for a task, and where."""
        wanted = config.inference_runtime
        has_onnx = wanted != "torch" and onnx_of(config, task) is not None
        return place_for(self._device, wanted, has_onnx)

    def _by_either(self, task: _Task, make: Callable[[Place], Model]) -> Model:
        """Load a model; by torch where ONNX Runtime does not load it, if either may be taken."""
        config, kind = task.config, task.job.task
        place = self._place(config, kind)
        try:
            return make(place)
        except SpaceError as error:
            may_be_torch = config.inference_runtime == "auto" and is_installed("torch")
            if place.runtime != "onnx" or not may_be_torch:
                raise
            try:
                model = make(place_for(self._device, "torch", False))
            except SpaceError:
                raise error from None  # there is nothing else to load
            task.say(f"{error.what} PyTorch is used instead. {error.do}".strip())
            return model

    def _loaded(
        self, task: str, key: object, make: Callable[[], Model], say: Callable[[str], None]
    ) -> Model:
        """Return the model for a task; it is loaded again when its key has changed."""
        known = self._models.get(task)
        if known is None or known[0] != key:
            self._models.pop(task, None)  # its memory is needed
            start_s = time.monotonic()
            self._models[task] = (key, make())
            say(f"The model was loaded in {time.monotonic() - start_s:.0f} s.")
        model: Model = self._models[task][1]
        return model


def _at_pixel(task: _Task, model_nm: float) -> tuple[np.ndarray, float]:
    """Return a map at the pixel of a model, and its own pixel."""
    pixel_nm = float(task.info.get("pixel_nm", model_nm))
    if "pixel_nm" not in task.info:
        task.say(f"The pixel size of the map is not known; {model_nm:g} nm is assumed.")
    if abs(pixel_nm / model_nm - 1.0) <= SAME_PIXEL:
        return task.image, pixel_nm
    task.say(f"Rescaled from {pixel_nm:g} nm to the model's {model_nm:g} nm per pixel.")
    return resized(task.image, rescaled_shape(task.image.shape, pixel_nm / model_nm)), pixel_nm


def _tidied(
    labels: np.ndarray,
    names: Mapping[str, int],
    pixel_nm: float,
    picture: np.ndarray,
    say: Callable[[str], None],
) -> np.ndarray:
    from space.segmentation.structure import tidied

    result = tidied(labels, names, pixel_nm, picture=picture)
    changed = np.count_nonzero(result != labels) / labels.size
    say(f"{changed:.1%} of the pixels were corrected by what is known of lamellae.")
    return result


def detection_threshold(params: Mapping[str, Any], map_dir: Path) -> float:
    """Return the threshold to use: the job's own, else the saved settings', else 0.1.

    Raises
    ------
    SpaceError
        If it is not a number between 0 and 1.
    """
    value = params.get("threshold", _saved_threshold(Path(map_dir)))
    if not is_number(value) or not 0 <= value <= 1:
        raise SpaceError(f"The detection threshold {value!r} is not between 0 and 1.", str(map_dir))
    return float(value)


def _saved_threshold(map_dir: Path) -> Any:
    saved = read_json_or_empty(map_dir / SETTINGS_FILE)
    return saved.get("WG_detection_threshold", DEFAULT_THRESHOLD)


def _read_when_whole(map_path: Path, seconds: float) -> tuple[str, np.ndarray, dict[str, Any]]:
    """Read a map and its mark; wait for one that is being copied."""
    end_s = time.monotonic() + seconds
    while True:
        mark = fingerprint(map_path)
        try:
            return (mark, *read_png(map_path))
        except SpaceError:
            # What else is wrong with it does not change.
            if not map_path.exists() or is_whole_png(map_path) or time.monotonic() >= end_s:
                raise
        time.sleep(min(1.0, max(0.01, seconds / 10)))


def _check_contrast(image: np.ndarray, map_name: str, say: Callable[[str], None]) -> None:
    """Refuse a map that shows nothing; a model would find something in noise as well."""
    verdict = judge(image)
    if verdict.useless:
        raise SpaceError(
            f"There is no contrast in the map: {verdict.seen}.",
            map_name,
            f"{verdict.causes}. Look at the picture and take the map again",
        )
    doubt = verdict or judge_structure(image)
    if doubt:
        say(f"Look at the map before you trust what is found in it: {doubt.seen}. {doubt.causes}.")


def _default_segmenter(
    folder: Path, folds: tuple[int | str, ...], place: Place, config: Config
) -> SegmentationModel:
    from space.segmentation import Segmenter

    return Segmenter(
        folder,
        folds,
        place.device,
        config.preset,
        config.segmentation_checkpoint,
        place.runtime,
        config.off_lamella_classes or (),
    )


def _default_heat(path: Path | None, device: str) -> HeatMap:
    from space.segmentation.heat import HeatModel

    return HeatModel(path, place_for(device, "onnx", True).device)


def _default_detector(weights: Path, place: Place) -> DetectionModel:
    from space.lamellae.detector import Detector

    return Detector(weights, place.device, place.runtime)
