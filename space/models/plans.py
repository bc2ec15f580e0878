"""The plans.json of an nnU-Net model: what it says about the network, and whether that fits.

nnU-Net imports what plans name, and calls it with what plans give. So a file of plans could run
anything, unless only names of networks and their parts are let through, as here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from space.errors import shown
from space.predicates import is_number, is_whole

SCHEMES = (
    "ZScoreNormalization",
    "CTNormalization",
    "NoNormalization",
    "RescaleTo01Normalization",
    "RGBTo01Normalization",
)
"""Normalisation schemes of nnU-Net, by name."""

NETWORK_NAME = re.compile(
    r"dynamic_network_architectures\.architectures\.[a-z][a-z0-9_]*\.[A-Z]\w*"
)
"""Full names that a network may have. A name may not lead through one module into another: the
class is looked up step by step, and modules hold what they import."""

PART_NAME = re.compile(
    r"(torch\.nn\.(modules\.[a-z]+\.)?|dynamic_network_architectures\.building_blocks\.[a-z_]+\.)"
    r"[A-Z]\w*"
)
"""Full names that a part of a network may have: convolution, normalisation and so on."""

_OLD_NETWORKS = ("PlainConvUNet", "ResidualEncoderUNet")
SMALLEST_PATCH_PX, LARGEST_PATCH_PX = 8, 4096
_MOST_FEATURES = 8192
CT_NUMBERS = ("mean", "std", "percentile_00_5", "percentile_99_5")


@dataclass(frozen=True)
class NetworkPlan:
    """What the plans say about the pictures that a network sees.

    Attributes
    ----------
    patch_px : tuple of int
        Rows and columns of a tile.
    scheme : str
        Name of the normalisation, one of `SCHEMES`.
    use_mask : bool
        Whether only the area with data is normalised.
    intensities : dict of str to float
        Statistics of the training pictures (normalisation of CT kind uses them).
    axes_swapped : bool
        Whether the network sees columns as rows.
    """

    patch_px: tuple[int, int]
    scheme: str
    use_mask: bool
    intensities: dict[str, float]
    axes_swapped: bool


def plan_problems(plans: Mapping[str, Any], configuration: str) -> list[str]:
    """Return what keeps a network that was made by these plans from being used for maps.

    Parameters
    ----------
    plans : mapping
        What a plans.json holds.
    configuration : str
        The one that the weights were trained in.

    Returns
    -------
    list of str
        One sentence for each; empty when all is well.
    """
    known = plans.get("configurations")
    if not isinstance(known, dict) or not known:
        return ["plans.json holds no configurations, so it was not written by nnU-Net."]
    if configuration not in known:
        return [
            f"plans.json has no configuration {shown(configuration)}, only "
            f"{', '.join(str(name)[:30] for name in list(known)[:6])}. Maps are single pictures: "
            "use a model that was trained in the configuration 2d."
        ]
    settings = configuration_of(plans, configuration)
    if settings is None:
        return [f"In plans.json, the configuration {configuration} inherits from none there."]
    return [
        *_patch_problems(settings, configuration),
        *_picture_problems(plans, settings),
        *_network_problems(settings),
    ]


def configuration_of(plans: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return a configuration with what it inherits; None if that leads nowhere."""
    merged: dict[str, Any] = {}
    seen: list[str] = []
    while True:
        settings = plans["configurations"].get(name)
        if not isinstance(settings, dict) or name in seen:
            return None
        seen.append(name)
        merged = {**settings, **merged}
        parent = settings.get("inherits_from")
        if parent is None:
            return merged
        if not isinstance(parent, str):
            return None
        name = parent


def network_plan(plans: Mapping[str, Any], configuration: str) -> NetworkPlan:
    """Return what plans without problems say about the pictures that the network sees."""
    settings = configuration_of(plans, configuration)
    assert settings is not None, "plans are checked before"
    rows, cols = settings["patch_size"]
    order = [axis for axis in plans.get("transpose_forward", (0, 1, 2)) if axis != 0]
    return NetworkPlan(
        (int(rows), int(cols)),
        settings["normalization_schemes"][0],
        bool(settings["use_mask_for_norm"][0]),
        plans.get("foreground_intensity_properties_per_channel", {}).get("0", {}),
        order == [2, 1],
    )


