"""The stage creeps after moves and settles; wandering on demand."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.column.clock import Clock
from space.simulator.column.drift import MOVE_CREEP_UM, SETTLING_S, Drift


def test_creep_after_a_move_settles_exponentially():
    clock = Clock()
    drift = Drift(clock, seed=3, scale=1.0)
    drift.moved(100.0, 10.0, 20.0)
    first = np.array(drift.displacement_um())
    assert 0.0 < np.hypot(*first) < 5.0 * MOVE_CREEP_UM
    later = np.array(drift.displacement_um(clock.seconds + SETTLING_S))
    assert later == pytest.approx(first / np.e)
    clock.advance(20.0 * SETTLING_S)
    assert drift.displacement_um() == pytest.approx((0.0, 0.0), abs=1e-8)


def test_creep_is_of_the_place_and_the_next_move_ends_it():
    sizes = []
    for _ in range(2):
        drift = Drift(Clock(), seed=3, scale=1.0)
        drift.moved(100.0, 10.0, 20.0)
        sizes.append(drift.displacement_um())
        drift.moved(100.0, -10.0, 20.0)
        assert len(drift.creeps) == 1
        drift.moved(0.001, -10.0, 20.0)
        assert len(drift.creeps) == 1
    assert sizes[0] == sizes[1]


def test_short_moves_and_small_tilts_creep_less():
    def mean_size(act):
        sizes = []
        for place in range(200):
            drift = Drift(Clock(), scale=1.0)
            act(drift, float(place))
            sizes.append(np.hypot(*drift.displacement_um()))
        return np.mean(sizes)

    long, short = (mean_size(lambda d, p, s=s: d.moved(s, p)) for s in (50.0, 0.5))
    assert short < 0.5 * long
    assert mean_size(lambda d, p: d.tilted(3.0, p)) < 0.5 * long


def test_a_stage_without_creep_stands_still():
    drift = Drift()
    drift.moved(100.0, 1.0, 2.0)
    drift.tilted(60.0, 60.0)
    assert drift.displacement_um() == (0.0, 0.0)


def test_wandering_begins_with_its_rate_dies_away_and_outlives_a_move():
    clock = Clock()
    drift = Drift(clock)
    drift.start(rate_nm_s=10.0, settling_s=100.0, direction_deg=90.0)
    assert drift.displacement_um(1.0) == pytest.approx((0.0, 0.010), rel=0.01, abs=1e-9)
    clock.advance(50.0)
    drift.moved(10.0, 1.0)
    assert drift.displacement_um()[1] == pytest.approx(1.0 * (1.0 - np.exp(-0.5)))
    clock.advance(1000.0)
    assert drift.displacement_um() == pytest.approx((0.0, 1.0), abs=1e-3)
    drift.moved(10.0, 2.0)
    assert drift.displacement_um() == (0.0, 0.0)
