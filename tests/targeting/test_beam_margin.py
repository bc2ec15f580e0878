"""Room around the beam of a tracking target, which misses its place while the stage tilts."""

from __future__ import annotations

import numpy as np
import pytest

from space.errors import SpaceError
from space.targeting import ExposureOptics, TargetingOptions, select_targets
from space.targeting.apart import areas_apart
from space.targeting.areas import distances
from space.targeting.packing import TiltFrame
from space.targeting.room import AREA_SHARE, make_room, positions_around

NAMES = {"background": 0, "lamella": 1, "mitos": 2}
DENSE = TargetingOptions(("mitos",), (), sparse=False, max_iterations=4)
BEAM_UM = 1.0


def make_optics(**changes) -> ExposureOptics:
    values = {
        "pixel_nm": 40.0,
        "field_um": (0.8, 0.8),
        "beam_diameter_um": BEAM_UM,
        "tilt_axis_deg": 70.0,
        "image_shift_limit_um": 12.0,
        "beam_margin_um": 0.0,
    }
    return ExposureOptics(**{**values, **changes})


def whole_map(shape=(240, 280)) -> np.ndarray:
    return np.full(shape, NAMES["mitos"], np.uint8)


def gaps_um(choice, optics: ExposureOptics) -> tuple[np.ndarray, np.ndarray]:
    """Nearest distance of each area's tracking target and of every other one to all others."""
    points = [TiltFrame.of(optics).from_map(area.targets_map_px) for area in choice.areas]
    apart = distances(np.concatenate(points), np.concatenate(points))
    np.fill_diagonal(apart, np.inf)
    first = np.concatenate([np.arange(len(part)) == 0 for part in points])
    nearest = apart.min(axis=1)
    return nearest[first], nearest[~first]


@pytest.mark.parametrize(
    ("margin_um", "limit_um", "lost"), [(0.15, 12.0, 2), (0.3, 12.0, 3), (0.15, 4.0, 3)]
)
def test_margin_around_tracking_targets_costs_few_others(margin_um, limit_um, lost):
    tight = make_optics(image_shift_limit_um=limit_um)
    roomy = make_optics(image_shift_limit_um=limit_um, beam_margin_um=margin_um)
    without = select_targets(whole_map(), NAMES, DENSE, tight)
    choice = select_targets(whole_map(), NAMES, DENSE, roomy)
    assert gaps_um(without, tight)[0].min() < BEAM_UM + 0.05  # there is something to do
    tracking, others = gaps_um(choice, roomy)
    assert tracking.min() >= BEAM_UM + margin_um - 1e-6
    assert others.min() >= BEAM_UM - 1e-6
    assert len(choice.areas) == len(without.areas)
    assert choice.n_targets >= without.n_targets - lost * len(without.areas)
    away = [
        np.hypot(*(area.targets_map_px - area.targets_map_px[0]).T).max() for area in choice.areas
    ]
    assert max(away) * roomy.pixel_um <= limit_um
    again = select_targets(whole_map(), NAMES, DENSE, roomy)
    assert len(again.areas) == len(choice.areas)
    for one, other in zip(choice.areas, again.areas):
        assert (one.targets_map_px == other.targets_map_px).all()


def test_nothing_changes_where_there_is_room():
    labels = np.ones((240, 280), np.uint8)
    for row, column in ((60, 60), (120, 140), (180, 220)):
        labels[row - 8 : row + 8, column - 8 : column + 8] = NAMES["mitos"]
    chosen = [
        select_targets(labels, NAMES, TargetingOptions(("mitos",), ()), make_optics(**changes))
        for changes in ({}, {"beam_margin_um": 0.3})
    ]
    points = [choice.areas[0].targets_map_px for choice in chosen]
    assert len(points[0]) == 3 and (points[0] == points[1]).all()


def test_fixed_targets_stay_whatever_the_margin():
    optics = make_optics(beam_margin_um=0.3)
    middle = np.array([120.0, 140.0])
    fixed = middle + [[0.0, 0.0], [0.0, 30.0]]
    choice = select_targets(whole_map(), NAMES, DENSE, optics, fixed_map_px=fixed)
    everything = np.concatenate([area.targets_map_px for area in choice.areas])
    assert (distances(fixed, everything).min(axis=1) == 0).all()
    assert sum(int(area.fixed.sum()) for area in choice.areas) == 2


