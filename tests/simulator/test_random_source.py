"""Random numbers belong to places, so that the order of events does not matter."""

from __future__ import annotations

import numpy as np

from space.simulator import Simulation
from space.simulator.column.random_source import RandomSource


def test_a_place_has_its_numbers_whatever_was_drawn_before():
    one, other = RandomSource(4), RandomSource(4)
    other.at(1, 5.0, -7.0).normal(size=10)
    assert one.at(1, 2.0, 3.0).normal() == other.at(1, 2.0, 3.0).normal()


def test_coming_back_another_purpose_and_another_seed_give_other_numbers():
    source = RandomSource(4)
    values = [source.at(1, 2.0).normal(), source.at(1, 2.0).normal(), source.at(2, 2.0).normal()]
    values.append(RandomSource(5).at(1, 2.0).normal())
    assert len(set(values)) == 4


def test_the_order_of_visits_does_not_change_the_pictures(tmp_path):
    def pictures(order):
        session = Simulation(tmp_path, seed=900_400, lamellae=2).session
        taken = {}
        for k in order:
            session.scope.set_low_dose(False)
            session.scope.set_mag_index(10)
            session.scope.stage.move_to(*session.grids[1].lamellae[k].center_um)
            taken[k] = session.acquire_image("V", binning=8).data
        return taken

    forth, back = pictures([0, 1]), pictures([1, 0])
    assert np.array_equal(forth[0], back[0]) and np.array_equal(forth[1], back[1])
    assert not np.array_equal(forth[0], forth[1])
