"""The U-Net of segmentation-models-pytorch, what it is told to lessen, and where it begins."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.learning.training.samples import IGNORED
from space.weights import load_checkpoint

_TILE_PX = 640


def unet(encoder: str, depth: int, classes: int) -> Any:
    """Return a U-Net for grey pictures, of random weights.

    Raises
    ------
    SpaceError
        If the package is missing or does not know the encoder.
    """
    try:
        with warnings.catch_warnings():
            # Its encoders use parts of torch that newer ones call old.
            warnings.simplefilter("ignore", FutureWarning)
            import segmentation_models_pytorch as smp
    except ImportError as error:
        raise SpaceError(
            f"segmentation-models-pytorch is missing for this Python ({error}).",
            do='In the folder of the project, run pip install -e ".[predict,learn]"',
        ) from error
    try:
        return smp.Unet(
            encoder,
            encoder_depth=depth,
            encoder_weights=None,  # nothing is fetched
            decoder_channels=tuple(16 * 2**level for level in reversed(range(depth))),
            in_channels=1,
            classes=classes,
        )
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        line = (str(error).splitlines() or [""])[0][:200]
        raise SpaceError(
            f"A U-Net of depth {depth} cannot be made with the encoder {encoder}: {line}",
            do="Use another one, such as resnet18.",
        ) from error


class Loss:
    """Cross entropy, Dice and focal loss together; pixels that are `IGNORED` do not count.

    The first learns all pixels alike, the second small classes, the third what is still wrong.
    """

    def __init__(self) -> None:
        import segmentation_models_pytorch as smp
        import torch

        self._parts = (
            torch.nn.CrossEntropyLoss(ignore_index=IGNORED),
            smp.losses.DiceLoss("multiclass", ignore_index=IGNORED),
            smp.losses.FocalLoss("multiclass", ignore_index=IGNORED),
        )

    def __call__(self, scores: Any, channels: Any) -> Any:
        """Return the loss of scores (n, classes, rows, columns) against outputs that are right."""
        if bool((channels == IGNORED).all()):
            return scores.sum() * 0.0  # means of nothing would be no numbers
        return sum(part(scores, channels) for part in self._parts)


def begin_with(
    network: Any,
    weights: Mapping[str, Any],
    before: Sequence[str],
    now: Sequence[str],
    head: str,
) -> int:
    """Take over the weights that fit; return how many arrays.

    Parameters
    ----------
    network : torch.nn.Module
    weights : mapping of str to torch.Tensor
    before, now : sequence of str
        Classes of the outputs that the weights and the network have.
    head : str
        How the names of arrays begin that have a row for each output.

    The outputs of classes of the same name go with these; those of others stay random.
    """
    import torch

    before, now = list(before), list(now)
    own = network.state_dict()
    taken = 0
    for name, values in own.items():
        given = weights.get(name)
        if not isinstance(given, torch.Tensor):
            continue
        if name.startswith(head) and given.shape[1:] == values.shape[1:] and before != now:
            for channel, called in enumerate(now):
                if called in before and before.index(called) < len(given):
                    values[channel] = given[before.index(called)]
            taken += 1
        elif given.shape == values.shape:
            own[name] = given
            taken += 1
    network.load_state_dict(own)
    return taken


def predicted(network: Any, grey: np.ndarray, multiple: int, tile_px: int = _TILE_PX) -> np.ndarray:
    """Return the output of the network that is highest, for each pixel of a picture.

    Parameters
    ----------
    network : torch.nn.Module
    grey : ndarray of float32, shape (rows, columns)
        Normalised.
    multiple : int
        What divides the sides that the network takes.
    tile_px : int
        Side of the part of which the network sees all, at most; a multiple of `multiple`.

    Returns
    -------
    ndarray of uint8, shape (rows, columns)
    """
    import torch

    rows, columns = grey.shape
    out = np.zeros(grey.shape, np.uint8)
    context_px = tile_px // 10
    fits = max(rows, columns) <= tile_px
    inner_px = tile_px if fits else tile_px - 2 * context_px
    device = next(network.parameters()).device
    network.eval()
    with torch.no_grad():
        for row in range(0, rows, inner_px):
            for column in range(0, columns, inner_px):
                first = max(0, row - context_px), max(0, column - context_px)
                tile = grey[
                    first[0] : row + inner_px + context_px,
                    first[1] : column + inner_px + context_px,
                ]
                beyond = [(0, -side % multiple) for side in tile.shape]
                whole = torch.from_numpy(np.pad(tile, beyond, mode="edge"))[None, None]
                found = network(whole.to(device))[0].argmax(0).to(torch.uint8).cpu().numpy()
                inner = found[row - first[0] : tile.shape[0], column - first[1] : tile.shape[1]]
                inner = inner[:inner_px, :inner_px]
                out[row : row + inner.shape[0], column : column + inner.shape[1]] = inner
    network.train()
    return out


def read_weights(path: Path) -> dict[str, Any]:
    """Read what a training has kept; nothing of the file is run.

    Raises
    ------
    SpaceError
        If it is missing, damaged, or not of a training.
    """
    kept = load_checkpoint(path)
    if not isinstance(kept, dict) or not isinstance(kept.get("network"), dict):
        raise SpaceError("This file is not of a training.", str(path), "Name its best.pt.")
    return kept
