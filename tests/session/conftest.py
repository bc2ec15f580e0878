"""Small sessions on the simulated microscope with the shipped models."""

from __future__ import annotations

from pathlib import Path

import pytest

from space.simulation import Plan
from space.simulator.column import INSTRUMENT_FOLDER
from tests.workflow.bench import without_frames

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def small_series(tmp_path_factory) -> Path:
    """A microscope whose maps are as usual, and all other pictures small and without frames."""
    text = (INSTRUMENT_FOLDER / "krios_k3.toml").read_text(encoding="utf-8")
    for name in "FTRP":
        assert f"\n{name} = {{ binning = 4," in text
        text = text.replace(f"\n{name} = {{ binning = 4,", f"\n{name} = {{ binning = 8,")
    path = tmp_path_factory.mktemp("microscope") / "small_series.toml"
    path.write_text(without_frames(text), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def plan(small_series):
    """Make plans of small sessions: two lamellae, a few tilts."""

    def make(out: Path, **changes) -> Plan:
        values = {
            "out": out,
            "space_dir": ROOT,
            "seed": 900_301,
            "kinds": ("good", "good"),
            "tilt_step_deg": 30.0,
            "series_binning": 8,
            "within_um": 260.0,
            "instrument": str(small_series),
            **changes,
            # Fewer targets than with the default, to save time.
            "settings": {
                "target_score_threshold": 0.1,
                "max_targets": 4,
                **changes.get("settings", {}),
            },
        }
        return Plan(**values)

    return make
