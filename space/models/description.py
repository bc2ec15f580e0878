"""What the files of a model say about it; nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from space.errors import SpaceError
from space.files import read_json_or_empty
from space.models.card import CARD, read_card
from space.models.fitness import detection_problems, segmentation_problems
from space.models.onnx_file import (
    HEAT,
    SEGMENTATION_ONNX,
    OnnxFacts,
    is_onnx,
    other_source,
    read_labels,
    read_onnx_facts,
    segmentation_files,
)
from space.models.place import DATASET
from space.models.store import FOLD, FOLDER, ONNX, WEIGHTS, Folds, Place, entries, folds_in
from space.models.yolo import read_categories
from space.predicates import is_number

DETECT, SEGMENT = "detect", "segment"
_HEAT_MAP = (
    "It is a heat map of learned targets: name it as learned_targets_model in SPACEtomo_config.py."
)
USUAL_CHECKPOINT = "checkpoint_final.pth"
RECORD = "record.json"
"""Beside weights that this project's training made: seeds, versions, validation."""


@dataclass(frozen=True)
class Model:
    """What the files of a model say about it.

    Attributes
    ----------
    place : Place
    task : str
        `DETECT`, `SEGMENT`, or empty if that is not known.
    classes : tuple of str
        In the order of labels.
    pixel_nm : float or None
        Pixel size that it was trained at, and in `pixel_from` the file that says so.
    window_px : int or None
        Window of a detector, if a file says so.
    folds : tuple of int or str
        That it has.
    checkpoint : str
        Name of the weights' file in the folds.
    files : tuple of Path
        What belongs to it.
    onnx : Path or None
        An .onnx file that can be used instead of its weights.
    onnx_trouble : str
        Why an .onnx file beside it cannot be used.
    card : dict
        What its card says.
    problems : tuple of str
        What keeps it from being used.
    """

    place: Place
    task: str = ""
    classes: tuple[str, ...] = ()
    pixel_nm: float | None = None
    pixel_from: str = ""
    window_px: int | None = None
    folds: Folds = ()
    checkpoint: str = USUAL_CHECKPOINT
    files: tuple[Path, ...] = ()
    onnx: Path | None = None
    onnx_trouble: str = ""
    card: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def weights(self) -> tuple[Path, ...]:
        """Files that hold numbers of networks; an .onnx file only if it is all there is."""
        found = tuple(path for path in self.files if path.suffix.lower() in (".pt", ".pth"))
        return found or tuple(path for path in self.files if is_onnx(path))

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(path.stat().st_size for path in self.files if path.is_file())

    @property
    def trained_on(self) -> str:
        """What the card says it was trained on; empty if there is none."""
        return str(self.card.get("trained_on", ""))


def task_of(place: Place) -> str:
    """Return what a model is for, by its content: `DETECT`, `SEGMENT`, or empty if not known."""
    if place.form == ONNX:
        facts, _ = _facts(place.path)
        return facts.task if facts else ""
    return {FOLDER: SEGMENT, WEIGHTS: DETECT}.get(place.form, "")


def describe(
    place: Place, folds: Folds = (), checkpoint: str = "", allow_code: bool = False
) -> Model:
    """Return what the files of a model say.

    Parameters
    ----------
    place : Place
    folds : tuple of int or str
        Those to be used; by default all that there are.
    checkpoint : str
        Name of the weights' file in each fold; by default the one that is there.
    allow_code : bool
        Whether weights that ask to run code are no problem, since they are not loaded yet.
    """
    if not place.form:
        return Model(place, problems=(place.trouble,))
    try:
        card, card_trouble = read_card(place.card), ""
    except SpaceError as error:
        card, card_trouble = {}, str(error)
    model = Model(place, card=card)
    if place.form == FOLDER:
        model = _segmentation(model, folds, checkpoint, allow_code)
    elif place.form == WEIGHTS:
        model = _detector(model, allow_code)
    else:
        model = _onnx(model, folds)
    if card_trouble:
        model = replace(model, problems=(*model.problems, card_trouble))
    return _with_sizes(model)


def choose_checkpoint(folds: Sequence[set[str]]) -> str:
    """Return the name of the weights to use, given the names of files in each fold."""
    common: set[str] = set.intersection(*folds) if folds else set()
    if USUAL_CHECKPOINT in common or not common:
        return USUAL_CHECKPOINT
    return "checkpoint_best.pth" if "checkpoint_best.pth" in common else min(common)