def _patch_problems(settings: Mapping[str, Any], configuration: str) -> list[str]:
    patch = settings.get("patch_size")
    if not isinstance(patch, list) or not all(is_whole(n) for n in patch):
        return [f"plans.json gives no usable patch size ({shown(patch)})."]
    if len(patch) != 2:
        return [
            f"The configuration {configuration} is for pictures of {len(patch)} dimensions. Maps "
            "have two: use a model that was trained in the configuration 2d."
        ]
    if not all(SMALLEST_PATCH_PX <= n <= LARGEST_PATCH_PX for n in patch):
        return [
            f"plans.json gives a patch of {shown(patch)} pixels; {SMALLEST_PATCH_PX} to "
            f"{LARGEST_PATCH_PX} can be used."
        ]
    if settings.get("previous_stage") is not None:
        return ["It is the second stage of a cascade. Use a model that needs pictures only."]
    return []


def _picture_problems(plans: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    schemes, masks = settings.get("normalization_schemes"), settings.get("use_mask_for_norm")
    if not isinstance(schemes, list) or not isinstance(masks, list) or not masks:
        return ["plans.json does not say how pictures are normalised."]
    problems = []
    if len(schemes) != 1:
        problems.append(
            f"plans.json normalises {len(schemes)} channels, but a map has one. Use a model that "
            "was trained on single grey pictures."
        )
    elif schemes[0] not in SCHEMES:
        problems.append(
            f"plans.json names the normalisation {shown(schemes[0])}. Known are nnU-Net's own: "
            f"{', '.join(SCHEMES)}."
        )
    elif schemes[0] == "CTNormalization":
        channels = plans.get("foreground_intensity_properties_per_channel")
        numbers = channels.get("0") if isinstance(channels, dict) else None
        if not isinstance(numbers, dict) or not all(_is_real(numbers.get(n)) for n in CT_NUMBERS):
            problems.append(f"plans.json lacks the intensities that {schemes[0]} needs.")
    order = plans.get("transpose_forward", [0, 1, 2])
    if not isinstance(order, list) or [n for n in order if n != 0] not in ([1, 2], [2, 1]):
        problems.append(
            f"plans.json gives the axis order {shown(order)}, which does not fit pictures."
        )
    return problems


def _network_problems(settings: Mapping[str, Any]) -> list[str]:
    design = settings.get("architecture")
    if design is None:
        old = settings.get("UNet_class_name")  # plans of nnU-Net before 2.3
        return [] if old in _OLD_NETWORKS else [f"plans.json describes no network ({shown(old)})."]
    if not isinstance(design, dict) or not isinstance(design.get("arch_kwargs"), dict):
        return ["plans.json describes no network."]
    name, parts = design.get("network_class_name"), design["arch_kwargs"]
    problems = []
    if not isinstance(name, str) or not NETWORK_NAME.fullmatch(name):
        problems.append(_refused(name))
    imported = design.get("_kw_requires_import")
    if not isinstance(imported, list) or not all(isinstance(key, str) for key in imported):
        return [*problems, "plans.json does not say which parts of the network are imported."]
    for key in imported:
        part = parts.get(key)
        if part is not None and not (isinstance(part, str) and PART_NAME.fullmatch(part)):
            problems.append(_refused(part))
    return problems + _size_problems(settings["patch_size"], parts)


def _refused(name: object) -> str:
    return (
        f"plans.json names {shown(name)} as part of the network, which is refused: it is "
        "not from torch.nn or dynamic_network_architectures, and could run anything. Use "
        "plans.json as nnU-Net wrote it."
    )


def _size_problems(patch: object, parts: Mapping[str, Any]) -> list[str]:
    features, strides = parts.get("features_per_stage"), parts.get("strides")
    if isinstance(features, list) and not all(_is_in(n, 1, _MOST_FEATURES) for n in features):
        return [f"plans.json gives a stage of the network {shown(features)} features."]
    if not isinstance(strides, list) or not isinstance(patch, list) or len(patch) != 2:
        return []
    if not all(_is_stride(step) for step in strides):
        return [f"plans.json gives strides that no network for pictures has: {shown(strides)}."]
    whole = [math.prod(step[axis] for step in strides) for axis in (0, 1)]
    if any(is_whole(n) and n % step for n, step in zip(patch, whole)):
        return [f"plans.json gives a patch of {patch} pixels, which {whole} must divide."]
    return []


def _is_stride(step: object) -> bool:
    return isinstance(step, list) and len(step) == 2 and all(_is_in(n, 1, 99) for n in step)


def _is_in(value: object, least: int, most: int) -> bool:
    return is_whole(value) and least <= value <= most


def _is_real(value: object) -> bool:
    return is_number(value) and abs(value) < 1e12
