"""The network of a detector of ultralytics: made, begun with, taught, and written.

Nothing is fetched, and no code of weights is run: descriptions of networks are those in the
package, and weights are restored by `space.lamellae.network`.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.files import atomic_path
from space.lamellae.network import check_detector, load_network, stay_offline
from space.models.store import WEIGHTS, place_of
from space.weights import first_line

_GREY_AS_RGB = 3
_SCALED = re.compile(r"(\d+)[nslmx](.*)")
_LIKELY_OBJECTS = 5
"""How many things ultralytics expects in a picture of 640 px before anything is learned."""

_AVERAGED_STEPS, _AVERAGED = 2000, 0.9999


def fresh(architecture: str, count: int) -> Any:
    """Return a detector of random weights for so many classes.

    Raises
    ------
    SpaceError
        If ultralytics is missing, or knows no detector of this name.
    """
    stay_offline()
    try:
        from ultralytics.nn.tasks import DetectionModel, yaml_model_load
    except ImportError as error:
        raise SpaceError(
            f"ultralytics is missing for this Python ({error}).",
            do='In the folder of the project, run pip install -e ".[predict,learn]"',
        ) from error
    path = _description(architecture)
    make: Any = DetectionModel
    read: Any = yaml_model_load
    try:
        described = {**read(path), "nc": count, "yaml_file": path.name}
        network = make(described, ch=_GREY_AS_RGB, verbose=False)
    except Exception as error:  # whatever a description of another kind may raise
        raise SpaceError(
            f"A detector {architecture} cannot be made ({first_line(error)}).", do=_OTHER
        ) from error
    check_detector(network, architecture)
    return network


_OTHER = "Use another architecture, such as yolov8n."


def _description(architecture: str) -> Path:
    """Return where the package would describe a network; of its size, the name alone tells."""
    import ultralytics

    wanted = [f"{name}.yaml" for name in (architecture, _SCALED.sub(r"\1\2", architecture, 1))]
    folder = Path(ultralytics.__file__).parent / "cfg" / "models"
    for path in sorted(folder.rglob("*.yaml")):
        if path.name in wanted:
            return path.with_name(f"{architecture}.yaml")
    known = sorted(path.stem for path in folder.rglob("yolo*.yaml") if "-" not in path.stem)
    raise SpaceError(
        f"ultralytics has no network {architecture}.",
        do=f"It has {', '.join(known)}, in sizes such as n, s and m: yolov8n.",
    )


def weights_of(start_from: Path) -> Path:
    """Return the file of weights that a training is to begin with.

    Raises
    ------
    SpaceError
        If there is none.
    """
    place = place_of(start_from)
    if place.form == WEIGHTS:
        return place.path
    raise SpaceError(
        place.trouble or f"A detector does not begin with an {place.form}.",
        str(start_from),
        "Name a .pt of a detector of ultralytics, or the folder of such a training.",
    )


def begun_with(weights: Path, names: Sequence[str]) -> tuple[Any, list[str]]:
    """Return the detector in a file, with other classes; and the classes that it knew.

    What it knows of classes of the same name stays.

    Raises
    ------
    SpaceError
        If it cannot be loaded, or is no detector.
    """
    network, before = load_network(weights, "cpu", merged=False)
    for name, parameter in network.named_parameters():
        parameter.requires_grad = ".dfl." not in name  # the one that is a ruler
    known = [before[number] for number in sorted(before)]
    if known != list(names):
        _name_anew(network, known, list(names))
    return network, [name for name in names if name in known]


def _name_anew(network: Any, before: list[str], now: list[str]) -> None:
    """Give a detector the outputs of other classes; those of the same name go along."""
    import torch

    head = network.model[-1]
    for branches in (getattr(head, "cv3", None), getattr(head, "one2one_cv3", None)):
        for branch, stride in zip(branches or (), head.stride.tolist()):
            old = branch[-1]
            new: Any = torch.nn.Conv2d(old.in_channels, len(now), old.kernel_size)
            with torch.no_grad():
                new.bias.fill_(math.log(_LIKELY_OBJECTS / len(now) / (640 / stride) ** 2))
                for number, name in enumerate(now):
                    if name in before:
                        new.weight[number] = old.weight[before.index(name)]
                        new.bias[number] = old.bias[before.index(name)]
            branch[-1] = new
    head.nc, head.no = len(now), len(now) + 4 * head.reg_max
    network.nc, network.yaml["nc"] = len(now), len(now)


def made_ready(network: Any, names: Sequence[str], epochs: int) -> None:
    """Give a network what ultralytics needs to teach it."""
    from ultralytics.cfg import get_cfg

    network.names = dict(enumerate(names))
    network.args = get_cfg()
    network.args.epochs = epochs
    network.criterion = None


def loss_of(network: Any, batch: Mapping[str, Any], epoch: int) -> Any:
    """Return the loss of a batch: that of ultralytics for where, what, and how sharp edges are.

    Parameters
    ----------
    network : torch.nn.Module
    batch : mapping
        See `space.learning.training.detection_samples.box_batch`.
    epoch : int
        From 0. Some losses change with it.
    """
    if network.criterion is None:
        network.criterion = network.init_criterion()
        for _ in range(epoch if hasattr(network.criterion, "update") else 0):
            network.criterion.update()
    channels = next(network.parameters()).shape[1]
    images = batch["img"].expand(-1, channels, -1, -1)
    losses, _ = network.loss({**batch, "img": images})
    return losses.sum()


class Averaged:
    """The mean of a network over the last steps, which finds better than the last step's own.

    Attributes
    ----------
    network : torch.nn.Module
    updates : int
    """

    def __init__(self, network: Any) -> None:
        self.network = copy.deepcopy(network).eval()
        self.updates = 0
        for parameter in self.network.parameters():
            parameter.requires_grad = False

    def update(self, network: Any) -> None:
        """Take in the network after a step; at first it counts fully."""
        self.updates += 1
        kept = _AVERAGED * (1 - math.exp(-self.updates / _AVERAGED_STEPS))
        now = network.state_dict()
        for name, value in self.network.state_dict().items():
            if value.dtype.is_floating_point:
                value.mul_(kept).add_(now[name].detach(), alpha=1 - kept)
            else:
                value.copy_(now[name])


def write_detector(
    network: Any, path: Path, names: Sequence[str], side_px: int, halved: bool = True
) -> Path:
    """Write a detector as ultralytics does, without the folders of the machine that taught it.

    Parameters
    ----------
    network : torch.nn.Module
    path : Path
    names : sequence of str
    side_px : int
        Of the windows that it has learned from; ultralytics shows it pictures of this size.
    halved : bool
        Whether its numbers have 16 bits, as those of published weights.
    """
    import torch
    import ultralytics

    written = copy.deepcopy(network).cpu().eval()
    written = written.half() if halved else written.float()
    written.names = dict(enumerate(names))
    written.criterion = None
    written.args = {"task": "detect", "imgsz": side_px, "model": written.yaml.get("yaml_file")}
    checkpoint = {
        "model": written,
        "ema": None,
        "epoch": -1,
        "train_args": dict(written.args),
        "version": ultralytics.__version__,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        torch.save(checkpoint, temporary)
    return path
