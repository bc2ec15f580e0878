"""A session that stops and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from space.simulation import run_plan

pytestmark = [pytest.mark.session, pytest.mark.models]


def contents(out: Path, *patterns: str) -> dict[str, int]:
    return {
        path.name: path.stat().st_mtime_ns for pattern in patterns for path in out.glob(pattern)
    }


def test_a_session_stopped_after_each_level_is_the_same_as_one_that_ran_through(plan, tmp_path):
    out = tmp_path / "session"
    made: dict[str, int] = {}
    new_at = {
        1: ("G1.mrc", "G1_lamella_detected.png"),
        2: ("G1_L01.mrc", "G1_L01.png"),
        3: ("G1_L01_seg.png",),
        4: ("G1_L01_tgts.txt", "G1_L01_tgt_001_view.mrc"),
        5: ("G1_L01_ts_001.mrc",),
    }
    for level in range(1, 6):
        lines: list[str] = []
        summary = run_plan(
            plan(out, level=level, resume=True, kinds=("good",), seed=900_302), show=lines.append
        )
        assert summary["ok"], "\n".join(lines[-30:])
        now = contents(out, *(name for names in new_at.values() for name in names))
        assert {k: v for k, v in now.items() if k in made} == made, "a finished step ran again"
        assert set(new_at[level]) <= set(now), f"level {level}"
        for later in range(level + 1, 6):
            assert not set(new_at[later]) & set(now), f"level {level} went too far"
        made = now
    assert summary["tilt_series"] == summary["targets"] > 0
    again = run_plan(
        plan(out, level=5, resume=True, kinds=("good",), seed=900_302), show=lambda _: None
    )
    assert again["ok"]
    assert contents(out, *made) == made, "a finished session ran again"
