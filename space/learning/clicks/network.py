"""The network behind a heat map: fixed features of a picture at several scales, and a small head.

Some ten clicks cannot teach a network how to look at pictures. What it looks at is therefore given:
grey, edges, spots and unrest, each at several scales. None of them depends on directions. Only
what they mean is learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from space.models.heat_file import HEAT_MULTIPLE_PX

SCALES = HEAT_MULTIPLE_PX.bit_length()
"""Each halves the picture of the one before; the first one is the picture itself."""

_HIDDEN = 32
_EACH = 4
FEATURES = _EACH * SCALES


def heat_network() -> Any:
    """Return the network of random weights: (n, 1, rows, columns) of grey to as many scores."""
    import torch
    from torch import nn
    from torch.nn import functional

    class HeatNetwork(nn.Module):
        filters: Any
        mean: Any
        deviation: Any

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("filters", torch.from_numpy(_filters()))
            self.register_buffer("mean", torch.zeros(1, FEATURES, 1, 1))
            self.register_buffer("deviation", torch.ones(1, FEATURES, 1, 1))
            self.head = nn.Sequential(
                nn.Conv2d(FEATURES, _HIDDEN, 1),
                nn.ReLU(),
                nn.Conv2d(_HIDDEN, _HIDDEN, 1),
                nn.ReLU(),
                nn.Conv2d(_HIDDEN, 1, 1),
            )

        def features(self, grey: Any) -> Any:
            """Return what the head looks at, (n, FEATURES, rows, columns)."""
            found, smaller = [], grey
            for scale in range(SCALES):
                if scale:
                    smaller = functional.avg_pool2d(smaller, 2)
                around = functional.pad(smaller, (1, 1, 1, 1), mode="replicate")
                seen = functional.conv2d(around, self.filters)
                mean, down, right, spot = (seen[:, at : at + 1] for at in range(_EACH))
                squares = functional.avg_pool2d(around * around, 3, 1)
                edge = torch.sqrt(down * down + right * right + 1e-4)
                unrest = torch.sqrt(torch.relu(squares - mean * mean) + 1e-4)
                at_scale = torch.cat([mean, edge, spot, unrest], 1)
                if scale:
                    at_scale = functional.interpolate(
                        at_scale, scale_factor=2**scale, mode="bilinear", align_corners=False
                    )
                found.append(at_scale)
            return (torch.cat(found, 1) - self.mean) / self.deviation

        def forward(self, grey: Any) -> Any:
            return self.head(self.features(grey))

        def scored(self, pixels: Any) -> Any:
            """Return the scores (m,) of the features (m, FEATURES) of some pixels."""
            return self.head(pixels.T[None, :, :, None])[0, 0, :, 0]

    return HeatNetwork()


def fit_scale(network: Any, pictures: Sequence[np.ndarray]) -> None:
    """Have all features of some pictures (float32) be about as large."""
    import torch

    sums, count = torch.zeros(2, FEATURES, dtype=torch.float64), 0
    with torch.no_grad():
        for grey in pictures:
            whole = [side - side % HEAT_MULTIPLE_PX for side in grey.shape]
            part = torch.from_numpy(grey[: whole[0], : whole[1]].copy())[None, None]
            found = network.features(part)[0].flatten(1).double()
            sums += torch.stack([found.sum(1), (found * found).sum(1)])
            count += found.shape[1]
        if not count:
            return  # no picture is as large as the coarsest feature
        mean = sums[0] / count
        deviation = (sums[1] / count - mean * mean).clamp_min(1e-6).sqrt()
        network.mean.copy_(mean.float()[None, :, None, None])
        network.deviation.copy_(deviation.float()[None, :, None, None])


def _filters() -> np.ndarray:
    """Mean, both slopes, and how much a pixel differs from its neighbours (4, 1, 3, 3)."""
    smooth, slope = np.array([1.0, 2.0, 1.0]) / 4, np.array([-1.0, 0.0, 1.0]) / 2
    spot = np.outer(smooth, smooth)
    spot[1, 1] -= 1
    mean = np.full((3, 3), 1 / 9)
    filters = [mean, np.outer(slope, smooth), np.outer(smooth, slope), spot]
    return np.stack(filters)[:, None].astype(np.float32)
