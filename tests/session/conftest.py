"""Small sessions on the simulated microscope with the shipped models."""

from __future__ import annotations

from pathlib import Path

import pytest

from space.simulation import Plan

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def plan():
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
