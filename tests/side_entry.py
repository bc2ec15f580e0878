"""A microscope with a side-entry stage: what none of the shipped ones has."""

from __future__ import annotations

from pathlib import Path

from space.simulator.column import INSTRUMENT_FOLDER

BINNING = "{ binning = 4"


def side_entry_microscope(folder: Path, binning: int = 4) -> Path:
    """Write the JEOL-like microscope without its specimen exchanger, with this binning."""
    text = (INSTRUMENT_FOLDER / "jeol_cryoarm_k3.toml").read_text(encoding="utf-8")
    for old, new in (
        ("autoloader_slots = 12", "autoloader_slots = 0"),
        (BINNING, f"{{ binning = {binning}"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = folder / "side_entry.toml"
    path.write_text(text, encoding="utf-8")
    return path
