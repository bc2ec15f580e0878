"""Facts as plain values, for programs: what `spacetomo status --json` and the page hand out."""

from __future__ import annotations

from typing import Any

from space.overview.facts import LamellaFacts, SeriesFacts


def lamella_table(lamella: LamellaFacts) -> dict[str, Any]:
    """Return a lamella with its tilt series as plain values."""
    return {
        "number": lamella.number,
        "state": lamella.state,
        "reason": lamella.why,
        "category": lamella.category,
        "probability": lamella.probability,
        "position_um": list(lamella.position_um),
        "by_hand": lamella.by_hand,
        "map": lamella.map_file.name if lamella.map_file else None,
        "segmentation": lamella.segmentation,
        "targets": lamella.targets,
        "areas": len(lamella.areas),
        "series": [series_table(series) for series in lamella.series],
    }


def series_table(series: SeriesFacts) -> dict[str, Any]:
    """Return a tilt series as plain values."""
    return {
        "name": series.name,
        "target": series.target,
        "pictures": series.pictures,
        "lowest_deg": series.lowest_deg,
        "highest_deg": series.highest_deg,
        "tomogram": series.tomogram.words if series.tomogram is not None else None,
    }
