"""Folders of nnU-Net models with everything but the numbers, made without torch."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections import OrderedDict
from copy import deepcopy
from pathlib import Path

import numpy as np

LABELS = {"background": 0, "white": 1, "black": 2, "mitos": 3}

DATASET = {"channel_names": {"0": "TEM"}, "labels": LABELS, "numTraining": 7, "file_ending": ".png"}

NETWORK = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "arch_kwargs": {
        "n_stages": 3,
        "features_per_stage": [4, 8, 8],
        "conv_op": "torch.nn.modules.conv.Conv2d",
        "kernel_sizes": [[3, 3]] * 3,
        "strides": [[1, 1], [2, 2], [2, 2]],
        "n_conv_per_stage": [1, 1, 1],
        "n_conv_per_stage_decoder": [1, 1],
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    },
    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
}

PLANS = {
    "dataset_name": "Dataset999_tiny",
    "plans_name": "nnUNetPlans",
    "transpose_forward": [0, 1, 2],
    "label_manager": "LabelManager",
    "configurations": {
        "2d": {
            "patch_size": [32, 32],
            "normalization_schemes": ["ZScoreNormalization"],
            "use_mask_for_norm": [False],
            "architecture": NETWORK,
        },
        "3d_fullres": {"patch_size": [8, 32, 32]},
    },
    "foreground_intensity_properties_per_channel": {"0": {"mean": 90.0, "std": 40.0}},
}


class Numbers:
    """An array of weights as a checkpoint describes it: a call with numbers, offset and shape."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def __reduce__(self):
        # Nothing is called when it is looked at; torch's own function may not be here.
        return np.zeros, (None, 0, self.shape)


def checkpoint_content(**changes: object) -> dict:
    """Return what a checkpoint holds, with changes at its top."""
    return {
        "network_weights": OrderedDict(
            {
                "encoder.stages.0.0.convs.0.conv.weight": Numbers(4, 1, 3, 3),
                "encoder.stages.0.0.convs.0.norm.weight": Numbers(4),
                "decoder.seg_layers.0.weight": Numbers(len(LABELS), 8, 1, 1),
                "decoder.seg_layers.1.weight": Numbers(len(LABELS), 4, 1, 1),
            }
        ),
        "init_args": {"configuration": "2d", "fold": 0, "dataset_json": deepcopy(DATASET)},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1),
        **changes,
    }


def write_checkpoint(path: Path, content: object = None) -> Path:
    """Write a checkpoint in PyTorch's format, without its numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        data = pickle.dumps(checkpoint_content() if content is None else content, protocol=2)
        archive.writestr(f"{path.stem}/data.pkl", data)
        archive.writestr(f"{path.stem}/version", "3\n")
    return path


def write_model(folder: Path, folds: tuple[int | str, ...] = (0,)) -> Path:
    """Write a whole model folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(DATASET), encoding="utf-8")
    (folder / "plans.json").write_text(json.dumps(PLANS), encoding="utf-8")
    for fold in folds:
        write_checkpoint(folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder
