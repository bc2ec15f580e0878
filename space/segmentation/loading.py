"""Loading an nnU-Net model (worker side: needs torch, nnunetv2).

Only the network is made by nnU-Net. Weights are read as plain data (`space.weights`), JSON files
by the checks of `space.models`, so nothing in a model's folder is run, and what nnU-Net looks up
by names from these files is let through by those checks only.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.models import (
    PLANS,
    NetworkPlan,
    network_plan,
    plan_problems,
    read_labels,
    read_table,
)
from space.segmentation.memory import is_memory_full
from space.weights import load_checkpoint

log = logging.getLogger("space.segmentation")

_USUAL_TRAINER = "nnUNetTrainer"


@dataclass(frozen=True)
class LoadedModel:
    """A network and what belongs to it, on the CPU.

    Attributes
    ----------
    network : torch.nn.Module
        With the weights of the first fold.
    weights : tuple of dict
        One for each fold.
    plan : NetworkPlan
    mirroring_axes : tuple of int
        Axes of a picture along which mirrored copies may be averaged.
    """

    network: Any
    weights: tuple[Mapping[str, Any], ...]
    plan: NetworkPlan
    mirroring_axes: tuple[int, ...]


def load_model(folder: Path, folds: Sequence[int | str], checkpoint: str) -> LoadedModel:
    """Load a model whose files were checked (see `segmentation_problems`).

    Raises
    ------
    SpaceError
        If a package is missing or the weights do not fit the network.
    """
    parts = [load_checkpoint(Path(folder) / f"fold_{fold}" / checkpoint) for fold in folds]
    plans = read_table(Path(folder) / PLANS)
    configuration, trainer = parts[0]["init_args"]["configuration"], parts[0]["trainer_name"]
    problems = plan_problems(plans, configuration)
    if problems:
        raise SpaceError(" ".join(problems), str(folder))
    classes = len(read_labels(folder))
    try:
        network = _network(plans, configuration, trainer, classes)
        for part in parts[::-1]:  # each is tried, and the first one stays
            network.load_state_dict(_without_wrapper(part["network_weights"]))
    except ImportError as error:
        raise SpaceError(
            f"A package for segmentation is missing here ({error}).",
            do='In the folder of the project, run pip install -e ".[predict]"',
        ) from error
    except SpaceError:
        raise
    except Exception as error:  # whatever building a network from a foreign description may raise
        if is_memory_full(error):
            raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise SpaceError(
            f"The weights of the segmentation model do not fit its plans.json ({first}).",
            str(folder),
            "Use the plans.json that belongs to these weights"
            + ("." if trainer == _USUAL_TRAINER else f", and install their trainer {trainer}."),
        ) from error
    return LoadedModel(
        network.eval(),
        tuple(_without_wrapper(part["network_weights"]) for part in parts),
        network_plan(plans, configuration),
        tuple(parts[0].get("inference_allowed_mirroring_axes") or ()),
    )


def _network(plans: dict[str, Any], configuration: str, trainer: str, classes: int) -> Any:
    """Build the network as the trainer does that made it."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        manager = PlansManager(plans)
        settings = manager.get_configuration(configuration)
        refuse_other_classes(settings)
        design: tuple[Any, ...] = (
            settings.network_arch_class_name,
            settings.network_arch_init_kwargs,
            settings.network_arch_init_kwargs_req_import,
        )
        build = None if trainer == _USUAL_TRAINER else _builder(trainer)
        if build is None:
            return get_network_from_plans(*design, 1, classes, deep_supervision=False)
        if "plans_manager" in inspect.signature(build).parameters:
            design = (manager, settings)
        return build(*design, 1, classes, enable_deep_supervision=False)


def _builder(trainer: str) -> Any:
    """Return how another trainer than the usual one builds its network; None if it is not there.

    Most trainers change how a network is trained, and not what it is.
    """
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    try:
        return recursive_find_trainer_class_by_name(trainer).build_network_architecture
    except (RuntimeError, AssertionError, TypeError, ImportError):
        log.warning(
            "The trainer %s is not installed here: the network is built as plans.json describes "
            "it, which is right for most trainers.",
            trainer,
        )
        return None


def refuse_other_classes(settings: Any) -> None:
    """See that the names in the plans stand for parts of networks and nothing else."""
    import pydoc

    from torch.nn import Module

    parts = settings.network_arch_init_kwargs
    for name in (parts.get(key) for key in settings.network_arch_init_kwargs_req_import):
        if name is not None and not _is_part(pydoc.locate(name), Module):
            raise SpaceError(
                f"{name} in plans.json is not a known part of a network.",
                do="Use plans.json as nnU-Net wrote it, and the nnunetv2 that the model needs.",
            )
    whole = pydoc.locate(settings.network_arch_class_name)
    if whole is not None and not _is_part(whole, Module):  # nnU-Net looks elsewhere for None
        raise SpaceError(f"{settings.network_arch_class_name} in plans.json is not a network.")


def _is_part(found: object, kind: type) -> bool:
    return isinstance(found, type) and issubclass(found, kind)


def _without_wrapper(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return weights by their plain names: wrappers for training put prefixes before them."""
    return {
        name.removeprefix("module.").removeprefix("_orig_mod."): value
        for name, value in weights.items()
    }
