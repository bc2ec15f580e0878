"""Broad fields beside fine targets: packed like others, and held to what fine ones may have had."""

import numpy as np
import pytest

from space.targeting import (
    DoseRule,
    ExposureOptics,
    TargetArea,
    TargetingOptions,
    select_broad,
    select_targets,
)
from space.targeting.exposure import Exposed, most_in_fields
from space.targeting.packing import TiltFrame, conflicts

NAMES = {"background": 0, "lamella": 1, "mitos": 2, "black": 3}
FINE = ExposureOptics(30.0, (0.86, 0.61), 1.2, 85.0)
BROAD = ExposureOptics(30.0, (3.0, 2.2), 4.4, 85.0)
FINE_OPTIONS = TargetingOptions(("mitos",), ("black",))
OPTIONS = TargetingOptions(("lamella",), ("black",), max_targets=5)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    made = np.ones((450, 700), np.uint8)
    rows, columns = np.mgrid[: made.shape[0], : made.shape[1]]
    for row, column in np.random.default_rng(1).uniform((40, 40), (410, 660), (25, 2)):
        made[(rows - row) ** 2 + (columns - column) ** 2 < 12**2] = 2
    return made


@pytest.fixture(scope="module")
def fine(labels):
    choice = select_targets(labels, NAMES, FINE_OPTIONS, FINE)
    return np.concatenate([area.targets_map_px for area in choice.areas]), FINE


def points_of(choice) -> np.ndarray:
    return np.concatenate([np.empty((0, 2)), *(area.targets_map_px for area in choice.areas)])


def test_after_the_fine_ones_they_cost_them_nothing(labels, fine):
    choice, stated = select_broad(labels, NAMES, OPTIONS, BROAD, fine, DoseRule())
    assert len(points_of(choice)) >= 3 and stated.contained > 0 and stated.prior_e_A2 == 0
    assert not len(conflicts(TiltFrame.of(BROAD).from_map(points_of(choice)), 4.4))
    assert "taken after" in stated.sentence(DoseRule())


@pytest.mark.parametrize("share", [0.0, 1.2, 2.0])
def test_before_them_no_field_gets_more_than_is_allowed(labels, fine, share):
    rule = DoseRule(True, 3.0, 3.0 * share)
    choice, stated = select_broad(labels, NAMES, OPTIONS, BROAD, fine, rule)
    assert len(points_of(choice))
    exposed = Exposed(points_of(choice), BROAD, 3.0)
    most = most_in_fields(*fine, [exposed]).max()
    assert most <= min(stated.prior_e_A2, 3.0 * share) + 1e-6
    assert choice.counts.targets == len(points_of(choice))
    if share == 0.0:  # they are placed beside the fine ones
        assert stated.dropped == 0 and stated.contained == 0
    else:
        assert stated.contained > 0 and stated.prior_e_A2 >= 3.0
    assert f"allowed: {3.0 * share:g}" in stated.sentence(rule)


def test_fields_that_a_person_gives_are_taken_as_they_are_but_for_the_budget(labels, fine):
    place = fine[0][0]
    given = [TargetArea(np.array([place]), np.zeros(1))]
    choice, stated = select_broad(labels, NAMES, OPTIONS, BROAD, fine, DoseRule(), given=given)
    assert points_of(choice).tolist() == [place.tolist()] and stated.contained > 0
    none, stated = select_broad(
        labels, NAMES, OPTIONS, BROAD, fine, DoseRule(True, 3.0, 1.0), given=given
    )
    assert not none.areas and none.counts.targets == 0 and stated.dropped == 1
