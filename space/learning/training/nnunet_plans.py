"""Plans of nnU-Net: what a network looks like and what it is shown."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

CONFIGURATION = "2d"
"""Maps are single pictures."""

PLANS_NAME = "ownPlans"
_NORMALISATION = "torch.nn.modules.instancenorm.InstanceNorm2d"
_READER = "NaturalImage2DIO"
"""Reads PNG; the pixel is 1 for it, as for workers, which show maps at the model's pixel."""


_OF_NETWORK = (
    "architecture",
    "normalization_schemes",
    "use_mask_for_norm",
    # of nnU-Net before 2.3
    "UNet_class_name",
    "UNet_base_num_features",
    "n_conv_per_stage_encoder",
    "n_conv_per_stage_decoder",
    "num_pool_per_axis",
    "pool_op_kernel_sizes",
    "conv_kernel_sizes",
    "unet_max_num_features",
)


def _resampled(is_labels: bool, order: int) -> dict[str, Any]:
    return {"is_seg": is_labels, "order": order, "order_z": 0, "force_separate_z": None}


_RESAMPLING = {
    "resampling_fn_data": "resample_data_or_seg_to_shape",
    "resampling_fn_data_kwargs": _resampled(False, 3),
    "resampling_fn_seg": "resample_data_or_seg_to_shape",
    "resampling_fn_seg_kwargs": _resampled(True, 1),
    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    "resampling_fn_probabilities_kwargs": _resampled(False, 1),
}


def levels_of(features: Sequence[int]) -> dict[str, Any]:
    """Arguments of nnU-Net's plain U-Net for levels with these features, each half as large."""
    n = len(features)
    return {
        "n_stages": n,
        "features_per_stage": list(features),
        "kernel_sizes": [[3, 3]] * n,
        "strides": [[1, 1]] + [[2, 2]] * (n - 1),
        "n_conv_per_stage": [2] * n,
        "n_conv_per_stage_decoder": [1] * (n - 1),
    }


def small_plans(features: Sequence[int], patch_px: int, batch: int) -> dict[str, Any]:
    """Return plans for a network that two CPU cores can train and run.

    nnU-Net's planner would only be asked for what is not taken: it plans for a graphics card.

    Parameters
    ----------
    features : sequence of int
        Of each level.
    patch_px, batch : int
        Side and number of the parts that make a step.
    """
    settings = {
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": {
                **levels_of(features),
                "conv_op": "torch.nn.modules.conv.Conv2d",
                "conv_bias": True,
                "norm_op": _NORMALISATION,
                "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                "dropout_op": None,
                "dropout_op_kwargs": None,
                "nonlin": "torch.nn.LeakyReLU",
                "nonlin_kwargs": {"inplace": True},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
    }
    return plans_like({}, settings, patch_px, batch)


def plans_like(
    plans: Mapping[str, Any], settings: Mapping[str, Any], patch_px: int, batch: int
) -> dict[str, Any]:
    """Return plans for learning further with the network of a model.

    Only what says how the network is and how grey values are normalised is taken over. The rest is
    nnU-Net's own for pictures whose pixel is not changed any more: nnU-Net looks up by name what
    plans say, and they may come from anywhere.

    Parameters
    ----------
    plans : mapping
        Of the model, without problems (see `plan_problems`).
    settings : mapping
        Its configuration, with what it inherits.
    patch_px, batch : int
        Side and number of the parts that make a step.
    """
    taken = {name: copy.deepcopy(settings[name]) for name in _OF_NETWORK if name in settings}
    return {
        "dataset_name": "",
        "plans_name": PLANS_NAME,
        "original_median_spacing_after_transp": [999.0, 1.0, 1.0],
        "original_median_shape_after_transp": [1, patch_px, patch_px],
        "image_reader_writer": _READER,
        "transpose_forward": list(plans.get("transpose_forward", (0, 1, 2))),
        "transpose_backward": list(plans.get("transpose_backward", (0, 1, 2))),
        "configurations": {
            CONFIGURATION: {
                **taken,
                "data_identifier": f"{PLANS_NAME}_{CONFIGURATION}",
                "preprocessor_name": "DefaultPreprocessor",
                "batch_size": batch,
                "patch_size": [patch_px, patch_px],
                "median_image_size_in_voxels": [float(patch_px)] * 2,
                "spacing": [1.0, 1.0],
                **_RESAMPLING,
                "batch_dice": True,
            }
        },
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": copy.deepcopy(
            plans.get("foreground_intensity_properties_per_channel") or {"0": {}}
        ),
    }


def multiple_of(settings: Mapping[str, Any]) -> int:
    """Return what divides the sides of a picture that a network of these plans takes."""
    design = settings.get("architecture")
    strides = (
        design["arch_kwargs"].get("strides") if design else settings.get("pool_op_kernel_sizes")
    )
    per_axis = zip(*([step, step] if isinstance(step, int) else step for step in strides or ()))
    return max((math.prod(axis) for axis in per_axis), default=1)
