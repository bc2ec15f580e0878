"""A segmentation model at a path, as what is compared or asked for proposals."""

from __future__ import annotations

from pathlib import Path

from space.config import Config
from space.learning.comparing import Candidate
from space.models import PRESETS, read_labels, used_folds
from space.models.description import describe
from space.models.store import place_of


def load_candidate(model: Path, preset: str) -> Candidate:
    """Load a model.

    Parameters
    ----------
    model : Path
        An .onnx file or a folder of nnU-Net.
    preset : str
        How it looks at a picture: one of `space.models.PRESETS`.

    Raises
    ------
    SpaceError
        If there is none, or it cannot be used.
    """
    from space.segmentation import Segmenter

    names = read_labels(model)
    folds = used_folds(preset, model, (0,), Config.segmentation_checkpoint)
    segmenter = Segmenter(model, folds, preset=PRESETS[preset])
    pixel_nm = describe(place_of(model)).pixel_nm
    return Candidate(str(model), segmenter.segment, names, pixel_nm)
