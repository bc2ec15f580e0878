"""The best set of targets whose beams do not harm one another.

The problem is a packing of equal discs (beams in the tilt-compressed frame) with a weight for
every position. Many placements, each good somewhere, are made and joined: of any two the best
common one is found exactly (see `merging`). Partners are dense lattices in all orientations (see
`placement`), the placement itself, shifted as a whole, of which those parts are taken that are
better off there, and the placement with some regions melted, of which those are taken that froze
better (see `melting`). At the end targets are squeezed in and climb to the best position that
their neighbours leave them (see `refinement`). All in fixed order and with random numbers of a
fixed seed, so equal input gives equal output.
"""

from __future__ import annotations

import math

import numpy as np

from space.targeting.options import ExposureOptics, TargetingOptions
from space.targeting.packing.candidates import (
    NODES_PER_BEAM,
    NODES_PER_FIELD,
    Candidates,
    candidate_grid,
)
from space.targeting.packing.melting import Landscape, joined, melted
from space.targeting.packing.placement import best_lattices, greedy
from space.targeting.packing.refinement import climb, squeezed
from space.targeting.packing.sites import best_sites
from space.targeting.packing.tilt import TiltFrame, clear_of
from space.targeting.scoring import ScoreMap

# In a region of fewer candidates than this they are up to `FINER` times as near.
NODES_FEW, FINER = 20_000, 2.0
LATTICES = 8
# Up to FEW targets need no lattice in sparse mode.
FEW = 3
SHIFTS_BEAMS = (0.5, 0.15)
SHIFT_DIRECTIONS = 8
SHIFT_ROUNDS = 2
# Melting ends when IDLE_ROUNDS rounds in a row gain less than LEAST_GAIN (share of the total). With
# up to PATIENT targets no round is left out: each target counts, and they take little time.
IDLE_ROUNDS, PATIENT = 2, 30
LEAST_GAIN = 1e-3
SEED = 5


def choose_points(
    scores: ScoreMap,
    options: TargetingOptions,
    optics: ExposureOptics,
    *,
    fixed_map_px: np.ndarray | None = None,
    sites_map_px: np.ndarray | None = None,
) -> np.ndarray:
    """Choose target positions of high total score, none in conflict.

    Parameters
    ----------
    scores : ScoreMap
        Score at every position.
    options : TargetingOptions
        `max_targets` limits the number of points, the fixed ones included (none of which is
        dropped).
    fixed_map_px : ndarray (k, 2), optional
        Targets that stay where they are, whatever they score and whether or not they are in
        conflict with one another; no other beam is placed on theirs.
    sites_map_px : ndarray (m, 2), optional
        The only positions that targets may have (the holes of a film).

    Returns
    -------
    ndarray (n, 2)
        `points_map_px` (row, column): the fixed ones, then the others in no particular order. Every
        one of the others has its field inside the map and an interpolated score of at least
        the threshold; the image-shift limit does not count here (see `areas`).
    """
    frame = TiltFrame.of(optics)
    fixed_map_px = _as_points(fixed_map_px)
    fixed = frame.from_map(fixed_map_px)
    max_new = max(0, options.max_targets - len(fixed)) if options.max_targets else None

    def usable_scores(points_map_px: np.ndarray) -> np.ndarray:
        values = scores.at(points_map_px)
        return np.where(values >= options.least_threshold, values, 0)

    if sites_map_px is not None:
        sites_map_px = _as_points(sites_map_px)
        if len(fixed) and len(sites_map_px):
            clear = clear_of(frame.from_map(sites_map_px), fixed, optics.beam_diameter_um)
            sites_map_px = sites_map_px[clear]
        sites = frame.from_map(sites_map_px)
        chosen = best_sites(sites, usable_scores(sites_map_px), optics.beam_diameter_um, max_new)
        return np.concatenate([fixed_map_px, sites_map_px[chosen]])

    candidates = _candidates(scores, frame, options, optics)
    if candidates is None or max_new == 0:
        return fixed_map_px
    best = _placed(candidates.around(fixed), options, max_new)
    best = climb(best, scores, frame, optics, options.max_iterations, fixed)
    points_map_px = frame.to_map(best)
    return np.concatenate([fixed_map_px, points_map_px[usable_scores(points_map_px) > 0]])


def _candidates(
    scores: ScoreMap, frame: TiltFrame, options: TargetingOptions, optics: ExposureOptics
) -> Candidates | None:
    """Positions where targets may be, nearer to one another where the region is small."""
    grid = (scores, frame, optics.beam_diameter_um, min(optics.field_um), options.least_threshold)
    candidates = candidate_grid(*grid)
    if candidates is None or candidates.scores.size >= NODES_FEW:
        return candidates
    finer = min(FINER, math.sqrt(NODES_FEW / candidates.scores.size))
    return candidate_grid(*grid, finer * NODES_PER_BEAM, finer * NODES_PER_FIELD)


def _placed(
    candidates: Candidates, options: TargetingOptions, max_targets: int | None
) -> np.ndarray:
    """A placement of high total score on and between the candidates."""

    def total(points: np.ndarray) -> float:
        return float(candidates.score_at(points).sum())

    best = greedy(candidates, max_targets=max_targets)
    if not len(best):
        return best
    if not options.sparse or len(best) > FEW:
        for lattice in best_lattices(candidates, LATTICES):
            best = joined(candidates, best, lattice, max_targets)
    landscape, rng = Landscape.of(candidates), np.random.default_rng(SEED)
    idle = 0
    for number in range(options.max_iterations):
        before = total(best)
        if number < SHIFT_ROUNDS:
            for shift in _shifts(candidates.diameter_um):
                best = joined(candidates, best, best + shift, max_targets)
        best = melted(landscape, best, rng, max_targets)
        idle = idle + 1 if total(best) <= before * (1 + LEAST_GAIN) else 0
        if idle >= IDLE_ROUNDS and len(best) > PATIENT:
            break
    if max_targets is None:
        best = squeezed(candidates, best, options.tolerance, options.max_iterations)
    return best


def _shifts(diameter_um: float) -> np.ndarray:
    turns = np.arange(SHIFT_DIRECTIONS) * (2 * np.pi / SHIFT_DIRECTIONS)
    compass = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    return (np.array(SHIFTS_BEAMS)[:, None, None] * diameter_um * compass).reshape(-1, 2)


def _as_points(points_map_px: np.ndarray | None) -> np.ndarray:
    if points_map_px is None:
        return np.empty((0, 2))
    return np.asarray(points_map_px, dtype=float).reshape(-1, 2)
