"""The simulated light microscope."""

from __future__ import annotations

import json

import numpy as np
import pytest

from space.simulator.fluorescence import (
    TRUTH_FILE,
    Beads,
    Light,
    Stain,
    draw_beads,
    draw_field,
    stained,
    take,
    write_taken,
)
from space.simulator.specimen import Grid

SHAPE = (220, 260)


@pytest.fixture(scope="module")
def grid():
    return Grid.make(5, 1, kinds=("good",))


@pytest.fixture(scope="module")
def taken(grid):
    center = grid.lamellae[0].center_um
    field = draw_field(1, center, SHAPE, 0.2, distortion_um=0.3)
    places = field.to_grid(np.array([[30.0, 40], [200, 170], [230, 40]]))
    beads = Beads(tuple(map(tuple, places.tolist())))
    return take(grid, field, beads, Stain(1), Light(planes=3, focus_um=grid.lamellae[0].height_um))


def test_a_place_is_found_back_through_distortion(taken):
    points = np.random.default_rng(0).uniform(0, 200, (50, 2))
    assert np.allclose(taken.field.from_grid(taken.field.to_grid(points)), points, atol=1e-6)
    assert 0.05 < np.abs(taken.field.displaced(points)).mean() < 5


def test_beads_are_bright_where_the_field_says(taken):
    for name in ("mCherry", "autofluorescence"):
        picture = taken.channels[name].max(axis=0).astype(float)
        for column, row in ((30, 40), (200, 170), (230, 40)):
            part = picture[row - 5 : row + 5, column - 5 : column + 5]
            part = part - np.median(picture)
            part[part < part.max() / 3] = 0
            rows, columns = np.indices(part.shape) + 0.5
            place = np.array([(part * rows).sum(), (part * columns).sum()]) / part.sum()
            assert place == pytest.approx([5, 5], abs=0.5)


def test_fluorescent_cells_are_bright_and_others_are_not(grid, taken):
    field = taken.field
    _, _, cells = stained(grid.lamellae[0], taken.stain, field.matrix, SHAPE)
    assert {1, 2} <= set(np.unique(cells))
    picture = taken.channels["mCherry"].max(axis=0).astype(float)
    assert picture[cells == 2].mean() > 1.5 * picture[cells == 1].mean()


def test_the_same_cells_are_stained_at_every_magnification(grid):
    lamella = grid.lamellae[0]
    x, y = lamella.center_um
    shares = []
    for pixel_um in (0.05, 0.2):
        half = round(8 / pixel_um)
        matrix = np.array([[pixel_um, 0, x - 8], [0, pixel_um, y - 8]])
        _, _, cells = stained(lamella, Stain(3), matrix, (2 * half, 2 * half))
        shares.append((cells == 2).mean())
    assert shares[0] == pytest.approx(shares[1], abs=0.01) and shares[0] > 0


def test_beads_stop_electrons_and_keep_off_what_was_milled(grid):
    beads = draw_beads(1, (0.0, 0.0), 50, 5, ((0.0, 0.0, 20.0),))
    places = np.array(beads.places_um)
    assert len(places) > 20 and (np.hypot(*places.T) > 20).all()
    matrix = np.array([[0.2, 0, places[0, 0] - 4], [0, 0.2, places[0, 1] - 4]])
    shadow = beads.shadow(matrix, (40, 40))
    assert shadow[20, 20] < 0.1 and shadow.max() == 1.0


def test_what_is_out_of_focus_is_blurred():
    light = Light()
    assert light.blur_um(0, 0) < 0.2 < light.blur_um(2, 0) < light.blur_um(-4, 0)


def test_the_picture_and_its_truth_are_files(tmp_path, taken):
    write_taken(tmp_path / "fm", taken)
    from PIL import Image

    with Image.open(tmp_path / "fm" / "mCherry.png") as image:
        assert np.array_equal(np.array(image), taken.channels["mCherry"].max(axis=0))
    truth = json.loads((tmp_path / "fm" / TRUTH_FILE).read_text(encoding="utf-8"))
    assert len(truth["beads_um"]) == 3 and truth["field"]["waves"]
