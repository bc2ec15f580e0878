from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from space.segmentation import structure
from space.segmentation.regions import RegionMap
from space.segmentation.structure import Structure, tidied

NAMES = {name: k for k, name in enumerate(["background", *list(structure.SMALLEST_UM2)[1:]])}
PIXEL_NM = 100.0
OFF = Structure(specks=False, interiors=False, organelles=False, islands=False, background=False)


def field(name="lamella", shape=(80, 80)):
    return np.full(shape, NAMES[name], np.uint8)


def disc(labels, name, center, radius):
    rows, cols = np.indices(labels.shape)
    labels[np.hypot(rows - center[0], cols - center[1]) <= radius] = NAMES[name]


def walled(inside="lamella"):
    labels = field()
    disc(labels, "cellwall", (40, 40), 22)
    disc(labels, inside, (40, 40), 18)
    return labels


maps = arrays(np.uint8, (24, 31), elements=st.integers(0, len(NAMES) - 1))
blocks = arrays(np.uint8, (6, 7), elements=st.integers(0, len(NAMES) - 1)).map(
    lambda a: np.kron(a, np.ones((5, 5), np.uint8))
)
pictures = arrays(np.uint8, (6, 7), elements=st.integers(0, 3)).map(
    lambda a: np.kron(a, np.ones((5, 5), np.uint8)) * (np.arange(35) % 3).astype(np.uint8)
)


@settings(max_examples=40, deadline=None)
@given(st.one_of(maps, blocks), st.floats(20, 300))
def test_tidying_again_changes_nothing_and_no_class_is_new(labels, pixel_nm):
    once = tidied(labels, NAMES, pixel_nm)
    assert once.shape == labels.shape and once.dtype == np.uint8
    assert set(np.unique(once)) <= {*np.unique(labels), NAMES["cell"]}
    assert np.array_equal(tidied(once, NAMES, pixel_nm), once)


@settings(max_examples=30, deadline=None)
@given(blocks, pictures, st.floats(20, 300))
def test_tidying_again_with_the_picture_changes_nothing(labels, picture, pixel_nm):
    once = tidied(labels, NAMES, pixel_nm, picture=picture)
    assert np.array_equal(tidied(once, NAMES, pixel_nm, picture=picture), once)


@settings(max_examples=40, deadline=None)
@given(blocks)
def test_a_region_above_all_sizes_is_never_changed(labels):
    rules = Structure(
        largest_cell_um2=0.5,
        largest_organelle_um2=0.5,
        largest_background_um2=0.5,
        largest_island_um2=0.5,
    )
    result = tidied(labels, NAMES, PIXEL_NM, rules)
    before = RegionMap.of(labels)
    large = before.regions.areas_px > 50
    kept = np.repeat(large[before.region_of_run], np.diff(before.run_starts, append=labels.size))
    kept = kept.reshape(labels.shape)
    assert np.array_equal(result[kept], labels[kept])


@settings(max_examples=30, deadline=None)
@given(st.one_of(maps, blocks))
def test_without_rules_a_map_stays(labels):
    assert np.array_equal(tidied(labels, NAMES, PIXEL_NM, OFF), labels)


@settings(max_examples=30, deadline=None)
@given(st.one_of(maps, blocks))
def test_regions_are_those_of_scipy(labels):
    from scipy import ndimage

    found = RegionMap.of(labels)
    sizes = sorted(found.regions.areas_px)
    expected = []
    for value in np.unique(labels):
        numbered, _ = ndimage.label(labels == value)
        expected += list(np.bincount(numbered.ravel())[1:])
    assert sizes == sorted(expected)
    shared = (labels[1:] != labels[:-1]).sum() + (labels[:, 1:] != labels[:, :-1]).sum()
    assert found.regions.shared_px.sum() == 2 * shared
    assert np.array_equal(found.painted(), labels)


def test_a_speck_becomes_what_surrounds_it_most():
    labels = field()
    labels[:, 40:] = NAMES["cell"]
    labels[38:42, 39:44] = NAMES["nucleus"]  # 0.2 um2, mostly in the cell
    result = tidied(labels, NAMES, PIXEL_NM, replace(OFF, specks=True))
    assert (result[38:42, 40:44] == NAMES["cell"]).all()
    assert NAMES["nucleus"] not in result
    labels[36:46, 46:56] = NAMES["nucleus"]  # 1 um2
    result = tidied(labels, NAMES, PIXEL_NM, replace(OFF, specks=True))
    assert (result == NAMES["nucleus"]).sum() == 100


def test_specks_in_specks_disappear_together():
    labels = field()
    disc(labels, "nucleus", (40, 40), 2.5)
    disc(labels, "dynabeads", (40, 40), 1)
    result = tidied(labels, NAMES, PIXEL_NM, replace(OFF, specks=True))
    assert (result == NAMES["lamella"]).all()


