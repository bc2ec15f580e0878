"""Whole sessions of two checkouts of SPACEtomo, compared to the last target.

python -m benchmarks.compare_checkouts BEFORE AFTER [--n 3] [--lamellae 2] [--json FILE]

For a change that must not change results. Both checkouts simulate the same sessions up to level 4
(from the loaded grid to targets, with the shipped models in worker processes), each with its own
code and with the Python that runs this script. Compared are the targets files, the choices, the
label maps pixel by pixel, and the items of the Navigator. The exit status is 1 if anything differs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from .common import parser, report

START = "import sys; from space.cli import main; sys.exit(main(sys.argv[1:]))"
KEYS = ("Color", "StageXYZ", "Note", "Type", "Acquire", "PtsX", "PtsY")
"""Compared entries of Navigator items: position and kind, but no times, ids or folders."""


def simulate(checkout: Path, out: Path, seed: int, lamellae: int) -> None:
    """Run a session with the code of a checkout."""
    command = [
        sys.executable, "-c", START, "simulate", "--out", str(out), "--seed", str(seed),
        "--lamellae", str(lamellae), "--level", "4", "--space-dir", str(checkout),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    if done.returncode:
        raise SystemExit(f"{checkout} failed at seed {seed}:\n{done.stdout[-3000:]}{done.stderr}")


def facts(folder: Path) -> dict[str, object]:
    """Return the results of a session by file, without times, ids and paths."""
    found: dict[str, object] = {}
    for path in sorted(folder.glob("*_tgts.txt")):
        found[path.name] = path.read_text(encoding="utf-8").splitlines()
    for path in sorted(folder.glob("*_choice.json")):
        values = json.loads(path.read_text(encoding="utf-8"))
        found[path.name] = {key: values[key] for key in ("areas", "counts") if key in values}
    for path in sorted(folder.glob("*_seg.png")):
        found[path.name] = np.asarray(Image.open(path)).tobytes()
    for path in sorted(folder.glob("*.nav")):
        found[path.name] = items(path.read_text(encoding="utf-8"))
    return found


def items(text: str) -> list[list[str]]:
    """Return the compared lines of each Navigator item."""
    wanted = tuple(f"{key} = " for key in KEYS)
    return [
        [line for line in part.splitlines() if line.startswith(wanted)]
        for part in re.split(r"^(?=\[Item = )", text, flags=re.MULTILINE)[1:]
    ]


def compare(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Return the names of files that differ or that only one session has."""
    names = sorted(before.keys() | after.keys())
    return [name for name in names if before.get(name) != after.get(name)]


def main() -> int:
    """Command line."""
    options = parser(__doc__.splitlines()[0], n=3)
    options.add_argument("before", type=Path)
    options.add_argument("after", type=Path)
    options.add_argument("--lamellae", type=int, default=2)
    args = options.parse_args()
    result: dict[str, dict[str, object]] = {}
    for seed in range(args.seed_start, args.seed_start + args.n):
        sessions = []
        with tempfile.TemporaryDirectory() as folder:
            for number, checkout in enumerate((args.before, args.after)):
                out = Path(folder) / str(number)
                simulate(checkout.resolve(), out, seed, args.lamellae)
                sessions.append(facts(out))
        targets = sum(
            len(area["targets"])
            for name, choice in sessions[0].items()
            if name.endswith("_choice.json")
            for area in choice["areas"]
        )
        result[str(seed)] = {
            "files": len(sessions[0]),
            "targets": targets,
            "different": ", ".join(compare(*sessions)) or "none",
        }
    report(result, args.json)
    return int(any(row["different"] != "none" for row in result.values()))


if __name__ == "__main__":
    sys.exit(main())
