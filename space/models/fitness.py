"""Whether the models can be used, as far as their files show without the packages that run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from space.errors import SpaceError, shown
from space.models.checkpoint import CheckpointFacts, read_facts
from space.models.class_table import (
    channel_problem,
    folder_labels,
    label_table,
    other_classes,
    read_dataset,
    read_table,
)
from space.models.detector_file import detection_onnx
from space.models.onnx_file import (
    SEGMENTATION_ONNX,
    is_onnx,
    segmentation_facts,
    segmentation_onnx,
)
from space.models.place import PLANS, missing_files
from space.models.plans import plan_problems
from space.models.yolo import refuse_other_tasks
from space.weights import beyond_plain, names_asked_for, refuse_untrusted

_USUAL = "2d"
_OF_DETECTORS = ("ultralytics.", "pathlib.")
"""What weights of detectors ask for beside plain data; the worker looks at it more closely."""


def detection_problems(weights: Path, allow_code: bool = False, runtime: str = "auto") -> list[str]:
    """Return what keeps a file of weights from being used for detection; empty when all is well.

    Parameters
    ----------
    weights : Path
        A ``.pt`` file, or an ``.onnx`` file.
    allow_code : bool
        Whether weights that ask to run code are no problem, since they are not loaded yet.
    runtime : str
        ``torch`` or ``onnx`` if it is to be run by that; with ``auto``, either will do.
    """
    cannot = "The lamella detection model cannot be used."
    try:
        if is_onnx(weights) and runtime == "torch":
            return [
                f"{cannot} It is an .onnx file, which torch does not run [{weights}]. Name the "
                '.pt file, or set inference_runtime = "auto".'
            ]
        if runtime == "onnx" or is_onnx(weights) or not (runtime == "torch" or weights.is_file()):
            if detection_onnx(weights):
                return []
            if runtime == "onnx":
                return [
                    f"{cannot} ONNX Runtime needs the .onnx file made from it beside it "
                    f"[{weights}]: make it by spacetomo models convert, or set "
                    'inference_runtime = "torch".'
                ]
        refuse_other_tasks(_names_in(weights, _OF_DETECTORS, allow_code), weights)
    except SpaceError as error:
        return [f"{cannot} {error}"]
    return []


def segmentation_problems(
    model: Path,
    folds: Sequence[int | str],
    checkpoint: str,
    runtime: str = "auto",
    allow_code: bool = False,
) -> list[str]:
    """Return what keeps a segmentation model from being used for maps.

    Parameters
    ----------
    model : Path
        The folder of an nnU-Net model, or an .onnx file.
    folds : sequence of int or str
    checkpoint : str
        Name of the weights' file in each fold.
    runtime : str
        ``torch`` or ``onnx`` if it is to be run by that; with ``auto``, either will do.
    allow_code : bool
        Whether weights that ask to run code are no problem, since they are not loaded yet.

    Returns
    -------
    list of str
        One message for each problem, with what to do; empty when all is well.
    """
    if is_onnx(model):
        return _onnx_problems(model, folds, runtime)
    folder = Path(model)
    try:
        dataset = read_dataset(folder)
        folder_labels(folder)
    except SpaceError as error:
        return [str(error)]
    whole = not missing_files(folder, folds, checkpoint)
    if runtime != "torch" and not (whole and runtime == "auto"):
        if segmentation_onnx(folder, folds, checkpoint):
            return []
        if runtime == "onnx":
            return [_no_onnx(folder)]
    problems = [channel_problem(dataset)] + missing_files(folder, folds, checkpoint)
    facts: dict[str, CheckpointFacts] = {}
    for fold in folds:
        path = Path(folder) / f"fold_{fold}" / checkpoint
        if path.is_file():
            try:
                _names_in(path, allow_code=allow_code)
                facts[f"fold_{fold}"] = read_facts(path)
            except SpaceError as error:
                problems.append(str(error))
    for fold_name, known in facts.items():
        problems.append(_misfit(fold_name, known, dataset))
    problems += _plan_problems(folder, {known.configuration or _USUAL for known in facts.values()})
    return [
        f"The segmentation model {folder} cannot be used. {text}"
        for text in dict.fromkeys(problems)
        if text
    ]


def _onnx_problems(path: Path, folds: Sequence[int | str], runtime: str) -> list[str]:
    cannot = f"The segmentation model {path} cannot be used."
    if runtime == "torch":
        return [
            f"{cannot} It is an .onnx file, which torch does not run. Name the folder of the "
            'model, or set inference_runtime = "auto".'
        ]
    try:
        known = segmentation_facts(path).folds
    except SpaceError as error:
        return [f"{cannot} {error}"]
    lacking = [str(fold) for fold in folds if fold not in known]
    if lacking:
        return [
            f"{cannot} It has no fold {', '.join(lacking)}. Set segmentation_folds = "
            f"{list(known)}, or convert the model with these folds."
        ]
    return []


def _no_onnx(folder: Path) -> str:
    return (
        f"The segmentation model {folder} cannot be used. ONNX Runtime needs {SEGMENTATION_ONNX} "
        "in it, made from these weights: make it by spacetomo models convert, or set "
        'inference_runtime = "torch".'
    )


def class_doubt(folder: Path, folds: Sequence[int | str], checkpoint: str) -> str:
    """Say which classes have another name than for the weights; empty if none or not known."""
    if is_onnx(folder):
        return ""  # it holds its own names
    try:
        own = {label: name for name, label in folder_labels(folder).items()}
        path = Path(folder) / f"fold_{folds[0]}" / checkpoint
        of_weights, _ = label_table(read_facts(path).dataset)
    except SpaceError:
        return ""
    renamed = [
        f"{own[label]} was {name}"
        for name, label in of_weights.items()
        if own.get(label, name) != name
    ]
    if not renamed:
        return ""
    return (
        "the segmentation model's dataset.json gives classes other names than its weights were "
        f"trained with ({', '.join(renamed[:6])}): unless they were renamed on "
        "purpose, it belongs to another model."
    )


def strange_names(path: Path, harmless: tuple[str, ...] = _OF_DETECTORS) -> list[str]:
    """Return the names that weights ask for and that no model needs: they could run any code.

    Raises
    ------
    SpaceError
        If they are no weights.
    """
    return [name for name in beyond_plain(names_asked_for(path)) if not name.startswith(harmless)]


def _names_in(
    path: Path, harmless: tuple[str, ...] = (), allow_code: bool = False
) -> frozenset[str]:
    """Return the names that weights ask for, unless the worker would refuse to load them."""
    strange = strange_names(path, harmless)
    if strange and not allow_code:
        refuse_untrusted(path, strange)
    return names_asked_for(path)


def _misfit(fold: str, facts: CheckpointFacts, dataset: Mapping[str, Any]) -> str:
    """Say how weights do not fit to the class table, or to maps."""
    if facts.is_3d:
        return (
            f"The weights of {fold} are for volumes (configuration "
            f"{shown(facts.configuration)}). Maps are single pictures: use a model that was "
            "trained in the configuration 2d."
        )
    own, _ = label_table(dataset)
    of_weights, _ = label_table(facts.dataset)
    if of_weights:
        other = other_classes(own, of_weights)
        if other:
            return other
    if facts.classes is not None and facts.classes != len(own):
        return (
            f"The weights of {fold} distinguish {facts.classes} classes, but dataset.json names "
            f"{len(own)}. Put the dataset.json of this model there."
        )
    if facts.channels not in (None, 1):
        return (
            f"The weights of {fold} need {facts.channels} channels, but a map has one. Use a "
            "model that was trained on single grey pictures."
        )
    return ""


def _plan_problems(folder: Path, configurations: set[str]) -> list[str]:
    if not (Path(folder) / PLANS).is_file():
        return []  # reported already
    try:
        plans = read_table(Path(folder) / PLANS)
    except SpaceError as error:
        return [str(error)]
    if len(configurations) > 1:
        listed = ", ".join(sorted(configurations))
        return [f"The folds were trained in different configurations ({listed}). Use one kind."]
    return plan_problems(plans, configurations.pop() if configurations else _USUAL)
