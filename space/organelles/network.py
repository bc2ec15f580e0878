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
_TOP = 4
"""Features at full resolution, which are the dearest."""


def multiple_of(features: Sequence[int]) -> int:
    """Return what sides of the network's input are multiples of."""
    return int(2 ** len(features))


def reach_of(features: Sequence[int]) -> int:
    """Return how many voxels away something may change the output, rounded up to `multiple_of`.

    A convolution reaches as far as a voxel of its level is long, one that halves as far as one of
    the level above; and where a voxel lies within one of the coarsest level may be at its end.
    """
    voxels = [2 ** (level + 1) for level in range(len(features))]
    down = sum(side // 2 + side for side in voxels)
    up = sum(voxels[:-1]) + 1
    multiple = multiple_of(features)
    return -(-(down + up + multiple - 1) // multiple) * multiple


def unet3d(features: Sequence[int], outputs: int) -> Any:
    """Return a U-Net of random weights.

    Its first level is at half the resolution, where a step takes an eighth of the work; what it
    finds is sharpened with the volume itself at the end.

    Parameters
    ----------
    features : sequence of int
        Of each level; the first one halves the volume, each other one the level before.
    outputs : int
        Classes, with that of what has no label.
    """
    import torch
    from torch import nn

    def convolved(given: int, made: int, stride: int = 1) -> list[Any]:
        return [
            nn.Conv3d(given, made, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm3d(made),
            nn.LeakyReLU(0.01, inplace=True),
        ]

    class UNet3d(nn.Module):
        """Halved by convolutions, widened by transposed ones."""

        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList(
                nn.Sequential(*convolved(given, made, 2), *convolved(made, made))
                for given, made in zip((1, *features[:-1]), features)
            )
            pairs = list(zip(features[:0:-1], features[-2::-1]))
            self.wider = nn.ModuleList(
                nn.ConvTranspose3d(given, made, 2, stride=2) for given, made in pairs
            )
            self.up = nn.ModuleList(nn.Sequential(*convolved(2 * made, made)) for _, made in pairs)
            self.top = nn.ConvTranspose3d(features[0], _TOP, 2, stride=2)
            self.sharper = nn.Sequential(*convolved(_TOP + 1, _TOP))
            self.head = nn.Conv3d(_TOP, outputs, 1)

        def forward(self, volume: Any) -> Any:
            kept: list[Any] = []
            found = volume
            for down in self.down:
                found = down(found)
                kept.append(found)
            for wider, up, beside in zip(self.wider, self.up, kept[-2::-1]):
                found = up(torch.cat([beside, wider(found)], 1))
            return self.head(self.sharper(torch.cat([volume, self.top(found)], 1)))

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
