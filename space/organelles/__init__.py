"""What is in a volume: networks that learn it from a part, and predict it block by block.

Needs the extras ``predict`` and ``tomo``; torch is imported where it is used.
"""

from space.organelles.clahe import Tables, evened, tables_of
from space.organelles.config import VolumeConfig, read_volume_config
from space.organelles.entries import Entry, LabelFile, classes_of, read_entries
from space.organelles.evaluating import counted, scores_of
from space.organelles.label_borders import borders, excluded
from space.organelles.model import VolumeModel, network_of, read_model
from space.organelles.network import labels_of, loss_of, multiple_of, reach_of, shares_of, unet3d
from space.organelles.prediction import (
    Prediction,
    begin_prediction,
    blocks_left,
    do_block,
    do_blocks,
    finish,
    predicted_block,
    read_prediction,
)
from space.organelles.preview import write_sections, write_shares
from space.organelles.runs import Run, runs_in, table_of
from space.organelles.samples import Greys, batch, greys_of, shown_of
from space.organelles.scoring import Evaluation, PredictedLabels, evaluate_prediction
from space.organelles.training import train_volumes

__all__ = [
    "Entry",
    "Evaluation",
    "Greys",
    "LabelFile",
    "PredictedLabels",
    "Prediction",
    "Run",
    "Tables",
    "VolumeConfig",
    "VolumeModel",
    "batch",
    "begin_prediction",
    "blocks_left",
    "borders",
    "classes_of",
    "counted",
    "do_block",
    "do_blocks",
    "evaluate_prediction",
    "evened",
    "excluded",
    "finish",
    "greys_of",
    "labels_of",
    "loss_of",
    "multiple_of",
    "network_of",
    "predicted_block",
    "reach_of",
    "read_entries",
    "read_model",
    "read_prediction",
    "read_volume_config",
    "runs_in",
    "scores_of",
    "shares_of",
    "shown_of",
    "table_of",
    "tables_of",
    "train_volumes",
    "unet3d",
    "write_sections",
    "write_shares",
]
