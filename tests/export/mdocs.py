"""Notes of tilt series as SerialEM and PACEtomo write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

HEAD = "PixelSpacing = 2.663\nVoltage = 300\nImageSize = 5760 4092\n"
TITLE = "[T =     Tilt axis angle = 94.0, binning = 1  spot = 6  camera = 0]\n"
PICTURE = {
    "MinMaxMean": "0 900 289.5",
    "ExposureDose": "3",
    "PixelSpacing": "2.663",
    "RotationAngle": "-176",
    "ExposureTime": "1",
    "Binning": "1",
    "TargetDefocus": "-5",
    "NumSubFrames": "14",
}


def mdoc_text(
    tilts: Sequence[float],
    head: str = HEAD,
    title: str = TITLE,
    frames: str = "Z:\\night\\ts_{:04d}.tif",
    **changed: str,
) -> str:
    """Return an mdoc with a picture for each tilt; `changed` replaces entries of all pictures."""
    sections = []
    for number, tilt in enumerate(tilts):
        values = {"TiltAngle": str(tilt), **PICTURE, **changed}
        if frames:
            values["SubFramePath"] = frames.format(number)
        lines = "".join(f"{key} = {value}\n" for key, value in values.items())
        sections.append(f"[ZValue = {number}]\n{lines}")
    return "\n".join([head, title, *sections])


def write_series(
    folder: Path,
    tilts: Sequence[float] = (0, 3, -3),
    name: str = "G1_L01_ts_001",
    **changed: str,
) -> Path:
    """Write the notes of a series; return the path of its image file, which is empty."""
    stack = folder / f"{name}.mrc"
    stack.write_bytes(b"")
    if "PixelSpacing" in changed:
        changed.setdefault("head", HEAD.replace("2.663", changed["PixelSpacing"]))
    text = mdoc_text(tilts, **changed)
    stack.with_name(f"{stack.name}.mdoc").write_text(text, encoding="utf-8")
    return stack
