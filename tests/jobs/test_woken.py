"""Real processes: a map that comes is worked on long before the next whole look at the folder."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time

from helpers import make_map, write_worker_script

from tests.jobs.tiny_models import write_config

MONITOR = """
import sys
from pathlib import Path
from space.jobs import monitor_command
monitor_command.missing_here = lambda config, space_dir: []
sys.exit(monitor_command.main(
    ["--dir", {maps!r}, "--gpu", "cpu", "--interval", "30"], Path({program!r})))
"""
PATIENCE_S = 60.0


def until_ran(maps, name) -> float:
    """Return how long it took until a worker had begun with a map."""
    start = time.monotonic()
    while time.monotonic() - start < PATIENCE_S:
        with contextlib.suppress(FileNotFoundError):
            if name in (maps / "ran.txt").read_text():
                return time.monotonic() - start
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def test_a_map_that_comes_wakes_monitor_and_worker(tmp_path):
    maps, program, elsewhere = (tmp_path / name for name in ("maps", "program", "elsewhere"))
    for folder in (maps, program, elsewhere):
        folder.mkdir()
    write_worker_script(program)
    script = program / "SPACEtomo_nnUNet.py"
    text = script.read_text(encoding="utf-8")
    slow = text.replace("(600.0, 0.1, 60.0)", "(600.0, 30.0, 60.0)")
    assert slow != text
    script.write_text(slow, encoding="utf-8")
    write_config(program)
    make_map(maps, "first_L01.png")  # a worker is started for it
    code = MONITOR.format(maps=str(maps), program=str(program))
    monitor = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    try:
        until_ran(maps, "first_L01.png")
        times = []
        for number in range(3):
            time.sleep(0.5)
            name = f"next_L{number:02d}.png"
            shutil.copyfile(make_map(elsewhere, name, seed=number), maps / name)
            times.append(until_ran(maps, name))
    finally:
        (maps / "SPACE_stop.txt").touch()
        try:
            monitor.wait(30)
        except subprocess.TimeoutExpired:
            monitor.kill()
            monitor.wait()
    assert min(times) < 5.0, times  # half a second and less; 30 s without being woken
