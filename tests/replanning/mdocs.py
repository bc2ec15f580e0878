"""Mdoc files of tilt series for tests: a plate, or one that is lost from a tilt on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

TILTS = tuple(float(t) for k in range(21) for t in ((0,) if k == 0 else (3 * k, -3 * k)))


def write_mdoc(
    path: Path,
    begin: datetime = datetime(2026, 1, 1),
    lost: bool = False,
    tilts: Sequence[float] = TILTS,
    each_s: float = 60.0,
    entries: dict[str, Sequence[object]] | None = None,
) -> Path:
    """Write the mdoc of a series; a lost one is dark from 30 degrees on.

    `entries` are further values for each picture, by key.
    """
    lines = ["PixelSpacing = 2.0", f"ImageFile = {path.stem}", "ImageSize = 100 100", ""]
    for number, tilt in enumerate(tilts):
        counts = 1000 * np.exp(-0.7 / np.cos(np.radians(tilt)))
        counts *= 0.1 if lost and tilt > 30 else 1.0
        when = begin + timedelta(seconds=each_s * number)
        lines += [
            f"[ZValue = {number}]",
            f"TiltAngle = {tilt}",
            f"MinMaxMean = 0 {2 * counts:.0f} {counts:.2f}",
            "ExposureTime = 1",
            f"DateTime = {when:%d-%b-%Y  %H:%M:%S}",
            *(f"{key} = {values[number]}" for key, values in (entries or {}).items()),
            "",
        ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
