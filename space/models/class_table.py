"""Class tables: which label of an nnU-Net model means what, and how many channels it sees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from space.errors import SpaceError, shown
from space.files import is_name, read_json
from space.models.place import DATASET, misplaced
from space.predicates import is_whole

_HIGHEST_LABEL = 255


def read_dataset(model_folder: Path) -> dict[str, Any]:
    """Read the dataset.json of a model.

    Raises
    ------
    SpaceError
        If it is missing, with where the model is instead, or cannot be read.
    """
    path = Path(model_folder) / DATASET
    misplacement = misplaced(model_folder)
    if misplacement:
        raise SpaceError(
            f"The segmentation model {model_folder} is missing.",
            do=f"{misplacement} (Levels 1 and 2 need no segmentation.)",
        )
    return read_table(path)


def read_table(path: Path) -> dict[str, Any]:
    """Read a JSON file of a model that holds one table.

    Raises
    ------
    SpaceError
        If it cannot be read or holds something else.
    """
    again = f"Copy {path.name} of this model again."
    try:
        values = read_json(path, follow_links=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SpaceError(f"{path.name} cannot be read ({reason}).", str(path), again) from None
    except ValueError as error:
        raise SpaceError(
            f"{path.name} is cut off or damaged ({error}).", str(path), again
        ) from None
    if not isinstance(values, dict):
        raise SpaceError(f"{path.name} holds {shown(values)[:40]}, not a table.", str(path), again)
    return values


def folder_labels(model_folder: Path) -> dict[str, int]:
    """Return the label of each class of an nnU-Net model, in the order of labels.

    Raises
    ------
    SpaceError
        If its dataset.json is missing, cannot be read, or its classes are not single labels
        0..255.
    """
    table, problem = label_table(read_dataset(model_folder))
    if problem:
        raise SpaceError(
            f"The class table of the segmentation model does not fit: {problem}",
            str(Path(model_folder) / DATASET),
            "Use a model with one label for each class, and its own dataset.json.",
        )
    return table


def label_table(dataset: Mapping[str, Any]) -> tuple[dict[str, int], str]:
    """Return class → label in the order of labels, and what is wrong with the table.

    Parameters
    ----------
    dataset : mapping
        What a dataset.json holds.
    """
    labels = dataset.get("labels")
    if not isinstance(labels, dict) or not labels:
        return {}, f"it has no classes (labels is {shown(labels)})."
    items = list(labels.items())
    if all(str(key).isdigit() and isinstance(value, str) for key, value in items):
        items = [(value, int(key)) for key, value in items]  # the older way around
    table: dict[str, int] = {}
    for name, label in items:
        if name == "ignore":  # marks pixels in training, is never predicted
            continue
        problem = _entry_problem(name, label)
        if problem or name in table:
            return {}, problem or f"{shown(name)} is there twice."
        table[name] = label
    if len(set(table.values())) != len(table):
        return {}, "two classes share a label."
    if 0 not in table.values():
        return {}, "no class has the label 0 (background)."
    return dict(sorted(table.items(), key=lambda item: item[1])), ""


def _entry_problem(name: str, label: object) -> str:
    """Say why a class and its label cannot be used; empty if they can."""
    if isinstance(label, (list, tuple)):
        return f"{shown(name)} is a region of several labels, which is not supported."
    if not is_whole(label):
        return f"{shown(name)} has {shown(label)} where a label is needed."
    if not 0 <= label <= _HIGHEST_LABEL:
        return f"{shown(name)} has the label {shown(label)}; 0 to 255 can be used."
    if not name.strip() or not is_name(name):
        return f"{shown(name)} is not a valid class name."
    return ""


def channel_problem(dataset: Mapping[str, Any]) -> str:
    """Say what is wrong with the channels that a model wants; empty if it wants one."""
    channels = dataset.get("channel_names", dataset.get("modality"))
    if channels is None:  # the plans count them, too
        return ""
    if not isinstance(channels, (dict, list)) or not channels:
        return f"{DATASET} does not describe the channels ({shown(channels)})."
    names = list(channels.values()) if isinstance(channels, dict) else channels
    if len(names) == 1:
        return ""
    listed = ", ".join(str(name)[:20] for name in names[:4])
    return (
        f"It needs {len(names)} channels ({listed}), but a map has one. Use a model that was "
        "trained on single grey pictures."
    )


def other_classes(own: Mapping[str, int], of_weights: Mapping[str, int]) -> str:
    """Say how a class table differs from the one that the weights were trained with.

    Returns
    -------
    str
        Empty if classes have at most other names, in which case somebody may have meant it.
    """
    differing = [
        f"{name} is {own[name]}, for the weights {of_weights[name]}"
        for name in own
        if name in of_weights and own[name] != of_weights[name]
    ]
    if not differing and len(own) != len(of_weights):
        differing = [f"it has {len(own)} classes, the weights {len(of_weights)}"]
    if not differing:
        return ""
    return (
        f"{DATASET} belongs to another model than the weights ({'; '.join(differing[:3])}). Put "
        f"the {DATASET} of this model there."
    )
