"""Heat maps in .onnx files: how much each pixel looks like places that people clicked on.

Such a file is no segmentation, though it says the same about itself: its network has one output,
the score of each pixel, and takes pictures of any size.
"""

from __future__ import annotations

from pathlib import Path

from space.errors import SpaceError
from space.models.onnx_file import HEAT, OnnxFacts, fold_output, is_onnx, read_onnx_facts

LEARNED = "learned"
"""What a session calls places that look like those: an entry of target_list."""

HEAT_LABELS = {"background": 0, LEARNED: 1}
HEAT_FOLD = 0
HEAT_OUTPUT = fold_output(HEAT_FOLD)

HEAT_MULTIPLE_PX, HEAT_RIM_PX = 32, 96
"""Sides of what the network is given are multiples of the first; farther than the second from a
pixel nothing matters to it."""

_SETTING = "learned_targets_model"
_DO = f"Correct {_SETTING} in SPACEtomo_config.py: name the model.onnx of a training from clicks."


def heat_problems(path: Path | None) -> list[str]:
    """Return what keeps a model of learned targets from being used, in words."""
    try:
        heat_facts(path)
    except SpaceError as error:
        return [str(error)]
    return []


def heat_facts(path: Path | None) -> OnnxFacts:
    """Read the facts of an .onnx file that is named as model of learned targets.

    Raises
    ------
    SpaceError
        If none is named, it is missing, cannot be used, or is another kind of model.
    """
    if path is None:
        raise SpaceError(
            f'target_list names "{LEARNED}", and {_SETTING} in SPACEtomo_config.py names no model.',
            do="Name the model.onnx of a training from clicks there (docs/clicks.md).",
        )
    if not is_onnx(path):
        raise SpaceError("The model of learned targets is no .onnx file.", str(path), _DO)
    if not Path(path).is_file():
        raise SpaceError("The model of learned targets is missing.", str(path), _DO)
    facts = read_onnx_facts(path)
    if facts.task != HEAT:
        raise SpaceError("This .onnx file is no heat map of learned targets.", str(path), _DO)
    return facts
