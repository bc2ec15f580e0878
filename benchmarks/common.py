"""What all benchmarks share."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
FIRST_TEST_SEED = 900_000


def parser(description: str, n: int) -> argparse.ArgumentParser:
    """Command line with the options that every benchmark has."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--seed-start", type=int, default=FIRST_TEST_SEED)
    result.add_argument("--n", type=int, default=n)
    result.add_argument("--json", type=Path, help="write the numbers to this file")
    return result


def report(result: dict[str, Any], path: Path | None) -> None:
    """Print the numbers as a table and write them as JSON if asked for."""
    for name, value in result.items():
        if isinstance(value, dict):
            for key, part in value.items():
                print(f"{name}.{key:28s} {part}")
        else:
            print(f"{name:32s} {value}")
    if path:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
