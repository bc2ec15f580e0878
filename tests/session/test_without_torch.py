"""A session with the shipped models where PyTorch, and all else that predict-lite lacks, is absent.

The packages are hidden from the session and from the processes that it starts, as if they were not
installed: what imports one ends. `benchmarks/lite_install.py --session` runs a session in an
environment that really lacks them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.demo import missed_bars
from space.jobs import JobFolder

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("torch", "torchvision", "ultralytics", "nnunetv2", "onnx")
LEVEL = 4

pytestmark = pytest.mark.session

HIDING = """
import sys

HIDDEN = {hidden!r}


class Without:
    def __init__(self, finder):
        self._finder = finder

    def __getattr__(self, name):
        return getattr(self._finder, name)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            return None
        return self._finder.find_spec(name, path, target)


sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""

SESSION = """
import sys
from pathlib import Path
from space.simulation import Plan, run_plan

run_plan(Plan(
    out=Path(sys.argv[1]), space_dir=Path(sys.argv[2]), level=int(sys.argv[3]), seed=900_301,
    kinds=("good",), within_um=260.0, settings={"target_score_threshold": 0.1},
))
"""


def hidden_packages() -> set[str]:
    """Return the names to import of all installed packages that predict-lite does without."""
    from importlib.metadata import PackageNotFoundError, packages_distributions, requires

    import tomllib

    requirements = pytest.importorskip("packaging.requirements")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    waiting = [*project["dependencies"], *extras["predict-lite"], *extras["simulator"]]
    needed = {"pip", "setuptools"}
    while waiting:
        requirement = requirements.Requirement(waiting.pop())
        name = requirement.name.lower().replace("_", "-")
        marker = requirement.marker
        if name in needed or (marker and not marker.evaluate({"extra": ""})):
            continue
        needed.add(name)
        try:
            waiting += requires(name) or []
        except PackageNotFoundError:
            pytest.skip(f"{name} of predict-lite is not installed")
    absent = {
        package
        for package, owners in packages_distributions().items()
        if not needed & {owner.lower().replace("_", "-") for owner in owners}
        and not package.startswith(("_", "space"))
    }
    return absent - sys.stdlib_module_names


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """The environment of processes that have nothing but the packages of predict-lite."""
    folder = tmp_path_factory.mktemp("hiding")
    text = HIDING.format(hidden=sorted(hidden_packages() | set(HEAVY)))
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


@dataclass(frozen=True)
class Session:
    """Its folder, what it printed, and how it was judged."""

    out: Path
    told: str
    summary: dict


@pytest.fixture(scope="module")
def session(environment, tmp_path_factory) -> Session:
    out = tmp_path_factory.mktemp("without_torch") / "session"
    command = [sys.executable, "-c", SESSION, str(out), str(ROOT), str(LEVEL)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, encoding="utf-8")  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return Session(out, done.stdout, summary)


@pytest.mark.parametrize("name", HEAVY)
def test_what_imports_one_of_them_ends(environment, name):
    code = f"from importlib.util import find_spec\nassert not find_spec('{name}')\nimport {name}.a"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True,
                          text=True)  # fmt: skip
    assert f"ModuleNotFoundError: No module named '{name}'" in done.stderr


def test_the_session_is_as_good_as_with_torch(session):
    assert missed_bars(session.summary, LEVEL) == [], session.told[-3000:]
    assert session.summary["maps"] == 1


def test_the_map_has_its_labels_and_no_worker_is_left(session):
    assert (session.out / "G1_L01_seg.png").exists()
    log = next(session.out.glob("SPACE_worker_*.log")).read_text(encoding="utf-8")
    assert "Worker " in log and "Traceback" not in log
    assert not JobFolder(session.out).workers()
