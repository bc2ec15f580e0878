"""What a network is told to lessen that learns from clicks: positives, few negatives, much unknown.

Non-negative positive-unlabelled learning, after R. Kiryo, G. Niu, M. C. du Plessis and M. Sugiyama,
"Positive-Unlabeled Learning with Non-Negative Risk Estimator", NIPS 2017 (equation 6 and
algorithm 1). Let g be the score of a pixel, l(g) the loss of taking it for wanted and l(-g) that
of taking it for unwanted, and p the share of all pixels that are wanted (the prior). With
means over clicked pixels (P) and over all pixels (U)

    R  =  p mean_P l(g)  +  max(0, N),      N  =  mean_U l(-g) - p mean_P l(-g)

N estimates the risk of the unwanted pixels, which nobody has marked: all pixels less the wanted
ones among them. A risk is never negative. A network that has learnt the clicked pixels by heart
makes N negative; where N < 0, a step up -N is made instead, so that it forgets them.

Wanted pixels are one in a hundred or less, and p is as small: a network that finds nothing at all
would be nearly as good as a perfect one. Both risks are therefore given the same weight, as if half
of the pixels were wanted (G. Su, W. Chen and M. Xu, "Positive-Unlabeled Learning from Imbalanced
Data", IJCAI 2021, equation 7 with their p' = 1/2):

    R  =  1/2 mean_P l(g)  +  max(0, N) / (2 (1 - p))

Pixels that a person has removed (M) are surely unwanted. They enter as in T. Sakai et al.,
"Semi-Supervised Classification Based on Classification from Positive and Unlabeled Data", ICML
2017 (equation 8), with a weight m:

    R' =  (1 - m) R  +  m (mean_P l(g) + mean_M l(-g)) / 2
"""

from __future__ import annotations

from typing import Any

import numpy as np

REMOVED_WEIGHT = 0.3
"""m, where there is any removed pixel."""

LEAST_PRIOR, MOST_PRIOR = 1e-4, 0.7
_FEWEST = 50
_LEVELS, _AS_GOOD = 401, 0.98


def risk(clicked: Any, everywhere: Any, removed: Any, prior: float) -> Any:
    """Return what is to be lessened by a step; the loss of a pixel is logistic.

    Where the risk of unwanted pixels comes out negative, this is minus that risk: it is made larger
    by the step. See the docstring of the module.

    Parameters
    ----------
    clicked, everywhere, removed : torch.Tensor (n,)
        Scores of pixels; there may be no removed ones.
    prior : float
        Share of all pixels that are wanted.
    """
    from torch.nn.functional import softplus

    wanted = softplus(-clicked).mean() / 2
    unwanted = softplus(everywhere).mean() - prior * softplus(clicked).mean()
    unwanted = unwanted / (2 * (1 - prior))
    found = wanted + unwanted if bool(unwanted >= 0) else -unwanted
    if not len(removed):
        return found
    known = wanted + softplus(removed).mean() / 2
    return (1 - REMOVED_WEIGHT) * found + REMOVED_WEIGHT * known


def separation(clicked: Any, everywhere: Any, removed: Any) -> Any:
    """Return how badly clicked pixels are told from all others, both counted alike.

    Scores that come of it rank pixels well, but are far too high: they serve to find the prior.
    """
    from torch.nn.functional import softplus

    others = softplus(everywhere).mean()
    if len(removed):
        others = (others + softplus(removed).mean()) / 2
    return (softplus(-clicked).mean() + others) / 2


def prior_of(clicked: np.ndarray, everywhere: np.ndarray) -> float:
    """Estimate the share of wanted pixels among all, from scores that rank both.

    Above any score lies at least the wanted share times the part of the wanted pixels that is
    above it, so the smallest quotient of both parts bounds the share; where pixels are told apart
    somewhere, it is the share. (The idea of "best bin estimation", S. Garg et al., "Mixture
    Proportion Estimation and PU Learning: A Modern Approach", NeurIPS 2021.) Both parts are
    widened by what chance may do, so that a few pixels on top decide nothing.

    Parameters
    ----------
    clicked, everywhere : ndarray (n,), (m,)
        Scores of clicked pixels, and of pixels from everywhere.

    Returns
    -------
    float
        From `LEAST_PRIOR` to `MOST_PRIOR`.
    """
    at = np.unique(clicked)
    above_clicked = 1 - np.searchsorted(np.sort(clicked), at) / len(clicked)
    above_all = 1 - np.searchsorted(np.sort(everywhere), at) / len(everywhere)
    enough = above_clicked * len(clicked) >= min(_FEWEST, len(clicked))
    # One deviation of each part's count.
    widened = above_all + np.sqrt(above_all / len(everywhere))
    narrowed = above_clicked - np.sqrt(above_clicked * (1 - above_clicked) / len(clicked))
    bound = widened[enough] / np.maximum(narrowed[enough], 1e-9)
    return float(np.clip(bound.min(), LEAST_PRIOR, MOST_PRIOR))


def hot_level(clicked: np.ndarray, everywhere: np.ndarray) -> float:
    """Return the score from which on a pixel is taken as wanted.

    It is where r * r / q is highest: r is the part of the clicked pixels above it and q that of all
    pixels, which needs no unwanted ones and grows with precision and recall (W. S. Lee and B. Liu,
    "Learning with Positive and Unlabeled Examples Using Weighted Logistic Regression", ICML 2003).
    Of levels that are as good, the middle one.

    Parameters
    ----------
    clicked, everywhere : ndarray (n,), (m,)
        Scores of clicked pixels, and of pixels from everywhere.
    """
    lowest, highest = min(clicked.min(), everywhere.min()), clicked.max()
    levels = np.linspace(float(lowest), float(highest), _LEVELS)
    found = 1 - np.searchsorted(np.sort(clicked), levels) / len(clicked)
    share = 1 - np.searchsorted(np.sort(everywhere), levels) / len(everywhere)
    worth = found**2 / (share + 1 / len(everywhere))
    as_good = worth >= _AS_GOOD * worth.max()
    best = int(worth.argmax())
    first, last = best, best
    while first > 0 and as_good[first - 1]:
        first -= 1
    while last + 1 < _LEVELS and as_good[last + 1]:
        last += 1
    return float((levels[first] + levels[last]) / 2)
