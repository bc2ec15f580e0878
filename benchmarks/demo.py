"""The demo as a new user sees it: seconds, processor time, lines on the screen, and disk space.

Runs what `make demo` runs after the installation. Processor time is that of the session and of the
worker; other programs on the machine change it less than the seconds on the clock.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .common import PROJECT, parser, report

KINDS = {
    "tilt series": r"_ts_\d+\.mrc$",
    "View maps of targets": r"_view\.mrc$",
    "lamella maps": r"_L\d+\.mrc$",
    "map of the grid": r"\.mrc$",
    "pictures": r"\.png$",
    "state of the microscope": r"^simulated_microscope/",
    "texts": r"",
}
"""Patterns of file names by kind; the first that matches counts."""


def demo_options() -> list[str]:
    """Return the options that make.py gives to `spacetomo` for the demo."""
    spec = importlib.util.spec_from_file_location("make_program", PROJECT / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.DEMO)


def missed_bars(summary: dict[str, Any], level: int) -> list[str]:
    """Return in words what a judged session up to a level falls short of."""
    bars = {
        "The session ends well": summary["ok"],
        "All lamellae are found": summary["recall"] == 1.0,
        "Nothing else is found": summary["precision"] == 1.0,
        "Lamellae are found within 1.5 µm": summary["position_error_um_median"] <= 1.5,
    }
    if level >= 4:
        bars |= {
            "Each map has labels": summary["maps"] == summary["segmentations"] > 0,
            "There are targets": summary["targets"] > 0,
            "70 % of the targets lie on what was asked for": (
                summary["targets_on_wanted"] >= 0.7 * summary["targets"]
            ),
            "Nothing is exposed for two targets": summary["beam_conflicts"] == 0,
        }
    if level >= 5:
        bars |= {
            "Each target has a tilt series": summary["tilt_series"] == summary["targets"],
            "Tilt series lie on lamellae": summary["targets_off_lamella"] == 0,
            "Half of the pictures are within 0.3 µm of the defocus asked for": (
                summary["defocus_error_um_median"] <= 0.3
            ),
            "All pictures are within 1 µm of it": summary["defocus_error_um_max"] <= 1.0,
        }
    return [bar for bar, is_met in bars.items() if not is_met]


def disk_mb(folder: Path) -> dict[str, float]:
    """Return the size of the files in a folder by their kind, in MB."""
    found = dict.fromkeys(KINDS, 0)
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            kind = next(kind for kind, pattern in KINDS.items() if re.search(pattern, name))
            found[kind] += path.stat().st_size
    return {kind: round(size / 1e6, 1) for kind, size in found.items()}


def measured(out: Path, options: list[str]) -> dict[str, Any]:
    """Run the demo into a folder; return what it needed.

    Raises
    ------
    CalledProcessError
        If it failed.
    """
    command = [sys.executable, "-m", "space.cli", *options, "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    began, used = time.monotonic(), os.times()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    wall_s, now = time.monotonic() - began, os.times()
    print(done.stdout)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    disk = disk_mb(out)
    counts = {name: summary[name] for name in ("lamellae_found", "maps", "targets", "tilt_series")}
    return {
        "wall_s": round(wall_s, 1),
        "processor_s": round(
            now.children_user - used.children_user + now.children_system - used.children_system, 1
        ),
        "seconds": summary["seconds"],
        "lines": len(done.stdout.splitlines()),
        "disk_mb_total": round(sum(disk.values()), 1),
        "disk_mb": disk,
        **counts,
    }


def main() -> None:
    """Command line; unknown options are added to those of the demo."""
    args, more = parser(__doc__, n=1).parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        report(measured(Path(folder) / "demo", [*demo_options(), *more]), args.json)


if __name__ == "__main__":
    main()
