"""What a network of ultralytics is for, by the name of its class, and what it distinguishes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.files import is_name
from space.models.looker import Looker, StandIn, look_into

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


def refuse_other_tasks(names: Iterable[str], weights: Path | str) -> None:
    """Refuse networks that are no YOLO detectors of boxes.

    Parameters
    ----------
    names : iterable of str
        Full names of classes, as a checkpoint asks for them.
    weights : Path or str
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


def read_categories(weights: Path) -> tuple[str, ...]:
    """Return the categories of a detector, in the order of its outputs, without running it.

    Raises
    ------
    SpaceError
        If the file cannot be read, or does not say them.
    """
    content = look_into(weights, _NetworkLooker)
    table = content if isinstance(content, dict) else {"model": content}
    for network in (table.get("ema"), table.get("model")):
        found = _names(network.state.get("names")) if isinstance(network, _Network) else ()
        if found:
            return found
    raise SpaceError("The weights do not name categories.", str(weights), NO_DETECTOR)


def _names(table: object) -> tuple[str, ...]:
    items = dict(enumerate(table)) if isinstance(table, (list, tuple)) else table
    if not isinstance(items, dict) or not all(isinstance(key, int) for key in items):
        return ()
    names = tuple(items[key] for key in sorted(items))
    return names if all(isinstance(name, str) and is_name(name) for name in names) else ()


class _Network(StandIn):
    """Stands for a network: keeps what it would hold."""

    state: dict[Any, Any]

    def __new__(cls, *given: Any, **named: Any) -> _Network:
        """Stand for a network that is made with these arguments."""
        made = object.__new__(cls)
        made.state = {}
        return made

    def __setstate__(self, state: Any) -> None:
        """Keep the state."""
        self.state = state if isinstance(state, dict) else {}


class _NetworkLooker(Looker):
    """Keeps networks beside tables of numbers."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in for whatever is named."""
        is_network = module.startswith("ultralytics.") and name.endswith("Model")
        return _Network if is_network else super().find_class(module, name)
