"""A segmentation model at a path, as what is compared or asked for proposals."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from space.config import Config
from space.errors import SpaceError
from space.learning.comparing import Candidate
from space.learning.loading import Segmentation, load_model


def load_candidate(model: Path, preset: str) -> Candidate:
    """Load a model.

    Parameters
    ----------
    model : Path
        Whatever `load_model` takes, if it labels pixels.
    preset : str
        How it looks at a picture: one of `space.models.PRESETS`.

    Raises
    ------
    SpaceError
        If there is none, or it cannot be used.
    """
    from space.segmentation.structure import tidied

    loaded = load_model(model, preset=preset)
    if not isinstance(loaded, Segmentation):
        raise SpaceError("This is a detector of boxes; a segmentation model is needed.", str(model))
    names = loaded.classes

    def in_session(labels: np.ndarray, shown_nm: float, picture: np.ndarray) -> np.ndarray:
        return tidied(labels, names, shown_nm, picture=picture)

    return Candidate(
        str(model),
        loaded.run,
        names,
        loaded.pixel_nm,
        loaded.run_with_confidence,
        in_session if Config.tidy_segmentation else None,
    )
