"""A trained heat map as an .onnx file that a session takes as its learned_targets_model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from space import __version__
from space.learning.training.config import TrainConfig
from space.learning.training.run_folder import BEST, MODEL
from space.learning.training.samples import SCHEME
from space.models import HEAT, METADATA_KEY, NetworkPlan, OnnxFacts, facts_as_text
from space.models.heat_file import HEAT_FOLD, HEAT_LABELS, HEAT_MULTIPLE_PX, HEAT_OUTPUT
from space.onnx_writing import INPUT, onnx_model, save_onnx
from space.trust import file_hash


def write_heat_model(config: TrainConfig, network: Any, pixel_nm: float | None) -> Path:
    """Write the model of a run; sides of what it is given are multiples of `HEAT_MULTIPLE_PX`.

    Raises
    ------
    SpaceError
        If onnx is missing, or the network cannot be written as ONNX.
    """
    import torch

    side_px = max(config.patch_px, 8 * HEAT_MULTIPLE_PX)
    facts = OnnxFacts(
        HEAT,
        {BEST: file_hash(config.out / BEST)},
        converter=__version__,
        pixel_nm=pixel_nm,
        trained_on=config.trained_on,
        labels=dict(HEAT_LABELS),
        plan=NetworkPlan((side_px, side_px), SCHEME, False, {}, False),
        folds=(HEAT_FOLD,),
    )
    sides = {0: "tiles", 2: "rows", 3: "columns"}
    example = torch.zeros((1, 1, side_px, side_px))
    varying = {INPUT: sides, HEAT_OUTPUT: sides}
    model = onnx_model(network.eval(), example, [HEAT_OUTPUT], varying, config.out)
    save_onnx(model, config.out / MODEL, {METADATA_KEY: facts_as_text(facts)})
    return config.out / MODEL
