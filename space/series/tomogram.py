"""What is said of the tomogram of a tilt series, in the folder beside it, by whoever made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from space.files import read_json_or_empty
from space.predicates import is_number

TOMOGRAMS = "tomograms"
"""Folder of the tomograms, within that of the series."""

TOMOGRAM_FACTS = "_tomogram.json"
"""How the file ends that is written last, when a tomogram is there."""

_MOST_PICTURES = 2000


@dataclass(frozen=True)
class TomogramFacts:
    """How a tomogram has become; what its file does not say is None.

    Attributes
    ----------
    quality : float or None
        0 to 1.
    residual_nm : float or None
        Root mean square distance of patches from where all other pictures predict them.
    pictures, left_out : int
        Pictures of the series in it, and not in it.
    specimen_nm : float or None
        Thickness of the specimen.
    picture : Path or None
        Its middle slice, where the file is there.
    """

    quality: float | None = None
    residual_nm: float | None = None
    pictures: int = 0
    left_out: int = 0
    specimen_nm: float | None = None
    picture: Path | None = None

    @property
    def words(self) -> str:
        """All in one sentence."""
        parts = [f"tomogram of {self.pictures} pictures"]
        if self.left_out:
            parts[0] += f" ({self.left_out} left out)"
        if self.quality is not None:
            parts.append(f"quality {self.quality:.2f}")
        if self.residual_nm is not None:
            parts.append(f"residual {self.residual_nm:.1f} nm")
        if self.specimen_nm is not None:
            parts.append(f"specimen {self.specimen_nm:.0f} nm")
        return ", ".join(parts)


def tomogram_beside(stack: Path) -> TomogramFacts | None:
    """Return what is said of the tomogram of a series; None if there is none."""
    folder = Path(stack).parent / TOMOGRAMS
    facts = read_json_or_empty(folder / f"{Path(stack).stem}{TOMOGRAM_FACTS}")
    if not facts:
        return None
    quality, files = _part(facts, "quality"), _part(facts, "files")
    name = files.get("picture")
    # A name alone: what stands there leads nowhere else.
    picture = folder / Path(name).name if isinstance(name, str) and name else None
    return TomogramFacts(
        _number(quality.get("score")),
        _number(facts.get("residual_nm")),
        _length(facts.get("views")),
        _length(facts.get("dropped")),
        _number(facts.get("specimen_nm")),
        picture if picture is not None and picture.is_file() else None,
    )


def _part(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = facts.get(name)
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if is_number(value) and abs(value) < 1e6 else None


def _length(value: object) -> int:
    return min(len(value), _MOST_PICTURES) if isinstance(value, list) else 0
