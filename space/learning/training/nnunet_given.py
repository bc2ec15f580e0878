"""The nnU-Net that a training begins with: shipped, published, or trained here."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.learning.training.config import TrainConfig
from space.learning.training.nnunet_plans import CONFIGURATION, multiple_of, plans_like
from space.learning.training.run_folder import BEST, MODEL_FOLDER
from space.models import CARD, DATASET, PLANS, plan_problems, read_labels, read_table
from space.models.card import read_card
from space.models.checkpoint import read_facts
from space.models.description import choose_checkpoint
from space.models.fitness import segmentation_problems
from space.models.plans import configuration_of
from space.models.store import FOLD, folds_in
from space.predicates import is_number
from space.segmentation.loading import load_model, refuse_other_classes
from space.segmentation.one_file import SUFFIX, unpack

KEPT_PLANS = "nnunet_plans.json"
"""In the folder of a training, which is no nnU-Net model itself."""


@dataclass(frozen=True)
class Given:
    """A model to begin with.

    Attributes
    ----------
    path : Path
        The folder of the fold that is taken, or the file.
    plans : dict
        For learning further, with the model's network.
    weights : mapping of str to torch.Tensor
    classes : tuple of str
        In the order of the outputs.
    pixel_nm : float or None
        Pixel of the maps that it knows, if it says so.
    """

    path: Path
    plans: dict[str, Any]
    weights: Mapping[str, Any]
    classes: tuple[str, ...]
    pixel_nm: float | None


def given_model(path: Path, config: TrainConfig) -> Given:
    """Read a model as a worker does: nothing in it is run.

    Parameters
    ----------
    path : Path
        Its folder, that of one of its folds (else the first is taken), the file that it was packed
        into, or the folder of the training that it came from.
    config : TrainConfig

    Raises
    ------
    SpaceError
        If there is none, it cannot be used, or the parts to learn from do not fit its network.
    """
    path = Path(path)
    if path.suffix == SUFFIX and path.is_file():
        with tempfile.TemporaryDirectory() as temporary:
            folder = unpack(path, Path(temporary) / MODEL_FOLDER)
            return replace(given_model(folder, config), path=path)
    folder, fold = place_of_fold(path)
    names = {one.name for one in (folder / f"fold_{fold}").glob("*.pth")}
    checkpoint = choose_checkpoint([names])
    problems = segmentation_problems(folder, (fold,), checkpoint, "torch")
    if problems:
        raise SpaceError(" ".join(problems), str(folder), "Correct --start-from.")
    loaded = load_model(folder, (fold,), checkpoint)
    configuration = read_facts(folder / f"fold_{fold}" / checkpoint).configuration
    plans = _further(read_table(folder / PLANS), configuration, config, str(folder))
    pixel_nm = read_card(folder / CARD).get(
        "pixel_nm", read_table(folder / DATASET).get("pixel_size_nm")
    )
    return Given(
        folder / f"fold_{fold}",
        plans,
        loaded.weights[0],
        tuple(read_labels(folder)),
        float(pixel_nm) if is_number(pixel_nm) and 0.01 <= pixel_nm <= 1e5 else None,
    )


def kept_plans(out: Path, config: TrainConfig) -> dict[str, Any]:
    """Return the plans of a training that goes on."""
    plans = read_table(out / KEPT_PLANS)
    problems = plan_problems(plans, CONFIGURATION)
    if problems:
        raise SpaceError(" ".join(problems), str(out / KEPT_PLANS))
    settings = configuration_of(plans, CONFIGURATION) or {}
    patch_px, batch = settings["patch_size"][0], settings.get("batch_size")
    kept = plans_like(plans, settings, patch_px, batch if isinstance(batch, int) else config.batch)
    _refuse_odd_parts(kept)
    return kept


def place_of_fold(path: Path) -> tuple[Path, int | str]:
    """Return the folder of a model, and the fold that is meant.

    Raises
    ------
    SpaceError
        If there is none.
    """
    if (path / MODEL_FOLDER / DATASET).is_file():
        path = path / MODEL_FOLDER
    match = FOLD.fullmatch(path.name)
    if match:
        return path.parent, match[1] if match[1] == "all" else int(match[1])
    if not path.is_dir():
        raise SpaceError(
            "There is no model of nnU-Net to begin with.", str(path), "Correct --start-from."
        )
    if (path / BEST).is_file():
        raise SpaceError(
            "This is a training of another engine, or one of nnU-Net that has not ended.",
            str(path),
            "Take the engine that it was trained with, or let it end first (--resume).",
        )
    folds = folds_in(one.name for one in path.iterdir() if one.is_dir())
    if not folds:
        raise SpaceError(
            "There is no model of nnU-Net in this folder: it holds no fold with weights.",
            str(path),
            "Name the folder with dataset.json, plans.json and fold_0, or a training that ended.",
        )
    return path, folds[0]


def _further(
    plans: Mapping[str, Any], configuration: str, config: TrainConfig, where: str
) -> dict[str, Any]:
    settings = configuration_of(plans, configuration)
    assert settings is not None, "plans are checked before"
    multiple = multiple_of(settings)
    if config.patch_px % multiple or config.patch_px < 2 * multiple:
        raise SpaceError(
            f"patch_px is {config.patch_px}, which the network of this model cannot halve as often "
            "as it does.",
            where,
            f"Use a multiple of {multiple}, at least {2 * multiple}.",
        )
    return plans_like(plans, settings, config.patch_px, config.batch)


def _refuse_odd_parts(plans: dict[str, Any]) -> None:
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    refuse_other_classes(PlansManager(plans).get_configuration(CONFIGURATION))
