"""What is brought into the centre by commands is in the centre of the picture."""

from __future__ import annotations

import pytest

from benchmarks.simulator_geometry import AREAS, INSTRUMENTS, LIMIT_PX, TILTS_DEG, measure


@pytest.mark.parametrize("tilt_deg", TILTS_DEG)
@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_places_are_seen_in_the_centre(instrument, area, tilt_deg, tmp_path):
    n = 12 if area == "V" else 6
    case = measure(instrument, area, tilt_deg, n, tmp_path, seed=5, lamellae=1)
    assert len(case.errors_px) == n
    assert max(case.errors_px) < LIMIT_PX / 3
    assert max(case.claims_px) < 0.01
