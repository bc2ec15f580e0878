"""The network behind a heat map: fixed features of a picture at several scales, and a small head.

Some ten clicks cannot teach a network how to look at pictures. What it looks at is therefore given:
grey, edges, spots and unrest, each at several scales. None of them depends on directions. Only
what they mean is learnt.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from space.models.heat_file import HEAT_MULTIPLE_PX

SCALES = HEAT_MULTIPLE_PX.bit_length()
"""Each halves the picture of the one before; the first one is the picture itself."""

_HIDDEN = 32
_EACH = 4


def heat_network() -> Any:
    """Return the network of random weights: (n, 1, rows, columns) of grey to as many scores."""
    import torch
    from torch import nn
    from torch.nn import functional

    class HeatNetwork(nn.Module):
        filters: Any

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("filters", torch.from_numpy(_filters()))
            self.head = nn.Sequential(
                nn.BatchNorm2d(_EACH * SCALES),
                nn.Conv2d(_EACH * SCALES, _HIDDEN, 1),
                nn.ReLU(),
                nn.Conv2d(_HIDDEN, _HIDDEN, 1),
                nn.ReLU(),
                nn.Conv2d(_HIDDEN, 1, 1),
            )

        def forward(self, grey: Any) -> Any:
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
            return self.head(torch.cat(found, 1))

    return HeatNetwork()


def _filters() -> np.ndarray:
    """Mean, both slopes, and how much a pixel differs from its neighbours (4, 1, 3, 3)."""
    smooth, slope = np.array([1.0, 2.0, 1.0]) / 4, np.array([-1.0, 0.0, 1.0]) / 2
    spot = np.outer(smooth, smooth)
    spot[1, 1] -= 1
    mean = np.full((3, 3), 1 / 9)
    filters = [mean, np.outer(slope, smooth), np.outer(smooth, slope), spot]
    return np.stack(filters)[:, None].astype(np.float32)
