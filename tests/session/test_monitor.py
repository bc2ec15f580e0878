"""A session whose models run elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from space.simulation import run_plan

pytestmark = [pytest.mark.session, pytest.mark.models]

ROOT = Path(__file__).resolve().parent.parent.parent


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
