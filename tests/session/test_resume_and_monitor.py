"""Sessions that stop and go on, and sessions whose models run elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from space.simulation import run_plan

pytestmark = [pytest.mark.session, pytest.mark.models]

ROOT = Path(__file__).resolve().parent.parent.parent


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


def test_a_monitor_process_does_all_inference(plan, tmp_path):
    out, shared = tmp_path / "session", tmp_path / "shared"
    shared.mkdir()
    log = tmp_path / "monitor.log"
    command = [sys.executable, str(ROOT / "SPACEtomo_monitor.py"), "--dir", str(shared),
               "--gpu", "cpu", "--interval", "1"]  # fmt: skip
    with open(log, "wb") as output:
        monitor = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            summary = run_plan(
                plan(out, level=4, kinds=("good",), seed=900_303,
                     settings={"external_map_dir": str(shared)}),
                show=lambda _: None,
            )  # fmt: skip
            assert monitor.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        finally:
            monitor.terminate()
            monitor.wait(30)
    assert summary["ok"]
    assert summary["segmentations"] == 1 and summary["targets"] > 0
    assert (shared / "G1_L01_seg.png").exists() and (out / "G1_L01_tgts.txt").exists()
    assert not list(out.glob("*.png.part")) and not (out / "G1_L01_seg.png").exists()
    assert not (out / "SPACE_runs.txt").exists(), "a local worker ran"
