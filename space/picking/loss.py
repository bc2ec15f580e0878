"""What the network of a heat map is told to lessen, from few labelled particles and much unknown.

Three terms, each with a weight that may be 0:

* Non-negative positive-unlabelled risk, after R. Kiryo, G. Niu, M. C. du Plessis and M. Sugiyama,
  "Positive-Unlabeled Learning with Non-Negative Risk Estimator", NIPS 2017 (equation 6). With
  the means over labelled voxels P and over voxels from everywhere U, and the share p of all voxels
  that are at particles (the prior)

      R = a mean_P l(g) + b max(0, mean_U l(-g) - p mean_P l(-g))

  Plain, a = p and b = 1. Balanced, a = 1/2 and b = 1 / (2 (1 - p)) (G. Su, W. Chen and M. Xu, IJCAI
  2021), since particles fill less than a hundredth of a tomogram. The loss of a voxel is logistic,
  times how wrong it is to the power of an exponent, as in T.-Y. Lin et al., "Focal Loss for Dense
  Object Detection", ICCV 2017: with 0 it is logistic, and the risk is that of learning from clicks.
  Voxels around a labelled particle that are too near to be the centre of another are surely
  unwanted; they enter as in T. Sakai et al., ICML 2017 (equation 8).

* Supervised contrast of embeddings, after P. Khosla et al., NeurIPS 2020 (equation 2): labelled
  voxels are to be alike, and unlike those from everywhere. Among those, a share p is of the same
  kind, which is taken off (C.-Y. Chuang et al., "Debiased Contrastive Learning", NeurIPS 2020,
  equation 8). It needs one number for each pair of some sampled voxels; all voxels of a batch would
  need gigabytes.

* Consistency: two views of one part, turned back, are to have the same heat.
"""

from __future__ import annotations

from typing import Any

MOST_SAMPLED = 1024
"""Voxels among which embeddings are compared: 4 MB as a matrix of float32."""

SURE_WEIGHT = 0.3
"""Weight of voxels that are surely unwanted, beside the risk."""


def pu_risk(
    labelled: Any,
    everywhere: Any,
    unwanted: Any,
    prior: float,
    exponent: float = 0.0,
    balanced: bool = True,
) -> Any:
    """Return the non-negative positive-unlabelled risk, as the module says.

    Where the risk of unwanted voxels comes out negative, this is minus that risk: a step makes
    it larger.

    Parameters
    ----------
    labelled, everywhere, unwanted : torch.Tensor (n,)
        Scores of voxels at labelled particles, from everywhere, and of those that are surely
        unwanted; there may be none of these.
    prior : float
        Share of all voxels that are at particles, as wide as labelled ones are marked.
    exponent : float
        How much less a voxel counts the better it is.
    balanced : bool
    """
    first, second = (0.5, 0.5 / (1 - prior)) if balanced else (prior, 1.0)
    found = first * _wanted(labelled, exponent).mean()
    others = second * (
        _wanted(-everywhere, exponent).mean() - prior * _wanted(-labelled, exponent).mean()
    )
    total = found + others if bool(others >= 0) else -others
    if not len(unwanted):
        return total
    known = found + second * _wanted(-unwanted, exponent).mean()
    return (1 - SURE_WEIGHT) * total + SURE_WEIGHT * known


def plain_loss(labelled: Any, everywhere: Any, unwanted: Any, exponent: float = 0.0) -> Any:
    """Return the loss that takes all voxels without a label for unwanted, both kinds alike."""
    return pu_risk(labelled, everywhere, unwanted, 0.0, exponent)


def contrast(labelled: Any, everywhere: Any, prior: float, temperature: float = 0.2) -> Any:
    """Return how badly embeddings of labelled voxels are told from others.

    Parameters
    ----------
    labelled, everywhere : torch.Tensor (n, e), (m, e)
        Embeddings of length 1; together at most `MOST_SAMPLED`.
    prior : float
        Share of `everywhere` that is as the labelled ones.
    temperature : float
    """
    import torch

    count = len(labelled)
    if count < 2 or not len(everywhere):
        return labelled.sum() * 0
    alike = labelled @ labelled.T / temperature
    unlike = torch.logsumexp(labelled @ everywhere.T / temperature, 1)
    others = ~torch.eye(count, dtype=torch.bool)
    among = torch.logsumexp(alike.masked_fill(~others, -torch.inf), 1)
    mean_unlike = torch.exp(unlike) / len(everywhere)
    mean_alike = torch.exp(among) / (count - 1)
    least = torch.exp(torch.tensor(-1 / temperature))
    negative = torch.clamp((mean_unlike - prior * mean_alike) / (1 - prior), min=float(least))
    total = torch.log(torch.exp(alike) + len(everywhere) * negative[:, None])
    return (total - alike)[others].mean()


def _wanted(scores: Any, exponent: float) -> Any:
    from torch.nn.functional import softplus

    loss = softplus(-scores)
    return loss if not exponent else loss * (-scores).sigmoid() ** exponent
