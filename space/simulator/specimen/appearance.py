"""How a lamella looks: what is drawn anew for each one so that no cue can be relied on.

In the plain appearance a cell is darker than the medium and a mitochondrion much darker than the
cell. In pictures of real lamellae the contrast between them lies around zero and has either sign;
what carries the class is the wall, the texture and what lies where. The ranges follow pictures of
real lamellae: contrast of cells -3 to +8 %, of walls 10 to 15 %, thickness at the front a quarter
of that at the back in some and the same in others, transmission of the film 0.2 to 0.95.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True)
class Organism:
    """Shapes and sizes of the cells of an organism.

    Attributes
    ----------
    radius_um : (least, most)
        Longer half axis.
    roundness : (least, most)
        Shorter half axis over the longer one.
    wobble : float
        How far the outline is from an ellipse.
    wall_um : (least, most)
        Thickness of the cell wall.
    walled : float
        Share of lamellae whose cells have a wall; the others have a membrane only.
    crowding : (least, most)
        Share of the lamella's area that cells would cover.
    nucleus : (least, most)
        Radius over the cell's shorter half axis.
    vacuoles, mitochondria, lipid_droplets, stacks : (least, most)
        How many in a cell; stacks are piles of membranes such as thylakoids.
    """

    radius_um: Range
    roundness: Range
    wobble: float
    wall_um: Range
    walled: float
    crowding: Range
    nucleus: Range
    vacuoles: tuple[int, int]
    mitochondria: tuple[int, int]
    lipid_droplets: tuple[int, int]
    stacks: tuple[int, int]


ORGANISMS: dict[str, Organism] = {
    "yeast": Organism(
        (1.8, 3.3), (0.72, 1.0), 0.05, (0.12, 0.32), 1.0, (0.1, 0.75),
        (0.34, 0.5), (0, 3), (0, 8), (0, 6), (0, 2),
    ),
    "alga": Organism(
        (3.2, 5.5), (0.75, 1.0), 0.06, (0.05, 0.2), 0.75, (0.2, 0.8),
        (0.26, 0.4), (0, 5), (1, 8), (0, 8), (2, 7),
    ),
    "large": Organism(
        (4.5, 9.0), (0.75, 1.0), 0.04, (0.15, 0.5), 0.9, (0.4, 0.9),
        (0.4, 0.68), (0, 4), (0, 12), (0, 8), (0, 3),
    ),
    "animal": Organism(
        (6.0, 15.0), (0.55, 0.95), 0.16, (0.03, 0.06), 0.0, (0.6, 1.3),
        (0.3, 0.55), (0, 6), (3, 22), (0, 10), (1, 6),
    ),
}  # fmt: skip
_SHARES = {"yeast": 0.58, "alga": 0.13, "large": 0.15, "animal": 0.14}


@dataclass(frozen=True)
class Appearance:
    """What a lamella looks like. Contrasts are relative to what is around, of either sign.

    Attributes
    ----------
    organism : str
        One of `ORGANISMS`.
    crowding : float
        Share of the lamella that cells would cover.
    walled : bool
    cell, cell_spread : float
        Mean contrast of cells against the medium, and its spread between cells.
    wall : float
        Contrast of the wall.
    wall_whole : float
        1 for a closed wall; below, parts of it fade.
    membrane : float
        Contrast of membranes.
    organelles : float
        Typical contrast of organelles.
    speckle, speckle_um : float
        Amplitude and size of the grain in cytoplasm (ribosomes).
    medium_grain : float
    front, back : float
        Optical depth of the front edge and of the back.
    profile : float
        Exponent of the thickness between them.
    slope_across, unevenness : float
        Change of thickness from one long edge to the other, and in patches of some µm.
    curtains, bands : float
        Amplitude of soft curtains and of those with sharp sides.
    edge_ramps_um : (left, right)
        Width of the thick strip along each long edge; 0 for none.
    ice_depth : (least, most)
        Optical depth of ice.
    ice : float
        Factor on how many pieces of ice there are.
    torn : float
        How much of the thin front is torn into a net.
    deposits : float
        How many lumps of redeposited material lie about.
    rim : float
        Brightness of the rim of holes over that of the film: below 1 where it curls up, above
        where it is thin.
    """

    organism: str
    crowding: float
    walled: bool
    cell: float
    cell_spread: float
    wall: float
    wall_whole: float
    membrane: float
    organelles: float
    speckle: float
    speckle_um: float
    medium_grain: float
    front: float
    back: float
    profile: float
    slope_across: float
    unevenness: float
    curtains: float
    bands: float
    edge_ramps_um: tuple[float, float]
    ice_depth: Range
    ice: float
    torn: float
    deposits: float
    rim: float


def draw_appearance(rng: np.random.Generator, kind: str) -> Appearance:
    """Draw how a lamella looks.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : str
        Category of the lamella; thick ones are dark, contaminated ones have much ice.
    """
    organism = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    of = ORGANISMS[organism]
    # Some are nearly as bright as vacuum; cells in most of these are nowhere to be seen.
    faint = rng.random() < 0.15
    front = float(np.exp(rng.uniform(np.log(0.07), np.log(0.2)))) if faint else _drawn_depth(rng)
    even = rng.random() < 0.55
    back = front * rng.uniform(0.8, 1.5) if even else front * rng.uniform(1.1, 3.5)
    back = back if even or faint else back + rng.uniform(0.0, 0.5)
    empty = rng.random() < (0.6 if faint else 0.05)
    if kind in ("thick", "wedge"):
        back = rng.uniform(2.0, 3.3)
        front = rng.uniform(1.5, 2.4) if kind == "thick" else front
    ice_least = rng.uniform(0.5, 1.6)
    return Appearance(
        organism=organism,
        crowding=0.0 if empty else rng.uniform(*of.crowding),
        walled=bool(rng.random() < of.walled),
        cell=float(np.clip(rng.normal(0.02, 0.03), -0.06, 0.1)),
        cell_spread=rng.uniform(0.0, 0.025),
        wall=float(np.exp(rng.uniform(np.log(0.06), np.log(0.28)))),
        wall_whole=1.0 if rng.random() < 0.45 else rng.uniform(0.3, 0.9),
        membrane=float(np.exp(rng.uniform(np.log(0.1), np.log(0.45)))),
        organelles=float(np.exp(rng.uniform(np.log(0.03), np.log(0.16)))),
        speckle=float(np.exp(rng.uniform(np.log(0.01), np.log(0.09)))),
        speckle_um=rng.uniform(0.02, 0.045),
        medium_grain=rng.uniform(0.0, 0.03),
        front=front,
        back=back,
        profile=rng.uniform(0.4, 1.6),
        slope_across=rng.normal(0, 0.25 if rng.random() < 0.3 else 0.08),
        unevenness=rng.uniform(0.0, 0.12) if rng.random() < 0.75 else rng.uniform(0.12, 0.35),
        curtains=float(np.exp(rng.uniform(np.log(0.01), np.log(0.12)))),
        bands=rng.uniform(0.05, 0.25) if rng.random() < 0.65 else 0.0,
        edge_ramps_um=(_drawn_ramp_um(rng), _drawn_ramp_um(rng)),
        ice_depth=(ice_least, ice_least + rng.uniform(0.3, 2.5)),
        ice=float(np.exp(rng.uniform(np.log(0.3), np.log(3.0)))),
        torn=rng.uniform(0.2, 1.0) if rng.random() < 0.4 else 0.0,
        deposits=float(rng.integers(1, 6)) if rng.random() < 0.3 else 0.0,
        rim=rng.uniform(0.6, 0.95) if rng.random() < 0.5 else rng.uniform(1.05, 1.7),
    )


def _drawn_depth(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(0.16), np.log(1.1))))


def _drawn_ramp_um(rng: np.random.Generator) -> float:
    return rng.uniform(0.2, 1.6) if rng.random() < 0.45 else 0.0
