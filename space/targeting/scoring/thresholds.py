"""Thresholds that differ between wanted classes.

A field may hold several wanted classes. The score has to reach the threshold of the class that
contributes most to it, counted with its priority; of equal ones that of the first in
`target_list`. (For ``target_edge`` the classes inside the field count, whatever the edge.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from space.targeting.options import ExposureOptics, TargetingOptions
from space.targeting.scoring.masks import ClassTables, coverage
from space.targeting.scoring.memory import Memory
from space.targeting.scoring.score import score_map, scores_at


def differ(options: TargetingOptions) -> bool:
    """Whether there is more than one threshold."""
    return len(set(options.thresholds)) > 1


def thresholds_of_cells(
    labels: np.ndarray,
    tables: ClassTables,
    factor: int,
    options: TargetingOptions,
    optics: ExposureOptics,
    memory: Memory | None = None,
) -> np.ndarray:
    """Threshold (float32) at the centre of every cell, as `score_map` has them."""
    plain = _plain(options)
    best = least = np.empty((0, 0), np.float32)
    for part, threshold in _parts(tables, options):
        values = score_map(coverage(labels, part, factor, memory), plain, optics).values
        if not best.size:
            best, least = values, np.full(values.shape, threshold, np.float32)
        else:
            more = values > best
            best[more], least[more] = values[more], threshold
    return least


def thresholds_at(
    points_map_px: np.ndarray,
    labels: np.ndarray,
    tables: ClassTables,
    options: TargetingOptions,
    optics: ExposureOptics,
) -> np.ndarray:
    """Threshold (n,) at (row, column) points, from the pixels themselves."""
    plain = _plain(options)
    shares = [
        scores_at(points_map_px, labels, part, plain, optics) for part, _ in _parts(tables, options)
    ]
    return np.array(options.thresholds)[np.argmax(shares, axis=0)]


def _plain(options: TargetingOptions) -> TargetingOptions:
    return replace(options, target_edge=False, penalty_weight=0)


def _parts(tables: ClassTables, options: TargetingOptions) -> Iterator[tuple[ClassTables, float]]:
    """Tables in which one entry alone is wanted, each with its threshold."""
    nothing = np.zeros(256, bool)
    for index, threshold in enumerate(options.thresholds):
        wanted = np.where(tables.entry == index, tables.wanted, np.float32(0))
        yield (
            replace(tables, wanted=wanted, avoided=nothing, surface=nothing, focusable=nothing),
            threshold,
        )