def test_lamella_in_a_wall_is_the_inside_of_a_cell():
    labels = walled()
    disc(labels, "ice", (44, 44), 4)
    result = tidied(labels, NAMES, PIXEL_NM, replace(OFF, interiors=True))
    inside = np.hypot(*(np.indices(labels.shape) - 40)) <= 18
    assert set(np.unique(result[inside])) == {NAMES["cell"], NAMES["ice"]}
    assert (result[~inside] == labels[~inside]).all()


@pytest.mark.parametrize("why", ["open wall", "too large", "at the edge", "hole"])
def test_lamella_that_is_no_inside_stays(why):
    labels, rules = walled(), replace(OFF, interiors=True)
    if why == "open wall":
        labels[40, 50:] = NAMES["lamella"]
    elif why == "too large":
        rules = replace(rules, largest_cell_um2=9.0)
    elif why == "at the edge":
        labels = labels[40:].copy()
    else:
        disc(labels, "white", (40, 40), 5)
    assert np.array_equal(tidied(labels, NAMES, PIXEL_NM, rules), labels)


@pytest.mark.parametrize("around", ["lamella", "white", "black", "coating"])
def test_an_organelle_outside_of_cells_becomes_its_surroundings(around):
    labels = field(around)
    disc(labels, "mitos", (40, 40), 9)
    disc(labels, "membranes", (40, 40), 4)
    result = tidied(labels, NAMES, PIXEL_NM, replace(OFF, organelles=True))
    assert (result == NAMES[around]).all()


def test_an_organelle_in_or_at_a_cell_stays():
    rules = replace(OFF, organelles=True)
    labels = walled("cell")
    disc(labels, "nucleus", (40, 40), 9)
    disc(labels, "mitos", (40, 40), 4)  # touches no cell
    disc(labels, "vacuole", (40, 64), 4)  # half in the medium
    assert np.array_equal(tidied(labels, NAMES, PIXEL_NM, rules), labels)


def test_what_is_too_large_for_an_organelle_stays():
    labels = field()
    disc(labels, "nucleus", (40, 40), 27)
    rules = replace(OFF, organelles=True)
    assert np.array_equal(tidied(labels, NAMES, PIXEL_NM, rules), labels)


def test_background_is_where_no_picture_is():
    rules = replace(OFF, background=True)
    labels = field()
    disc(labels, "background", (20, 20), 8)
    labels[60:, :20] = NAMES["background"]
    without = tidied(labels, NAMES, PIXEL_NM, rules)
    assert (without[:60] == NAMES["lamella"]).all()
    assert (without[60:, :20] == NAMES["background"]).all()
    noise = np.random.default_rng(3).integers(0, 255, labels.shape, dtype=np.uint8)
    assert (tidied(labels, NAMES, PIXEL_NM, rules, noise) == NAMES["lamella"]).all()
    noise[60:, :20] = 4
    assert np.array_equal(tidied(labels, NAMES, PIXEL_NM, rules, noise), without)


def test_classes_that_a_model_lacks_are_skipped():
    names = {"background": 0, "tissue": 1, "mitos": 2, "cell": 3}
    labels = np.zeros((60, 60), np.uint8)
    labels[10:40, 10:40] = 3
    labels[20:30, 20:30] = 2
    labels[50, 50] = 1  # of unknown size
    assert np.array_equal(tidied(labels, names, PIXEL_NM), labels)
    labels[45:52, 2:12] = 2
    result = tidied(labels, names, PIXEL_NM)
    assert (result[45:52, 2:12] == 0).all() and result[50, 50] == 1


def test_noise_is_returned_as_it_is(monkeypatch, caplog):
    monkeypatch.setattr(structure, "MOST_RUNS", 100)
    labels = field()
    labels[::2, ::2] = NAMES["ice"]
    assert np.array_equal(tidied(labels, NAMES, PIXEL_NM), labels)
    assert "noise" in caplog.text


def in_bulk():
    """A piece of lamella in bulk, with a cell in it and vacuum beside the bulk."""
    labels = field("black")
    labels[:, :10] = NAMES["white"]
    disc(labels, "lamella", (40, 45), 12)
    disc(labels, "cell", (40, 45), 5)
    return labels


def test_a_piece_of_lamella_in_bulk_becomes_bulk_with_what_lies_in_it():
    result = tidied(in_bulk(), NAMES, PIXEL_NM, replace(OFF, islands=True))
    assert (result[:, 10:] == NAMES["black"]).all()
    assert (result[:, :10] == NAMES["white"]).all()


@pytest.mark.parametrize("change", ["large", "at vacuum", "at the edge", "no bulk"])
def test_a_lamella_stays(change):
    labels, rules = in_bulk(), replace(OFF, islands=True)
    if change == "large":
        rules = replace(rules, largest_island_um2=4.0)
    elif change == "at vacuum":
        labels[:, :40] = NAMES["white"]
        disc(labels, "lamella", (40, 45), 12)
    elif change == "at the edge":
        labels[38:42, 45:] = NAMES["lamella"]
    else:
        labels[labels == NAMES["black"]] = NAMES["ice"]
    assert np.array_equal(tidied(labels, NAMES, PIXEL_NM, rules), labels)
