"""The example in the documentation, run as a reader would run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from space.simulator.column import shipped
from space.simulator.column.instrument_file import FORMER_NAMES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"<!-- example: (\S+) -->\n```python\n(.*?)```", re.DOTALL)


def test_the_example_is_short_and_passes(tmp_path):
    examples = dict(EXAMPLE.findall(PAGE))
    assert set(examples) == {"test_my_script.py", "my_script.py"}
    lines = [line for line in examples["test_my_script.py"].splitlines() if line.strip()]
    assert len(lines) <= 10
    for name, text in examples.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-p", "space.simulator.pytest_plugin", "-q"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_named_files_and_faults_exist():
    for name in (*shipped(), *FORMER_NAMES):
        assert f"`{name}`" in PAGE
