"""What the files of models say, read without the packages that run them.

`space.models.fitness` looks into weights; it is imported where that is done, not at each start.
"""

from space.models.card import CARD, SIMULATED, is_simulated_only
from space.models.class_table import read_table
from space.models.detector_file import detection_onnx, detector_facts, onnx_path
from space.models.heat_file import HEAT_LABELS, LEARNED, heat_facts, heat_problems
from space.models.onnx_file import (
    HEAT,
    METADATA_KEY,
    SEGMENTATION_ONNX,
    OnnxFacts,
    facts_as_text,
    fold_output,
    is_onnx,
    onnx_beside,
    read_labels,
    read_onnx_facts,
    segmentation_files,
    segmentation_onnx,
)
from space.models.place import DATASET, PLANS
from space.models.plans import SCHEMES, NetworkPlan, network_plan, plan_problems
from space.models.presets import PRESETS, Preset, used_folds
from space.models.yolo import NO_DETECTOR, refuse_other_tasks

__all__ = [
    "CARD",
    "DATASET",
    "HEAT",
    "HEAT_LABELS",
    "LEARNED",
    "METADATA_KEY",
    "NO_DETECTOR",
    "PLANS",
    "PRESETS",
    "SCHEMES",
    "SEGMENTATION_ONNX",
    "SIMULATED",
    "NetworkPlan",
    "OnnxFacts",
    "Preset",
    "detection_onnx",
    "detector_facts",
    "facts_as_text",
    "fold_output",
    "heat_facts",
    "heat_problems",
    "is_onnx",
    "is_simulated_only",
    "network_plan",
    "onnx_beside",
    "onnx_path",
    "plan_problems",
    "read_labels",
    "read_onnx_facts",
    "read_table",
    "refuse_other_tasks",
    "segmentation_files",
    "segmentation_onnx",
    "used_folds",
]
