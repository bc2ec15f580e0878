"""The examples in the documentation, run as a reader would run them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from space.simulator.column import Installation, shipped
from space.simulator.column.instrument_file import FORMER_NAMES
from space.simulator.command_line import command_line
from space.simulator.pytest_plugin import INI_OPTIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
TESTING = (ROOT / "docs" / "testing_scripts.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", TESTING, re.DOTALL))
WORKFLOW = ".github/workflows/scripts.yml"
EXAMPLE = re.compile(r"<!-- example: (\S+) -->\n```python\n(.*?)```", re.DOTALL)


def test_the_examples_pass_and_the_first_is_short(tmp_path):
    examples = dict(EXAMPLE.findall(PAGE))
    scripts = {"my_script.py", "my_series.py"}
    assert set(examples) == scripts | {f"test_{name}" for name in scripts}
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
    assert "2 passed" in done.stdout


def test_named_files_and_faults_exist():
    for name in (*shipped(), *FORMER_NAMES):
        assert f"`{name}`" in PAGE


# --- testing scripts, also on GitHub --------------------------------------------------------------


def workflow() -> dict:
    return pytest.importorskip("yaml").safe_load(FILES[WORKFLOW])


def step(word: str) -> dict:
    steps = workflow()["jobs"]["test"]["steps"]
    return next(each for each in steps if word in each.get("run", each.get("uses", "")))


def test_the_files_of_the_page_work_as_the_workflow_runs_them(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    line = step("-m pytest")["run"]
    for name, values in workflow()["jobs"]["test"]["strategy"]["matrix"].items():
        line = line.replace(f"${{{{ matrix.{name} }}}}", values[0])
    python, *words = shlex.split(line)
    assert (python, words[:2]) == ("python", ["-m", "pytest"])
    command = [sys.executable, *words, "-p", "space.simulator.pytest_plugin", "-v"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    page = (tmp_path / step("upload-artifact")["with"]["path"]).read_text(encoding="utf-8")
    assert "Krios" in page and "SerialEM 4.1.25" in page


def test_the_workflow_names_what_there_is():
    matrix = workflow()["jobs"]["test"]["strategy"]["matrix"]
    assert sorted(matrix["instrument"]) == shipped()
    for version in matrix["serialem"]:
        Installation.of(version)
    assert "$SIMULATOR" in step("pip install")["run"]
    folder = workflow()["env"]["SIMULATOR"].partition("#subdirectory=")[2]
    assert (ROOT / folder / "pyproject.toml").is_file()


def test_the_page_names_all_ini_options_and_none_else():
    assert set(re.findall(r"\bsem_[a-z]+\b", TESTING)) == set(INI_OPTIONS)


def test_the_commands_of_the_page_can_be_given():
    lines = re.findall(r"^spacetomo-simulator (.*)$", TESTING, re.MULTILINE)
    assert len(lines) == 3
    for line in lines:
        command_line().parse_args(shlex.split(line))
    assert (ROOT / re.search(r"^pip install pytest (\S+)$", TESTING, re.MULTILINE)[1]).is_dir()
