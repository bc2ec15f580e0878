"""Where files of a correction are: beside the segmentation."""

from __future__ import annotations

from pathlib import Path

_MODEL_ENDING = "_seg"


def correction_path(segmentation: Path) -> Path:
    """Return the file that says what was corrected on a segmentation."""
    stem = Path(segmentation).stem.removesuffix(_MODEL_ENDING)
    return Path(segmentation).with_name(f"{stem}_corrected.json")


def mask_path(segmentation: Path, name: str) -> Path:
    """Return where a mask that a person has taken is kept."""
    return correction_path(segmentation).with_name(
        f"{correction_path(segmentation).stem}_mask_{name}.png"
    )
