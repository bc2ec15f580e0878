"""Patches of maps for a network, cut out and varied on its device."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .stream import LabelledMap

#: Label of pixels beyond a map.
IGNORED = 255


@dataclass
class PatchPool:
    """Maps on a device, and patches drawn from them.

    Attributes
    ----------
    device : str
    size_px : int
        Side of a patch.
    rng : numpy.random.Generator
    """

    device: str
    size_px: int
    rng: np.random.Generator
    _seen: list[tuple[int, float, float, dict[int, np.ndarray]]] = field(default_factory=list)
    _pixels: list[Tensor] = field(default_factory=list)
    _holders: dict[int, list[int]] = field(default_factory=dict)
    _counts: np.ndarray = field(default_factory=lambda: np.zeros(256))

    def __len__(self) -> int:
        return len(self._pixels)

    @property
    def seeds(self) -> list[int]:
        """Seeds of the maps, in the order in which they came."""
        return [seed for seed, _, _, _ in self._seen]

    def add(self, drawn: LabelledMap) -> None:
        """Take in a map; one smaller than a patch is widened by what is ignored."""
        rows, cols = drawn.picture.shape
        both = torch.empty(
            (2, max(rows, self.size_px), max(cols, self.size_px)),
            dtype=torch.uint8,
            device=self.device,
        )
        both[0], both[1] = int(round(drawn.mean)), IGNORED
        both[0, :rows, :cols] = torch.from_numpy(drawn.picture).to(self.device)
        both[1, :rows, :cols] = torch.from_numpy(drawn.labels).to(self.device)
        for value in drawn.places:
            self._holders.setdefault(value, []).append(len(self))
        self._counts += np.bincount(drawn.labels.ravel()[::97], minlength=256)
        self._seen.append((drawn.seed, drawn.mean, max(drawn.deviation, 1e-3), drawn.places))
        self._pixels.append(both)

    def class_shares(self, n_classes: int) -> np.ndarray:
        """Shares of all pixels by class, (n_classes,)."""
        counts = self._counts[:n_classes]
        return counts / max(counts.sum(), 1)

    def batch(self, n: int, centred: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw patches.

        Parameters
        ----------
        n : int
        centred : float
            Share of patches with a pixel of some class in the middle, each class as often.

        Returns
        -------
        pictures : (n, 1, size, size) float32
            Grey levels 0..255.
        labels : (n, size, size) int64
        means, deviations : (n, 1, 1, 1) float32
            Of the whole maps.
        """
        parts, stats = [], []
        for _ in range(n):
            k, corner = self._place(self.rng.random() < centred)
            part = self._pixels[k][
                :, corner[0] : corner[0] + self.size_px, corner[1] : corner[1] + self.size_px
            ]
            part = torch.rot90(part, int(self.rng.integers(4)), (1, 2))
            parts.append(part.flip(2) if self.rng.random() < 0.5 else part)
            stats.append(self._seen[k][1:3])
        both = torch.stack(parts)
        of = torch.tensor(stats, dtype=torch.float32, device=self.device)
        return (
            both[:, :1].float(),
            both[:, 1].long(),
            of[:, 0, None, None, None],
            of[:, 1, None, None, None],
        )

    def _place(self, centred: bool) -> tuple[int, tuple[int, int]]:
        """Number of a map and first (row, column) of a patch in it."""
        rng, size = self.rng, self.size_px
        if centred:
            value = list(self._holders)[rng.integers(len(self._holders))]
            k = self._holders[value][rng.integers(len(self._holders[value]))]
            places = self._seen[k][3][value]
            middle = places[rng.integers(len(places))] + rng.integers(-size // 3, size // 3 + 1, 2)
        else:
            k = int(rng.integers(len(self)))
            middle = rng.integers(0, self._pixels[k].shape[1:])
        most = np.array(self._pixels[k].shape[1:]) - size
        row, col = np.clip(middle - size // 2, 0, most)
        return k, (int(row), int(col))


def varied(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Vary grey levels as displays, detectors and uneven ice do.

    Parameters
    ----------
    pictures : (n, 1, rows, columns) float32
        Grey levels 0..255.
    generator : torch.Generator
        On the same device.

    Returns
    -------
    (n, 1, rows, columns) float32
    """
    n, device = len(pictures), pictures.device

    def uniform(low: float, high: float) -> Tensor:
        drawn = torch.rand((n, 1, 1, 1), device=device, generator=generator)
        return low + (high - low) * drawn

    def sometimes(share: float) -> Tensor:
        return (torch.rand((n, 1, 1, 1), device=device, generator=generator) < share).float()

    x = pictures
    # Gain that changes over the patch: thickness, ice, illumination.
    coarse = torch.randn((n, 1, 4, 4), device=device, generator=generator)
    field = functional.interpolate(coarse, x.shape[2:], mode="bicubic", align_corners=True)
    x = x * (1 + sometimes(0.4) * uniform(0.03, 0.25) * field).clamp(0.3, 2.0)
    # Blur of focus and of rescaling, by a mixture with a smoothed copy.
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=device) / 16
    kernel = (kernel[:, None] * kernel[None])[None, None]
    smooth = functional.conv2d(functional.pad(x, (2, 2, 2, 2), mode="reflect"), kernel)
    x = x + sometimes(0.35) * uniform(-0.5, 1.0) * (smooth - x)
    # Counting noise, then the curve of a display.
    noise = torch.randn(x.shape, device=device, generator=generator)
    x = x + sometimes(0.35) * uniform(0.0, 1.2) * noise * x.clamp(min=1.0).sqrt()
    gamma = torch.exp(sometimes(0.4) * uniform(-0.6, 0.6))
    x = 255 * (x.clamp(0, 400) / 255) ** gamma
    top = 255 - sometimes(0.2) * uniform(0, 120)
    return torch.minimum(x, top)
