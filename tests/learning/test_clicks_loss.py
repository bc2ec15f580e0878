"""The loss of learning from clicks against a plain derivation, and the prior that it needs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.learning.clicks import prior_of
from space.learning.clicks.loss import MOST_PRIOR, REMOVED_WEIGHT, hot_level

SCORES = st.lists(st.floats(-20, 20), min_size=1, max_size=8)


def taken_for(wanted: bool, score: float) -> float:
    """Logistic loss of a pixel, as the paper has it."""
    margin = score if wanted else -score
    return math.log1p(math.exp(-margin))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def plain_risk(clicked, everywhere, removed, prior) -> float:
    """Kiryo et al. 2017 with the step of their algorithm, balanced, and with removed pixels."""
    positive = 0.5 * mean([taken_for(True, score) for score in clicked])
    negative = mean([taken_for(False, score) for score in everywhere])
    negative -= prior * mean([taken_for(False, score) for score in clicked])
    negative *= 0.5 / (1 - prior)
    found = positive + negative if negative >= 0 else -negative
    if not removed:
        return found
    known = positive + 0.5 * mean([taken_for(False, score) for score in removed])
    return (1 - REMOVED_WEIGHT) * found + REMOVED_WEIGHT * known


@pytest.mark.models
@settings(max_examples=60, deadline=None)
@given(SCORES, SCORES, st.one_of(st.just([]), SCORES), st.floats(1e-3, 0.9))
def test_the_risk_is_that_of_the_paper(clicked, everywhere, removed, prior):
    import torch

    from space.learning.clicks import risk

    def tensor(values):
        return torch.tensor(values, dtype=torch.float64)

    found = float(risk(tensor(clicked), tensor(everywhere), tensor(removed), prior))
    assert found == pytest.approx(plain_risk(clicked, everywhere, removed, prior), abs=1e-9)


@pytest.mark.models
def test_a_network_that_knows_clicks_by_heart_is_made_to_forget_them():
    """The part that would be negative goes up by a step: clicked pixels lose score."""
    import torch

    from space.learning.clicks import risk

    clicked = torch.tensor([9.0, 8.0], requires_grad=True)
    everywhere = torch.tensor([-9.0, -8.0])
    risk(clicked, everywhere, torch.empty(0), 0.4).backward()
    assert (clicked.grad > 0).all()


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.5])
def test_the_share_of_wanted_pixels_is_found_where_they_are_told_apart(share):
    rng = np.random.default_rng(7)
    wanted = rng.random(40_000) < share
    everywhere = np.where(wanted, rng.normal(3, 1, wanted.size), rng.normal(0, 1, wanted.size))
    found = prior_of(rng.normal(3, 1, 2000), everywhere)
    assert share * 0.8 < found < share * 1.6


def test_scores_that_tell_nothing_apart_give_a_high_share_and_no_more():
    rng = np.random.default_rng(8)
    assert prior_of(rng.random(500), rng.random(5000)) == MOST_PRIOR


def test_what_is_told_apart_is_hot_from_the_middle_between_on():
    everywhere = np.concatenate([np.full(900, -8.0), np.full(100, 6.0)])
    assert hot_level(np.full(40, 6.0), everywhere) == pytest.approx(-1.0, abs=0.2)


def test_where_all_is_mixed_the_level_is_not_far_from_the_best_by_f1():
    rng = np.random.default_rng(9)
    wanted = rng.random(50_000) < 0.03
    everywhere = np.where(wanted, rng.normal(2, 1, wanted.size), rng.normal(0, 1, wanted.size))

    def f1(level: float) -> float:
        hits = (wanted & (everywhere >= level)).sum()
        return float(2 * hits / ((everywhere >= level).sum() + wanted.sum()))

    level = hot_level(rng.normal(2, 1, 500), everywhere)
    assert f1(level) > 0.8 * max(f1(one) for one in np.linspace(-2, 4, 61))
