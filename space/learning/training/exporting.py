"""A trained network as an .onnx file that a session takes as its segmentation model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from space import __version__
from space.learning.training.config import TrainConfig
from space.learning.training.run_folder import BEST, MODEL
from space.learning.training.samples import SCHEME, Classes
from space.models import METADATA_KEY, NetworkPlan, OnnxFacts, facts_as_text, fold_output
from space.onnx_writing import INPUT, onnx_model, save_onnx
from space.trust import file_hash

_FOLD = 0
_MIRRORED = (0, 1)


def write_model(
    out: Path, network: Any, config: TrainConfig, classes: Classes, pixel_nm: float | None
) -> Path:
    """Write the model of a run from its best network.

    Raises
    ------
    SpaceError
        If onnx is missing, or the network cannot be written as ONNX.
    """
    import torch

    output = fold_output(_FOLD)
    facts = OnnxFacts(
        "segment",
        {BEST: file_hash(out / BEST)},
        converter=__version__,
        pixel_nm=pixel_nm,
        trained_on=config.trained_on,
        labels=dict(classes.values),
        plan=NetworkPlan((config.patch_px, config.patch_px), SCHEME, False, {}, False),
        mirroring_axes=_MIRRORED,
        folds=(_FOLD,),
    )
    example = torch.zeros((1, 1, config.patch_px, config.patch_px))
    model = onnx_model(
        network.eval(), example, [output], {INPUT: {0: "tiles"}, output: {0: "tiles"}}, out
    )
    save_onnx(model, out / MODEL, {METADATA_KEY: facts_as_text(facts)})
    return out / MODEL
