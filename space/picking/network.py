"""The network behind a heat map of particles: small, since there are few labels and no GPU.

It begins with half the resolution: a particle is some ten voxels wide there, and all that follows
takes an eighth of the time. Two more halvings let it see what is around a particle. Statistics are
those of the training (batch norm), so that a block has the same scores wherever it was cut.
"""

from __future__ import annotations

from typing import Any

STRIDE = 2
"""Voxels of the tomogram for one of the heat map."""

MULTIPLE = 8
"""Sides that the network takes are multiples of this."""

RIM = 32
"""So far from a voxel, what lies there hardly matters for it: the halo of a block."""

EMBEDDING = 16


def heat_network(width: int = 12) -> Any:
    """Return the network of random weights.

    It takes (n, 1, z, y, x) and returns scores (n, z/2, y/2, x/2) and embeddings of length 1,
    (n, EMBEDDING, z/2, y/2, x/2).
    """
    import torch
    from torch import nn
    from torch.nn import functional

    def block(given: int, made: int) -> Any:
        return nn.Sequential(
            nn.Conv3d(given, made, 3, padding=1, bias=False), nn.BatchNorm3d(made), nn.ReLU()
        )

    class HeatNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            first, second = width, 2 * width
            self.stem = nn.Sequential(
                nn.Conv3d(1, first, 4, STRIDE, 1, bias=False), nn.BatchNorm3d(first), nn.ReLU()
            )
            self.fine = block(first, first)
            self.middle = nn.Sequential(
                nn.Conv3d(first, second, 2, 2, bias=False),
                nn.BatchNorm3d(second),
                nn.ReLU(),
                block(second, second),
            )
            self.coarse = nn.Sequential(
                nn.MaxPool3d(2), block(second, second), block(second, second)
            )
            self.join_middle = block(2 * second, second)
            self.narrow = nn.Conv3d(second, first, 1)
            self.join_fine = block(2 * first, first)
            self.score = nn.Conv3d(first, 1, 1)
            self.embed = nn.Sequential(
                nn.Conv3d(first, 2 * first, 1), nn.ReLU(), nn.Conv3d(2 * first, EMBEDDING, 1)
            )

        def features(self, grey: Any) -> Any:
            fine = self.fine(self.stem(grey))
            middle = self.middle(fine)
            up = functional.interpolate(self.coarse(middle), scale_factor=2.0, mode="nearest")
            middle = self.join_middle(torch.cat([middle, up], 1))
            up = functional.interpolate(self.narrow(middle), scale_factor=2.0, mode="nearest")
            return self.join_fine(torch.cat([fine, up], 1))

        def forward(self, grey: Any) -> Any:
            return self.score(self.features(grey))[:, 0]

        def embedded(self, features: Any) -> Any:
            """Return embeddings (m, EMBEDDING) of the features (m, width) of some voxels."""
            found = self.embed(features.T[None, :, :, None, None])[0, :, :, 0, 0].T
            return functional.normalize(found, dim=1)

    return HeatNetwork()
