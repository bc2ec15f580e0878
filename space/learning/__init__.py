"""Models of one's own: data sets of pictures and labels, and how good a model is on them.

A running session never needs this room; what it needs beyond the base packages (the extra
``learn``) is imported where it is used.
"""

from space.learning.adding import Added, add, open_or_new, read_item, read_labels
from space.learning.asking import Assistant, prompting, proposing
from space.learning.box_pictures import draw_boxes, draw_found
from space.learning.boxes import looked_through
from space.learning.candidates import load_candidate, model_at, name_of, refuse_model
from space.learning.card import EvaluatedOn, card_problem, data_hash, write_model_card
from space.learning.checking import ClassCount, Problem, Report, check
from space.learning.collecting import Collected, collect
from space.learning.comparing import Candidate, Comparison, compare, found_in, remarks_on
from space.learning.comparing_boxes import BoxComparison, box_lines, compare_boxes
from space.learning.dataset import (
    DATASET_FILE,
    SPLITS,
    DataSet,
    LabelClass,
    Origin,
    Sample,
    boxes_path,
    is_data_set,
    label_path,
    layer_path,
    picture_path,
    read_data_set,
    write_data_set,
)
from space.learning.evaluate import (
    Boundary,
    Calibration,
    ClassScore,
    boundary,
    calibration,
    class_scores,
    confusion,
)
from space.learning.evaluate_boxes import (
    AtThreshold,
    ClassDetection,
    centre_errors,
    detection_scores,
    mean_ap,
    over_thresholds,
    shares_within,
)
from space.learning.formats import IN, OUT, Wish, export, format_of, import_into
from space.learning.hits import BEAM_UM, FIELD_UM, Aim, Hits, chosen, judged
from space.learning.incoming import Incoming, Item
from space.learning.keypoints import Keypoint
from space.learning.loading import Detection, Segmentation, load_model, model_task
from space.learning.napari_door import open_in_napari
from space.learning.plotting import plot_comparisons
from space.learning.pointing import MOST_POINTS, points_on, save_points
from space.learning.prompting import HOW_TO_HAVE_SAM, refuse_sam
from space.learning.proposals import (
    Proposal,
    discard_proposal,
    proposal_path,
    propose,
    proposed,
    read_proposal,
)
from space.learning.relabelling import (
    Drawable,
    drawable,
    picture_of,
    save_drawn,
    taken_masks,
)
from space.learning.showing import draw_beside, show
from space.learning.splitting import split
from space.learning.training import (
    ENGINES,
    TrainConfig,
    gentle_transforms,
    levels_of,
    onnx_agreement,
    read_metrics,
    read_train_config,
    train,
    write_detector,
)

__all__ = [
    "BEAM_UM",
    "DATASET_FILE",
    "ENGINES",
    "FIELD_UM",
    "HOW_TO_HAVE_SAM",
    "IN",
    "MOST_POINTS",
    "OUT",
    "SPLITS",
    "Added",
    "Aim",
    "Assistant",
    "AtThreshold",
    "Boundary",
    "BoxComparison",
    "Calibration",
    "Candidate",
    "ClassCount",
    "ClassDetection",
    "ClassScore",
    "Collected",
    "Comparison",
    "DataSet",
    "Detection",
    "Drawable",
    "EvaluatedOn",
    "Hits",
    "Incoming",
    "Item",
    "Keypoint",
    "LabelClass",
    "Origin",
    "Problem",
    "Proposal",
    "Report",
    "Sample",
    "Segmentation",
    "TrainConfig",
    "Wish",
    "add",
    "boundary",
    "box_lines",
    "boxes_path",
    "calibration",
    "card_problem",
    "centre_errors",
    "check",
    "chosen",
    "class_scores",
    "collect",
    "compare",
    "compare_boxes",
    "confusion",
    "data_hash",
    "detection_scores",
    "discard_proposal",
    "draw_beside",
    "draw_boxes",
    "draw_found",
    "drawable",
    "export",
    "format_of",
    "found_in",
    "gentle_transforms",
    "import_into",
    "is_data_set",
    "judged",
    "label_path",
    "layer_path",
    "levels_of",
    "load_candidate",
    "load_model",
    "looked_through",
    "mean_ap",
    "model_at",
    "model_task",
    "name_of",
    "onnx_agreement",
    "open_in_napari",
    "open_or_new",
    "over_thresholds",
    "picture_of",
    "picture_path",
    "plot_comparisons",
    "points_on",
    "prompting",
    "proposal_path",
    "propose",
    "proposed",
    "proposing",
    "read_data_set",
    "read_item",
    "read_labels",
    "read_metrics",
    "read_proposal",
    "read_train_config",
    "refuse_model",
    "refuse_sam",
    "remarks_on",
    "save_drawn",
    "save_points",
    "shares_within",
    "show",
    "split",
    "taken_masks",
    "train",
    "write_data_set",
    "write_detector",
    "write_model_card",
]
