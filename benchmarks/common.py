"""Command line and report of all benchmarks."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
FIRST_TEST_SEED = 900_000
CONDITIONS = {
    "noise": "noise",
    "magnification": "true over nominal pixel size",
    "rotation_deg": "rotation (degrees)",
}


def parser(description: str, n: int) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--seed-start", type=int, default=FIRST_TEST_SEED)
    result.add_argument("--n", type=int, default=n)
    result.add_argument("--json", type=Path, help="write the numbers to this file")
    return result


def model_parser(description: str, n: int) -> argparse.ArgumentParser:
    """Return the same parser with the options for benchmarks of a model."""
    result = parser(description, n)
    result.add_argument("--model", type=Path, help="weights or model folder; default: as shipped")
    for name, what in CONDITIONS.items():
        result.add_argument(f"--{name.replace('_', '-')}", type=float, help=f"{what} of all maps")
    return result


def fixed_conditions(args: argparse.Namespace) -> dict[str, float]:
    """Return the conditions that the command line fixes; all others are random."""
    given = {name: getattr(args, name) for name in CONDITIONS}
    return {name: value for name, value in given.items() if value is not None}


def report(result: dict[str, Any], path: Path | None) -> None:
    """Print the numbers as a table, and write them as JSON if a path is given."""
    for name, value in result.items():
        if isinstance(value, dict):
            for key, part in value.items():
                print(f"{name}.{key:20s} {part}")
        else:
            print(f"{name:32s} {value}")
    if path:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def spacetomo(folder: Path, *words: str) -> tuple[float, float]:
    """Run a command of ``spacetomo`` in a folder; return its seconds of processor and wall."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    before, start_s = os.times(), time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "space.cli", *words], cwd=folder, env=environment, check=True
    )
    after = os.times()
    cpu_s = sum(after[2:4]) - sum(before[2:4])
    return round(cpu_s, 1), round(time.monotonic() - start_s, 1)
