"""The network of a detector in torch: loaded, checked and run (needs torch, ultralytics).

A network is restored from its checkpoint here, not by ultralytics, which would run whatever the
file orders. Whether it can be used is checked before the first picture.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.lamellae.outputs import TRIAL_WINDOW, check_output
from space.models import NO_DETECTOR, refuse_other_tasks
from space.trust import MODELS_DIR, ON_WORKER
from space.weights import first_line, load_checkpoint, numpy_types, restored_type, without_init

MOST_CLASSES = 1000
LONGEST_NAME = 60

#: Where networks are made of, and what older versions of ultralytics called it.
_PARTS = ("torch.nn.modules.", "ultralytics.nn.modules.", "ultralytics.nn.tasks.")
_RENAMED = {
    "ultralytics.yolo.": "ultralytics.",
    "ultralytics.nn.modules.block.Silence": "torch.nn.modules.linear.Identity",
    "ultralytics.nn.tasks.YOLOv10DetectionModel": "ultralytics.nn.tasks.DetectionModel",
}
#: Only of use in training; restored as objects that can do nothing.
_UNUSED = ("ultralytics.utils.",)
_PATHS = {
    f"{module}.{kind}": pure
    for module in ("pathlib", "pathlib._local")
    for kind, pure in {
        "Path": PurePosixPath,
        "PosixPath": PurePosixPath,
        "PurePosixPath": PurePosixPath,
        "WindowsPath": PureWindowsPath,
        "PureWindowsPath": PureWindowsPath,
    }.items()
}
_HEADS = ("Detect", "v10Detect")


class UnusedInPrediction:
    """What training keeps beside a network; nothing is ever asked of it."""

    def __init__(self, *args: Any) -> None:
        pass


# --- loading ------------------------------------------------------------------------------------


def load_network(
    weights: Path, device: str = "cpu", models_dir: Path = MODELS_DIR, merged: bool = True
) -> tuple[Any, dict[int, str]]:
    """Load a detector that is ready to be run, and the names of its classes.

    Parameters
    ----------
    weights : Path
    device : str
    models_dir : Path
        Folder of the lists of trusted weights.
    merged : bool
        Whether layers are merged where one does the work of several, which is faster.

    Raises
    ------
    SpaceError
        If the weights cannot be loaded, or are not those of a detector that can be used.
    """
    weights = Path(weights)
    checkpoint = load_yolo(weights, models_dir)
    try:
        network = _network_in(checkpoint, weights)
        check_detector(network, str(weights))
        names = _class_names(network, weights)
        network = network.float()
        network = (network.fuse(verbose=False) if merged else network).eval()
        _check_trial(network, weights)
    except (SpaceError, MemoryError):
        raise
    except Exception as error:  # whatever parts of another version may raise
        raise _does_not_run(error, checkpoint, weights) from error
    return network.to(device), names


def load_yolo(weights: Path, models_dir: Path = MODELS_DIR) -> Any:
    """Load a checkpoint of ultralytics as it was saved, with none of its code run.

    Raises
    ------
    SpaceError
        See `space.weights.load_checkpoint`.
    """
    stay_offline()
    try:
        checkpoint = load_checkpoint(weights, allowed_type, models_dir)
    except ImportError as error:
        raise SpaceError(
            f"A package for detection is missing here ({error}).",
            do="In the project's folder: pip install -e .[predict]",
        ) from error
    try:
        for network in checkpoint.values() if isinstance(checkpoint, dict) else [checkpoint]:
            _restore(network)
    except (TypeError, AttributeError) as error:  # something else where a layer should be
        raise _does_not_run(error, checkpoint, weights) from error
    return checkpoint


def stay_offline() -> None:
    """Have ultralytics neither phone nor install anything: call this before it is imported."""
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")


def allowed_type(name: str) -> Any:
    """Give what stands for a type that ultralytics saves (see `space.weights.load_checkpoint`).

    Layers of torch and ultralytics, numbers of NumPy, and harmless stand-ins for paths (which
    differ between Windows and Linux) and for what only training needs.
    """
    import torch
    import ultralytics.nn.tasks  # noqa: F401 - brings along all layers, which are found by name

    for old, new in _RENAMED.items():
        if name.startswith(old):
            name = new + name[len(old) :]
    if name in _PATHS:
        return _PATHS[name]
    module, _, kind = name.rpartition(".")
    found = getattr(sys.modules.get(module), kind, None)
    if name == "ultralytics.utils.IterableSimpleNamespace":
        return found
    if name.startswith(_UNUSED):
        return UnusedInPrediction
    if (
        f"{module}.".startswith(_PARTS)
        and type(found) is type
        and issubclass(found, torch.nn.Module)
        and f"{found.__module__}.".startswith(_PARTS)
    ):
        return without_init(found)
    return numpy_types(name)


def _does_not_run(error: Exception, checkpoint: Any, weights: Path) -> SpaceError:
    import ultralytics

    made_with = checkpoint.get("version", "") if isinstance(checkpoint, dict) else ""
    return SpaceError(
        f"The detection network does not run ({type(error).__name__}: {first_line(error)}). "
        f"It was made with ultralytics {str(made_with)[:20]!r}; {ultralytics.__version__} is here.",
        str(weights),
        f"{ON_WORKER}, install the version that it was made with, or use other weights.",
    )


def _restore(network: Any) -> None:
    """Give the layers of a network their own types, and what older versions did not save."""
    import torch

    for part in network.modules() if isinstance(network, torch.nn.Module) else ():
        part.__class__ = restored_type(type(part))
        _refuse_own_methods(part)
        if isinstance(part, torch.nn.Upsample) and not hasattr(part, "recompute_scale_factor"):
            part.recompute_scale_factor = None


def _refuse_own_methods(part: Any) -> None:
    """Refuse a layer that brings what is called: a network has the methods of its type alone."""
    for name, value in vars(part).items():
        # Ultralytics notes the type of a layer as a text, in place of a method that is not called.
        is_method = callable(value) and callable(getattr(type(part), name, None))
        is_hook = name.endswith("_hooks") and bool(value)
        if is_method or is_hook:
            raise TypeError(f"a layer brings {name} of its own")


# --- fitness ------------------------------------------------------------------------------------


def _network_in(checkpoint: Any, weights: Path) -> Any:
    import torch

    found = checkpoint
    if isinstance(checkpoint, dict):
        found = checkpoint.get("ema") or checkpoint.get("model")
        if "network_weights" in checkpoint:
            raise SpaceError(
                "This is a checkpoint of nnU-Net, not of a detector.", str(weights), NO_DETECTOR
            )
    if not isinstance(found, torch.nn.Module):
        raise SpaceError(
            "The checkpoint holds only numbers, not the network.",
            str(weights),
            "Use the file best.pt that ultralytics wrote at the end of training.",
        )
    return found


def check_detector(network: Any, where: str) -> None:
    """Check that a network is a detector of boxes whose output is understood here.

    Raises
    ------
    SpaceError
        If it is another one; `where` is told.
    """
    kind = type(network).__name__
    refuse_other_tasks([f"{type(network).__module__}.{kind}"], where)
    head = type(network.model[-1]).__name__ if hasattr(network, "model") else "none"
    if kind != "DetectionModel" or head not in _HEADS:
        raise SpaceError(
            f"The network is not a known kind of detector ({kind} with {head}).",
            where,
            NO_DETECTOR,
        )
    channels = next(network.parameters()).shape[1]
    if channels not in (1, 3):
        raise SpaceError(
            f"The network takes pictures with {channels} channels, but maps are grey.",
            where,
            "Train it on grey (1 channel) or RGB (3 channels) pictures.",
        )


def _class_names(network: Any, weights: Path) -> dict[int, str]:
    """Read the names of the classes; there must be one for each that the network gives."""
    names, classes = getattr(network, "names", None), int(network.model[-1].nc)
    if isinstance(names, (list, tuple)):
        names = dict(enumerate(names))
    try:
        table = {int(number): str(name).strip() for number, name in dict(names or {}).items()}
    except (TypeError, ValueError):
        table = {}
    if not 1 <= classes <= MOST_CLASSES or sorted(table) != list(range(classes)):
        raise SpaceError(
            f"The weights name {len(table)} classes, but the network has {classes} "
            f"(1 to {MOST_CLASSES} can be used).",
            str(weights),
            "Correct names in the data file of the training, and train again.",
        )
    for number, name in table.items():
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise SpaceError(
                f"The name of class {number} cannot be used: {name[:LONGEST_NAME]!r} (it must be "
                f"plain text of at most {LONGEST_NAME} characters).",
                str(weights),
                "Correct names in the data file of the training, and train again.",
            )
    return dict(sorted(table.items()))


def _check_trial(network: Any, weights: Path) -> None:
    """Have a blank window looked at: what is wrong with a network shows before the first map."""
    try:
        run_network(network, [TRIAL_WINDOW], "cpu")
    except SpaceError as error:
        raise SpaceError(error.what, str(weights), error.do) from error


# --- running ------------------------------------------------------------------------------------


def run_network(
    network: Any, windows: Sequence[np.ndarray], device: str
) -> tuple[list[np.ndarray], bool]:
    """Look at windows; return the checked output for each, and whether it is end to end.

    Raises
    ------
    SpaceError
        See `check_output`.
    """
    import torch

    head = network.model[-1]
    batch = np.stack(windows).astype(np.float32)[:, None] / 255.0
    channels = next(network.parameters()).shape[1]
    with torch.inference_mode():
        tensor = torch.from_numpy(batch).to(device).expand(-1, channels, -1, -1).contiguous()
        output = network(tensor)
        output = output[0] if isinstance(output, (tuple, list)) else output
        array = output.float().cpu().numpy()
    end_to_end = bool(getattr(head, "end2end", False))
    for output in array:
        check_output(output, int(head.nc), end_to_end)
    return list(array), end_to_end
