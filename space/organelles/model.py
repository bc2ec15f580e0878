"""A trained network as a file, and what it says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.files import is_name
from space.learning import read_weights, run_folder
from space.organelles.network import unet3d
from space.predicates import is_number, is_whole

FORMAT = "SPACEtomo volume model 1"
MODEL = "model.pt"

_MOST_LEVELS, _MOST_FEATURES = 6, 512


@dataclass(frozen=True)
class VolumeModel:
    """What a network for volumes says about itself.

    Attributes
    ----------
    classes : tuple of str
        What it finds, without the class of what has no label.
    features : tuple of int
        Of each level.
    voxel_nm : tuple of float
        Size of the voxels that it has learned from: z, y, x.
    """

    classes: tuple[str, ...]
    features: tuple[int, ...]
    voxel_nm: tuple[float, float, float]

    def to_dict(self) -> dict[str, Any]:
        """Return what is kept beside the weights."""
        return {
            "format": FORMAT,
            "classes": list(self.classes),
            "features": list(self.features),
            "voxel_nm": list(self.voxel_nm),
        }


def model_path(path: Path) -> Path:
    """Return the file of a model that is named by itself or by the folder of its training."""
    path = Path(path)
    if not path.is_dir():
        return path
    for name in (MODEL, run_folder.BEST):
        if (path / name).is_file():
            return path / name
    raise SpaceError("There is no model in this folder.", str(path), f"Name a {MODEL}.")


def read_model(path: Path) -> tuple[VolumeModel, Mapping[str, Any]]:
    """Read a model; nothing of the file is run.

    Returns
    -------
    VolumeModel
    mapping
        The weights.

    Raises
    ------
    SpaceError
        If it is none.
    """
    path = model_path(path)
    kept = read_weights(path)
    if kept.get("format") != FORMAT:
        raise SpaceError(
            "This is no model for volumes.",
            str(path),
            "Name the folder of a training by spacetomo volume train.",
        )
    classes, features, voxel = (kept.get(name) for name in ("classes", "features", "voxel_nm"))
    fits = (
        isinstance(classes, list)
        and classes
        and all(isinstance(one, str) and is_name(one) for one in classes)
        and isinstance(features, list)
        and 2 <= len(features) <= _MOST_LEVELS
        and all(is_whole(one) and 1 <= one <= _MOST_FEATURES for one in features)
        and isinstance(voxel, list)
        and len(voxel) == 3
        and all(is_number(one) and one > 0 for one in voxel)
    )
    if not fits:
        raise SpaceError("What this model says about itself cannot be.", str(path))
    assert isinstance(classes, list)
    assert isinstance(features, list)
    assert isinstance(voxel, list)
    z, y, x = map(float, voxel)
    return VolumeModel(tuple(classes), tuple(features), (z, y, x)), kept["network"]


def network_of(model: VolumeModel, weights: Mapping[str, Any], where: str = "") -> Any:
    """Return the network with its weights, ready to predict.

    Raises
    ------
    SpaceError
        If the weights are of another network.
    """
    network = unet3d(model.features, len(model.classes) + 1)
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        line = (str(error).splitlines() or [""])[0][:200]
        raise SpaceError(f"The weights do not fit: {line}", where) from error
    return network.eval()
