"""The record of a training, kept beside the weights for the model card."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import space
from space.files import write_text_atomic


def versions(*packages: str) -> dict[str, str]:
    """Versions of this project, Python and some packages."""
    result = {"spacetomo": space.__version__, "python": platform.python_version()}
    for name in packages:
        try:
            result[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            result[name] = "not installed"
    return result


def read_record(path: Path) -> dict[str, Any]:
    """Read a record; an empty one if there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as JSON."""
    write_text_atomic(path, json.dumps(record, indent=1) + "\n")
