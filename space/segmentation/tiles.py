"""A map in overlapping tiles: their places, how their scores are blended, labels strip by strip.

The network sees tiles at the places that nnU-Net would choose for the whole map, and
their outputs are blended with nnU-Net's Gaussian weights. Class scores are held only where later
tiles add to them: 18 classes for a map of 15 000 x 7000 px would need 7 GB, what two strips of
tiles have in common 0.2 GB, with the same result. No runtime is known here
(`space.segmentation.network`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.segmentation.grid import Grid
from space.segmentation.network import Network
from space.segmentation.plain import PlainPlaces
from space.segmentation.plan import TilePlan
from space.segmentation.strips import Strip

Part = Callable[[slice, slice], np.ndarray]
"""Returns rows and columns of the normalised map."""


def best_classes(
    grid: Grid,
    part: Part,
    network: Network,
    plan: TilePlan,
    progress: Callable[[float], None] = lambda done: None,
    plain: PlainPlaces | None = None,
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yield finished parts: rows and columns of the map, and the best class of each pixel there.

    Strips lie along the shorter axis, so that memory does not grow with the longer one.

    Parameters
    ----------
    grid : Grid
    part : callable
        Returns rows and columns of the normalised map.
    network : Network
    plan : TilePlan
    progress : callable, optional
        Told the finished part, 0..1.
    plain : PlainPlaces, optional
        Decides tiles without the network.
    """
    yield from _decided(grid, part, network, plan, progress, plain, _best)


