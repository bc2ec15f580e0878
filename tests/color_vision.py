"""How colours look to people with red-green colour blindness, and how far they are apart.

Simulation: G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, "A physiologically-based model for
simulation of color vision deficiency", IEEE Transactions on Visualization and Computer Graphics 15
(2009) 1291, matrices for full severity, which hold for linear RGB. Distances: CIE 1976 (L*a*b*).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from skimage.color import rgb2lab

SIGHTS = {
    "normal": np.eye(3),
    "deuteranope": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "protanope": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
}


def seen(colors: np.ndarray, sight: str) -> np.ndarray:
    """Return how sRGB colours (n, 3; 0..1) look, as sRGB."""
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ SIGHTS[sight].T, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def distances(colors: Mapping[str, str], sight: str) -> dict[tuple[str, str], float]:
    """Return the distance of each pair of named colours ``#RRGGBB`` to somebody with a sight."""
    rgb = np.array(
        [[int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)] for color in colors.values()]
    )
    lab = dict(zip(colors, rgb2lab(seen(rgb, sight))))
    return {
        (a, b): float(np.linalg.norm(lab[a] - lab[b])) for a, b in itertools.combinations(colors, 2)
    }