def _segmentation(model: Model, folds: Folds, checkpoint: str, allow_code: bool) -> Model:
    folder = model.place.path
    inside = {
        path.name: {p.name for p in entries(path) if p.suffix == ".pth"}
        for path in entries(folder)
        if FOLD.fullmatch(path.name) and path.is_dir()
    }
    present = folds_in([name for name, weights in inside.items() if weights])
    onnx, facts, onnx_trouble = None, None, ""
    if (folder / SEGMENTATION_ONNX).is_file():
        onnx = folder / SEGMENTATION_ONNX
        facts, onnx_trouble = _facts(onnx, SEGMENT)
    used = folds or present or (facts.folds if facts else (0,))
    weights = [inside[f"fold_{fold}"] for fold in used if inside.get(f"fold_{fold}")]
    if facts and not weights:  # the .onnx file stands for those that it was made from
        weights = [_sources_in(facts, f"fold_{fold}") for fold in used]
    chosen = checkpoint or choose_checkpoint(weights)
    own = segmentation_files(folder, used, chosen)
    if facts and onnx:
        onnx_trouble = _of_others(facts, own)
    try:
        classes: tuple[str, ...] = tuple(read_labels(folder))
    except SpaceError:
        classes = ()  # among the problems
    problems = segmentation_problems(folder, used, chosen, allow_code=allow_code)
    files = [*own.values(), model.place.card, *([onnx] if onnx else [])]
    return replace(
        model,
        task=SEGMENT,
        classes=classes,
        folds=present or (facts.folds if facts else ()),
        checkpoint=chosen,
        files=tuple(path for path in files if path.is_file()),
        onnx=None if onnx_trouble else onnx,
        onnx_trouble=onnx_trouble,
        problems=tuple(problems),
        **_pixel_of(facts if not onnx_trouble else None),
    )


def _sources_in(facts: OnnxFacts, folder: str) -> set[str]:
    """Return the names of the files in a folder that an .onnx file was made from."""
    paths = map(PurePosixPath, facts.source)
    return {path.name for path in paths if path.parent.name == folder}


def _detector(model: Model, allow_code: bool) -> Model:
    weights = model.place.path
    problems = list(detection_problems(weights, allow_code))
    classes: tuple[str, ...] = ()
    if not problems:
        try:
            classes = read_categories(weights)
        except SpaceError as error:
            problems.append(str(error))
    onnx, facts, trouble = weights.with_suffix(".onnx"), None, ""
    has_onnx = onnx.is_file()
    if has_onnx:
        facts, trouble = _facts(onnx, DETECT)
        trouble = _of_others(facts, {weights.name: weights}) if facts else trouble
    files = [weights, model.place.card, *([onnx] if has_onnx else [])]
    return replace(
        model,
        task=DETECT,
        classes=classes,
        files=tuple(path for path in files if path.is_file()),
        onnx=onnx if has_onnx and not trouble else None,
        onnx_trouble=trouble,
        problems=tuple(problems),
        **_pixel_of(facts if not trouble else None),
    )


def _onnx(model: Model, folds: Folds) -> Model:
    path = model.place.path
    facts, trouble = _facts(path)
    files = tuple(p for p in (path, model.place.card) if p.is_file())
    if facts is None:
        return replace(model, files=files, problems=(trouble,))
    if facts.task == HEAT:
        return replace(model, files=files, problems=(_HEAT_MAP,))
    card = model.card or ({"trained_on": facts.trained_on} if facts.trained_on else {})
    problems = (
        segmentation_problems(path, folds or facts.folds, USUAL_CHECKPOINT)
        if facts.task == SEGMENT
        else []
    )
    return replace(
        model,
        task=facts.task,
        classes=tuple(facts.labels) or facts.categories,
        folds=facts.folds,
        files=files,
        onnx=path,
        card=card,
        problems=tuple(problems),
        **_pixel_of(facts),
    )


def _facts(path: Path, task: str = "") -> tuple[OnnxFacts | None, str]:
    try:
        facts = read_onnx_facts(path)
    except (SpaceError, OSError) as error:
        return None, str(error)
    if task and facts.task != task:
        return None, f"{path.name} is for another task ({facts.task})."
    return facts, ""


def _of_others(facts: OnnxFacts, files: dict[str, Path]) -> str:
    problem = other_source(facts, files)
    return f"The .onnx file is not that of these files: {problem}" if problem else ""


def _pixel_of(facts: OnnxFacts | None) -> dict[str, Any]:
    if facts is None:
        return {}
    known: dict[str, Any] = {"window_px": facts.window_px or None}
    if facts.pixel_nm:
        known.update(pixel_nm=facts.pixel_nm, pixel_from="the .onnx file")
    return known


def _with_sizes(model: Model) -> Model:
    """Add pixel size and window by the file that says so first: card, record, class table."""
    model = replace(model, window_px=model.card.get("window_px", model.window_px))
    for name, value in _pixel_sizes(model):
        if is_number(value) and 0 < value < 1e6:
            return replace(model, pixel_nm=float(value), pixel_from=name)
    return model


def _pixel_sizes(model: Model) -> Iterator[tuple[str, Any]]:
    yield model.place.card.name, model.card.get("pixel_nm")
    path = model.place.path
    folder = path if model.place.form == FOLDER else path.parent
    if model.place.card.name == CARD:  # it has the folder for itself
        yield RECORD, read_json_or_empty(folder / RECORD).get("pixel_nm")
    if model.place.form == FOLDER:
        yield DATASET, read_json_or_empty(folder / DATASET).get("pixel_size_nm")
