"""What is in tomograms of which nobody has labelled anything: look-alikes by an embedding.

Where something stands out, a small cube is cut. A network learns to tell each cube from all others,
whatever it is flipped, shifted and how much noise is added: a normalised temperature-scaled cross
entropy (T. Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations",
ICML 2020, equation 1). What it then says of cubes is near for those that look alike. Two
principal components are the map, and k-means the clusters; SciPy has both.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.ndimage import gaussian_filter, zoom

from space.errors import SpaceError
from space.picking.files import Tomogram
from space.picking.grey import Grey, grey_of
from space.picking.peaks import peaks_of
from space.threads import threads_here

CUBE = 16
"""Voxels of a side as the network sees a cube."""

_WIDE = 1.6
_DOG = (0.35, 1.6)
_DEEP = 64
_RATE, _TEMPERATURE, _BATCH = 2e-3, 0.2, 96
_EMBEDDING, _WIDTH = 32, 16
_FEWEST = 20

Tell = Callable[[str], object]


@dataclass(frozen=True)
class Explored:
    """Cubes of tomograms, and what they look like.

    Attributes
    ----------
    names : list of str
        Of the tomogram of each cube.
    points_px : ndarray (n, 3)
        Their middles (z, y, x), in voxels of the file.
    cubes : ndarray of float32 (n, CUBE, CUBE, CUBE)
    embedding : ndarray (n, e)
    map : ndarray (n, 2)
    clusters : ndarray of int (n,)
        From 0, the largest one first.
    """

    names: list[str]
    points_px: np.ndarray
    cubes: np.ndarray
    embedding: np.ndarray
    map: np.ndarray
    clusters: np.ndarray


def explore(
    tomograms: Sequence[Tomogram],
    diameter_nm: float,
    clusters: int,
    tell: Tell,
    most: int = 500,
    steps: int = 300,
    seed: int = 0,
    dark: bool = True,
) -> Explored:
    """Embed what stands out in tomograms, and cluster it.

    Parameters
    ----------
    tomograms : sequence of Tomogram
    diameter_nm : float
        About that of what is looked for.
    clusters : int
    tell : callable
        Takes lines.
    most : int
        Cubes of each tomogram.
    steps : int
        Of the training.
    seed : int
    dark : bool
        Whether particles are darker than what is around them.

    Raises
    ------
    SpaceError
        If too little stands out.
    """
    names: list[str] = []
    points, cubes = [], []
    for one in tomograms:
        grey = grey_of(one)
        radius_px = diameter_nm / 2 / one.voxel_nm
        found = outstanding(grey, radius_px, most, dark)
        half = _WIDE * radius_px
        kept = [at for at in found if _fits(at, half, grey.shape)]
        names += [one.name] * len(kept)
        points += list(one.to_file(np.array(kept)))
        cubes += [cube_at(grey, at, half) for at in kept]
        tell(f"{one.name}: {len(kept)} places")
    if len(cubes) < max(_FEWEST, 2 * clusters):
        raise SpaceError(
            f"Only {len(cubes)} places stand out.",
            do="Give the diameter of what is looked for, fewer clusters, or more tomograms.",
        )
    stack = np.array(cubes, np.float32)
    embedding = embedded(stack, steps, seed, tell)
    return Explored(
        names, np.array(points), stack, embedding, principal(embedding, 2),
        clustered(embedding, clusters, seed),
    )  # fmt: skip


def outstanding(grey: Grey, radius_px: float, most: int, dark: bool) -> np.ndarray:
    """Return where a difference of Gaussians as wide as a particle has its peaks, best first.

    The tomogram is read in slabs that overlap.
    """
    fine, coarse = _DOG[0] * radius_px, _DOG[0] * _DOG[1] * radius_px
    halo = int(np.ceil(3 * coarse))
    deep, rows, columns = grey.shape
    found, scores = [], []
    for low in range(0, deep, _DEEP):
        first, last = max(0, low - halo), min(deep, low + _DEEP + halo)
        slab = grey[slice(first, last), slice(0, rows), slice(0, columns)]
        apart = gaussian_filter(slab, fine) - gaussian_filter(slab, coarse)
        tops = peaks_of(-apart if dark else apart, radius_px)
        at = tops.points_px + [first, 0, 0]
        ours = (at[:, 0] >= low) & (at[:, 0] < low + _DEEP)
        found.append(at[ours])
        scores.append(tops.scores[ours])
    best = np.argsort(-np.concatenate(scores), kind="stable")[:most]
    return np.concatenate(found)[best]


def _fits(at: np.ndarray, half: float, shape: Sequence[int]) -> bool:
    return bool((at >= half).all() and (at + half <= np.array(shape) - 1).all())


def cube_at(grey: Grey, at: np.ndarray, half_px: float) -> np.ndarray:
    """Return the cube about a point, scaled to `CUBE` voxels a side, mean 0 and deviation 1."""
    low = np.round(at - half_px).astype(int)
    side = round(2 * half_px)
    z, y, x = (slice(int(a), int(a) + side) for a in low)
    part = grey[z, y, x]
    factor = CUBE / np.array(part.shape)
    blurred = gaussian_filter(part, np.maximum(0, 0.4 / factor - 0.3))
    small = zoom(blurred, factor, order=1, mode="nearest", grid_mode=True)
    return np.asarray((small - small.mean()) / (small.std() + 1e-6), np.float32)


def embedded(cubes: np.ndarray, steps: int, seed: int, tell: Tell) -> np.ndarray:
    """Train the network with the cubes, and return what it says of them (n, e)."""
    import torch

    torch.set_num_threads(threads_here())
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = _network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=max(4, steps))
    for step in range(steps):
        chosen = cubes[rng.permutation(len(cubes))[: min(_BATCH, len(cubes))]]
        first, second = (torch.from_numpy(_varied(chosen, rng)) for _ in range(2))
        loss = _apart(network(first), network(second))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step + 1 in (steps // 2, steps):
            tell(f"step {step + 1} of {steps}: loss {float(loss.detach()):.2f}")
    network.eval()
    with torch.no_grad():
        parts = [
            # What is seen of all flips together does not depend on how a particle lies.
            sum(network.body(torch.from_numpy(np.flip(cubes[at : at + 256], flips).copy())[:, None])
                for flips in ((), (1,), (2,), (3,)))
            for at in range(0, len(cubes), 256)
        ]  # fmt: skip
        found: np.ndarray = torch.cat(parts).numpy()
    return found


def _network() -> Any:
    from torch import nn
    from torch.nn import functional

    def block(given: int, made: int) -> list[Any]:
        return [nn.Conv3d(given, made, 3, padding=1, bias=False), nn.BatchNorm3d(made), nn.ReLU()]

    class Embedding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                *block(1, _WIDTH), nn.MaxPool3d(2), *block(_WIDTH, 2 * _WIDTH), nn.MaxPool3d(2),
                *block(2 * _WIDTH, 4 * _WIDTH), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
            )  # fmt: skip
            self.head = nn.Sequential(
                nn.Linear(4 * _WIDTH, 4 * _WIDTH), nn.ReLU(), nn.Linear(4 * _WIDTH, _EMBEDDING)
            )

        def forward(self, cubes: Any) -> Any:
            return functional.normalize(self.head(self.body(cubes[:, None])), dim=1)

    return Embedding()


def _varied(cubes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return other views of cubes: flipped, shifted by a voxel, with noise and other contrast."""
    found = np.empty_like(cubes)
    for number, cube in enumerate(cubes):
        view = np.flip(cube, tuple(axis for axis in range(3) if rng.random() < 0.5))
        view = np.roll(view, rng.integers(-1, 2, 3), (0, 1, 2))
        found[number] = view * rng.uniform(0.8, 1.2)
    return found + rng.normal(0, 0.4, cubes.shape).astype(np.float32)


