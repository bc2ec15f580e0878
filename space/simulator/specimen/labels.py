"""Names of what the specimen is made of."""

from __future__ import annotations

from typing import Literal

LABELS: tuple[str, ...] = (
    "background",
    "white",
    "black",
    "crack",
    "coating",
    "cell",
    "cellwall",
    "nucleus",
    "vacuole",
    "mitos",
    "lipiddroplets",
    "vesicles",
    "multivesicles",
    "membranes",
    "dynabeads",
    "ice",
    "cryst",
    "lamella",
)
"""Segmentation labels; the position is the grey value in a label map."""

LABEL: dict[str, int] = {name: value for value, name in enumerate(LABELS)}

LamellaKind = Literal["broken", "contaminated", "good", "thick", "wedge", "gone"]

KINDS: tuple[LamellaKind, ...] = ("broken", "contaminated", "good", "thick", "wedge", "gone")
"""Categories of a lamella site as seen at low magnification."""
