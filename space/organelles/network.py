"""A U-Net for volumes, small enough for one processor, and exact in blocks.

Normalisation is by batch, with what training has found once it predicts: a voxel then depends only
on the voxels within `reach_of` around it, so that blocks with that much context are the same as the
whole volume (docs/decisions).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from space.organelles.evaluating import IGNORED

HEAD = "head."


def multiple_of(features: Sequence[int]) -> int:
    """Return what sides of the network's input are multiples of."""
    return int(2 ** (len(features) - 1))


def reach_of(features: Sequence[int]) -> int:
    """Return how many voxels away something may change the output, rounded up to `multiple_of`."""
    levels = len(features)
    down = sum(2 * 2**level for level in range(levels))
    up = sum(2 * 2**level for level in range(levels - 1))
    pooling = multiple_of(features) - 1
    multiple = multiple_of(features)
    return -(-(down + up + pooling) // multiple) * multiple


def unet3d(features: Sequence[int], outputs: int) -> Any:
    """Return a U-Net of random weights.

    Parameters
    ----------
    features : sequence of int
        Of each level.
    outputs : int
        Classes, with that of what has no label.
    """
    import torch
    from torch import nn

    def twice(given: int, made: int) -> Any:
        layers: list[Any] = []
        for first in (given, made):
            layers += [
                nn.Conv3d(first, made, 3, padding=1, bias=False),
                nn.BatchNorm3d(made),
                nn.LeakyReLU(0.01, inplace=True),
            ]
        return nn.Sequential(*layers)

    class UNet3d(nn.Module):
        """Two convolutions at each level, halved by the largest of eight voxels."""

        def __init__(self) -> None:
            super().__init__()
            ins = (1, *features[:-1])
            self.down = nn.ModuleList(twice(one, made) for one, made in zip(ins, features))
            pairs = list(zip(features[:0:-1], features[-2::-1]))
            self.wider = nn.ModuleList(
                nn.ConvTranspose3d(one, made, 2, stride=2) for one, made in pairs
            )
            self.up = nn.ModuleList(twice(2 * made, made) for _, made in pairs)
            self.head = nn.Conv3d(features[0], outputs, 1)

        def forward(self, volume: Any) -> Any:
            kept: list[Any] = []
            for level, convolved in enumerate(self.down):
                if level:
                    volume = nn.functional.max_pool3d(volume, 2)
                volume = convolved(volume)
                kept.append(volume)
            for wider, convolved, beside in zip(self.wider, self.up, kept[-2::-1]):
                volume = convolved(torch.cat([beside, wider(volume)], 1))
            return self.head(volume)

    return UNet3d()


def loss_of(scores: Any, labels: Any) -> Any:
    """Return cross entropy and Dice loss together; voxels that are `IGNORED` do not count.

    The first learns all voxels alike, the second small classes.

    Parameters
    ----------
    scores : tensor, shape (n, classes, z, y, x)
    labels : tensor of int64, shape (n, z, y, x)
    """
    import torch
    from torch.nn import functional

    counts = labels != IGNORED
    if not bool(counts.any()):
        return scores.sum() * 0.0  # means of nothing would be no numbers
    entropy = functional.cross_entropy(scores, labels, ignore_index=IGNORED)
    shares = torch.softmax(scores, 1)[:, 1:] * counts[:, None]
    values = torch.arange(1, scores.shape[1], device=labels.device)[None, :, None, None, None]
    truth = (labels[:, None] == values).to(shares.dtype)
    axes = (0, 2, 3, 4)
    both, either = (shares * truth).sum(axes), (shares + truth).sum(axes)
    there = truth.sum(axes) > 0
    dice = ((2 * both + 1) / (either + 1))[there]
    return entropy + (1 - dice.mean() if len(dice) else 0.0)


def shares_of(network: Any, seen: np.ndarray, device: str = "cpu") -> np.ndarray:
    """Return how probable each class is in a block, uint8 (classes, z, y, x): 255 is certain.

    A pure function of the weights and the block. Classes are without that of what has no label.

    Parameters
    ----------
    network : torch.nn.Module
        In `eval`.
    seen : ndarray of float32, shape (z, y, x)
        With the context that is wanted; sides are multiples of `multiple_of`.
    device : str
    """
    import torch

    with torch.inference_mode():
        scores = network(torch.from_numpy(np.ascontiguousarray(seen))[None, None].to(device))
        shares = torch.softmax(scores.float(), 1)[0, 1:]
        found: np.ndarray = (shares * 255 + 0.5).to(torch.uint8).cpu().numpy()
    return found


def labels_of(shares: np.ndarray, thresholds: Sequence[int]) -> np.ndarray:
    """Return labels of probabilities: the class that is furthest above its threshold, else 0.

    Parameters
    ----------
    shares : ndarray of uint8, shape (classes, z, y, x)
    thresholds : sequence of int
        For each class, from 0 to 255.
    """
    limits = np.asarray(thresholds, np.int16)[:, None, None, None]
    above = shares.astype(np.int16) - limits
    best = above.argmax(0)
    is_any = np.take_along_axis(above, best[None], 0)[0] >= 0
    labels: np.ndarray = np.where(is_any, best + 1, 0).astype(np.uint8)
    return labels
