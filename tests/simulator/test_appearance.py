"""Lamellae that look as real ones do: contrasts of either sign, and labels that hold."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from space.simulator.specimen import LABEL, LABELS, Grid, Site, draw_appearance
from space.simulator.specimen.appearance import ORGANISMS
from space.simulator.specimen.lamella import paint

COARSE_UM = 0.06


def site(seed: int, kind: str = "good", **changes) -> Site:
    """A site that looks as drawn for a seed."""
    plain = Grid.make(seed, 1, kinds=[kind]).lamellae[0].site
    looks = replace(draw_appearance(np.random.default_rng([102, seed]), kind), **changes)
    return replace(plain, looks=looks)


def contrast(raster, inside: str, outside: str) -> float:
    """Relative difference of the optical depth of two classes."""
    depth = -np.log(raster.transmission)
    inner, outer = (np.median(depth[raster.labels == LABEL[name]]) for name in (inside, outside))
    return float(inner / outer - 1)


@pytest.mark.parametrize("kind", ["good", "thick", "wedge", "broken", "contaminated", "gone"])
def test_each_kind_is_painted_with_labels_of_the_table_and_no_background(kind):
    raster = paint(site(5, kind), COARSE_UM)
    assert raster.labels.min() > LABEL["background"]
    assert raster.labels.max() < len(LABELS)
    assert 0.003 <= raster.transmission.min() and raster.transmission.max() <= 1


def test_the_same_seed_gives_the_same_lamella():
    first, second = paint(site(8), COARSE_UM), paint(site(8), COARSE_UM)
    assert np.array_equal(first.transmission, second.transmission)
    assert np.array_equal(first.labels, second.labels)


def test_rasters_of_two_pixel_sizes_show_the_same_cells():
    fine, coarse = (paint(site(9, crowding=0.5), px).labels == LABEL["cell"] for px in (0.03, 0.06))
    rows, cols = coarse.shape
    shrunk = fine[: 2 * rows : 2, : 2 * cols : 2][:rows, :cols]
    same = coarse[: shrunk.shape[0], : shrunk.shape[1]]
    both = np.logical_and(shrunk, same).sum()
    assert 2 * both / (shrunk.sum() + same.sum()) > 0.95


def test_cells_are_darker_than_the_medium_in_some_lamellae_and_brighter_in_others():
    seen = [draw_appearance(np.random.default_rng(k), "good").cell for k in range(200)]
    assert 0.1 < np.mean(np.array(seen) < 0) < 0.5
    assert np.percentile(np.abs(seen), 90) < 0.1


@pytest.mark.parametrize("cell", [-0.06, 0.08])
def test_the_contrast_that_was_drawn_is_painted(cell):
    even = {"unevenness": 0.0, "curtains": 0.0, "bands": 0.0, "slope_across": 0.0}
    flat = {**even, "front": 1.0, "back": 1.0, "edge_ramps_um": (0.0, 0.0), "cell_spread": 0.0}
    of = site(11, organism="yeast", crowding=0.5, walled=True, cell=cell, ice=0.3, **flat)
    assert contrast(paint(of, COARSE_UM), "cell", "lamella") == pytest.approx(cell, abs=0.02)


def test_every_organism_is_drawn():
    drawn = {draw_appearance(np.random.default_rng(k), "good").organism for k in range(100)}
    assert drawn == set(ORGANISMS)


def test_animal_cells_have_no_wall():
    looks = {"organism": "animal", "walled": False, "crowding": 1.0}
    labels = paint(site(12, **looks), COARSE_UM).labels
    assert (labels == LABEL["cell"]).any()
    assert not (labels == LABEL["cellwall"]).any()


def test_a_thick_edge_is_bulk_where_hardly_anything_passes():
    wide = paint(site(13, edge_ramps_um=(1.5, 1.5)), COARSE_UM)
    none = paint(site(13, edge_ramps_um=(0.0, 0.0)), COARSE_UM)
    black = LABEL["black"]
    assert (wide.labels == black).sum() >= (none.labels == black).sum()
    assert np.median(wide.transmission[wide.labels == black]) < 0.2


def test_the_rim_of_a_hole_is_as_bright_as_drawn():
    dark, bright = (paint(site(15, rim=rim), COARSE_UM).transmission for rim in (0.7, 1.3))
    changed = np.abs(bright - dark) > 1e-3
    assert 0 < changed.mean() < 0.1
    assert (bright[changed] > dark[changed]).all()
    assert np.median(bright[changed] / dark[changed]) == pytest.approx(1.3 / 0.7, rel=0.05)


def test_some_lamellae_are_nearly_as_bright_as_vacuum_and_some_equally_thick_all_over():
    seen = [draw_appearance(np.random.default_rng(k), "good") for k in range(200)]
    depth = np.array([[looks.front, looks.back] for looks in seen])
    assert 0.05 < (depth.max(axis=1) < 0.3).mean() < 0.35
    ratio = depth[:, 1] / depth[:, 0]
    assert 0.3 < (ratio < 1.5).mean() < 0.8 and ratio.max() > 3


def test_without_looks_a_lamella_is_plain():
    plain = Grid.make(5, 1, kinds=["good"]).lamellae[0].site
    assert plain.looks is None
    assert not np.array_equal(paint(plain, COARSE_UM).labels, paint(site(5), COARSE_UM).labels)


def test_each_field_of_the_appearance_is_described():
    looks = draw_appearance(np.random.default_rng(0), "good")
    text = type(looks).__doc__ or ""
    assert [f.name for f in fields(looks) if f.name not in text] == []
