"""What an .onnx file of a model says about itself, read without onnx or onnxruntime.

One entry of its metadata holds all that is needed to use it (`OnnxFacts`), in JSON. The same
function writes and reads that entry, so a converter and a worker cannot differ.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from space.errors import SpaceError, shown
from space.files import is_name, parse_json
from space.models.class_table import folder_labels, label_table
from space.models.onnx_graph import Graph, read_graph
from space.models.place import DATASET, PLANS
from space.models.plans import CT_NUMBERS, LARGEST_PATCH_PX, SCHEMES, SMALLEST_PATCH_PX, NetworkPlan
from space.predicates import is_number, is_whole
from space.trust import file_hash

log = logging.getLogger("space.models")

SUFFIX = ".onnx"
SEGMENTATION_ONNX = "model.onnx"
"""In the folder of an nnU-Net model, beside dataset.json and plans.json."""

METADATA_KEY = "spacetomo"
FORMAT = 1
HEAT = "heat"
"""Task of a network that scores how much each pixel looks like places that were clicked on."""

TASKS = ("detect", "segment", HEAT)

_MOST_CATEGORIES = 1000
_MOST_FOLDS = 50
_MOST_SOURCES = 60
_HASH = re.compile(r"[0-9a-f]{64}")
_DO = "Make it from the model's own files by spacetomo models convert."


@dataclass(frozen=True)
class OnnxFacts:
    """What is needed to use a model in an .onnx file.

    Attributes
    ----------
    task : str
        ``segment``, ``detect`` or ``heat``.
    source : dict of str to str
        File that it was made from, relative to the model's folder -> SHA-256 of its content.
    converter : str
        Version of the program that made it.
    channels : int
        Channels of a picture that the network sees: 1, or 3 for a detector.
    pixel_nm : float or None
        Pixel size that it was trained at, where that is known.
    trained_on : str
        What the model's card says; empty if it has none.
    labels : dict of str to int
        Classes of a segmentation and their labels, in the order of the network's outputs.
    plan : NetworkPlan or None
        What a segmentation network sees: tile, normalisation, order of axes.
    mirroring_axes : tuple of int
        Axes of a picture along which mirrored copies may be averaged.
    folds : tuple of int or str
        Each is one output of the file, named by `fold_output`.
    categories : tuple of str
        Of a detector, in the order of the network's outputs.
    window_px : int
        Side of the window that a detector was converted for.
    end_to_end : bool
        Whether a detector gives final boxes, so that none are left to be merged.
    inputs, outputs : tuple of str
        Names in the graph. They are read from it and are no part of the entry.
    """

    task: str
    source: dict[str, str]
    converter: str = ""
    channels: int = 1
    pixel_nm: float | None = None
    trained_on: str = ""
    labels: dict[str, int] = field(default_factory=dict)
    plan: NetworkPlan | None = None
    mirroring_axes: tuple[int, ...] = ()
    folds: tuple[int | str, ...] = ()
    categories: tuple[str, ...] = ()
    window_px: int = 0
    end_to_end: bool = False
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


def fold_output(fold: int | str) -> str:
    """Return the name of the output of a fold, which is that of its folder."""
    return f"fold_{fold}"


def is_onnx(path: Path) -> bool:
    """Tell whether a path names an .onnx file, whether it is there or not."""
    return Path(path).suffix.lower() == SUFFIX


def read_onnx_facts(path: Path) -> OnnxFacts:
    """Read what an .onnx file says about itself, and check it.

    Raises
    ------
    SpaceError
        If it is missing, damaged, holds what is not let through, or was not made by
        ``spacetomo models convert``.
    """
    graph = read_graph(path)
    text = graph.metadata.get(METADATA_KEY)
    if text is None:
        raise SpaceError(
            "This .onnx file does not say how it is used: it was not made by this program.",
            str(path),
            _DO,
        )
    try:
        return facts_from_text(text, graph)
    except ValueError as error:
        raise SpaceError(
            f"What this .onnx file says about itself cannot be used: {error}.", str(path), _DO
        ) from None


def read_labels(model: Path) -> dict[str, int]:
    """Return the label of each class of a segmentation model, in the order of labels.

    Parameters
    ----------
    model : Path
        The folder of an nnU-Net model, or an .onnx file.

    Raises
    ------
    SpaceError
        If it is missing, cannot be read, or its classes are not single labels 0..255.
    """
    return segmentation_facts(model).labels if is_onnx(model) else folder_labels(model)


def segmentation_facts(path: Path) -> OnnxFacts:
    """Read the facts of an .onnx file that is named as segmentation model.

    Raises
    ------
    SpaceError
        As `read_onnx_facts`, or if it is a detector.
    """
    facts = read_onnx_facts(path)
    if facts.task != "segment":
        kind = "a heat map of learned targets" if facts.task == HEAT else "a detector of lamellae"
        raise SpaceError(
            f"This .onnx file is {kind}; a segmentation model is needed.",
            str(path),
            "Correct segmentation_model.",
        )
    return facts


def onnx_beside(path: Path, files: Mapping[str, Path]) -> OnnxFacts | None:
    """Return the facts of an .onnx file if it was made from these files.

    A file that is not there is not compared: then the .onnx stands for it.

    Parameters
    ----------
    path : Path
    files : mapping of str to Path
        Name in `OnnxFacts.source` -> where that file would be.

    Returns
    -------
    OnnxFacts or None
        None if there is no such .onnx, or it cannot be used, or is that of other files; the log
        says which.
    """
    path = Path(path)
    if not path.is_file():
        return None
    try:
        facts = read_onnx_facts(path)
        problem = other_source(facts, files)
    except (SpaceError, OSError) as error:
        log.warning("%s is not used. %s", path.name, error)
        return None
    if problem:
        log.warning("%s is not used: %s [%s]", path.name, problem, path)
        return None
    return facts


def other_source(facts: OnnxFacts, files: Mapping[str, Path]) -> str:
    """Say that an .onnx file was made from other files than these; empty if it was not.

    Parameters
    ----------
    facts : OnnxFacts
    files : mapping of str to Path
        As for `onnx_beside`.
    """
    lacking = [name for name in files if name not in facts.source]
    differing = [name for name, file in files.items() if not _is_source(facts, name, file)]
    if not differing:
        return ""
    return (
        f"it was made {'without' if lacking else 'from another'} "
        f"{', '.join((lacking or differing)[:4])}. Make it again by spacetomo models convert."
    )


def segmentation_onnx(
    model: Path, folds: Sequence[int | str], checkpoint: str
) -> tuple[Path, OnnxFacts] | None:
    """Return the .onnx file of a segmentation model and its facts; None if it has none of use.

    Parameters
    ----------
    model : Path
        The folder of an nnU-Net model, or an .onnx file.
    folds : sequence of int or str
    checkpoint : str
        Name of the weights' file in each fold.
    """
    if is_onnx(model):
        return Path(model), segmentation_facts(model)
    path = Path(model) / SEGMENTATION_ONNX
    facts_beside = onnx_beside(path, segmentation_files(model, folds, checkpoint))
    if facts_beside is None or facts_beside.task != "segment":
        return None
    return path, facts_beside


def segmentation_files(
    folder: Path, folds: Sequence[int | str], checkpoint: str
) -> dict[str, Path]:
    """Return the files that decide what a segmentation model finds, by their names in a source."""
    names = [DATASET, PLANS, *(f"{fold_output(fold)}/{checkpoint}" for fold in folds)]
    return {name: Path(folder) / name for name in names}


def _is_source(facts: OnnxFacts, name: str, file: Path) -> bool:
    wanted = facts.source.get(name)
    return wanted is not None and (not file.is_file() or file_hash(file) == wanted)


# --- the entry ----------------------------------------------------------------------------------


def facts_as_text(facts: OnnxFacts) -> str:
    """Return the metadata entry for facts."""
    values: dict[str, Any] = {
        "format": FORMAT,
        "task": facts.task,
        "source": dict(facts.source),
        "converter": facts.converter,
        "channels": facts.channels,
        "pixel_nm": facts.pixel_nm,
        "trained_on": facts.trained_on,
    }
    if facts.task == "detect":
        values["categories"] = list(facts.categories)
        values["window_px"] = facts.window_px
        values["end_to_end"] = facts.end_to_end
    elif facts.plan is not None:
        plan = facts.plan
        values["labels"] = dict(facts.labels)
        values["patch_px"] = list(plan.patch_px)
        values["normalisation"] = {
            "scheme": plan.scheme,
            "use_mask": plan.use_mask,
            "intensities": _needed_intensities(plan),
        }
        values["axes_swapped"] = plan.axes_swapped
        values["mirroring_axes"] = list(facts.mirroring_axes)
        values["folds"] = list(facts.folds)
    return json.dumps(values, indent=1)


def _needed_intensities(plan: NetworkPlan) -> dict[str, float]:
    if plan.scheme != "CTNormalization":
        return {}
    return {name: float(plan.intensities[name]) for name in CT_NUMBERS}


def facts_from_text(text: str, graph: Graph) -> OnnxFacts:
    """Read a metadata entry, and hold it against the graph.

    Raises
    ------
    ValueError
        With what is wrong in words.
    """
    values = parse_json(text)
    if not isinstance(values, dict):
        raise ValueError(f"it is {shown(values)}, not a table")
    if values.get("format") != FORMAT or not is_whole(values["format"]):
        raise ValueError(f"its format is {shown(values.get('format'))}; {FORMAT} is known here")
    task = values.get("task")
    if task not in TASKS:
        raise ValueError(f"its task is {shown(task)}, not one of {', '.join(TASKS)}")
    if len(graph.inputs) != 1:
        raise ValueError(f"its graph has {len(graph.inputs)} inputs, not one")
    common: dict[str, Any] = {
        "task": task,
        "source": _sources(values.get("source")),
        "converter": _part(values, "converter", _is_short_text),
        "channels": _part(values, "channels", lambda n: is_whole(n) and n in (1, 3)),
        "pixel_nm": _part(values, "pixel_nm", lambda n: n is None or _is_size(n)),
        "trained_on": _part(values, "trained_on", _is_short_text),
        "inputs": tuple(graph.inputs),
        "outputs": tuple(graph.outputs),
    }
    own = _of_detector(values) if task == "detect" else _of_segmentation(values, graph)
    return OnnxFacts(**common, **own)


def _of_detector(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "categories": tuple(_part(values, "categories", _is_categories)),
        "window_px": _part(values, "window_px", lambda n: is_whole(n) and 32 <= n <= 8192),
        "end_to_end": _part(values, "end_to_end", lambda v: isinstance(v, bool)),
    }


def _of_segmentation(values: Mapping[str, Any], graph: Graph) -> dict[str, Any]:
    labels, problem = label_table({"labels": values.get("labels")})
    if problem:
        raise ValueError(problem.rstrip("."))
    if values.get("channels") != 1:
        raise ValueError("its network needs more than one channel, but a map has one")
    folds = tuple(_part(values, "folds", _is_folds))
    lacking = [fold_output(fold) for fold in folds if fold_output(fold) not in graph.outputs]
    if lacking:
        raise ValueError(f"its graph has no output {shown(lacking[0])}")
    return {
        "labels": labels,
        "plan": _plan(values),
        "mirroring_axes": tuple(_part(values, "mirroring_axes", _is_axes)),
        "folds": folds,
    }


def _plan(values: Mapping[str, Any]) -> NetworkPlan:
    rows, cols = _part(values, "patch_px", _is_patch)
    normal = _part(values, "normalisation", lambda v: isinstance(v, dict))
    scheme = _part(normal, "scheme", lambda v: isinstance(v, str) and v in SCHEMES)
    numbers = _part(normal, "intensities", _is_intensities)
    if scheme == "CTNormalization" and set(CT_NUMBERS) - set(numbers):
        raise ValueError(f"it lacks the intensities that {scheme} needs")
    return NetworkPlan(
        (rows, cols),
        scheme,
        _part(normal, "use_mask", lambda v: isinstance(v, bool)),
        {name: float(number) for name, number in numbers.items()},
        _part(values, "axes_swapped", lambda v: isinstance(v, bool)),
    )


def _part(values: Mapping[str, Any], name: str, fits: Callable[[Any], bool]) -> Any:
    if name not in values:
        raise ValueError(f"{name} is missing")
    if not fits(values[name]):
        raise ValueError(f"{name} is {shown(values[name])}")
    return values[name]


def _sources(values: object) -> dict[str, str]:
    if not isinstance(values, dict) or not 1 <= len(values) <= _MOST_SOURCES:
        raise ValueError(f"source is {shown(values)}")
    for name, mark in values.items():
        parts = name.split("/")
        plain = is_name(name) and "\\" not in name and ":" not in name
        if not plain or any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"source names {shown(name)}")
        if not isinstance(mark, str) or not _HASH.fullmatch(mark):
            raise ValueError(f"the hash of {name} is {shown(mark)}")
    return dict(values)


def _is_short_text(value: object) -> bool:
    return isinstance(value, str) and (not value or is_name(value))


def _is_size(value: object) -> bool:
    return is_number(value) and 0 < value < 1e6


def _is_side(value: object) -> bool:
    return is_whole(value) and SMALLEST_PATCH_PX <= value <= LARGEST_PATCH_PX


def _is_patch(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_side(n) for n in value)


def _is_axes(value: object) -> bool:
    return isinstance(value, list) and all(is_whole(n) for n in value) and value in _AXES


_AXES: tuple[list[int], ...] = ([], [0], [1], [0, 1])


def _is_folds(value: object) -> bool:
    return (
        isinstance(value, list)
        and 1 <= len(value) <= _MOST_FOLDS
        and all(_is_fold(fold) for fold in value)
        and len({str(fold) for fold in value}) == len(value)
    )


def _is_fold(value: object) -> bool:
    if isinstance(value, str):
        return bool(re.fullmatch(r"\w{1,30}", value)) and not value.isdigit()
    return is_whole(value) and 0 <= value < 10_000


def _is_intensities(value: object) -> bool:
    return isinstance(value, dict) and all(
        name in CT_NUMBERS and is_number(number) and abs(number) < 1e12
        for name, number in value.items()
    )


def _is_categories(value: object) -> bool:
    return (
        isinstance(value, list)
        and 1 <= len(value) <= _MOST_CATEGORIES
        and all(isinstance(name, str) and name.strip() and is_name(name) for name in value)
    )
