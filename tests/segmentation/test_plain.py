"""Tiles without anything but vacuum or bulk: who decides them, and what they become."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from space.segmentation.grid import tile_grid
from space.segmentation.onnx_network import ArrayStrip
from space.segmentation.plain import BLOCK_PX, PlainPlaces, blocks_of
from space.segmentation.plan import TilePlan
from space.segmentation.tiles import best_classes

TILE = 256
CLASSES = ("nothing", "hole", "metal", "medium", "organelle")
HOLE, METAL, MEDIUM, ORGANELLE = 1, 2, 3, 4


class BrightnessNetwork:
    """Tells classes by their smoothed brightness, and counts the tiles that it sees."""

    labels = CLASSES

    def __init__(self, bounds=(80, 180)):
        self.seen = 0
        self._bounds = bounds

    def scores(self, tiles, plan):
        for tile in tiles:
            self.seen += 1
            smooth = uniform_filter(tile, 9)
            winner = np.full(tile.shape, MEDIUM)
            winner[smooth < self._bounds[0]] = METAL
            winner[smooth > self._bounds[1]] = HOLE
            winner[uniform_filter(tile**2, 9) - smooth**2 > 900] = ORGANELLE
            yield np.stack([np.where(winner == k, 8.0, -k) for k in range(5)]).astype(np.float32)

    def as_array(self, scores):
        return scores

    def strip(self, shape, weights, plan):
        return ArrayStrip(len(CLASSES), shape, weights)


def labels_of(image, off=(HOLE, METAL), batch=1, network=None):
    """Return labels and how many tiles of how many were seen, with or without skipping."""
    network = network or BrightnessNetwork()
    grid = tile_grid(image.shape, (TILE, TILE), 0.75)
    plain = PlainPlaces(image, grid, off, len(CLASSES)) if off else None
    labels = np.zeros(image.shape, np.uint8)

    def part(rows, columns):
        return image[rows, columns].astype(np.float32)

    plan = TilePlan("cpu", batch, "cpu")
    for rows, columns, best in best_classes(grid, part, network, plan, plain=plain):
        labels[rows, columns] = best
    return labels, network.seen, len(grid.rows) * len(grid.columns)


def lamella_in_bulk(seed=0, noise=12.0, light=0.08, bulk=40, medium=130, shape=(1000, 1300)):
    """A lamella with vacuum on either side, in bulk; uneven light and noise on everything."""
    rng = np.random.default_rng(seed)
    image = np.full(shape, float(bulk))
    image[150:550, 500:1300] = 215
    image[250:450, 500:1200] = medium
    for row, column in rng.integers((260, 520), (410, 1150), (12, 2)):
        image[row : row + 30, column : column + 30] = 60 + 100 * (row % 2)
    image *= 1 + light * (np.arange(shape[1]) / shape[1] - 0.5)
    image += rng.normal(0, noise, shape)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("noise", "batch", "most"), [(2.0, 1, 0.9), (12.0, 3, 0.9)])
def test_plain_tiles_are_decided_as_the_network_would(noise, batch, most):
    image = lamella_in_bulk(noise=noise)
    whole, all_tiles, tiles = labels_of(image, off=())
    labels, seen, _ = labels_of(image, batch=batch)
    assert all_tiles == tiles and seen < most * tiles
    assert (labels != whole).mean() < 0.001


def test_plain_medium_is_never_skipped():
    """Flat like vacuum, and of one label; but it is the lamella."""
    image = lamella_in_bulk(noise=3.0)
    image[100:900] = np.random.default_rng(1).normal(130, 3, (800, 1300)).astype(np.uint8)
    medium = slice(200, 800)
    seen = []
    network = BrightnessNetwork()
    scores = network.scores
    network.scores = lambda tiles, plan: (
        seen.extend(t.mean() for t in tiles),
        scores(tiles, plan),
    )[1]
    labels, _, _ = labels_of(image, network=network)
    assert (labels[medium] == MEDIUM).all()
    whole = [tile for tile in seen if 125 < tile < 135]
    grid = tile_grid(image.shape, (TILE, TILE), 0.75)
    inside = [row for row in grid.rows if row >= 100 and row + TILE <= 900]
    assert len(whole) == len(inside) * len(grid.columns)


def test_what_is_as_bright_as_vacuum_but_not_plain_is_seen():
    image = lamella_in_bulk(noise=4.0)
    _, seen_before, _ = labels_of(image)
    speckled = image.copy()
    rng = np.random.default_rng(2)
    for row, column in rng.integers((160, 520), (240, 1280), (60, 2)):
        speckled[row : row + 12, column : column + 12] = 120
    labels, seen, _ = labels_of(speckled)
    whole, _, _ = labels_of(speckled, off=())
    assert seen >= seen_before and (labels != whole).mean() < 0.001


def test_a_network_that_is_not_sure_is_asked_everywhere():
    """Its answers on flat places differ, so brightness says nothing."""

    class Unsure(BrightnessNetwork):
        def scores(self, tiles, plan):
            for scores in super().scores(tiles, plan):
                scores[ORGANELLE, ::40, ::40] = 99.0
                yield scores

    _, seen, tiles = labels_of(lamella_in_bulk(), network=Unsure())
    assert seen == tiles


def test_brightness_that_two_classes_share_is_seen():
    """Medium as bright as vacuum: grey levels do not tell them apart."""
    image = lamella_in_bulk(noise=3.0, light=0.0, medium=215)
    truth = np.zeros(image.shape, int)
    truth[250:450, 500:1200] = 1

    class Knowing(BrightnessNetwork):
        """It knows where the lamella is by something else than brightness."""

        def scores(self, tiles, plan):
            for tile, scores in zip(tiles, super().scores(tiles, plan)):
                lamella = tile % 2 == 1
                scores[MEDIUM, lamella] = 20.0
                yield scores

    marked = (image & 0xFE) | truth.astype(np.uint8)
    whole, _, _ = labels_of(marked, off=(), network=Knowing())
    labels, _, _ = labels_of(marked, network=Knowing())
    assert (whole[250:450, 520:1180] == MEDIUM).all()
    assert (labels != whole).mean() < 0.001


def test_statistics_of_blocks():
    rng = np.random.default_rng(0)
    image = rng.normal(100, 8, (BLOCK_PX * 2 + 10, BLOCK_PX * 3)).round().astype(np.uint8)
    image[:, BLOCK_PX * 2 :] = np.arange(BLOCK_PX) * 2
    blocks = blocks_of(image)
    assert blocks.level.shape == blocks.grain.shape == blocks.unrest.shape == (3, 3)
    assert (np.abs(blocks.level[:, :2] - 100) <= 1).all() and (blocks.level[:, 2] == 63).all()
    assert blocks.grain[0, 0] == pytest.approx(image[:BLOCK_PX, :BLOCK_PX].std(), rel=1e-3)
    assert blocks.unrest[0, 0] == pytest.approx(1.0, abs=0.3)  # of 8 grey levels, over 64 pixels
    assert (blocks.unrest[:, 2] > 30).all()
