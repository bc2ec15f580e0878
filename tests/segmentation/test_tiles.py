"""Strips of tiles: the same labels as from the whole map, whichever way they lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.errors import SpaceError
from space.segmentation.grid import tile_grid
from space.segmentation.onnx_network import ArrayStrip
from space.segmentation.plan import TilePlan
from space.segmentation.tiles import best_classes, blended_scores, gaussian, padded_part

CLASSES = 4


class FakeNetwork:
    """Scores that depend on the pixel, its place in the tile, and all of the tile."""

    labels = {f"class {k}": k for k in range(CLASSES)}

    def __init__(self):
        self.strips = []

    def scores(self, tiles, plan):
        height, width = tiles.shape[1:]
        place = np.arange(height)[:, None] / height - 0.3 * np.arange(width) / width
        for tile in tiles:
            yield np.stack(
                [np.cos((k + 1) * (tile + place + tile.mean())) for k in range(CLASSES)]
            ).astype(np.float32)

    def as_array(self, scores):
        return scores

    def strip(self, shape, weights, plan):
        self.strips.append(shape)
        return ArrayStrip(CLASSES, shape, weights)


def whole_scores(grid, part, network, plan):
    """Class scores of the whole map at once, averaged by weight, in double precision."""
    total, weights = np.zeros((CLASSES, *grid.padded)), np.zeros(grid.padded)
    height, width = grid.tile
    for row in grid.rows:
        for column in grid.columns:
            tile = padded_part(part, grid, row, column)
            output = next(iter(network.scores(tile[None], plan)))
            total[:, row : row + height, column : column + width] += output * gaussian(grid.tile)
            weights[row : row + height, column : column + width] += gaussian(grid.tile)
    total /= weights
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
    blended = np.full((CLASSES, *shape), np.nan)
    for rows, columns, found in blended_scores(grid, part, FakeNetwork(), plan):
        blended[:, rows, columns] = found
    assert np.allclose(blended, scores, atol=1e-4)
    ((shared, length),) = network.strips
    assert length == min(grid.padded)
    lies = int(grid.padded[1] > grid.padded[0])
    nearest = np.diff([*(grid.rows, grid.columns)[lies], grid.padded[lies]]).min()
    assert shared == tile[lies] - nearest


@pytest.mark.models
@pytest.mark.parametrize("lies", [False, True])
def test_strips_of_both_runtimes_add_up_the_same(lies):
    import torch

    from space.segmentation.torch_network import TorchStrip

    rng = np.random.default_rng(0)
    weights = gaussian((8, 12))
    weights = weights.T if lies else weights
    strips = (ArrayStrip(3, (6, 30), weights), TorchStrip(3, (6, 30), weights, "cpu"))
    height, width = weights.shape
    columns, seen = (0, 7, 15, 30 - width), set()
    for rows in (height - 6, height - 5):
        for column, following in zip(columns, (*columns[1:], 30)):
            output = rng.normal(size=(3, height, width)).astype(np.float32)
            pieces = (output.copy(), torch.from_numpy(output.copy()))
            if column == 7:  # a plain tile
                pieces = (output[:, :1, :1], output[:, :1, :1])
            one, other = (
                strip.add(piece, column, rows, following - column)
                for strip, piece in zip(strips, pieces)
            )
            assert one.shape == (rows, following - column)
            seen.update(one.ravel().tolist())
            assert one.dtype == other.dtype == np.uint8 and np.array_equal(one, other)
        for strip in strips:
            strip.advance(rows)
    assert seen == {0, 1, 2}


@pytest.mark.parametrize(
    ("odd", "text"),
    [
        (lambda scores: scores[:1], r"an output of \(1, 8, 8\), where \(4, 8, 8\) is expected"),
        (lambda scores: scores[:, :4], "where"),
        (lambda scores: np.where(scores > 0.99, np.nan, scores), "not numbers"),
        (lambda scores: np.where(scores > 0.99, np.inf, scores), "not numbers"),
    ],
)
def test_what_are_no_scores_is_refused(odd, text):
    class Odd(FakeNetwork):
        def scores(self, tiles, plan):
            return (odd(output) for output in super().scores(tiles, plan))

    image = np.zeros((8, 8), np.float32)
    found = best_classes(
        tile_grid(image.shape, (8, 8), 0.5), lambda r, c: image[r, c], Odd(),
        TilePlan("cpu", 1, "cpu"),
    )  # fmt: skip
    with pytest.raises(SpaceError, match=text):
        list(found)
