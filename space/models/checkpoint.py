"""What an nnU-Net checkpoint says about itself, read without torch and without running it.

A checkpoint is a zip archive of numbers with a pickle that describes them. The pickle is read with
stand-ins in place of everything that it would import, so it can do nothing but be looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.models.looker import SHAPE, StandIn, look_into

_HEADS = re.compile(r"decoder\.seg_layers\.\d+\.weight")
_CONVOLUTION_3D = 5
"""Dimensions of the weights of a convolution in 3-D: out, in, and three of the kernel."""


@dataclass(frozen=True)
class CheckpointFacts:
    """What a checkpoint says about itself; what it does not say is empty or None.

    Attributes
    ----------
    trainer, configuration : str
        Names of nnU-Net's trainer and of the configuration in the plans.
    dataset : dict
        The dataset.json that it was trained with.
    classes : int or None
        Outputs of the network.
    channels : int or None
        Inputs of the network.
    is_3d : bool
    """

    trainer: str
    configuration: str
    dataset: dict[str, Any]
    classes: int | None
    channels: int | None
    is_3d: bool


def read_facts(path: Path) -> CheckpointFacts:
    """Read what a checkpoint says about itself.

    Raises
    ------
    SpaceError
        If it is cut off, damaged, or no checkpoint of nnU-Net.
    """
    content = look_into(path)
    facts = _facts(content) if isinstance(content, dict) else None
    if facts is None or not (
        facts.trainer and facts.configuration and content.get("network_weights")
    ):
        raise SpaceError(
            "This is not a checkpoint of nnU-Net v2.",
            str(path),
            "Copy the model's own file there.",
        )
    return facts


def _facts(content: Mapping[Any, Any]) -> CheckpointFacts:
    given = content.get("init_args")
    given = given if isinstance(given, dict) else {}
    dataset = given.get("dataset_json")
    shapes = dict(_shapes(content.get("network_weights")))
    heads = {shape[0] for name, shape in shapes.items() if _HEADS.fullmatch(name)}
    kernels = [shape for shape in shapes.values() if len(shape) >= 4]
    return CheckpointFacts(
        _text(content.get("trainer_name")),
        _text(given.get("configuration")),
        dataset if isinstance(dataset, dict) else {},
        heads.pop() if len(heads) == 1 else None,
        kernels[0][1] if kernels else None,
        bool(kernels) and all(len(shape) >= _CONVOLUTION_3D for shape in kernels),
    )


def _shapes(weights: object) -> Iterable[tuple[str, tuple[int, ...]]]:
    """Yield name and shape of each array of a network, in its order."""
    for name, value in weights.items() if isinstance(weights, dict) else ():
        shape = value.given[SHAPE] if isinstance(value, StandIn) and value.given else ()
        if isinstance(name, str) and shape and all(isinstance(n, int) for n in shape):
            yield name, shape


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) < 200 and value.isprintable() else ""
