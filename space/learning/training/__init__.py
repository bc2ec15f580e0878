"""Training of one's own models: needs the extras ``predict`` and ``learn``."""

from space.learning.training.config import ENGINES, TrainConfig, read_train_config
from space.learning.training.detection_network import write_detector
from space.learning.training.engines import train
from space.learning.training.gentle import gentle_transforms
from space.learning.training.loop import Epoch
from space.learning.training.nnunet_plans import levels_of
from space.learning.training.onnx_check import onnx_agreement
from space.learning.training.run_folder import read_metrics

__all__ = [
    "ENGINES",
    "Epoch",
    "TrainConfig",
    "gentle_transforms",
    "levels_of",
    "onnx_agreement",
    "read_metrics",
    "read_train_config",
    "train",
    "write_detector",
]