def _apart(first: Any, second: Any) -> Any:
    import torch
    from torch.nn import functional

    both = torch.cat([first, second])
    alike = both @ both.T / _TEMPERATURE
    alike.fill_diagonal_(-torch.inf)
    count = len(first)
    partner = torch.cat([torch.arange(count) + count, torch.arange(count)])
    return functional.cross_entropy(alike, partner)


def principal(values: np.ndarray, count: int) -> np.ndarray:
    """Return the first principal components (n, count), each with a sign that is kept."""
    middle = values - values.mean(0)
    _, _, ways = np.linalg.svd(middle, full_matrices=False)
    ways = ways[:count]
    ways = ways * np.sign(ways[np.arange(len(ways)), np.abs(ways).argmax(1)])[:, None]
    found: np.ndarray = middle @ ways.T
    return found


def clustered(values: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the cluster of each row, from 0; the largest one is the first."""
    scaled = (values - values.mean(0)) / (values.std(0) + 1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a cluster is empty is seen by its size
        _, labels = kmeans2(scaled, _spread(scaled, count, seed), minit="matrix", iter=50)
    sizes = np.bincount(labels, minlength=count)
    place = np.empty(count, int)
    place[np.argsort(-sizes, kind="stable")] = np.arange(count)
    return place[labels]


def _spread(values: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return rows to begin with, each drawn by how far it is from those before (k-means++)."""
    rng = np.random.default_rng(seed)
    chosen = [values[int(rng.integers(len(values)))]]
    far = np.full(len(values), np.inf)
    while len(chosen) < count:
        far = np.minimum(far, ((values - chosen[-1]) ** 2).sum(1))
        odds = far + 1e-12
        chosen.append(values[int(rng.choice(len(values), p=odds / odds.sum()))])
    return np.array(chosen)
