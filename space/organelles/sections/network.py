"""A network with one encoder and two decoders: labels of a section, and the section itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from space.learning import unet


@dataclass(frozen=True)
class SectionsModel:
    """What a model of sections says about itself.

    Attributes
    ----------
    classes : dict of str to int
        Value of each class, in the order of the network's outputs.
    encoder, depth : str, int
    shrink : int
        By how much sections are shrunk before the network sees them.
    pixel_nm : float
        Of the sections that it has learned from, before they are shrunk.
    """

    classes: Mapping[str, int]
    encoder: str
    depth: int
    shrink: int
    pixel_nm: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**vars(self), "classes": dict(self.classes)}


def two_decoders(encoder: str, depth: int, classes: int) -> Any:
    """Return the network, of random weights.

    It returns scores of shape (n, classes, rows, columns); called with ``image=True`` also the
    section that it guesses, (n, 1, rows, columns).

    Raises
    ------
    SpaceError
        If segmentation-models-pytorch is missing or does not know the encoder.
    """
    labels, image = unet(encoder, depth, classes), unet(encoder, depth, 1)
    import torch

    class TwoDecoders(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = labels.encoder
            self.label_decoder, self.label_head = labels.decoder, labels.segmentation_head
            self.image_decoder, self.image_head = image.decoder, image.segmentation_head

        def forward(self, grey: Any, image: bool = False) -> Any:
            features = self.encoder(grey)
            scores = self.label_head(self.label_decoder(features))
            if not image:
                return scores
            return scores, self.image_head(self.image_decoder(features))

    return TwoDecoders()


def shares_of(
    network: Any, grey: np.ndarray, multiple: int, tile_px: int = 256, turns: int = 4
) -> np.ndarray:
    """Return how probable each class is, from overlapping tiles that are seen several times.

    Parameters
    ----------
    network : torch.nn.Module
    grey : ndarray of float32, shape (rows, columns)
        Normalised.
    multiple : int
        What divides the sides that the network takes.
    tile_px : int
        Side of the tiles, a multiple of `multiple`; they overlap by a half.
    turns : int
        1: as it is; 4: turned by right angles; 8: also mirrored.

    Returns
    -------
    ndarray of float32, shape (classes, rows, columns)
    """
    import torch

    side = min(tile_px, -(-max(grey.shape) // multiple) * multiple)
    padded = np.pad(grey, [(0, max(0, side - have)) for have in grey.shape], mode="reflect")
    weight = _weights(side)
    total, sums = np.zeros(padded.shape, np.float32), None
    device = next(network.parameters()).device
    network.eval()
    with torch.no_grad():
        for row in _starts(padded.shape[0], side):
            for column in _starts(padded.shape[1], side):
                cut = slice(row, row + side), slice(column, column + side)
                tile = torch.from_numpy(np.ascontiguousarray(padded[cut])).to(device)
                found = _turned_back(network, tile, turns).cpu().numpy()
                if sums is None:
                    sums = np.zeros((len(found), *padded.shape), np.float32)
                sums[:, cut[0], cut[1]] += found * weight
                total[cut] += weight
    assert sums is not None
    rows, columns = grey.shape
    return (sums / total)[:, :rows, :columns]


def turned(values: Any, way: int) -> Any:
    """Return a tensor in one of 8 ways: turned by right angles, and mirrored from 4 on."""
    import torch

    values = torch.rot90(values, way % 4, (-2, -1))
    return values.flip(-1) if way >= 4 else values


def turned_back(values: Any, way: int) -> Any:
    """Undo `turned`."""
    import torch

    values = values.flip(-1) if way >= 4 else values
    return torch.rot90(values, -(way % 4), (-2, -1))


def _turned_back(network: Any, tile: Any, turns: int) -> Any:
    shares: Any = 0.0
    for way in range(turns):
        scores = network(turned(tile, way)[None, None])
        shares = shares + turned_back(scores.softmax(1), way)[0]
    return shares / turns


def _starts(side: int, tile: int) -> Sequence[int]:
    return sorted({*range(0, side - tile, max(1, tile // 2)), side - tile})


def _weights(side: int) -> np.ndarray:
    """Return how much the pixels of a tile count: its middle most, its borders hardly."""
    along = np.hanning(side + 2)[1:-1] + 0.01
    return np.outer(along, along).astype(np.float32)
