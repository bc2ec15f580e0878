"""What series of two kinds expose each other to, against footprints drawn pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.targeting import ExposureOptics
from space.targeting.exposure import (
    Exposed,
    dose_at,
    field_points,
    harmless,
    most_in_fields,
    shares_at,
    usual_tilts_deg,
)

BROAD = ExposureOptics(20.0, (4.0, 3.0), 6.0, 30.0, pretilt_deg=8.0)
FINE = ExposureOptics(20.0, (0.8, 0.6), 1.2, 30.0, 10.0, pretilt_deg=8.0)


def drawn(points, beam, optics, tilts) -> np.ndarray:
    """Pictures that hit points, by the equation of each ellipse."""
    angle = np.radians(optics.tilt_axis_deg)
    axis = np.array([np.sin(angle), np.cos(angle)])  # (row, column)
    away = (np.asarray(points, float) - beam) * optics.pixel_um
    along = away @ axis
    across = away @ np.array([axis[1], -axis[0]])
    hits = np.zeros(len(away))
    for tilt in tilts:
        semi = optics.beam_diameter_um / 2
        stretch = 1 / np.cos(np.radians(abs(tilt) + abs(optics.pretilt_deg)))
        hits += (along / semi) ** 2 + (across / (semi * stretch)) ** 2 <= 1
    return hits


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 70), st.floats(0, 180))
def test_shares_are_those_of_the_ellipses(seed, max_tilt, axis):
    rng = np.random.default_rng(seed)
    optics = ExposureOptics(20.0, (4.0, 3.0), 6.0, axis, max_tilt_deg=max_tilt, pretilt_deg=8.0)
    beam = rng.uniform(0, 1000, 2)
    points = beam + rng.uniform(-500, 500, (300, 2))
    tilts = usual_tilts_deg(optics, 4.0)
    assert tilts.min() == -max_tilt and tilts.max() == max_tilt
    shares = shares_at(points, Exposed(beam[None], optics, 1.0), tilts)[:, 0]
    assert np.abs(shares * len(tilts) - drawn(points, beam, optics, tilts)).max() < 1e-9
    # Without tilts, it is as much as with any usual step.
    most = shares_at(points, Exposed(beam[None], optics, 1.0))[:, 0]
    coarse = drawn(points, beam, optics, usual_tilts_deg(optics, 10.0))
    assert (most >= coarse / len(usual_tilts_deg(optics, 10.0)) - 1e-9).all()
    assert shares_at(beam[None], Exposed(beam[None], optics, 1.0))[0, 0] == 1.0


def test_doses_of_all_kinds_add_up():
    fine = Exposed(np.array([(300.0, 300)]), FINE, 100.0)
    broad = Exposed(np.array([(310.0, 290), (900, 900)]), BROAD, 4.0)
    inside, beside, nowhere = dose_at(np.array([(300, 300), (310, 400), (20, 20)]), [fine, broad])
    assert (inside, beside, nowhere) == (104.0, 4.0, 0.0)
    (most,) = most_in_fields(np.array([(300, 300)]), FINE, [broad])
    assert most == 4.0


def test_points_of_a_field_lie_all_over_it():
    points = field_points(np.array([(100.0, 200)]), FINE)[0] - (100, 200)
    angle = np.radians(FINE.field_rotation_deg)
    along = points @ (np.sin(angle), np.cos(angle)) * 0.02
    across = points @ (np.cos(angle), -np.sin(angle)) * 0.02
    assert (np.ptp(along), np.ptp(across)) == pytest.approx((0.8, 0.6))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 12))
def test_what_stays_keeps_the_budget_and_no_more_goes_than_needed(seed, budget):
    rng = np.random.default_rng(seed)
    fine = rng.uniform(0, 1500, (8, 2))
    broad = Exposed(rng.uniform(0, 1500, (6, 2)), BROAD, 5.0)
    scores = rng.uniform(0, 1, 6)
    stays = harmless(fine, FINE, broad, scores, budget)

    def most(mask) -> float:
        return most_in_fields(fine, FINE, [Exposed(broad.beams_map_px[mask], BROAD, 5.0)]).max()

    assert most(stays) <= budget + 1e-6
    if most(np.ones(6, bool)) <= budget:
        assert stays.all()
    untouched = shares_at(field_points(fine, FINE).reshape(-1, 2), broad).max(axis=0) == 0
    assert stays[untouched].all()
