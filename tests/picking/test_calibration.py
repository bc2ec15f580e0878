"""From which score on a peak is picked: arithmetic on scores that are drawn by chance."""

from __future__ import annotations

import numpy as np
import pytest

from space.picking.calibration import (
    LOWEST,
    Calibration,
    calibrated,
    level_of,
    particles_among,
)
from space.picking.predicting import Choice, odds_of, picks_of, probability


def scores(rng, particles=45, middle=8.0, spread=2.0, others=25, fall=3.0):
    """Return scores of particles, and of noise and other things, of one tomogram."""
    noise = rng.gumbel(-9, 0.7, 1500)
    rest = np.concatenate([noise, rng.exponential(fall, others) - 7])
    return rng.normal(middle, spread, particles), rest


def f1_of(level, wanted, rest):
    right = (wanted >= level).sum()
    return 2 * right / (len(wanted) + right + (rest >= level).sum())


def best_f1(wanted, rest):
    return max(f1_of(level, wanted, rest) for level in np.concatenate([wanted, rest]))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shift", [0.0, -4.0])
def test_each_tomogram_gets_a_level_that_is_nearly_the_best(seed, shift):
    """Also where its scores are lower than those of the tomogram with labels."""
    rng = np.random.default_rng(seed)
    wanted, rest = scores(rng)
    elsewhere, rest_there = scores(rng, middle=8 + shift)
    found = calibrated(
        [wanted[:15], np.zeros(0)],
        [np.concatenate([wanted[15:], rest]), np.concatenate([elsewhere, rest_there])],
    )
    assert found is not None
    for right, wrong in ((wanted, rest), (elsewhere, rest_there)):
        level = level_of(found, np.concatenate([right, wrong]))
        assert f1_of(level, right, wrong) > best_f1(right, wrong) - 0.04
    assert abs(found.middle - 8) < 1
    assert 1.3 < found.spread < 2.7


def test_where_scores_overlap_most_labelled_particles_are_kept():
    rng = np.random.default_rng(5)
    wanted, rest = scores(rng, middle=-3.5, spread=1.5, others=60)
    found = calibrated([wanted[:15]], [np.concatenate([wanted[15:], rest])])
    assert found is not None
    level = level_of(found, np.concatenate([wanted, rest]))
    assert (wanted[:15] >= level).mean() > 0.6


def test_a_tomogram_without_particles_has_few_picks():
    rng = np.random.default_rng(6)
    wanted, rest = scores(rng)
    found = calibrated([wanted[:15]], [np.concatenate([wanted[15:], rest])])
    assert found is not None
    _, empty = scores(rng, particles=0)
    assert (empty >= level_of(found, empty)).sum() <= 3
    assert np.isfinite(level_of(found, np.zeros(0)))


def test_few_labels_tell_nothing():
    rng = np.random.default_rng(7)
    wanted, rest = scores(rng)
    assert calibrated([wanted[:4]], [rest]) is None
    assert calibrated([wanted], [np.zeros(0)]) is None


@pytest.mark.parametrize("seed", range(4))
def test_particles_are_counted_by_some_that_are_known(seed):
    rng = np.random.default_rng(seed)
    wanted, rest = scores(rng, others=10)
    count = particles_among(wanted[:15], np.concatenate([wanted[15:], rest]))
    assert 33 < count < 60
    # A label where nothing is found changes little.
    missed = np.concatenate([wanted[:15], [-np.inf]])
    assert particles_among(missed, np.concatenate([wanted[15:], rest])) < 70
    assert particles_among(wanted, rest[:0]) == 45
    assert particles_among(np.full(3, -np.inf), rest) == 3


@pytest.mark.parametrize("wrong", [{"spread": 0.0}, {"least": 1.0}, {"middle": float("nan")}])
def test_an_odd_calibration_is_refused(wrong):
    values = {"middle": 4.0, "spread": 1.0, "noise": 0.7, "fall": 2.0, "part": 0.1}
    values.update(best=0.05, least=0.5, margin=1.0)
    with pytest.raises(ValueError, match="calibration"):
        Calibration(**{**values, **wrong})


def test_a_chosen_threshold_comes_before_the_calibration():
    heat = np.full((20, 20, 20), probability(np.array(LOWEST - 2.0)))
    for at, odds in (((10, 10, 10), 6.0), ((3, 10, 10), 5.0), ((10, 4, 15), 0.5)):
        heat[at] = probability(np.array(odds))
    told = Calibration(6.0, 1.0, noise=0.7, fall=2.0, part=0.1, best=0.05, least=0.5, margin=1.5)

    def count(calibration, **choice):
        return len(picks_of(heat, 1.0, (40, 40, 40), Choice(**choice), calibration))

    assert count(told) == 2
    assert count(told, threshold=0.5) == 3
    assert count(None) == 3
    assert odds_of(probability(np.array(2.5))) == pytest.approx(2.5)
