"""Weights of YOLO detectors with everything but the network, made without torch."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

CATEGORIES = {0: "good", 1: "broken"}


def write_weights(
    path: Path, names: object = None, kind: str = "DetectionModel", **more: object
) -> Path:
    """Write a checkpoint of ultralytics whose network has names, and nothing else."""
    state: Mapping[str, object] = {"names": CATEGORIES if names is None else names, **more}
    network = f"cultralytics.nn.tasks\n{kind}\n".encode() + b")\x81"  # an object, without a call
    # Filled with its state, and put under its key into an empty table.
    data = b"\x80\x02}X\x05\x00\x00\x00model" + network + pickle.dumps(state, 2)[2:-1] + b"bs."
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{path.stem}/data.pkl", data)
        archive.writestr(f"{path.stem}/version", "3\n")
    return path
