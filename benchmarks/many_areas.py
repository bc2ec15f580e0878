"""Lamellae that need many image-shift areas: do beams keep their distance, and how long it takes.

All patterns are dense; every second lamella has spots of other classes. The overlap is computed
here, not by the code that is measured: a footprint is an ellipse, longer by 1/cos(tilt) across the
tilt axis. Two overlap if the distance of their centres, with its component across the axis
shortened by cos(tilt), is below the beam diameter.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from space.targeting import AREA_SHARE, ExposureOptics, TargetingOptions, select_targets

NAMES = {"background": 0, "lamella": 1, "mitos": 2, "ice": 3}
PIXEL_NM = 20.0
ROUNDING_UM = 1e-5


@dataclass(frozen=True)
class Case:
    """A lamella of one class, and how far image shift reaches on it."""

    size_um: tuple[float, float]
    beam_um: float
    limit_um: float
    spots: bool

    @property
    def optics(self) -> ExposureOptics:
        return ExposureOptics(
            PIXEL_NM,
            (0.86, 0.61),
            self.beam_um,
            tilt_axis_deg=85.0,
            image_shift_limit_um=self.limit_um,
        )

    @property
    def name(self) -> str:
        width_um, height_um = self.size_um
        what = f"{width_um:g}x{height_um:g} um, beam {self.beam_um:g}, limit {self.limit_um:g}"
        return what + (", spots" if self.spots else "")

    def labels(self) -> np.ndarray:
        shape = [round(side * 1000 / PIXEL_NM) for side in self.size_um[::-1]]
        labels = np.full(shape, NAMES["mitos"], np.uint8)
        rng = np.random.default_rng(44)
        row, column = np.ogrid[: shape[0], : shape[1]]
        for _ in range(int(np.prod(self.size_um) / 20) if self.spots else 0):
            center, radius = rng.uniform((0, 0), shape), rng.uniform(10, 60)
            disc = (row - center[0]) ** 2 + (column - center[1]) ** 2 < radius**2
            labels[disc] = NAMES["ice" if rng.random() < 0.5 else "lamella"]
        return labels


# About 10, 20, 35 and 50 areas, without and with spots, and 5000 targets in 40 areas.
CASES = (
    Case((45, 30), 1.0, 8.0, False),
    Case((45, 30), 1.6, 8.0, True),
    Case((45, 30), 1.0, 6.0, False),
    Case((45, 30), 1.6, 6.0, True),
    Case((45, 30), 1.0, 4.3, False),
    Case((45, 30), 1.0, 4.3, True),
    Case((45, 30), 1.0, 4.0, False),
    Case((52, 30), 1.0, 4.0, True),
    Case((60, 40), 0.5, 6.0, False),
)


def measured(case: Case) -> dict[str, float]:
    """Check a choice of targets against the rules; with seconds of one thread."""
    labels, optics = case.labels(), case.optics
    options = TargetingOptions(("mitos",), ("ice",), sparse=False)
    begun = time.process_time()
    choice = select_targets(labels, NAMES, options, optics)
    seconds = time.process_time() - begun
    pairs, gap_um, apart, tracking = _gaps(choice, optics)
    margin_um = optics.beam_margin_um
    return {
        "areas": len(choice.areas),
        "targets": choice.n_targets,
        "overlaps": int((gap_um < -ROUNDING_UM).sum()),
        "worst_overlap_nm": round(float(1000 * max(0.0, -gap_um.min(initial=0.0))), 1),
        "areas_too_near": int((apart & (gap_um < AREA_SHARE * margin_um - ROUNDING_UM)).sum()),
        "tracking_too_near": int((tracking & (gap_um < margin_um - ROUNDING_UM)).sum()),
        "beyond_image_shift": _beyond(choice, optics),
        "seconds": round(seconds, 2),
    }


def everything() -> dict[str, dict[str, float]]:
    """All cases, printed as a table."""
    measured(Case((8, 8), 1.0, 3.0, False))  # so that imports are not measured
    print(f"{'lamella':36s} areas targets overlaps worst/nm too near s")
    result = {}
    for case in CASES:
        found = result[case.name] = measured(case)
        near = found["areas_too_near"] + found["tracking_too_near"]
        print(
            f"{case.name:36s} {found['areas']:5d} {found['targets']:7d} {found['overlaps']:8d} "
            f"{found['worst_overlap_nm']:8.1f} {near:8d} {found['seconds']:.2f}",
            flush=True,
        )
    return result


def _gaps(choice, optics: ExposureOptics):
    """Pairs of close beams, gaps between their footprints, and which are of two areas or track."""
    points = np.concatenate([area.targets_map_px for area in choice.areas]) * PIXEL_NM / 1000
    counts = [len(area.scores) for area in choice.areas]
    number = np.repeat(np.arange(len(counts)), counts)
    first = np.concatenate([np.arange(count) == 0 for count in counts])
    axis, shrink = math.radians(optics.tilt_axis_deg), math.cos(math.radians(optics.max_tilt_deg))
    along = points[:, 1] * math.cos(axis) + points[:, 0] * math.sin(axis)
    across = (points[:, 0] * math.cos(axis) - points[:, 1] * math.sin(axis)) * shrink
    flat = np.column_stack([along, across])
    reach_um = optics.beam_diameter_um + optics.beam_margin_um
    pairs = cKDTree(flat).query_pairs(reach_um, output_type="ndarray")
    gap_um = np.hypot(*(flat[pairs[:, 0]] - flat[pairs[:, 1]]).T) - optics.beam_diameter_um
    apart = number[pairs[:, 0]] != number[pairs[:, 1]]
    return pairs, gap_um, apart, first[pairs].any(axis=1)


def _beyond(choice, optics: ExposureOptics) -> int:
    away = [
        np.hypot(*(area.targets_map_px - area.targets_map_px[0]).T) * PIXEL_NM / 1000
        for area in choice.areas
    ]
    return int((np.concatenate(away) > optics.image_shift_limit_um + ROUNDING_UM).sum())
