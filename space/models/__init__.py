"""What the files of models say, read without the packages that run them."""

from space.models.card import CARD, SIMULATED, is_simulated_only
from space.models.checkpoint import CheckpointFacts, read_facts
from space.models.class_table import read_labels, read_table
from space.models.fitness import class_doubt, detection_problems, segmentation_problems
from space.models.place import DATASET, PLANS
from space.models.plans import SCHEMES, NetworkPlan, network_plan, plan_problems
from space.models.presets import PRESETS, Preset, used_folds
from space.models.yolo import NO_DETECTOR, refuse_other_tasks

__all__ = [
    "CARD",
    "DATASET",
    "NO_DETECTOR",
    "PLANS",
    "PRESETS",
    "SCHEMES",
    "SIMULATED",
    "CheckpointFacts",
    "NetworkPlan",
    "Preset",
    "class_doubt",
    "detection_problems",
    "is_simulated_only",
    "network_plan",
    "plan_problems",
    "read_facts",
    "read_labels",
    "read_table",
    "refuse_other_tasks",
    "segmentation_problems",
    "used_folds",
]
