"""Weights of classes, and the loss of a segmentation network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor, nn

_LIGHTEST, _HEAVIEST = 0.5, 4.0


def class_weights(shares: np.ndarray) -> np.ndarray:
    """Weights for cross entropy: rare classes count more, within limits.

    Parameters
    ----------
    shares : (n,) float array
        Of all pixels, by class.

    Returns
    -------
    weights : (n,) float array
        Root of the median share over the share, clipped.
    """
    shares = np.maximum(shares, 1e-9)
    return np.clip(np.sqrt(np.median(shares) / shares), _LIGHTEST, _HEAVIEST)


def weigh_classes(loss: nn.Module, weights: np.ndarray) -> None:
    """Put weights into the cross entropy of nnU-Net's loss with deep supervision."""
    from nnunetv2.training.loss.robust_ce_loss import RobustCrossEntropyLoss
    from torch import Tensor

    loss.loss.ce = RobustCrossEntropyLoss(weight=Tensor(weights))


def supervised_loss(
    outputs: list[Tensor], labels: Tensor, weights: Tensor | None, ignored: int
) -> Tensor:
    """Cross entropy and soft Dice at all resolutions of a U-Net, finer ones twice as heavy each.

    Parameters
    ----------
    outputs : list of (n, classes, rows, columns) tensors
        Logits, from full resolution on, each half as large as the one before.
    labels : (n, rows, columns) int64 tensor
    weights : (classes,) tensor, optional
        Of classes in the cross entropy.
    ignored : int
        Label of pixels that do not count.
    """
    total, weight_sum = 0.0, 0.0
    for level, logits in enumerate(outputs):
        weight = 0.5**level
        step = labels.shape[1] // logits.shape[2]
        total = total + weight * _loss(logits.float(), labels[:, ::step, ::step], weights, ignored)
        weight_sum += weight
    return total / weight_sum


def _loss(logits: Tensor, labels: Tensor, weights: Tensor | None, ignored: int) -> Tensor:
    import torch
    from torch.nn import functional

    log_chances = logits.log_softmax(1)
    entropy = functional.nll_loss(log_chances, labels, weight=weights, ignore_index=ignored)
    chances = log_chances.exp() * (labels != ignored).unsqueeze(1)
    # What is ignored equals no class.
    classes = torch.arange(logits.shape[1], device=labels.device).view(1, -1, 1, 1)
    truth = labels.unsqueeze(1) == classes
    # Over the whole batch, so that a class missing from one patch does not spoil its Dice.
    both = (chances * truth).sum((0, 2, 3))
    number = truth.sum((0, 2, 3))
    dice = (2 * both + 1) / (chances.sum((0, 2, 3)) + number + 1)
    present = (number > 0)[1:].float()
    return entropy + 1 - (dice[1:] * present).sum() / present.sum().clamp(min=1)
