"""The report as plain values, for other programs."""

from __future__ import annotations

from typing import Any

from space.report.facts import GridReport, LamellaReport, SeriesReport, SessionReport

FORMAT = 1
"""A new number means that something was renamed or left out."""


def as_table(report: SessionReport) -> dict[str, Any]:
    """Return what the report says of each grid, lamella and tilt series."""
    return {
        "format": FORMAT,
        "directory": str(report.facts.directory),
        "grids": [_grid(grid) for grid in report.grids],
    }


def _grid(grid: GridReport) -> dict[str, Any]:
    return {
        "name": grid.facts.name,
        "slot": grid.facts.slot,
        "state": grid.facts.state,
        "lamellae": [_lamella(one) for one in grid.lamellae],
    }


def _lamella(lamella: LamellaReport) -> dict[str, Any]:
    facts = lamella.facts
    return {
        "number": facts.number,
        "category": facts.category,
        "probability": facts.probability,
        "position_um": list(facts.position_um),
        "size_um": list(facts.size_um),
        "state": facts.state,
        "reason": facts.reason,
        "targets": facts.targets,
        "areas": len(facts.areas),
        "geometry": [
            {"area": one.area, "pretilt_deg": one.pretilt_deg, "rotation_deg": one.rotation_deg}
            for one in lamella.geometry
        ],
        "series": [_series(one) for one in lamella.series],
    }


def _series(one: SeriesReport) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": one.facts.name,
        "area": one.area,
        "target": one.facts.target,
        "verdict": one.quality.verdict if one.quality else "not judged",
        "text": one.problem or (one.quality.text if one.quality else ""),
    }
    if one.series is not None and one.series.pictures:
        low, high = one.series.range_deg
        values.update(
            pictures=len(one.series.pictures),
            lowest_deg=low,
            highest_deg=high,
            dose_e_A2=one.series.dose_e_A2,
            seen_e_A2=one.series.seen_e_A2,
        )
    if one.quality is not None:
        values["lost"] = [
            {"from_deg": loss.from_deg, "pictures": loss.pictures} for loss in one.quality.losses
        ]
        values["spoilt_deg"] = list(one.quality.spoilt_deg)
        if one.quality.plate is not None:
            values["thickness_mean_free_paths"] = one.quality.plate.thickness
            values["pretilt_by_counts_deg"] = one.quality.plate.pretilt_deg
    return values
