"""The classes of a segmentation model, read from its ``dataset.json``."""

from __future__ import annotations

import json
from pathlib import Path

from space.errors import SpaceError


def read_labels(folder: Path) -> dict[str, int]:
    """Return the label of each class, in the order of labels.

    Parameters
    ----------
    folder : Path
        An nnU-Net model folder (with ``dataset.json``).

    Raises
    ------
    SpaceError
        If the file is missing, cannot be read, or its classes are not single labels 0..255.
    """
    path = Path(folder) / "dataset.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        labels = content["labels"]
        items = list(labels.items())
    except FileNotFoundError:
        raise SpaceError(
            "The segmentation model has no dataset.json.",
            str(path),
            "Put the whole model folder there, or correct segmentation_model "
            "in SPACEtomo_config.py",
        ) from None
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise SpaceError(f"dataset.json cannot be understood ({error!r}).", str(path)) from error
    if items and all(str(key).isdigit() and isinstance(value, str) for key, value in items):
        items = [(value, int(key)) for key, value in items]  # the older way around
    table: dict[str, int] = {}
    for name, label in items:
        if name == "ignore":
            continue
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label <= 255:
            raise SpaceError(
                f"Class {name!r} has {label!r} where a label 0 to 255 is needed.",
                str(path),
                "Use a model with one label per class (no regions)",
            )
        table[str(name)] = label
    if len(set(table.values())) != len(table):
        raise SpaceError("Two classes share a label.", str(path))
    return dict(sorted(table.items(), key=lambda item: item[1]))


def label_names(labels: dict[str, int]) -> dict[int, str]:
    """Return the class of each label."""
    return {label: name for name, label in labels.items()}
