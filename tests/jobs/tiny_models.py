"""Random-weight models of the real kinds, small enough to be made within a test."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

from tests.models.nnunet_files import NETWORK

LABELS = {"background": 0, "white": 1, "cell": 2, "lamella": 3}


def make_segmentation_model(
    folder: Path,
    folds: tuple[int | str, ...] = (0,),
    patch_px: int = 32,
    scheme: str = "ZScoreNormalization",
    use_mask: bool = False,
    seed: int = 0,
    change: Callable[[dict, dict], None] | None = None,
) -> Path:
    """Write an nnU-Net v2 model folder with random weights.

    `change` is called with the plans and their configuration 2d before the network is built.
    """
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    settings = {
        "data_identifier": "nnUNetPlans_2d",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [patch_px, patch_px],
        "median_image_size_in_voxels": [64.0, 64.0],
        "spacing": [1.0, 1.0],
        "normalization_schemes": [scheme],
        "use_mask_for_norm": [use_mask],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg_kwargs": {**resampling, "is_seg": True, "order": 1},
        "resampling_fn_probabilities_kwargs": {**resampling, "order": 1},
        "architecture": deepcopy(NETWORK),
        "batch_dice": True,
    }
    plans = {
        "dataset_name": "Dataset999_tiny",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [999.0, 1.0, 1.0],
        "original_median_shape_after_transp": [1, 64, 64],
        "image_reader_writer": "NaturalImage2DIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"2d": settings},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": {
                "max": 255.0,
                "mean": 90.0,
                "median": 90.0,
                "min": 0.0,
                "std": 40.0,
                "percentile_00_5": 5.0,
                "percentile_99_5": 240.0,
            }
        },
    }
    dataset = {
        "channel_names": {"0": "grey"},
        "labels": LABELS,
        "numTraining": 1,
        "file_ending": ".png",
    }
    if change is not None:
        change(plans, settings)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    (folder / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")
    manager = PlansManager(plans)
    for number, fold in enumerate(folds):
        torch.manual_seed(seed + number)
        network = nnUNetTrainer.build_network_architecture(
            manager, manager.get_configuration("2d"), 1, len(LABELS), enable_deep_supervision=False
        )
        path = folder / f"fold_{fold}" / "checkpoint_final.pth"
        path.parent.mkdir(exist_ok=True)
        checkpoint = {
            "network_weights": network.state_dict(),
            "init_args": {"configuration": "2d", "fold": fold},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": (0, 1),
        }
        torch.save(checkpoint, path)
    return folder


def make_detection_model(path: Path, names: tuple[str, ...] = ("broken", "good")) -> Path:
    """Write a YOLOv8 detection model with random weights (nothing is downloaded)."""
    import os

    os.environ.setdefault("YOLO_OFFLINE", "true")
    import torch
    import yaml
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    description = YOLO("yolov8n.yaml").model.yaml
    description = {**description, "nc": len(names), "scale": "n"}
    source = path.with_name("yolov8n.yaml")
    source.write_text(yaml.safe_dump(description), encoding="utf-8")
    model = YOLO(str(source), task="detect")
    assert isinstance(model.model, DetectionModel)
    model.model.names = dict(enumerate(names))
    model.save(str(path))
    return path


CONFIG = """
detection_weights = "models/lamella_detector/weights.pt"
detection_pixel_nm = 400
detection_window_px = {window}
categories = {{"broken": ("#EC8A29", 0), "good": ("#55963A", 1)}}
segmentation_model = "models/lamella_segmentation"
segmentation_folds = [0]
segmentation_pixel_nm = 16
runs_per_gpu = 1
"""


def write_config(space_dir: Path, window_px: int = 128) -> None:
    """Write a SPACEtomo_config.py for the models of this module."""
    text = CONFIG.format(window=window_px)
    (space_dir / "SPACEtomo_config.py").write_text(text, encoding="utf-8")
