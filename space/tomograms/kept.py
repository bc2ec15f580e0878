"""An alignment kept in a file, so that a second run need not measure it again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from space.files import read_json_or_empty, write_text_atomic
from space.predicates import is_number
from space.tomograms.alignment import Aligned
from space.tomograms.extent import Extent
from space.tomograms.geometry import Alignment
from space.tomograms.tracking import Lamella

_FORMAT = 1


def save(path: Path, aligned: Aligned, sections: list[int], marks: dict[str, Any]) -> None:
    """Write an alignment with what it depends on."""
    alignment = aligned.alignment
    values = {
        "format": _FORMAT,
        "marks": marks,
        "sections": sections,
        "axis_deg": alignment.axis_deg,
        "offset_deg": alignment.offset_deg,
        "tilts_deg": alignment.tilts_deg.tolist(),
        "shifts_nm": alignment.shifts_nm.tolist(),
        "residuals_nm": [None if np.isnan(one) else one for one in aligned.residuals_nm.tolist()],
        "likeness": aligned.likeness.tolist(),
        "lamella": asdict(aligned.lamella),
        "extent": asdict(aligned.extent),
    }
    write_text_atomic(path, json.dumps(values, indent=1) + "\n")


def load(path: Path, sections: list[int], marks: dict[str, Any]) -> Aligned | None:
    """Return the alignment of the same pictures under the same options; None if there is none."""
    values = read_json_or_empty(path)
    if (values.get("format"), values.get("marks")) != (_FORMAT, json.loads(json.dumps(marks))):
        return None
    if values.get("sections") != sections:
        return None
    try:
        return _aligned(values, len(sections))
    except (KeyError, TypeError, ValueError):
        return None


def _aligned(values: dict[str, Any], n: int) -> Aligned:
    def column(name: str, *shape: int) -> np.ndarray:
        found = np.array([np.nan if one is None else one for one in values[name]], dtype=np.float64)
        if found.shape != (n, *shape):
            raise ValueError(name)
        return found

    def part(name: str) -> dict[str, float]:
        found = values[name]
        if not all(is_number(value) for value in found.values()):
            raise ValueError(name)
        return dict(found)

    alignment = Alignment(
        float(values["axis_deg"]),
        column("tilts_deg"),
        column("shifts_nm", 2),
        float(values["offset_deg"]),
    )
    lamella, where = Lamella(**part("lamella")), Extent(**part("extent"))
    return Aligned(alignment, lamella, where, column("residuals_nm"), column("likeness"))
