"""Maps of dose, and what a dose does to the specimen."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from space.simulator.imaging.damage import (
    BUBBLING_DOSE_E_A2,
    DARKENING,
    TILE_UM,
    Damage,
    DoseMap,
    damaged,
)
from space.simulator.imaging.pictures import Exposure

ROUND = ((0.8, 0.0), (0.0, 0.8))


def map_of(center_um, pixel_um, shape, angle_deg=0.0):
    a = math.radians(angle_deg)
    turn = pixel_um * np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    return np.column_stack([turn, np.asarray(center_um) - turn @ (shape[1] / 2, shape[0] / 2)])


@pytest.mark.parametrize("pixel_um", [0.0076, 0.05, 0.3])
@pytest.mark.parametrize("center_um", [(5.0, 5.0), (TILE_UM, -TILE_UM), (0.0, 2.3)])
def test_an_exposure_is_a_disc_of_its_dose(pixel_um, center_um):
    doses = DoseMap()
    doses.add(center_um, ROUND, 40.0)
    shape = (int(3.0 / pixel_um), int(4.0 / pixel_um))
    seen = doses.sample(map_of(center_um, pixel_um, shape, 30.0), shape)
    assert seen.shape == shape and seen.dtype == np.float32
    assert seen.max() == pytest.approx(40.0, rel=0.02)
    assert seen.sum() * pixel_um**2 == pytest.approx(40.0 * math.pi * 0.8**2, rel=0.05)
    rows, cols = np.indices(shape) + 0.5
    assert (seen * cols).sum() / seen.sum() == pytest.approx(shape[1] / 2, abs=0.02 / pixel_um)
    assert (seen * rows).sum() / seen.sum() == pytest.approx(shape[0] / 2, abs=0.02 / pixel_um)


def test_doses_add_up_and_places_without_any_have_no_map():
    doses = DoseMap()
    doses.add((0.0, 0.0), ROUND, 3.0)
    doses.add((0.5, 0.0), ROUND, 4.0)
    shape = (40, 40)
    seen = doses.sample(map_of((0.25, 0.0), 0.05, shape), shape)
    assert seen[20, 20] == pytest.approx(7.0)
    assert doses.sample(map_of((300.0, 0.0), 0.05, shape), shape) is None
    assert not doses.sample(map_of((5.0, 0.0), 0.05, shape), shape).any()


def test_the_footprint_of_a_tilted_picture_is_long_across_the_axis():
    doses = DoseMap()
    doses.add((3.0, 3.0), ((-0.8, 0.0), (0.0, -1.6)), 10.0)
    shape = (200, 200)
    seen = doses.sample(map_of((3.0, 3.0), 0.02, shape), shape) > 5.0
    assert np.count_nonzero(seen[100]) * 0.02 == pytest.approx(1.6, abs=0.1)
    assert np.count_nonzero(seen[:, 100]) * 0.02 == pytest.approx(3.2, abs=0.1)


def test_damage_is_that_of_the_exposures_of_the_grid():
    def exposure(index, grid, dose):
        return Exposure(
            index, grid, "R", 3, (0.0, 0.0), 0.8, 0.0, dose, 26,
            beam_center_um=(0.0, 0.0), beam_axes_um=ROUND,
        )  # fmt: skip

    shape = (10, 10)
    there = map_of((0.0, 0.0), 0.02, shape)
    damage, exposures = Damage(), [exposure(0, "G1", 5.0), exposure(1, "G2", 7.0)]
    assert damage.dose_map("G1", exposures).sample(there, shape).max() == pytest.approx(5.0)
    exposures += [exposure(2, "G1", 1.0), exposure(3, "G1", 0.02)]
    assert damage.dose_map("G1", exposures).sample(there, shape).max() == pytest.approx(6.0)
    again = pickle.loads(pickle.dumps(damage))
    assert again.dose_map("G2", exposures).sample(there, shape).max() == pytest.approx(7.0)
    assert damage.dose_map("G1", exposures[:1]).sample(there, shape).max() == pytest.approx(5.0)


def test_matter_darkens_with_the_dose_and_vacuum_does_not():
    seen = np.full((3, 3), 0.4, np.float32)
    dose = np.full((3, 3), 30.0, np.float32)
    once, twice = damaged(seen, dose), damaged(seen, 2 * dose)
    assert (twice < once).all() and (once < seen).all()
    limit = damaged(seen, np.float32(1e4) * np.ones_like(seen))
    assert limit == pytest.approx(0.4 ** (1.0 + DARKENING))
    assert damaged(np.ones((3, 3), np.float32), dose) == pytest.approx(1.0)


def test_bubbles_come_above_their_dose_only():
    seen = np.full((100, 100), 0.4, np.float32)
    field = np.random.default_rng(1).standard_normal(seen.shape).astype(np.float32)
    few = np.full(seen.shape, 0.9 * BUBBLING_DOSE_E_A2, np.float32)
    assert damaged(seen, few, field).std() < 1e-6
    boiled = damaged(seen, 4.0 * few, field)
    assert 0.05 < np.mean(boiled > seen) < 0.3 and boiled.max() <= 1.0
