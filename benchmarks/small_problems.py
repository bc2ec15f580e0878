"""Small problems of every kind, of which the best solution can be proven.

They have single organelles, dense regions of odd shape, thin strips, and edges of classes, which
are rare in cut-outs of simulated lamellae. Beams, tilts, tilt axes and thresholds are random. The
optimum is the best choice among places a twentieth of the beam apart. The product can do better,
because its targets may lie between them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from space.targeting import ExposureOptics, TargetingOptions

NAMES = {"background": 0, "lamella": 1, "mitos": 2, "ice": 3}
KINDS = ("sparse", "dense", "strip", "edge")
PIXEL_NM = 20.0
FIELD_UM = (0.86, 0.61)
NODES_PER_BEAM = 20


@dataclass(frozen=True, eq=False)
class SmallProblem:
    """A label map with options; the same seed gives the same problem."""

    seed: int
    kind: str
    labels: np.ndarray
    options: TargetingOptions
    optics: ExposureOptics


def small_problem(seed: int) -> SmallProblem:
    """Make the problem of a seed; the kinds follow one another."""
    kind = KINDS[seed % len(KINDS)]
    rng = np.random.default_rng([43, seed])
    beam_um = float(rng.uniform(0.7, 1.6))
    optics = ExposureOptics(
        PIXEL_NM,
        FIELD_UM,
        beam_um,
        tilt_axis_deg=float(rng.uniform(-180, 180)),
        field_rotation_deg=float(rng.choice([0.0, 90.0])),
        max_tilt_deg=float(rng.choice([40.0, 54.0, 60.0, 66.0])),
        image_shift_limit_um=100.0,
        beam_margin_um=0.0,
    )
    options = TargetingOptions(
        ("mitos",),
        ("ice",),
        target_score_threshold=float(rng.choice([0.01, 0.1, 0.3])),
        sparse=kind in ("sparse", "edge"),
        target_edge=kind == "edge",
    )
    return SmallProblem(seed, kind, _labels(kind, beam_um, rng), options, optics)


def _labels(kind: str, beam_um: float, rng: np.random.Generator) -> np.ndarray:
    long_um, short_um = {
        "sparse": (rng.uniform(3, 6), rng.uniform(3, 5)),
        "dense": (rng.uniform(2, 4.5), rng.uniform(2, 3.5)),
        "strip": (rng.uniform(4, 8), rng.uniform(1.2, 2.2)),
        "edge": (rng.uniform(3, 5), rng.uniform(2.5, 4)),
    }[kind]
    scale = math.sqrt(beam_um) * 1000 / PIXEL_NM
    shape = (round(short_um * scale), round(long_um * scale))
    if rng.random() < 0.5:
        shape = shape[::-1]
    row, column = np.indices(shape)
    labels = np.full(shape, NAMES["mitos" if kind in ("dense", "strip") else "lamella"], np.uint8)

    def disc(radius_um: float) -> np.ndarray:
        center = rng.uniform((0, 0), shape)
        stretch, turn = rng.uniform(1, 2), rng.uniform(0, math.pi)
        down, right = row - center[0], column - center[1]
        along = down * math.cos(turn) + right * math.sin(turn)
        across = (right * math.cos(turn) - down * math.sin(turn)) * stretch
        return along**2 + across**2 < (radius_um * 1000 / PIXEL_NM) ** 2

    if kind in ("sparse", "edge"):
        for _ in range(rng.integers(2, 8)):
            labels[disc(rng.uniform(0.15, 0.6 if kind == "sparse" else 1.0))] = NAMES["mitos"]
    for _ in range(rng.integers(0, 4)):
        labels[disc(rng.uniform(0.1, 0.5))] = NAMES["ice" if rng.random() < 0.6 else "lamella"]
    return labels
