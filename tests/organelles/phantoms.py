"""A small volume with balls and tubes in it, and lists of labelled regions."""

from __future__ import annotations

import json

import numpy as np

from space.volumes import Frame, write_zarr

FRAME = Frame((10.0, 10.0, 10.0))


def drawn(side=40, seed=3):
    """Return raw values and labels: 1 balls (dark), 2 tubes (bright)."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices((side,) * 3)
    labels = np.zeros((side,) * 3, np.uint8)
    for _ in range(6):
        middle, radius = rng.uniform(4, side - 4, 3), rng.uniform(3, 6)
        labels[(z - middle[0]) ** 2 + (y - middle[1]) ** 2 + (x - middle[2]) ** 2 < radius**2] = 1
    for _ in range(3):
        at = rng.uniform(4, side - 4, 2)
        labels[((y - at[0]) ** 2 + (x - at[1]) ** 2 < 6) & (labels == 0)] = 2
    raw = 120 + np.array([0, -50, 50])[labels] + rng.normal(0, 12, labels.shape)
    return np.clip(raw, 0, 255).astype(np.uint8), labels


def written(folder, side=40):
    """Write the volume, and lists of regions to learn from and to judge by."""
    raw, labels = drawn(side)
    write_zarr(folder / "raw.zarr", raw, FRAME, 16)
    write_zarr(folder / "labels.zarr", labels, FRAME, 16)
    half = side // 2
    for name, offset in (("data", 0), ("held", half)):
        entry = {
            "file": "raw.zarr",
            "offset": [offset, 0, 0],
            "shape": [half, side, side],
            "labels": {"labels.zarr": {"ball": 1, "tube": 2}},
        }
        (folder / f"{name}.json").write_text(json.dumps([entry]), encoding="utf-8")
    return raw, labels


def config_in(folder, **more):
    """Write a configuration and return its path."""
    values = {
        "data": "data.json", "out": "run", "patch": 16, "batch": 2, "steps": 6, "epochs": 3,
        "features": [8, 16], "rate": 0.02, **more,
    }  # fmt: skip
    path = folder / "train.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if key != "exclude"]
    if "exclude" in values:
        table = ", ".join(f"{name} = {width}" for name, width in values["exclude"].items())
        lines.append(f"exclude = {{{table}}}")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
