"""The specimen: the same place looks the same in every picture, and the truth fits it."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.specimen import KINDS, LABEL, LABELS, Grid, rasters


def view(center_um, pixel_um, shape, angle_deg=0.0, flip=False):
    a = np.deg2rad(angle_deg)
    turn = pixel_um * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    if flip:
        turn = turn @ np.diag([1.0, -1.0])
    return np.column_stack([turn, np.asarray(center_um) - turn @ (shape[1] / 2, shape[0] / 2)])


@pytest.fixture(scope="module")
def grid() -> Grid:
    return Grid.make(900_101, 2, kinds=["good", "thick"])


def test_all_kinds_occur_in_six_sites_and_one_square_holds_one():
    grid = Grid.make(900_102, 6)
    assert sorted(lamella.kind for lamella in grid.lamellae) == sorted(KINDS)
    centers = np.array([lamella.center_um for lamella in grid.lamellae])
    apart = np.linalg.norm(centers[:, None] - centers[None], axis=-1)
    assert apart[~np.eye(6, dtype=bool)].min() > 80


def test_same_seed_same_grid_other_seed_other_grid():
    shape = (120, 160)
    seen = [
        Grid.make(seed, 3).transmission(view((0, 0), 2.0, shape), shape, 2.0) for seed in (5, 5, 6)
    ]
    assert np.array_equal(seen[0], seen[1])
    assert not np.allclose(seen[0], seen[2], atol=0.05)


def test_pictures_of_one_place_agree_whatever_their_rotation(grid):
    center = grid.lamellae[0].center_um
    shape, px = (301, 301), 0.05
    straight = grid.transmission(view(center, px, shape), shape, px)
    turned = grid.transmission(view(center, px, shape, 90), shape, px)
    points = np.array([[20, 40], [150, 150], [200, 90]])
    for row, col in points:
        x, y = view(center, px, shape) @ (col + 0.5, row + 0.5, 1)
        back = np.linalg.inv(view(center, px, shape, 90)[:, :2])
        c2, r2 = back @ (np.array([x, y]) - view(center, px, shape, 90)[:, 2])
        a = straight[row - 2 : row + 3, col - 2 : col + 3].mean()
        r2, c2 = int(np.floor(r2)), int(np.floor(c2))
        assert a == pytest.approx(turned[r2 - 2 : r2 + 3, c2 - 2 : c2 + 3].mean(), abs=0.05)


@pytest.mark.parametrize("coarse", [2, 4, 8])
def test_a_coarse_picture_is_the_mean_of_a_fine_one(grid, coarse):
    center = grid.lamellae[0].center_um
    px, n = 0.02, 640
    fine = grid.transmission(view(center, px, (n, n)), (n, n), px)
    m = n // coarse
    seen = grid.transmission(view(center, px * coarse, (m, m)), (m, m), px * coarse)
    mean = fine.reshape(m, coarse, m, coarse).mean(axis=(1, 3))
    assert np.abs(seen - mean).mean() < 0.02


def test_labels_fit_what_is_seen(grid):
    lamella = grid.lamellae[0]
    shape, px = (1200, 1200), 0.03
    m = view(lamella.center_um, px, shape)
    seen, labels = grid.transmission(m, shape, px), grid.label_map(m, shape)
    assert seen[labels == LABEL["white"]].mean() > 0.8  # ice in film holes counts as white
    assert seen[labels == LABEL["black"]].mean() < 0.1
    surface = seen[labels == LABEL["lamella"]]
    assert 0.15 < surface.mean() < 0.75
    assert seen[labels == LABEL["mitos"]].mean() < surface.mean()
    present = {LABELS[v] for v in np.unique(labels)}
    assert {"cell", "cellwall", "mitos", "coating", "ice", "lamella"} <= present


def test_the_box_holds_the_lamella(grid):
    for lamella in grid.lamellae:
        shape, px = (700, 700), 0.1
        m = view(lamella.center_um, px, shape)
        rows, cols = np.nonzero(np.isin(lamella.label_map(m, shape), [LABEL["lamella"]]))
        xy = np.column_stack([cols + 0.5, rows + 0.5, np.ones(len(rows))]) @ m.T
        x0, y0, x1, y1 = lamella.box_um
        assert xy[:, 0].min() > x0 - 0.5 and xy[:, 0].max() < x1 + 0.5
        assert xy[:, 1].min() > y0 - 0.5 and xy[:, 1].max() < y1 + 0.5
        assert 14 < x1 - x0 < 30 and 16 < y1 - y0 < 45


def test_unknown_kinds_and_too_many_sites_are_refused():
    with pytest.raises(ValueError, match="unknown lamella kinds"):
        Grid.make(1, 1, kinds=["nice"])
    with pytest.raises(ValueError, match="room for"):
        Grid.make(1, 90)


def test_every_pixel_of_a_picture_inside_a_lamella_is_drawn(grid):
    """Dark bulk must not count as 'nothing painted here'."""
    shape, px = (900, 1200), 0.0076
    x, y = grid.lamellae[0].center_um
    for across in (-9.0, -5.0, 0.0, 5.0, 9.0):
        seen = grid.transmission(view((x + across, y), px, shape, 6.0), shape, px)
        assert seen.dtype == np.float32 and seen.min() >= 0.003 and seen.max() <= 1.0
    raster = rasters.painted(grid.lamellae[0].site, px)
    assert raster.transmission.min() >= 0.003


def test_a_forgotten_lamella_is_painted_again_the_same(grid):
    site = grid.lamellae[0].site
    first = rasters.painted(site, rasters.COARSE_UM)
    assert rasters.painted(site, rasters.COARSE_UM) is first
    rasters.forget()
    again = rasters.painted(site, rasters.COARSE_UM)
    assert again is not first
    assert np.array_equal(again.transmission, first.transmission)
    assert np.array_equal(again.labels, first.labels)


def test_as_many_lamellae_stay_painted_as_asked(grid, monkeypatch):
    painted = []
    monkeypatch.setattr(rasters, "paint", lambda site, px: painted.append((site, px)) or object())
    sites = range(rasters.KEPT_FINE + 2)
    rasters.forget()
    try:
        rasters.keep(len(sites))
        for site in (*sites, *sites):
            rasters.painted(site, rasters.FINE_UM)
        assert len(painted) == len(sites)
        rasters.keep(0)  # as usual
        rasters.painted(len(sites), rasters.FINE_UM)
        rasters.painted(0, rasters.FINE_UM)
        assert len(painted) == len(sites) + 2
    finally:
        rasters.keep(0)
        rasters.forget()
