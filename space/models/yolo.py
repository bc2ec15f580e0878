"""What a network of ultralytics is for, by the name of its class."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from space.errors import SpaceError

NO_DETECTOR = "Name the weights of a YOLO detection model as detection_weights."

_TASKS = "ultralytics.nn.tasks."
_OTHERS = {
    "SegmentationModel": "of the task 'segment' (outlines)",
    "PoseModel": "of the task 'pose' (key points)",
    "OBBModel": "of the task 'obb' (rotated boxes)",
    "ClassificationModel": "of the task 'classify' (whole pictures)",
    "SemanticSegmentationModel": "of the task 'semantic' (pixels)",
    "DepthModel": "of the task 'depth'",
    "RTDETRDetectionModel": "of RT-DETR, whose boxes are coded in another way",
    "WorldModel": "of YOLO-World, which needs a text with each picture",
    "YOLOEModel": "of YOLOE, which needs a text with each picture",
    "YOLOESegModel": "of YOLOE, which needs a text with each picture",
}


def refuse_other_tasks(names: Iterable[str], weights: Path) -> None:
    """Refuse networks that are no YOLO detectors of boxes.

    Parameters
    ----------
    names : iterable of str
        Full names of classes, as a checkpoint asks for them.
    weights : Path
        The file, for the message.

    Raises
    ------
    SpaceError
        If there is one, with what it is for.
    """
    for name in sorted(names):
        what = _OTHERS.get(name[len(_TASKS) :]) if name.startswith(_TASKS) else None
        if what:
            raise SpaceError(
                f"These weights are {what}; a detector of boxes is needed.",
                str(weights),
                f"{NO_DETECTOR} ultralytics trains one with task=detect.",
            )
