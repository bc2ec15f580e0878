"""Hole lattices on synthetic films."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from space.errors import SpaceError
from space.targeting import ExposureOptics, TargetingOptions, find_holes, select_targets


def film(
    seed=0, shape=(500, 640), spacing=64.0, radius=19.0, angle=17.0, cell=90.0, missing=0.2,
    noise=1.0, bright=True, jitter=0.0,
):  # fmt: skip
    """A picture of a holey film, its lattice points and which of them are holes."""
    rng = np.random.default_rng(seed)
    directions = np.radians([angle, angle + cell])
    # One vector is 2 % longer, as after a small distortion.
    vectors = np.array([[1.0], [1.02]]) * spacing
    vectors = vectors * np.stack([np.sin(directions), np.cos(directions)], axis=1)
    reach = np.arange(-30, 31)
    steps = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 2)
    points = rng.uniform(0, spacing, 2) + steps @ vectors
    points = points[((points > -radius) & (points < np.array(shape) + radius)).all(axis=1)]
    there = rng.random(len(points)) >= missing
    middles = points[there] + rng.normal(0, jitter, (there.sum(), 2))
    pixels = np.indices(shape).reshape(2, -1).T + 0.5
    away = cKDTree(middles).query(pixels)[0].reshape(shape)
    picture = np.clip(radius + 0.5 - away, 0, 1)
    picture = (picture if bright else 1 - picture) + rng.normal(0, noise, shape)
    return picture + np.linspace(0, 1.5, shape[1]), points, there


@pytest.mark.parametrize(
    ("changes", "error_px", "share"),
    [
        ({}, 0.3, 0.97),
        ({"cell": 60.0, "seed": 1}, 0.3, 0.97),
        ({"angle": 45.0, "seed": 2}, 0.3, 0.97),
        ({"missing": 0.5, "seed": 3}, 0.4, 0.97),
        ({"noise": 4.0, "seed": 4}, 1.5, 0.9),
        ({"bright": False, "seed": 5}, 0.3, 0.97),
        ({"jitter": 2.0, "seed": 6}, 1.5, 0.97),
        ({"spacing": 130.0, "radius": 40.0, "shape": (1200, 900), "seed": 7}, 0.5, 0.97),
    ],
)
def test_holes_are_found_to_a_fraction_of_a_pixel(changes, error_px, share):
    picture, points, there = film(**changes)
    lattice = find_holes(picture)
    away, nearest = cKDTree(points).query(lattice.holes_map_px)
    assert math.sqrt((away**2).mean()) < error_px
    assert there[nearest].all(), "a hole that is not there"
    radius, spacing = changes.get("radius", 19.0), changes.get("spacing", 64.0)
    inside = ((points > radius) & (points < np.array(picture.shape) - radius)).all(axis=1)
    found = cKDTree(lattice.holes_map_px).query(points[inside & there])[0] < spacing / 4
    assert found.mean() >= share
    assert lattice.radius_px == pytest.approx(radius, rel=0.05)
    area = 1.02 * spacing**2 * math.sin(math.radians(changes.get("cell", 90.0)))
    assert abs(np.linalg.det(lattice.vectors_map_px)) == pytest.approx(area, rel=0.005)
    assert lattice.spacing_px == pytest.approx(1.01 * spacing, rel=0.01)


def test_a_mask_of_large_holes_is_understood():
    picture, points, there = film(radius=27.0, noise=0.0, missing=0.0)
    mask = picture - np.linspace(0, 1.5, picture.shape[1]) > 0.5
    lattice = find_holes(mask)
    assert cKDTree(points).query(lattice.holes_map_px)[0].max() < 0.5
    # In a grey picture, what covers more than half of the area is taken for film unless told.
    lattice = find_holes(film(radius=31.0, missing=0.0)[0], bright=True)
    assert cKDTree(points).query(lattice.holes_map_px)[0].max() < 0.5


def nothing() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (400, 500))
    waves = np.sin(np.arange(400) / 5)[:, None] * np.ones((1, 500))
    return {
        "noise": noise,
        "blobs": gaussian_filter(noise, 8),
        "flat": np.ones((300, 300)),
        "stripes": waves,
        "one hole": film(spacing=900.0, radius=60.0, shape=(300, 300), missing=0.0)[0],
        "tiny": np.ones((5, 7)),
        "empty": np.zeros((0, 0)),
    }


@pytest.mark.parametrize("name", nothing())
def test_where_there_is_no_lattice_none_is_found(name):
    assert find_holes(nothing()[name]) is None


def test_a_stack_is_refused():
    with pytest.raises(SpaceError, match="rows and columns"):
        find_holes(np.zeros((3, 4, 5)))


def test_targets_sit_in_holes():
    picture, points, there = film(missing=0.3)
    lattice = find_holes(picture)
    labels = np.ones(picture.shape, np.uint8)
    options = TargetingOptions(("ice film",), (), sparse=False)
    optics = ExposureOptics(25.0, (0.86, 0.61), 1.5, tilt_axis_deg=80.0, beam_margin_um=0.0)
    choice = select_targets(
        labels, {"background": 0, "ice film": 1}, options, optics,
        sites_map_px=lattice.holes_map_px,
    )  # fmt: skip
    targets = np.concatenate([area.targets_map_px for area in choice.areas])
    away, nearest = cKDTree(points).query(targets)
    assert len(targets) >= 8 and away.max() < 1 and there[nearest].all()
    assert choice.counts.places <= len(lattice.holes_map_px)
    assert set(choice.rejected) == {"beam conflict"}