def blended_scores(
    grid: Grid,
    part: Part,
    network: Network,
    plan: TilePlan,
    progress: Callable[[float], None] = lambda done: None,
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yield finished parts as `best_classes` does, with the scores of all classes.

    They are the means of the tiles that reach a pixel, by weight: float32 of shape (classes, rows,
    columns).
    """

    def scores_of(strip: Strip, scores: Any) -> np.ndarray:
        return network.as_array(scores)

    sums = [_weight_along(grid, axis) for axis in (0, 1)]
    for rows, columns, scores in _decided(grid, part, network, plan, progress, None, scores_of):
        yield rows, columns, scores / np.outer(sums[0][rows], sums[1][columns])


def _best(strip: Strip, scores: Any) -> np.ndarray:
    return strip.best(scores)


def _weight_along(grid: Grid, axis: int) -> np.ndarray:
    """Return the sum of the weights of all tiles along an axis of the map, without the padding."""
    total = np.zeros(grid.padded[axis], np.float32)
    curve = _curve(grid.tile[axis])
    for start in (grid.rows, grid.columns)[axis]:
        total[start : start + grid.tile[axis]] += curve
    return total[grid.before[axis] : grid.before[axis] + grid.shape[axis]]


def _decided(
    grid: Grid,
    part: Part,
    network: Network,
    plan: TilePlan,
    progress: Callable[[float], None],
    plain: PlainPlaces | None,
    decide: Callable[[Strip, Any], np.ndarray],
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yield rows and columns of the map, and what is decided of their scores there."""
    upright = grid.padded[1] > grid.padded[0]  # then strips lie along columns, from left to right
    turned = _turned if upright else _as_it_is
    height, length = turned(grid.padded)
    tile_height, _ = turned(grid.tile)
    across, along = turned((grid.rows, grid.columns))
    rows = _until_the_next(across, height)
    columns = dict(zip(along, _until_the_next(along, length)))
    weights = gaussian(grid.tile)
    shape = (tile_height - min(rows), length)
    strip = network.strip(shape, weights.T if upright else weights, plan)
    for i, start in enumerate(across):
        for first in range(0, len(along), plan.batch):
            group = along[first : first + plan.batch]
            places = [turned((start, place)) for place in group]
            outputs = _outputs(places, grid, part, network, plan, plain)
            for place, at in zip(group, places):
                # No name here holds the scores of a tile while the network sees the next one.
                found = decide(
                    strip,
                    strip.finished(_laid(next(outputs), upright), place, rows[i], columns[place]),
                )
                yield from _on_map(grid, at, found.swapaxes(-1, -2) if upright else found)
            progress((i + (first + len(group)) / len(along)) / len(across))
        strip.advance(rows[i])


def _laid(scores: Any, upright: bool) -> Any:
    return scores.swapaxes(1, 2) if upright else scores


def _until_the_next(starts: Sequence[int], end: int) -> list[int]:
    """Return how far it is from each tile to the next, and from the last one to the end."""
    return [following - start for start, following in zip(starts, (*starts[1:], end))]


def _outputs(
    places: Sequence[tuple[int, int]],
    grid: Grid,
    part: Part,
    network: Network,
    plan: TilePlan,
    plain: PlainPlaces | None,
) -> Iterator[Any]:
    """Yield the scores of tiles, of those that are plain without the network."""
    known = [plain.scores(place) if plain else None for place in places]
    unknown = [place for place, scores in zip(places, known) if scores is None]
    seen: Iterator[Any] = iter(())
    if unknown:
        tiles = np.stack([padded_part(part, grid, *place) for place in unknown])
        seen = iter(network.scores(tiles, plan))
    for place, scores in zip(places, known):
        if scores is not None:
            yield scores
            continue
        output = _checked(next(seen), (len(network.labels), *grid.tile))
        if plain:
            rows, columns = plain.window(place)
            plain.learn(place, network.as_array(output[:, rows, columns]))
        yield output


def _checked(output: Any, expected: tuple[int, ...]) -> Any:
    """Refuse what are no scores of a tile: a map of one class would come of them."""
    if tuple(output.shape) != expected:
        raise SpaceError(
            f"The segmentation network gives an output of {tuple(output.shape)}, where {expected} "
            "is expected.",
            do="Use the dataset.json and plans.json that belong to its weights.",
        )
    if not math.isfinite(float(output.sum())):
        raise SpaceError(
            "The segmentation network gives values that are not numbers (NaN or infinite): its "
            "weights are damaged, its training failed, or the GPU miscalculates.",
            do="Try it on the CPU (--gpu cpu). If the problem persists, use other weights.",
        )
    return output


def _as_it_is(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    return pair


def _turned(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    return pair[1], pair[0]


def _on_map(
    grid: Grid, corner: tuple[int, int], found: np.ndarray
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yield a finished part without what is padding; `corner` is its place on the padded map."""
    spans = []
    for start, length, before, size in zip(corner, found.shape[-2:], grid.before, grid.shape):
        spans.append((max(start, before), min(start + length, before + size)))
    if all(last > first for first, last in spans):
        down, along = (slice(first - c, last - c) for (first, last), c in zip(spans, corner))
        rows, columns = (
            slice(first - before, last - before)
            for (first, last), before in zip(spans, grid.before)
        )
        yield rows, columns, found[..., down, along]


def gaussian(tile: tuple[int, ...]) -> np.ndarray:
    """Return tile weights: a Gaussian of sigma tile / 8 with peak 1, nowhere 0."""
    # nnU-Net cuts its Gaussian at 4 sigma, which only the outermost pixel row reaches.
    return np.maximum(np.outer(*map(_curve, tile)), 1e-7).astype(np.float32)


def _curve(n: int) -> np.ndarray:
    curve: np.ndarray = np.exp(-0.5 * ((np.arange(n) - n // 2) / (n / 8.0)) ** 2)
    return curve.astype(np.float32)


def padded_part(part: Part, grid: Grid, row: int, column: int) -> np.ndarray:
    """Return a tile of the normalised map; beyond the map it is 0 (the mean)."""
    data = np.zeros(grid.tile, np.float32)
    r0, c0 = row - grid.before[0], column - grid.before[1]
    rows = slice(max(r0, 0), min(r0 + grid.tile[0], grid.shape[0]))
    cols = slice(max(c0, 0), min(c0 + grid.tile[1], grid.shape[1]))
    data[rows.start - r0 : rows.stop - r0, cols.start - c0 : cols.stop - c0] = part(rows, cols)
    return data
