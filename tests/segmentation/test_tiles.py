"""Strips of tiles: the same labels as from the whole map, whichever way they lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.segmentation.grid import tile_grid
from space.segmentation.onnx_network import ArrayStrip
from space.segmentation.plan import TilePlan
from space.segmentation.tiles import best_classes, gaussian, padded_part

CLASSES = 4


class FakeNetwork:
    """Scores that depend on the pixel, its place in the tile, and all of the tile."""

    def __init__(self):
        self.strips = []

    def scores(self, tiles, plan):
        height, width = tiles.shape[1:]
        place = np.arange(height)[:, None] / height - 0.3 * np.arange(width) / width
        for tile in tiles:
            yield np.stack(
                [np.cos((k + 1) * (tile + place + tile.mean())) for k in range(CLASSES)]
            ).astype(np.float32)

    def strip(self, columns, weights, plan):
        self.strips.append((CLASSES, len(weights), columns))
        return ArrayStrip(CLASSES, columns, weights)


def whole_scores(grid, part, network, plan):
    """Class scores of the whole padded map at once, in double precision."""
    total = np.zeros((CLASSES, *grid.padded))
    height, width = grid.tile
    for row in grid.rows:
        for column in grid.columns:
            tile = padded_part(part, grid, row, column)
            output = next(iter(network.scores(tile[None], plan)))
            total[:, row : row + height, column : column + width] += output * gaussian(grid.tile)
    (top, left), (rows, columns) = grid.before, grid.shape
    return total[:, top : top + rows, left : left + columns]


@given(
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.tuples(st.integers(8, 24), st.integers(8, 24)),
    st.sampled_from([0.3, 0.5, 0.75, 1.0]),
    st.integers(1, 5),
    st.integers(0, 99),
)
def test_strips_give_the_labels_of_the_whole_map(shape, tile, step, batch, seed):
    image = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    grid, network = tile_grid(shape, tile, step), FakeNetwork()
    plan = TilePlan("cpu", batch, "cpu")

    def part(rows, columns):
        return image[rows, columns]

    labels, seen = np.full(shape, 255, np.uint8), np.zeros(shape, int)
    shares = []
    for rows, columns, best in best_classes(grid, part, network, plan, shares.append):
        labels[rows, columns] = best
        seen[rows, columns] += 1
    assert (seen == 1).all()
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)
    scores = whole_scores(grid, part, network, plan)
    highest = np.sort(scores, axis=0)
    clear = highest[-1] - highest[-2] > 1e-4 * np.abs(highest).max(axis=0)
    assert (labels == scores.argmax(axis=0))[clear].all()
    assert len(network.strips) == 1 and network.strips[0][2] == min(grid.padded)


@pytest.mark.models
@pytest.mark.parametrize("lies", [False, True])
def test_strips_of_both_runtimes_add_up_the_same(lies):
    import torch

    from space.segmentation.torch_network import TorchStrip

    rng = np.random.default_rng(0)
    weights = gaussian((8, 12))
    weights = weights.T if lies else weights
    strips = (ArrayStrip(3, 30, weights), TorchStrip(3, 30, weights, "cpu"))
    for column in (0, 7, 18, 30 - weights.shape[1]):
        output = rng.normal(size=(3, *weights.shape)).astype(np.float32)
        for strip, piece in zip(strips, (output, torch.from_numpy(output))):
            strip.add(piece, column)
    for rows in (3, 2):
        one, other = (strip.winner(rows) for strip in strips)
        assert one.dtype == other.dtype == np.uint8 and len(np.unique(one)) > 1
        assert np.array_equal(one, other)
        for strip in strips:
            strip.advance(rows)
