"""The .onnx file of a lamella detector: where it is, and whether it is that of the weights."""

from __future__ import annotations

from pathlib import Path

from space.errors import SpaceError
from space.models.onnx_file import SUFFIX, OnnxFacts, is_onnx, onnx_beside, read_onnx_facts


def detection_onnx(weights: Path) -> tuple[Path, OnnxFacts] | None:
    """Return the .onnx file of a detector and its facts; None if it has none of use.

    Parameters
    ----------
    weights : Path
        A ``.pt`` file, which may be missing where the .onnx is, or an ``.onnx`` file.

    Raises
    ------
    SpaceError
        If the weights are an .onnx file that cannot be used.
    """
    weights = Path(weights)
    if is_onnx(weights):
        return weights, detector_facts(weights)
    path = onnx_path(weights)
    facts = onnx_beside(path, {weights.name: weights})
    return (path, facts) if facts is not None and facts.task == "detect" else None


def onnx_path(weights: Path) -> Path:
    """Return where the .onnx file of a detector's weights is: beside them."""
    return Path(weights).with_suffix(SUFFIX)


def detector_facts(path: Path) -> OnnxFacts:
    """Read the facts of an .onnx file that is named as detector.

    Raises
    ------
    SpaceError
        As `read_onnx_facts`, or if it is a segmentation model.
    """
    facts = read_onnx_facts(path)
    if facts.task != "detect":
        raise SpaceError(
            "This .onnx file is a segmentation model; a detector of lamellae is needed.",
            str(path),
            "Correct detection_weights.",
        )
    return facts