def test_targets_at_sites_stay_at_sites_and_those_in_the_way_go():
    optics = make_optics(beam_margin_um=0.3, tilt_axis_deg=0.0)
    rows, columns = np.meshgrid(np.arange(40, 220, 60.0), np.arange(40, 260, 30.0), indexing="ij")
    sites = np.stack([rows.ravel(), columns.ravel()], axis=1)  # 1.2 um apart along the axis
    choice = select_targets(whole_map(), NAMES, DENSE, optics, sites_map_px=sites)
    everything = np.concatenate([area.targets_map_px for area in choice.areas])
    assert (distances(everything, sites).min(axis=1) == 0).all()
    assert gaps_um(choice, optics)[0].min() >= 1.3 - 1e-6
    assert len(sites) - 2 >= len(everything) >= len(sites) - 6


def test_an_extra_tracking_target_keeps_the_margin():
    optics = make_optics(beam_margin_um=0.3)
    labels = np.ones((240, 280), np.uint8)
    labels[60:100, 40:240] = labels[140:180, 40:240] = NAMES["mitos"]
    options = TargetingOptions(("mitos",), (), extra_tracking=True)
    choice = select_targets(labels, NAMES, options, optics)
    assert all(area.extra_tracking for area in choice.areas)
    assert gaps_um(choice, optics)[0].min() >= BEAM_UM + 0.3 - 1e-6


def test_between_three_touching_beams_two_targets_are_lost():
    optics = make_optics(beam_margin_um=0.15, tilt_axis_deg=0.0, max_tilt_deg=0.0)
    turns = np.radians(np.arange(0, 360, 60))
    ring_px = BEAM_UM / optics.pixel_um * np.stack([np.sin(turns), np.cos(turns)], axis=1)
    outer_px = np.concatenate([2 * ring_px, ring_px + np.roll(ring_px, 1, axis=0)])
    others = np.concatenate([ring_px, outer_px]) + 100
    places = positions_around(np.array([100.0, 100.0]), optics)
    ones = np.ones(len(others))
    order, there = make_room(
        places, np.ones(len(places)), others, ones, np.zeros(len(others), bool), optics
    )
    assert order[-1] == 0 and there[-1].sum() == len(others) - 6  # where it is all six have to go
    assert there[0].sum() == len(others) - 2
    moved_um = np.hypot(*(places[order[0]] - 100)) * optics.pixel_um
    assert moved_um == pytest.approx(BEAM_UM / 3**0.5, abs=0.03)


def test_areas_are_moved_apart_as_a_whole_and_by_no_more_than_needed():
    optics = make_optics(beam_margin_um=0.2)
    lattice = np.stack(np.meshgrid(np.arange(8.0), np.arange(6.0), indexing="ij"), axis=-1)
    points = TiltFrame.of(optics).to_map(lattice.reshape(-1, 2) * BEAM_UM + 20)
    area = (np.arange(len(points)) >= 24).astype(int)
    moved = areas_apart(points, area, np.zeros(len(points), bool), optics)
    tilted = TiltFrame.of(optics).from_map(moved)
    between = distances(tilted[area == 0], tilted[area == 1]).min()
    assert between == pytest.approx(BEAM_UM + AREA_SHARE * 0.2, abs=1e-3)
    for number in (0, 1):
        shift = (moved - points)[area == number]
        assert np.ptp(shift, axis=0).max() < 1e-6  # as a whole
        assert 0 < np.hypot(*shift[0]) * optics.pixel_um <= 0.5 * AREA_SHARE * 0.2 + 1e-3
    held = areas_apart(points, area, np.arange(len(points)) == 0, optics)
    assert (held[area == 0] == points[area == 0]).all() and (held != moved)[area == 1].any()


def test_a_margin_below_zero_is_refused():
    with pytest.raises(SpaceError, match="beam_margin must be a distance from 0 um up"):
        make_optics(beam_margin_um=-0.1)
