"""Training of one's own models: needs the extras ``predict`` and ``learn``."""

from space.learning.training import run_folder
from space.learning.training.config import ENGINES, TrainConfig, read_train_config
from space.learning.training.detection_network import write_detector
from space.learning.training.engines import train
from space.learning.training.gentle import gentle_transforms
from space.learning.training.hardware import device_for, precision_for
from space.learning.training.logs import LOGS, refuse_missing
from space.learning.training.loop import DICE, Epoch, Learner, go_through
from space.learning.training.network import Loss, begin_with, read_weights, unet
from space.learning.training.nnunet_plans import levels_of
from space.learning.training.onnx_check import onnx_agreement
from space.learning.training.progress import Course
from space.learning.training.run_folder import read_metrics
from space.learning.training.samples import IGNORED, Shown, batch, normalised, places_of

__all__ = [
    "DICE",
    "ENGINES",
    "IGNORED",
    "LOGS",
    "Course",
    "Epoch",
    "Learner",
    "Loss",
    "Shown",
    "TrainConfig",
    "batch",
    "begin_with",
    "device_for",
    "gentle_transforms",
    "go_through",
    "levels_of",
    "normalised",
    "onnx_agreement",
    "places_of",
    "precision_for",
    "read_metrics",
    "read_train_config",
    "read_weights",
    "refuse_missing",
    "run_folder",
    "train",
    "unet",
    "write_detector",
]
