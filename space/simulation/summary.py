"""The numbers of a judged session, for summary.json and for a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from space.simulation.judge import GridVerdict, LamellaVerdict
from space.simulator.judging import text_table


def summarise(grids: Sequence[GridVerdict], seconds: dict[str, float]) -> dict[str, Any]:
    """The numbers of a session, as they go into summary.json."""
    lamellae = [lamella for grid in grids for lamella in grid.lamellae]
    return {
        **_detection_numbers(grids, lamellae),
        "maps": sum(bool(lamella.map) for lamella in lamellae),
        **_segmentation_numbers(lamellae),
        **_series_numbers(grids, lamellae),
        "lamellae": [{"grid": grid.grid, **asdict(v)} for grid in grids for v in grid.lamellae],
        "seconds": seconds,
    }


def _detection_numbers(
    grids: Sequence[GridVerdict], lamellae: Sequence[LamellaVerdict]
) -> dict[str, Any]:
    found = [lamella for lamella in lamellae if lamella.found]
    false = sum(grid.false_positions for grid in grids)
    right = sum(lamella.kind == lamella.category for lamella in found)
    return {
        "lamellae_true": len(lamellae),
        "lamellae_found": len(found),
        "recall": _ratio(len(found), len(lamellae)),
        "precision": _ratio(len(found), len(found) + false),
        "class_accuracy": _ratio(right, len(found)),
        "position_error_um_median": _median([e for grid in grids for e in grid.errors_um]),
    }


def _segmentation_numbers(lamellae: Sequence[LamellaVerdict]) -> dict[str, Any]:
    segmented = [lamella for lamella in lamellae if lamella.dice]
    by_class: dict[str, list[float]] = {}
    for lamella in segmented:
        for name, value in lamella.dice.items():
            by_class.setdefault(name, []).append(value)
    return {
        "segmentations": sum(bool(lamella.segmentation) for lamella in lamellae),
        "mean_dice": _mean([_mean(lamella.dice.values()) for lamella in segmented]),
        "dice": {name: _mean(values) for name, values in sorted(by_class.items())},
    }


def _series_numbers(
    grids: Sequence[GridVerdict], lamellae: Sequence[LamellaVerdict]
) -> dict[str, Any]:
    """Numbers of targets and tilt series; those of tilt series are None if there is none."""
    series = sum(lamella.tilt_series for lamella in lamellae)
    errors_um = [error for grid in grids for error in grid.defocus_errors_um]

    def of_series(numbers: Iterable[int]) -> int | None:
        return sum(numbers) if series else None

    return {
        "targets": sum(lamella.targets for lamella in lamellae),
        "targets_on_wanted": sum(lamella.on_wanted for lamella in lamellae),
        "beam_conflicts": sum(grid.beam_conflicts for grid in grids),
        "double_exposed_px": of_series(grid.double_exposed.at_one_tilt for grid in grids),
        "double_exposed_px_all_tilts": of_series(grid.double_exposed.all_tilts for grid in grids),
        "tilt_series": series,
        "targets_off_lamella": of_series(grid.off_lamella for grid in grids),
        "defocus_error_um_median": _median(errors_um),
        "defocus_error_um_max": round(max(errors_um), 3) if errors_um else None,
    }


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _median(values: Sequence[float]) -> float | None:
    return round(float(np.median(values)), 3) if len(values) else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return round(float(np.mean(known)), 4) if known else None


_HEAD = ("files", "class", "found as", "error um", "targets", "on wanted", "series")
_SHOWN = (
    "recall", "precision", "class_accuracy", "position_error_um_median", "mean_dice",
    "targets", "targets_on_wanted", "targets_off_lamella", "beam_conflicts",
    "double_exposed_px", "tilt_series", "defocus_error_um_median", "defocus_error_um_max",
)  # fmt: skip


def summary_table(result: dict[str, Any]) -> str:
    """The session as a table for a person."""
    lines = [text_table([_HEAD, *map(_row, result["lamellae"])]), ""]
    for key in _SHOWN:
        lines.append(f"{key:26s} {'-' if result[key] is None else result[key]}")
    for level, spent_s in result["seconds"].items():
        lines.append(f"seconds {level:18s} {spent_s:.1f}")
    return "\n".join(lines)


def _row(verdict: dict[str, Any]) -> tuple[str, ...]:
    counts = (verdict["targets"], verdict["on_wanted"], verdict["tilt_series"])
    return (
        verdict["name"] or f"{verdict['grid']} (none)",
        verdict["kind"],
        verdict["category"] if verdict["found"] else "not found",
        f"{verdict['error_um']:.2f}" if verdict["error_um"] is not None else "-",
        *(str(count) if verdict["map"] else "-" for count in counts),
    )
