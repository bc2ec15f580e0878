"""Heat maps of learned targets: how much each pixel looks like places that people clicked on.

Worker side; needs onnxruntime. The network is small and its answer local, so a map goes through it
in tiles with a rim, and no more is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from space.models import OnnxFacts, heat_facts
from space.models.heat_file import HEAT_MULTIPLE_PX, HEAT_OUTPUT, HEAT_RIM_PX
from space.onnx_session import OnnxSession
from space.segmentation.normalise import normalisation

TILE_PX = 512


class HeatModel:
    """A heat map in an .onnx file, loaded once and kept.

    Parameters
    ----------
    path : Path or None
    device : str
        ``cpu``, ``cuda:<n>`` or ``dml:<n>``.

    Attributes
    ----------
    facts : OnnxFacts

    Raises
    ------
    SpaceError
        If it is missing, is none, or ONNX Runtime is missing.
    """

    def __init__(self, path: Path | None, device: str = "cpu") -> None:
        self.facts: OnnxFacts = heat_facts(path)
        assert path is not None, "what is none is refused before"
        self._session = OnnxSession(path, device)

    @property
    def about(self) -> tuple[str, str]:
        """Runtime and device in words."""
        return self._session.about

    def heat(
        self, image: np.ndarray, progress: Callable[[float], None] | None = None
    ) -> np.ndarray:
        """Return the heat of a map (uint8, at the pixel of the model): uint8, 255 for sure."""
        plan = self.facts.plan
        assert plan is not None, "facts of a heat map are checked before"
        found = normalisation(image, plan.scheme, plan.use_mask, plan.intensities)
        if found is None:
            return np.zeros(image.shape, np.uint8)
        grey = np.zeros(image.shape, np.float32)
        row0, row1, column0, column1 = found.bounds
        grey[row0:row1, column0:column1] = found.apply(image, slice(None), slice(None))

        def run(tiles: np.ndarray) -> np.ndarray:
            return self._session.run([HEAT_OUTPUT], tiles)[0]

        scores = heat_of(run, grey, HEAT_MULTIPLE_PX, HEAT_RIM_PX, progress)
        return np.rint(255 / (1 + np.exp(-np.clip(scores, -30, 30)))).astype(np.uint8)


def heat_of(
    run: Callable[[np.ndarray], np.ndarray],
    grey: np.ndarray,
    multiple_px: int,
    rim_px: int,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Return the scores of a picture, tile by tile.

    Parameters
    ----------
    run : callable
        Scores of a batch (1, 1, rows, columns), of the same shape.
    grey : ndarray of float32, shape (rows, columns)
        Normalised.
    multiple_px : int
        Sides of what is run are multiples of it.
    rim_px : int
        How far around a tile it is looked at, a multiple of `multiple_px`.
    progress : callable, optional
        Told the finished part, 0..1.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
    """
    rows, columns = grey.shape
    out = np.empty(grey.shape, np.float32)
    for row in range(0, rows, TILE_PX):
        for column in range(0, columns, TILE_PX):
            # Tiles begin at multiples, so that coarse features are the same in all of them.
            first = max(0, row - rim_px), max(0, column - rim_px)
            tile = grey[first[0] : row + TILE_PX + rim_px, first[1] : column + TILE_PX + rim_px]
            beyond = [(0, -side % multiple_px) for side in tile.shape]
            scores = run(np.pad(tile, beyond, mode="edge")[None, None])[0, 0]
            inner = scores[row - first[0] : tile.shape[0], column - first[1] : tile.shape[1]]
            inner = inner[:TILE_PX, :TILE_PX]
            out[row : row + inner.shape[0], column : column + inner.shape[1]] = inner
        if progress is not None:
            progress(min(1.0, (row + TILE_PX) / rows))
    return out
