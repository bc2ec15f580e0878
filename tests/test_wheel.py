"""What pip makes of the project, and whether it works where only that is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from space.errors import SpaceError
from space.project import SCRIPT, SHARE, project_folder

ROOT = Path(__file__).resolve().parent.parent
WHAT_PIP_SEES = ("pyproject.toml", "README.md", "LICENSE", "space", "models", "examples")


def run(*command: object, **options) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel, made of a copy, since building leaves files behind; nothing is fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for path in [*(ROOT / name for name in WHAT_PIP_SEES), *ROOT.glob("SPACEtomo*.py")]:
        if path.is_dir():
            shutil.copytree(
                path, source / path.name, ignore=shutil.ignore_patterns("__pycache__", "trusted_*")
            )
        else:
            shutil.copy(path, source)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index",
        "--no-build-isolation", "--wheel-dir", folder, source)  # fmt: skip
    return next(folder.glob("*.whl"))


@pytest.mark.models
def test_scripts_models_and_examples_come_with_the_wheel(wheel):
    names = {name.partition(f"/data/{SHARE}/")[2] for name in zipfile.ZipFile(wheel).namelist()}
    wanted = [*ROOT.glob("SPACEtomo*.py"), *ROOT.glob("examples/*.py")]
    wanted += [path for path in ROOT.glob("models/**/*") if path.is_file()]
    for path in wanted:
        if not path.name.startswith("trusted_"):  # this one is the user's
            assert path.relative_to(ROOT).as_posix() in names


@pytest.mark.session
@pytest.mark.models
def test_where_only_the_wheel_is_a_session_is_simulated(wheel, tmp_path):
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    programs = venv / ("Scripts" if os.name == "nt" else "bin")
    run(sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet",
        "--no-deps", "--no-index", wheel)  # fmt: skip
    # All other packages are those of this Python; the project itself is none of theirs.
    ours = next((venv / ("Lib" if os.name == "nt" else "lib")).glob("**/site-packages"))
    (ours / "others.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    where = run(programs / "python", "-c", "from space.project import *; print(project_folder())",
                cwd=tmp_path, env=alone)  # fmt: skip
    assert Path(where.stdout.strip()) == (venv / SHARE).resolve()
    run(programs / "spacetomo", "simulate", "--level", "1", "--kinds", "good", "--lamellae", "1",
        "--within", "150", cwd=tmp_path, env=alone)  # fmt: skip
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text(encoding="utf-8"))
    assert summary["ok"] and summary["recall"] == 1.0


@pytest.mark.parametrize(
    "package", ["lib/python3.11/site-packages/space", "Lib/site-packages/space", "space"]
)
def test_installed_scripts_are_found_from_the_package(tmp_path, package):
    (tmp_path / SHARE).mkdir(parents=True)
    (tmp_path / SHARE / SCRIPT).write_text("", encoding="utf-8")
    assert project_folder(tmp_path / package) == (tmp_path / SHARE).resolve()
    beside = (tmp_path / package).parent
    beside.mkdir(parents=True, exist_ok=True)
    (beside / SCRIPT).write_text("", encoding="utf-8")
    assert project_folder(tmp_path / package) == beside.resolve(), "a checkout wins"


def test_a_package_without_scripts_says_what_is_missing(tmp_path):
    with pytest.raises(SpaceError, match="without the scripts and models"):
        project_folder(tmp_path / "space")
